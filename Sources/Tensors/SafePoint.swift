// Where long computations on tensors may be left: between layers, between the operations of a backward pass, and between the
// tiles of the output layer. What stands there has changed nothing but scratch memory, so that leaving by an error loses nothing.
import Synchronization

/// The places at which a computation asks whether to go on.
public enum SafePoint {
  /// A closure directly in a mutex is wrapped once more, and the wrapping stored, each time it is read: a longer chain at every pass.
  private final class Check: Sendable {
    let body: @Sendable () throws -> Void

    init(_ body: @escaping @Sendable () throws -> Void) { self.body = body }
  }

  private static let check = Mutex<Check?>(nil)

  /// Sets what is asked at every safe point of the process: it throws where the computation should be left.
  public static func install(_ check: (@Sendable () throws -> Void)?) {
    let check = check.map { Check($0) }
    self.check.withLock { $0 = check }
  }

  /// Passes a safe point; throws what the check throws.
  public static func pass() throws { try check.withLock { $0 }?.body() }
}
