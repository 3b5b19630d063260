// An HTTP/1.1 server on 127.0.0.1 for tests, on plain sockets: a closure answers each request, well or badly. It runs on
// threads of its own and ends with `stop()`, whatever its clients do.

import Foundation

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A server on the loopback interface.
public final class LoopbackServer: @unchecked Sendable {
  /// A request as it came.
  public struct Request: Sendable {
    /// `GET`, `POST`.
    public let method: String
    /// The path with its query.
    public let target: String
    /// Header values by lower-case name.
    public let headers: [String: String]
    /// What followed the headers.
    public let body: [UInt8]
    /// How many requests with this method and target came before.
    public let earlier: Int

    /// The path without its query.
    public var path: String { String(target.prefix { $0 != "?" }) }

    /// The values of the query, percent escapes resolved.
    public var query: [String: String] {
      var result: [String: String] = [:]
      for item in URLComponents(string: target)?.queryItems ?? [] { result[item.name] = item.value ?? "" }
      return result
    }

    /// First and last byte of a `Range: bytes=…` header; the last is nil where it is open.
    public var range: (first: Int, last: Int?)? {
      guard let text = headers["range"], text.hasPrefix("bytes=") else { return nil }
      let parts = text.dropFirst(6).split(separator: "-", omittingEmptySubsequences: false)
      guard parts.count == 2, let first = Int(parts[0]) else { return nil }
      return (first, Int(parts[1]))
    }
  }

  private let listener: Int32
  private let handler: @Sendable (Request, Connection) -> Void
  private let lock = NSCondition()
  private var isStopped = false
  private var sockets: Set<Int32> = []
  private var seen: [Request] = []
  private var counts: [String: Int] = [:]
  /// The port it listens at.
  public let port: Int

  /// The address of the server, without a slash at its end.
  public var url: String { "http://127.0.0.1:\(port)" }

  /// The requests so far, in the order they were read.
  public var requests: [Request] {
    lock.lock()
    defer { lock.unlock() }
    return seen
  }

  /// Starts a server.
  public init(_ handler: @escaping @Sendable (Request, Connection) -> Void) throws {
    self.handler = handler
    #if canImport(Glibc)
      let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    #else
      let listener = socket(AF_INET, SOCK_STREAM, 0)
    #endif
    self.listener = listener
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let failure = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        listener < 0 || bind(listener, $0, size) != 0 || listen(listener, 64) != 0 || getsockname(listener, $0, &size) != 0 ? errno : 0
      }
    }
    guard failure == 0 else { throw POSIXError(POSIXErrorCode(rawValue: failure) ?? .EINVAL) }
    port = Int(UInt16(bigEndian: address.sin_port))
    Thread.detachNewThread { [self] in accepting() }
  }

  /// Ends the server and all its connections.
  public func stop() {
    lock.lock()
    defer { lock.unlock() }
    guard !isStopped else { return }
    isStopped = true
    shutdown(listener, Int32(SHUT_RDWR))
    for socket in sockets { shutdown(socket, Int32(SHUT_RDWR)) }
    let end = Date(timeIntervalSinceNow: 5)
    while !sockets.isEmpty, lock.wait(until: end) {}
    close(listener)
  }

  private func accepting() {
    while true {
      let socket = accept(listener, nil, nil)
      lock.lock()
      let isOver = isStopped
      if !isOver, socket >= 0 { sockets.insert(socket) }
      lock.unlock()
      if isOver || socket < 0 {
        if socket >= 0 { close(socket) }
        if isOver || errno != EINTR { return }
        continue
      }
      Thread.detachNewThread { [self] in
        serve(Connection(socket))
        lock.lock()
        sockets.remove(socket)
        close(socket)
        lock.signal()
        lock.unlock()
      }
    }
  }

  private func serve(_ connection: Connection) {
    while !connection.isClosed {
      guard let (method, target, headers) = connection.readHead() else { return }
      var body: [UInt8] = []
      if headers["expect"] == "100-continue" { connection.send("HTTP/1.1 100 Continue\r\n\r\n") }
      if let length = headers["content-length"].flatMap({ Int($0) }) {
        guard let bytes = connection.read(length) else { return }
        body = bytes
      } else if headers["transfer-encoding"] == "chunked" {
        guard let bytes = connection.readChunks() else { return }
        body = bytes
      }
      lock.lock()
      let request = Request(
        method: method, target: target, headers: headers, body: body, earlier: counts["\(method) \(target)", default: 0])
      counts["\(method) \(target)", default: 0] += 1
      seen.append(request)
      let isOver = isStopped
      lock.unlock()
      if isOver { return }
      connection.isAnswerless = method == "HEAD"
      handler(request, connection)
    }
  }
}
