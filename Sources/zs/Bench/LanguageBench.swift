// Figures of the language itself: how soon it is there, and loops and calls beside the python3 of this machine, where there is one.
import Builtins
import Glibc
import Language

enum LanguageBench {
  static var rows: [Bench.Row] {
    [
      ("start:code", { start($0, "start:code", ["-e", "1 + 1"], limit: 60) }),
      ("start:notebook", { start($0, "start:notebook", [], limit: 50) }),
      (
        "loop:while",
        {
          loop(
            $0, "loop:while", "s = 0\ni = 0\nwhile i < 10_000_000 { s = s + i % 7\n i = i + 1 }",
            " s = 0; i = 0\n while i < 10_000_000:\n  s = s + i % 7\n  i = i + 1")
        }
      ),
      (
        "loop:for",
        { loop($0, "loop:for", "s = 0\nfor i in 0..<10_000_000 { s += i }", " s = 0\n for i in range(10_000_000): s += i") }
      ),
      (
        "loop:call",
        {
          loop(
            $0, "loop:call", "fn fib(n) { if n < 2 { n } else { fib(n - 1) + fib(n - 2) } }\nfib(27)",
            " def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)\n fib(27)")
        }
      ),
    ]
  }

  /// From the start of a process to its end, which for the notebook is when it finds no input at its first prompt.
  private static func start(_ bench: Bench, _ name: String, _ arguments: [String], limit: Double) -> BenchRow {
    let milliseconds = 1000 * bench.bestSeconds(least: 5) { _ = runToEnd("/proc/self/exe", arguments) }
    return BenchRow(name: name, value: milliseconds, unit: "ms", limit: limit)
  }

  /// Seconds of a program, beside one and a half times what python3 takes for the same.
  private static func loop(_ bench: Bench, _ name: String, _ program: String, _ python: String) -> BenchRow {
    var best = Double.infinity
    var reference = Double.infinity
    // In turns, so that other work on the machine meets both alike.
    for _ in 0..<(bench.isQuick ? 1 : 3) where Interrupt.presses == 0 {
      let before = monotonicSeconds()
      _ = bench.host.interpreter.run(program, name: name, onResult: { _ in })
      best = min(best, monotonicSeconds() - before)
      let empty = seconds(ofPython: "def f(): pass")
      let whole = seconds(ofPython: "def f():\n\(python)\nf()")
      if let empty, let whole { reference = min(reference, max(0, whole - empty)) }
    }
    let more = reference.isFinite ? [(name: "python3", value: reference)] : []
    return BenchRow(name: name, value: best, unit: "s", limit: reference.isFinite ? 1.5 * reference : nil, more: more)
  }

  private static func seconds(ofPython program: String) -> Double? {
    let before = monotonicSeconds()
    return runToEnd("python3", ["-c", program]) == 0 ? monotonicSeconds() - before : nil
  }

  /// Runs a program without input or output; gives its exit code, nil where it could not be started.
  private static func runToEnd(_ path: String, _ arguments: [String]) -> Int32? {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    for descriptor in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] {
      posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", descriptor == STDIN_FILENO ? O_RDONLY : O_WRONLY, 0)
    }
    var words: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { strdup($0) }
    words.append(nil)
    defer { for word in words { free(word) } }
    var process = pid_t()
    guard posix_spawnp(&process, path, &actions, nil, words, environ) == 0 else { return nil }
    var status: Int32 = 0
    while waitpid(process, &status, 0) < 0 { if errno != EINTR { return nil } }
    return status & 0x7F == 0 ? status >> 8 & 0xFF : nil
  }
}
