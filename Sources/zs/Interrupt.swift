// Ctrl-C and SIGTERM become a flag that running work polls; what a press means depends on how often it came.
import Glibc

/// The presses of Ctrl-C since the last cell began; written by the signal handler, polled by everything that runs long.
///
/// A C integer at a fixed address, because a signal handler may touch nothing else.
nonisolated(unsafe) private let presses: UnsafeMutablePointer<sig_atomic_t> = {
  let pointer = UnsafeMutablePointer<sig_atomic_t>.allocate(capacity: 1)
  pointer.initialize(to: 0)
  return pointer
}()

/// Whether SIGTERM asked the process to end.
nonisolated(unsafe) private let termination: UnsafeMutablePointer<sig_atomic_t> = {
  let pointer = UnsafeMutablePointer<sig_atomic_t>.allocate(capacity: 1)
  pointer.initialize(to: 0)
  return pointer
}()

/// The user's wish to stop what runs.
enum Interrupt {
  /// Whether the running cell or script should stop at its next safe point.
  static var isRequested: Bool { presses.pointee != 0 }

  /// Whether the process was asked to end, not only the cell.
  static var isTermination: Bool { termination.pointee != 0 }

  /// How often Ctrl-C was pressed since `reset()`.
  static var count: Int { Int(presses.pointee) }

  /// Forgets the presses before the next cell; a request to end the process stays.
  static func reset() { presses.pointee = termination.pointee }

  /// Installs the handlers.
  ///
  /// In a script the second press ends the process at once; at the prompt it never does.
  static func install(isScript: Bool) {
    _ = presses.pointee
    _ = termination.pointee
    if isScript {
      handle(SIGINT) { _ in
        if presses.pointee >= 1 { _exit(130) }
        presses.pointee += 1
      }
    } else {
      handle(SIGINT) { _ in presses.pointee += 1 }
    }
    handle(SIGTERM) { _ in
      if termination.pointee >= 1 { _exit(143) }
      termination.pointee += 1
      presses.pointee += 1
    }
    // A reader that went away is an error where we write, not the end of the process.
    signal(SIGPIPE, SIG_IGN)
  }

  private static func handle(_ number: Int32, _ handler: @escaping @convention(c) (Int32) -> Void) {
    var action = sigaction()
    action.__sigaction_handler.sa_handler = handler
    sigemptyset(&action.sa_mask)
    // Without SA_RESTART a blocked read returns, so that a script waiting for input stops too.
    action.sa_flags = 0
    sigaction(number, &action, nil)
  }
}
