// A terminal that a test types into and reads: tmux on a server of its own.
import Foundation
import XCTest

/// One window of a private tmux server; the server ends with the object.
final class Tmux {
  private let socket = "zs-test-\(UUID().uuidString.prefix(8))"
  let home: String

  /// Opens a shell in a window; skips the test where there is no tmux.
  init(columns: Int = 90, rows: Int = 30, home: String? = nil, environment: String = "") throws {
    self.home = home ?? NSTemporaryDirectory() + "zs-home-\(UUID().uuidString)"
    guard try Tmux.shell("command -v tmux").status == 0 else { throw XCTSkip("tmux is not installed") }
    let command = "env PS1='ready$ ' ZS_HOME=\(self.home) \(environment) bash --norc --noprofile"
    // The server outlives this command: a descriptor of ours that it kept open would make the wait for the command's end last for ever.
    let closing = "for fd in /proc/$BASHPID/fd/*; do fd=${fd##*/}; [ $fd -gt 2 ] && eval \"exec $fd>&-\"; done"
    let server = "exec tmux -L \(socket) -f /dev/null new-session -d -x \(columns) -y \(rows) \"\(command)\" </dev/null >/dev/null 2>&1"
    let started = try Tmux.shell("(\(closing); \(server))")
    XCTAssertEqual(started.status, 0, started.output)
    waitFor("ready$")
  }

  deinit { _ = try? Tmux.shell("tmux -L \(socket) kill-server") }

  /// Opens the notebook and waits for its prompt.
  func openNotebook() {
    type(Binary.path, then: "Enter")
    waitFor("zs[1]›")
  }

  /// Types text as it is, then keys by tmux's names.
  func type(_ text: String, then keys: String...) {
    if !text.isEmpty { _ = try? Tmux.run(["-L", socket, "send-keys", "-l", text]) }
    for key in keys { press(key) }
  }

  /// Presses a key by tmux's name for it.
  func press(_ key: String) {
    _ = try? Tmux.run(["-L", socket, "send-keys", key])
    Thread.sleep(forTimeInterval: 0.1)
  }

  /// Pastes text as a terminal does; raw, it comes as the bytes it is.
  func paste(_ text: String, isRaw: Bool = false) throws {
    let path = NSTemporaryDirectory() + "zs-paste-\(UUID().uuidString)"
    try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    defer { try? FileManager.default.removeItem(atPath: path) }
    _ = try Tmux.run(["-L", socket, "load-buffer", path])
    _ = try Tmux.run(["-L", socket, "paste-buffer", isRaw ? "-r" : "-p"])
  }

  func resize(columns: Int, rows: Int) {
    _ = try? Tmux.run(["-L", socket, "resize-window", "-x", "\(columns)", "-y", "\(rows)"])
    Thread.sleep(forTimeInterval: 0.2)
  }

  /// What the window shows, blank lines at the end left out.
  var screen: String {
    let text = (try? Tmux.run(["-L", socket, "capture-pane", "-p"]).output) ?? ""
    return text.split(separator: "\n", omittingEmptySubsequences: false).map { String($0) }.reversed().drop { $0.isEmpty }.reversed()
      .joined(separator: "\n")
  }

  /// Waits until the window shows a text, below another if one is given; fails the test when it never does.
  ///
  /// The time is what a machine with many other things to do may need; a wait ends as soon as the text is there.
  @discardableResult
  func waitFor(
    _ text: String, after earlier: String? = nil, seconds: Double = 90, file: StaticString = #filePath, line: UInt = #line
  ) -> Bool {
    let end = Date().addingTimeInterval(seconds)
    while Date() < end {
      let shown = screen
      if let earlier {
        if let place = shown.range(of: earlier), shown[place.upperBound...].contains(text) { return true }
      } else if shown.contains(text) {
        return true
      }
      Thread.sleep(forTimeInterval: 0.05)
    }
    XCTFail("the screen never showed \(text):\n\(screen)", file: file, line: line)
    return false
  }

  /// Presses Ctrl-C and waits for what it should lead to; gives the seconds between, in which tmux and looking at its screen have a
  /// part.
  func interrupt(until text: String, file: StaticString = #filePath, line: UInt = #line) -> Double {
    _ = try? Tmux.run(["-L", socket, "send-keys", "C-c"])
    let pressed = Date()
    waitFor(text, file: file, line: line)
    return (Date().timeIntervalSince(pressed) * 100).rounded() / 100
  }

  private static func shell(_ command: String) throws -> (status: Int32, output: String) {
    try run(["-c", command], executable: "/bin/bash")
  }

  private static func run(_ arguments: [String], executable: String? = nil) throws -> (status: Int32, output: String) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: executable ?? "/usr/bin/env")
    process.arguments = executable == nil ? ["tmux"] + arguments : arguments
    let output = Pipe()
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: data, as: UTF8.self))
  }
}
