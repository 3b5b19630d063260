// Where long computations on tensors may be left: between layers, between the operations of a backward pass, and between the
// tiles of the output layer. What stands there has changed nothing but scratch memory, so that leaving by an error loses nothing.
import Synchronization

/// The places at which a computation asks whether to go on.
public enum SafePoint {
  private static let check = Mutex<(@Sendable () throws -> Void)?>(nil)

  /// Sets what is asked at every safe point of the process: it throws where the computation should be left.
  public static func install(_ check: (@Sendable () throws -> Void)?) {
    self.check.withLock { $0 = check }
  }

  /// Passes a safe point; throws what the check throws.
  public static func pass() throws { try check.withLock { $0 }?() }
}
