// Ctrl-C and SIGTERM become flags that running work polls; what a press means depends on how often it came.
import Builtins
import Glibc
import Language
import Synchronization
import Tensors

/// What the signal handlers write; nothing but atomics, because a handler may touch nothing else.
private struct Requests: ~Copyable, Sendable {
  let presses = Atomic<Int>(0)
  let isTermination = Atomic<Bool>(false)
}

private let requests = Requests()
private let flag = InterruptFlag()

/// The user's wish to stop what runs.
enum Interrupt {
  /// The flag that the interpreter and long builtins poll.
  static var shared: InterruptFlag { flag }

  /// Whether the process was asked to end, not only the cell.
  static var isTermination: Bool { requests.isTermination.load(ordering: .relaxed) }

  /// How often Ctrl-C was pressed since `reset()`.
  static var presses: Int { requests.presses.load(ordering: .relaxed) }

  /// Forgets the presses before the next cell; a request to end the process stays.
  static func reset() {
    requests.presses.store(0, ordering: .relaxed)
    if !isTermination { flag.clear() }
  }

  /// Installs the handlers.
  ///
  /// In a script the second press ends the process at once; at the prompt it never does.
  static func install(isScript: Bool) {
    // Globals are made on first use, which must not be inside a handler.
    _ = presses
    flag.clear()
    if isScript {
      handle(SIGINT) { _ in
        if requests.presses.wrappingAdd(1, ordering: .relaxed).oldValue >= 1 { _exit(130) }
        flag.raise()
      }
    } else {
      handle(SIGINT) { _ in
        if requests.presses.wrappingAdd(1, ordering: .relaxed).oldValue >= 1 { flag.abandon() } else { flag.raise() }
      }
    }
    handle(SIGTERM) { _ in
      if requests.isTermination.exchange(true, ordering: .relaxed) { _exit(143) }
      requests.presses.wrappingAdd(1, ordering: .relaxed)
      flag.raise()
    }
    guardSafePoints(of: nil)
    // A reader that went away is an error where we write to it, not the end of the process. An empty handler says so; ignoring the
    // signal would say so to every command that is run from here as well.
    handle(SIGPIPE) { _ in }
  }

  /// Leaves long computations at their next safe point once that is wished: at the first press where nothing is lost by it, at the
  /// second where the activity says that something runs which ought to be finished, such as a step of a training.
  static func guardSafePoints(of activity: Activity?) {
    SafePoint.install {
      if flag.isAbandoning || flag.isRaised && activity?.now == nil { throw Interrupted() }
    }
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
