// Standard output and error: what they are, how wide, and writing to them whole.
import Glibc

/// The process's streams.
enum Terminal {
  /// Whether a person types.
  static let isInputInteractive = isatty(STDIN_FILENO) == 1
  /// Whether output goes to a screen.
  static let isOutputInteractive = isatty(STDOUT_FILENO) == 1
  /// Whether errors and progress go to a screen.
  static let isErrorInteractive = isatty(STDERR_FILENO) == 1

  /// Whether a stream may carry escape codes: a screen that knows them, and nobody asked for none.
  static func mayColour(_ isScreen: Bool, environment: [String: String]) -> Bool {
    isScreen && environment["NO_COLOR", default: ""].isEmpty && environment["TERM"] != "dumb" && !environment["TERM", default: ""].isEmpty
  }

  /// Columns of the screen; where there is none, what text is laid out for.
  static func width(_ descriptor: Int32 = STDOUT_FILENO) -> Int { size(descriptor).columns }

  /// Rows and columns of the screen.
  static func size(_ descriptor: Int32 = STDOUT_FILENO) -> (rows: Int, columns: Int) {
    var size = winsize()
    guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return (24, 100) }
    return (max(2, Int(size.ws_row)), max(20, Int(size.ws_col)))
  }

  /// Whether something is typed or waits to be read within some seconds.
  static func hasInput(within seconds: Double) -> Bool {
    var watched = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
    return Glibc.poll(&watched, 1, Int32(seconds * 1000)) > 0
  }

  /// Writes text; false once nobody reads any more.
  @discardableResult
  static func write(_ text: String, to descriptor: Int32 = STDOUT_FILENO) -> Bool {
    var text = text
    return text.withUTF8 { bytes in
      var rest = UnsafeRawBufferPointer(bytes)
      while let start = rest.baseAddress, rest.count > 0 {
        let sent = Glibc.write(descriptor, start, rest.count)
        if sent < 0 {
          if errno == EINTR || errno == EAGAIN { continue }
          return false
        }
        rest = UnsafeRawBufferPointer(rebasing: rest[sent...])
      }
      return true
    }
  }

  /// Writes text to standard error.
  static func warn(_ text: String) { write(text, to: STDERR_FILENO) }

  /// The environment as a dictionary.
  static func environment() -> [String: String] {
    var result: [String: String] = [:]
    var entry = environ
    while let text = entry.pointee {
      let parts = String(cString: text).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      if parts.count == 2 { result[String(parts[0])] = String(parts[1]) }
      entry += 1
    }
    return result
  }
}

/// Standard output collected in a buffer: written when it is large, when asked, and at the end of each cell.
final class OutputBuffer {
  private var pending = ""
  private var lastFlush = 0.0
  private let descriptor: Int32?
  private let isPassedThrough: Bool
  /// Whether the last character written ended a line.
  private(set) var isAtLineStart = true
  /// Whether the reader has gone away.
  private(set) var isBroken = false
  /// Called before anything reaches the screen, so that a progress line is not written into.
  var beforeWriting: () -> Void = {}

  /// A buffer for a stream, or for none at all; a screen is written at once, so that streamed text is seen as it comes.
  init(descriptor: Int32? = STDOUT_FILENO) {
    self.descriptor = descriptor
    isPassedThrough = descriptor.map { isatty($0) == 1 } ?? false
  }

  func write(_ text: String) {
    guard let last = text.utf8.last else { return }
    pending += text
    isAtLineStart = last == UInt8(ascii: "\n")
    // Whoever watches a log sees a line soon after it was printed, and a loop that prints much is not slowed down.
    if isPassedThrough || pending.utf8.count > 1 << 15 || monotonicSeconds() - lastFlush > 0.25 { flush() }
  }

  func flush() {
    guard let descriptor, !pending.isEmpty else {
      pending = ""
      return
    }
    beforeWriting()
    lastFlush = monotonicSeconds()
    if !Terminal.write(pending, to: descriptor) { isBroken = true }
    pending.removeAll(keepingCapacity: true)
  }
}
