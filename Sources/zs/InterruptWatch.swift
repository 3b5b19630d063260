// Answers Ctrl-C while a cell runs: says at once what is waited for, and what another press would do.
import Builtins
import Glibc
import Synchronization

private let running = Atomic<Bool>(false)
private let watched = Mutex<Activity?>(nil)

/// A thread that looks at the presses of Ctrl-C while cells run.
enum InterruptWatch {
  /// Whether a cell runs.
  static var isRunning: Bool {
    get { running.load(ordering: .relaxed) }
    set { running.store(newValue, ordering: .relaxed) }
  }

  /// Starts the thread; without it the notebook works, only silently.
  static func start(_ activity: Activity) {
    watched.withLock { $0 = activity }
    var thread = pthread_t()
    pthread_create(
      &thread, nil,
      { _ in
        InterruptWatch.watch()
        return nil
      }, nil)
  }

  private static let tick = 0.05

  private static func watch() {
    var waited = 0.0
    var answered = 0
    while true {
      usleep(UInt32(tick * 1e6))
      let presses = Interrupt.presses
      guard isRunning, presses > 0 else {
        (waited, answered) = (0, 0)
        continue
      }
      waited += tick
      // What stops by itself within a moment needs no words.
      guard waited >= 0.1, presses > answered else { continue }
      Terminal.warn("\n" + answer(presses) + "\n")
      answered = presses
    }
  }

  private static func answer(_ presses: Int) -> String {
    guard presses == 1 else {
      return presses == 2
        ? "dropping what runs; the state before it stays…"
        : "still within one operation of the kernels; Ctrl-\\ ends zs and loses the session"
    }
    guard let (text, seconds) = watched.withLock({ $0 })?.now else {
      return "stopping at the next safe point; Ctrl-C again drops what runs"
    }
    let time = seconds >= 0.1 ? ", about \(duration(seconds)) to go" : ""
    return "finishing \(text)\(time); Ctrl-C again drops it"
  }
}
