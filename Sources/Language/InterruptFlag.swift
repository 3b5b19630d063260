// The flag by which Ctrl-C reaches running code: a signal handler raises it, every statement and loop looks at it.
import Synchronization

/// A flag that says the user asked to stop; safe to raise from a signal handler and from any thread.
public final class InterruptFlag: Sendable {
  private let flag = Atomic<Bool>(false)
  private let abandonment = Atomic<Bool>(false)

  /// A flag that is not raised.
  public init() {}

  /// Whether somebody asked to stop.
  @inline(__always)
  public var isRaised: Bool { flag.load(ordering: .relaxed) }

  /// Whether somebody asked twice: work under way is to be dropped, not finished.
  @inline(__always)
  public var isAbandoning: Bool { abandonment.load(ordering: .relaxed) }

  /// Asks to stop.
  public func raise() { flag.store(true, ordering: .relaxed) }

  /// Asks to stop at once and drop what is half done.
  public func abandon() {
    flag.store(true, ordering: .relaxed)
    abandonment.store(true, ordering: .relaxed)
  }

  /// Forgets the requests.
  public func clear() {
    flag.store(false, ordering: .relaxed)
    abandonment.store(false, ordering: .relaxed)
  }
}
