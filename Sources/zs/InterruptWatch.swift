// Says what a Ctrl-C waits for when a cell does not stop within half a second.
import Glibc
import Synchronization

private let running = Atomic<Bool>(false)

/// A thread that looks at the presses of Ctrl-C while cells run.
enum InterruptWatch {
  /// Whether a cell runs.
  static var isRunning: Bool {
    get { running.load(ordering: .relaxed) }
    set { running.store(newValue, ordering: .relaxed) }
  }

  /// Starts the thread; without it the notebook works, only silently.
  static func start() {
    var thread = pthread_t()
    pthread_create(
      &thread, nil,
      { _ in
        InterruptWatch.watch()
        return nil
      }, nil)
  }

  private static func watch() {
    var waited = 0
    var said = 0
    while true {
      usleep(100_000)
      let presses = Interrupt.presses
      guard isRunning, presses > 0 else {
        (waited, said) = (0, 0)
        continue
      }
      waited += 1
      if waited >= 5, said == 0 {
        Terminal.warn("\nstopping at the next safe point…\n")
        said = presses
      } else if said > 0, presses > said {
        Terminal.warn("still finishing the current step; Ctrl-\\ ends zs and loses the session\n")
        said = presses
      }
    }
  }
}
