// The client against a server that answers well and badly. Waits are short, attempts few, so that all of it takes seconds.

import Foundation
import LoopbackServer
import Network
import XCTest

final class HTTPClientTests: XCTestCase {
  private let client = HTTPClient()

  /// Limits that keep a test short.
  private func limits(
    attempts: Int = 3, response: Double = 2, idle: Double = 1, total: Double? = nil, maxBytes: Int = 8 << 20
  ) -> HTTPLimits {
    HTTPLimits(
      responseTimeoutSeconds: response, idleTimeoutSeconds: idle, totalTimeoutSeconds: total, maxBytes: maxBytes,
      retry: RetryPolicy(attempts: attempts, firstDelaySeconds: 0.02, maxDelaySeconds: 0.1, maxRetryAfterSeconds: 2))
  }

  private func serving(_ handler: @escaping @Sendable (LoopbackServer.Request, Connection) -> Void) throws -> LoopbackServer {
    let server = try LoopbackServer(handler)
    addTeardownBlock { server.stop() }
    return server
  }

  private func failure(line: UInt = #line, _ body: () throws -> Void) -> NetworkError? {
    do {
      try body()
      XCTFail("no error", line: line)
    } catch let error as NetworkError {
      return error
    } catch {
      XCTFail("\(error)", line: line)
    }
    return nil
  }

  func testAnswersHeadersBodiesAndKeys() throws {
    let server = try serving { request, connection in
      connection.respond(200, ["X-Method": request.method], Array("got ".utf8) + request.body)
    }
    let key = Secret(" secret-0123456789\n")
    let response = try client.send(
      HTTPRequest(server.url + "/a?b=c%20d", method: "POST", headers: ["X-A": "1"], body: Array("body".utf8), key: key), limits: limits())
    XCTAssertEqual(response.status, 200)
    XCTAssertEqual(String(decoding: response.body, as: UTF8.self), "got body")
    XCTAssertEqual(response.header("x-method"), "POST")
    let request = server.requests[0]
    XCTAssertEqual(request.target, "/a?b=c%20d")
    XCTAssertEqual(request.headers["authorization"], "Bearer secret-0123456789")
    XCTAssertEqual(request.headers["user-agent"], "zs")
    XCTAssertEqual(request.headers["x-a"], "1")
    XCTAssertEqual("\(key) \(String(reflecting: key))", "••• •••")
    var dumped = ""
    dump(key, to: &dumped)
    XCTAssertFalse(dumped.contains("secret"), dumped)
    for _ in 0..<20 { XCTAssertEqual(try client.send(HTTPRequest(server.url + "/"), limits: limits()).status, 200) }
    XCTAssertEqual(try client.send(HTTPRequest(server.url + "/", method: "HEAD"), limits: limits()).header("content-length"), "4")
  }

  func testABodyIsStreamedInOrder() throws {
    let bytes = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 9) }
    let server = try serving { request, connection in
      if request.path == "/chunked" {
        connection.send("HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\n\r\n")
        for part in stride(from: 0, to: bytes.count, by: 100_000) {
          connection.send("\(String(100_000, radix: 16))\r\n")
          connection.send(Array(bytes[part..<part + 100_000]))
          connection.send("\r\n")
        }
        connection.send("0\r\n\r\n")
      } else {
        connection.respond(200, [:], bytes)
      }
    }
    for path in ["/chunked", "/plain"] {
      var received: [UInt8] = []
      var length: Int?
      try client.stream(
        HTTPRequest(server.url + path), limits: limits(), onHead: { length = $0.contentLength }, sink: { received += $0 })
      XCTAssertEqual(received, bytes, path)
      XCTAssertEqual(length, path == "/plain" ? bytes.count : nil)
    }
  }

  func testRedirectsAreFollowedAndTheKeyStaysAtItsHost() throws {
    let other = try serving { request, connection in
      connection.respond(text: "from elsewhere, key \(request.headers["authorization"] ?? "none")")
    }
    let elsewhere = other.url
    let server = try serving { request, connection in
      switch request.path {
      case "/near": connection.respond(302, ["Location": "/here%2Fthere?q=1", "X-Linked-Etag": "\"abc\""], text: "go on")
      case "/far": connection.respond(307, ["Location": elsewhere + "/x"], text: "")
      case "/post": connection.respond(request.method == "POST" ? 302 : 200, ["Location": "/after"], text: "")
      case "/round": connection.respond(302, ["Location": "/round"], text: "")
      case "/odd": connection.respond(302, ["Location": "ftp://127.0.0.1/x"], text: "")
      case "/nowhere": connection.respond(302, ["Location": "http://[not/"], text: "")
      default: connection.respond(text: "\(request.method) \(request.target), key \(request.headers["authorization"] ?? "none")")
      }
    }
    let key = Secret("k-123456789")
    func text(_ path: String, method: String = "GET") throws -> String {
      let body: [UInt8]? = method == "POST" ? [1, 2, 3] : nil
      let response = try client.send(HTTPRequest(server.url + path, method: method, body: body, key: key), limits: limits())
      return String(decoding: response.body, as: UTF8.self)
    }
    XCTAssertEqual(try text("/near"), "GET /here%2Fthere?q=1, key Bearer k-123456789")
    XCTAssertEqual(try text("/far"), "from elsewhere, key none")
    XCTAssertEqual(try text("/post", method: "POST"), "GET /after, key Bearer k-123456789")
    let response = try client.send(HTTPRequest(server.url + "/near", method: "HEAD"), limits: limits())
    XCTAssertEqual(response.redirects.first?.header("x-linked-etag"), "\"abc\"")
    XCTAssertEqual(failure { _ = try text("/round") }?.kind, .redirect)
    XCTAssertEqual(failure { _ = try text("/odd") }?.kind, .redirect)
    let odd = failure { _ = try text("/nowhere") }
    XCTAssertEqual(odd?.kind, .redirect, "\(String(describing: odd))")
  }

  func testTriesAgainAsTheServerAsks() throws {
    let server = try serving { request, connection in
      switch (request.path, request.earlier) {
      case ("/busy", 0): connection.respond(429, ["Retry-After": "1"], json: #"{"error": {"message": "slow down"}}"#)
      case ("/broken", 0...1): connection.respond(503, [:], text: "<html>")
      // On a connection that was used before, libcurl itself tries a second time.
      case ("/cut", 0...1): connection.close()
      case ("/always", _): connection.respond(500, [:], text: "out of order")
      case ("/later", _): connection.respond(429, ["Retry-After": "3600"], text: "tomorrow")
      case ("/never", _): connection.respond(404, [:], text: "no such thing")
      default: connection.respond(text: "fine")
      }
    }
    func send(_ path: String) throws -> (String, [RetryNotice]) {
      var notices: [RetryNotice] = []
      let response = try client.send(HTTPRequest(server.url + path), limits: limits(), onRetry: { notices.append($0) })
      return (String(decoding: response.body, as: UTF8.self), notices)
    }
    let began = ContinuousClock.now
    let busy = try send("/busy")
    XCTAssertEqual(busy.0, "fine")
    XCTAssertEqual(busy.1.map(\.delaySeconds), [1])
    XCTAssertTrue(busy.1[0].error.message.contains("slow down"), busy.1[0].error.message)
    XCTAssertGreaterThan(ContinuousClock.now - began, .seconds(0.99))
    XCTAssertEqual(try send("/broken").1.count, 2)
    XCTAssertEqual(Set(try send("/cut").1.map { "\($0.error.kind)" }), ["cut"])
    let always = failure { _ = try send("/always") }
    XCTAssertEqual(always?.status, 500)
    XCTAssertTrue(always?.message.contains("out of order (after 3 attempts)") == true, always?.message ?? "")
    XCTAssertEqual(server.requests.count { $0.path == "/always" }, 3)
    let later = failure { _ = try send("/later") }
    XCTAssertTrue(later?.message.contains("asks to wait 3600 s") == true, later?.message ?? "")
    XCTAssertEqual(server.requests.count { $0.path == "/later" }, 1, "an hour is not waited")
    XCTAssertEqual(failure { _ = try send("/never") }?.status, 404)
    XCTAssertEqual(server.requests.count { $0.path == "/never" }, 1)
  }

  func testWhatServersDoWrongIsAnError() throws {
    let server = try serving { request, connection in
      switch request.path {
      case "/short": connection.send("HTTP/1.1 200 Fine\r\nContent-Length: 1000\r\n\r\nonly this")
      case "/no-chunk-end": connection.send("HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
      case "/garbage": connection.send("\u{1}\u{2}\u{3} what is this\r\n\r\n")
      case "/headless": connection.send("HTTP/1.1 200 Fine\r\nContent-")
      case "/silent": return connection.hold(seconds: 10)
      case "/stalls":
        connection.send("HTTP/1.1 200 Fine\r\nContent-Length: 1000\r\n\r\nand then")
        return connection.hold(seconds: 10)
      case "/announces": connection.send("HTTP/1.1 200 Fine\r\nContent-Length: 99999999999\r\n\r\nhuge")
      case "/floods":
        connection.send("HTTP/1.1 200 Fine\r\n\r\n")
        while connection.send([UInt8](repeating: 7, count: 1 << 16)) {}
      case "/drips":
        connection.send("HTTP/1.1 200 Fine\r\n\r\n")
        for _ in 0..<200 where connection.send([7]) { usleep(50_000) }
      case "/headers":
        connection.send("HTTP/1.1 200 Fine\r\n" + (0..<40_000).map { "X-\($0): some header\r\n" }.joined() + "\r\n")
      case "/two": connection.send("HTTP/1.1 200 Fine\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabcde")
      case "/bad-length": connection.send("HTTP/1.1 200 Fine\r\nContent-Length: -7\r\n\r\nabcde")
      case "/trailers": return connection.send("HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-T: 1\r\n\r\n")
      case "/continues": return connection.send("HTTP/1.1 103 Early Hints\r\nX-A: 1\r\n\r\nHTTP/1.1 200 Fine\r\nContent-Length: 1\r\n\r\na")
      default: connection.respond(401, ["WWW-Authenticate": "Basic realm=\"x\""], text: "who are you?")
      }
      connection.close()
    }
    func kind(_ path: String, line: UInt = #line) -> NetworkError.Kind? {
      let error = failure(line: line) {
        _ = try client.send(HTTPRequest(server.url + path), limits: limits(attempts: 1, response: 0.6, idle: 0.4, total: 1.5))
      }
      return error?.kind
    }
    XCTAssertEqual(kind("/short"), .cut)
    XCTAssertEqual(kind("/no-chunk-end"), .cut)
    XCTAssertEqual(kind("/garbage"), .malformed)
    XCTAssertEqual(kind("/headless"), .cut)
    XCTAssertEqual(kind("/silent"), .timeout)
    XCTAssertEqual(kind("/stalls"), .timeout)
    XCTAssertEqual(kind("/announces"), .tooLarge)
    XCTAssertEqual(kind("/floods"), .tooLarge)
    XCTAssertEqual(kind("/drips"), .timeout)
    XCTAssertEqual(kind("/headers"), .malformed)
    XCTAssertEqual(kind("/two"), .malformed)
    XCTAssertNotNil(kind("/bad-length"))
    XCTAssertEqual(kind("/401"), .status(401))
    for path in ["/trailers", "/continues"] {
      XCTAssertEqual(try client.send(HTTPRequest(server.url + path), limits: limits(attempts: 1)).body, [97], path)
    }
  }

  func testNobodyThere() throws {
    let server = try serving { _, _ in }
    let url = server.url
    server.stop()
    var notices = 0
    let refused = failure { _ = try client.send(HTTPRequest(url), limits: limits(), onRetry: { _ in notices += 1 }) }
    XCTAssertEqual(refused?.kind, .noConnection, refused?.message ?? "")
    XCTAssertEqual(notices, 2)
    XCTAssertEqual(failure { _ = try client.send(HTTPRequest("http://no-such-host.invalid/"), limits: limits()) }?.kind, .noSuchHost)
    for bad in ["", "x", "file:///etc/passwd", "http://", "https://exa mple/", "http:///x"] {
      XCTAssertEqual(failure { _ = try client.send(HTTPRequest(bad), limits: limits()) }?.kind, .badURL, bad)
    }
  }

  func testCancellingEndsAtOnce() throws {
    let server = try serving { request, connection in
      switch request.path {
      case "/silent": connection.hold(seconds: 10)
      case "/wait": connection.respond(429, ["Retry-After": "2"], text: "")
      default:
        connection.send("HTTP/1.1 200 Fine\r\n\r\n")
        while connection.send([UInt8](repeating: 7, count: 1 << 14)) { usleep(1000) }
      }
    }
    for path in ["/silent", "/wait", "/endless"] {
      let began = ContinuousClock.now
      XCTAssertThrowsError(
        try client.stream(
          HTTPRequest(server.url + path), limits: limits(response: 10, idle: 10),
          isCancelled: { ContinuousClock.now - began > .seconds(0.2) },
          sink: { _ in })
      ) { XCTAssertTrue($0 is NetworkCancelled, "\($0)") }
      XCTAssertLessThan(ContinuousClock.now - began, .seconds(1), path)
    }
  }

  /// Cancelling at any moment, redirects included, neither traps nor disturbs other requests of the client.
  func testCancellingAtRandomMoments() throws {
    let server = try serving { request, connection in
      if request.path == "/redirect" { return connection.respond(302, ["Location": "/end"], text: "elsewhere") }
      connection.respond(200, [:], [UInt8](repeating: 1, count: 20_000))
    }
    let group = DispatchGroup()
    let (client, url, bounds) = (client, server.url, limits(attempts: 1))
    for worker in 0..<4 {
      DispatchQueue.global().async(group: group) {
        for round in 0..<40 {
          var asked = 0
          let stopAfter = worker == 0 ? Int.max : (round * 7 + worker) % 5
          let delay = UInt32((round * 131 + worker * 17) % 900)
          _ = try? client.stream(
            HTTPRequest(url + "/redirect"), limits: bounds,
            isCancelled: {
              asked += 1
              usleep(delay)
              return asked > stopAfter
            }, sink: { _ in })
        }
      }
    }
    group.wait()
    XCTAssertEqual(try client.send(HTTPRequest(server.url + "/redirect"), limits: limits()).body.count, 20_000)
  }

  /// A sink that is slow holds the server back: what was not taken waits in the sockets' buffers, not in memory.
  func testASlowSinkHoldsTheServerBack() throws {
    let sent = Counter()
    let server = try serving { _, connection in
      connection.send("HTTP/1.1 200 Fine\r\n\r\n")
      while connection.send([UInt8](repeating: 7, count: 1 << 16)) { sent.add(1 << 16) }
    }
    var received = 0
    struct Enough: Error {}
    XCTAssertThrowsError(
      try client.stream(HTTPRequest(server.url), limits: limits(idle: 5, maxBytes: 1 << 30)) { bytes in
        received += bytes.count
        usleep(10_000)
        if received > 1 << 20 { throw Enough() }
      }
    ) { XCTAssertTrue($0 is Enough, "\($0)") }
    XCTAssertLessThan(sent.value - received, 16 << 20)
  }

  func testWhatASinkThrowsEndsTheRequest() throws {
    struct Full: Error {}
    let server = try serving { _, connection in connection.respond(200, [:], [UInt8](repeating: 1, count: 1 << 20)) }
    XCTAssertThrowsError(try client.stream(HTTPRequest(server.url), limits: limits(), sink: { _ in throw Full() })) {
      XCTAssertTrue($0 is Full)
    }
    XCTAssertEqual(server.requests.count, 1, "no second attempt")
  }

  func testNoErrorShowsAKey() throws {
    let server = try serving { request, connection in
      connection.respond(401, [:], json: #"{"error": {"message": "bad key \#(request.headers["authorization"] ?? "") sent"}}"#)
    }
    let address = server.url.replacing("http://", with: "http://user:pass@") + "/x?token=hidden"
    let error = failure { _ = try client.send(HTTPRequest(address, key: Secret("sk-verysecret-42")), limits: limits(attempts: 1)) }
    let all = "\(String(describing: error)) \(error?.body ?? "") \(error?.description ?? "")"
    for word in ["verysecret", "hidden", "pass"] { XCTAssertFalse(all.contains(word), all) }
    XCTAssertTrue(all.contains("bad key Bearer ••• sent"), all)
    let unsendable = failure { _ = try client.send(HTTPRequest(server.url, key: Secret("two words")), limits: limits()) }
    XCTAssertFalse("\(String(describing: unsendable))".contains("two words"))
  }
}

/// A number that two threads may use.
private final class Counter: @unchecked Sendable {
  private let lock = NSLock()
  private var count = 0
  var value: Int { lock.withLock { count } }
  func add(_ number: Int) { lock.withLock { count += number } }
}
