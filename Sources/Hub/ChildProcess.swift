// A program run as a child: its output goes to a file, it can be stopped at any time with all it started, and while it
// runs the caller is asked every tenth of a second whether to go on.

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Runs one program.
struct ChildProcess {
  var arguments: [String]
  var environment: [String: String]
  /// Where standard output and errors go.
  var log: String

  /// How the program ended: its exit status, or 128 and the signal's number.
  ///
  /// - Throws: What `whileRunning` throws, after the child is gone; `HubError` where it cannot be started.
  func run(whileRunning: () throws -> Void) throws -> Int32 {
    let child = try start()
    do {
      while true {
        var status: Int32 = 0
        let ended = waitpid(child, &status, WNOHANG)
        if ended == child { return status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + status & 0x7F }
        if ended < 0 && errno != EINTR { throw HubError("waiting for \(arguments[0]) failed: \(String(cString: strerror(errno)))") }
        try whileRunning()
        usleep(100_000)
      }
    } catch {
      stop(child)
      throw error
    }
  }

  private func start() throws -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0o644)
    posix_spawn_file_actions_adddup2(&actions, 1, 2)
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    // A group of its own: the terminal's Ctrl-C reaches only us, and stopping it stops what it started.
    posix_spawnattr_setpgroup(&attributes, 0)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
    var child: pid_t = 0
    let failure = withCStrings(arguments) { arguments in
      withCStrings(environment.map { "\($0.key)=\($0.value)" }) { environment in
        guard let program = arguments[0] else { return ENOENT }
        return posix_spawnp(&child, program, &actions, &attributes, arguments, environment)
      }
    }
    if failure == ENOENT { throw HubError("\(arguments[0]) was not found") }
    guard failure == 0 else { throw HubError("\(arguments[0]) cannot be started: \(String(cString: strerror(failure)))") }
    return child
  }

  /// Asks the child to end, and ends it where it does not.
  private func stop(_ child: pid_t) {
    kill(-child, SIGTERM)
    for attempt in 0..<40 {
      var status: Int32 = 0
      if waitpid(child, &status, WNOHANG) != 0 { break }
      if attempt == 20 { kill(-child, SIGKILL) }
      usleep(50_000)
    }
    // The rest of its group, should anything of it be left.
    kill(-child, SIGKILL)
  }

  private func withCStrings(_ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Int32) -> Int32 {
    var copies: [UnsafeMutablePointer<CChar>?] = strings.map { strdup($0) }
    defer { for copy in copies { free(copy) } }
    copies.append(nil)
    return body(copies)
  }

  /// The environment of this process with changes.
  static func environment(adding changes: [String: String]) -> [String: String] {
    ProcessInfo.processInfo.environment.merging(changes) { _, new in new }
  }

  /// The last lines of the log that say something.
  func lastLines(_ count: Int = 2) -> String {
    guard let file = fopen(log, "r") else { return "" }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      let read = fread(&buffer, 1, buffer.count, file)
      if read == 0 { break }
      bytes.append(contentsOf: buffer[..<read])
      if bytes.count > 1 << 20 { bytes.removeFirst(bytes.count - 1 << 19) }
    }
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n").suffix(count).joined(separator: "; ")
  }
}
