// One connection of the loopback server: reading requests, and answering them as the protocol says or byte by byte.

import Foundation

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A client's connection.
public final class Connection: @unchecked Sendable {
  private let socket: Int32
  private var buffer: [UInt8] = []
  /// Whether the server reads no further request from it.
  public private(set) var isClosed = false
  /// Whether the request was HEAD, so that an answer has no body.
  var isAnswerless = false

  init(_ socket: Int32) { self.socket = socket }

  // MARK: Answering

  /// Sends a whole answer with its length.
  public func respond(_ status: Int = 200, _ headers: [String: String] = [:], _ body: some Collection<UInt8>) {
    var head = "HTTP/1.1 \(status) \(status < 400 ? "Fine" : "Refused")\r\n"
    for (name, value) in headers { head += "\(name): \(value)\r\n" }
    if !headers.keys.contains(where: { $0.lowercased() == "content-length" }) { head += "Content-Length: \(body.count)\r\n" }
    send(head + "\r\n")
    if !isAnswerless { send(Array(body)) }
  }

  /// Sends a whole answer of text.
  public func respond(_ status: Int = 200, _ headers: [String: String] = [:], text: String = "") {
    respond(status, headers, Array(text.utf8))
  }

  /// Sends an answer of JSON.
  public func respond(_ status: Int = 200, _ headers: [String: String] = [:], json: String) {
    respond(status, headers.merging(["Content-Type": "application/json"]) { a, _ in a }, Array(json.utf8))
  }

  /// Answers with a file, or the part of it that was asked for.
  ///
  /// - Parameter dropAfter: How many bytes to send before the connection is dropped; nil sends all.
  public func respond(file: [UInt8], to request: LoopbackServer.Request, _ headers: [String: String] = [:], dropAfter: Int? = nil) {
    var status = 200
    var part = file[...]
    var headers = headers
    if let range = request.range {
      guard range.first < file.count else { return respond(416, ["Content-Range": "bytes */\(file.count)"], text: "") }
      let last = min(range.last ?? file.count - 1, file.count - 1)
      part = file[range.first...last]
      status = 206
      headers["Content-Range"] = "bytes \(range.first)-\(last)/\(file.count)"
    }
    guard let dropAfter, dropAfter < part.count else { return respond(status, headers, part) }
    headers["Content-Length"] = "\(part.count)"
    respond(status, headers, part.prefix(dropAfter))
    close()
  }

  /// Sends text as it is.
  public func send(_ text: String) { send(Array(text.utf8)) }

  /// Sends bytes as they are; gives up where the client is gone.
  ///
  /// - Returns: Whether the client took them.
  @discardableResult
  public func send(_ bytes: [UInt8]) -> Bool {
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes { sendBytes(socket, $0.baseAddress.map { $0 + sent }, bytes.count - sent) }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else {
        isClosed = true
        return false
      }
      sent += count
    }
    return true
  }

  /// Ends the connection.
  public func close() {
    isClosed = true
    shutdown(socket, Int32(SHUT_RDWR))
  }

  /// Waits until the client is gone, or so many seconds.
  public func hold(seconds: Double) {
    let end = Date(timeIntervalSinceNow: seconds)
    while Date() < end, !isClosed {
      var waiting = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
      if poll(&waiting, 1, 50) > 0 {
        var byte: UInt8 = 0
        if recv(socket, &byte, 1, Int32(MSG_PEEK)) <= 0 { isClosed = true }
        usleep(20_000)
      }
    }
  }

  // MARK: Reading

  func readHead() -> (method: String, target: String, headers: [String: String])? {
    while true {
      if let end = buffer.firstRange(of: [13, 10, 13, 10]) {
        let lines = String(decoding: buffer[..<end.lowerBound], as: UTF8.self).components(separatedBy: "\r\n")
        buffer.removeSubrange(..<end.upperBound)
        let first = lines[0].split(separator: " ")
        guard first.count == 3 else { return nil }
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
          guard let colon = line.firstIndex(of: ":") else { continue }
          headers[line[..<colon].lowercased()] = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
        }
        return (String(first[0]), String(first[1]), headers)
      }
      guard buffer.count < 1 << 20, fill() else { return nil }
    }
  }

  func read(_ count: Int) -> [UInt8]? {
    while buffer.count < count { guard fill() else { return nil } }
    defer { buffer.removeFirst(count) }
    return Array(buffer[..<count])
  }

  func readChunks() -> [UInt8]? {
    var body: [UInt8] = []
    while true {
      guard let line = readLine(), let count = Int(line, radix: 16), let bytes = read(count), readLine() != nil else { return nil }
      if count == 0 { return body }
      body += bytes
    }
  }

  private func readLine() -> String? {
    while true {
      if let end = buffer.firstRange(of: [13, 10]) {
        defer { buffer.removeSubrange(..<end.upperBound) }
        return String(decoding: buffer[..<end.lowerBound], as: UTF8.self)
      }
      guard fill() else { return nil }
    }
  }

  private func fill() -> Bool {
    var bytes = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = recv(socket, &bytes, bytes.count, 0)
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { return false }
      buffer += bytes[..<count]
      return true
    }
  }
}

/// `send` of the system, without a signal where the client is gone.
private func sendBytes(_ socket: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
  send(socket, bytes, count, Int32(MSG_NOSIGNAL))
}
