// HTTP as the rest of zs uses it: a call that blocks its thread, asks every twentieth of a second whether to go on, follows
// redirects without taking the key along, and tries again where that may help. One client may serve many threads.

import Synchronization

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

/// Sends requests; keeps connections for the next ones.
public final class HTTPClient: @unchecked Sendable {
  /// What `User-Agent` says.
  public static let userAgent = "zs"

  private let certificates: String?
  private let lock = Mutex<Void>(())
  private var idleLines: [CurlLine] = []

  /// Makes a client.
  ///
  /// - Parameter certificates: A file of certificates to trust instead of the system's.
  public init(certificates: String? = nil) { self.certificates = certificates }

  /// Sends a request and gives the whole response, its body in memory.
  ///
  /// - Parameters:
  ///   - limits: Times, sizes and number of attempts.
  ///   - onRetry: Told of each failed attempt that will be followed by another, before the wait.
  ///   - isCancelled: Asked about twenty times a second whether to stop.
  /// - Throws: `NetworkError`, also for a status of 400 or above; `NetworkCancelled` where `isCancelled` said so.
  public func send(
    _ request: HTTPRequest, limits: HTTPLimits = HTTPLimits(), onRetry: (RetryNotice) -> Void = { _ in },
    isCancelled: () -> Bool = { false }
  ) throws -> HTTPResponse {
    try retrying(limits.retry, onRetry: onRetry, isCancelled: isCancelled) {
      var body: [UInt8] = []
      var response = try follow(request, limits, isCancelled, onHead: { _ in }, sink: { body.append(contentsOf: $0) })
      response.body = body
      return response
    }
  }

  /// Sends a request and hands the body on piece by piece.
  ///
  /// An attempt that fails before the first piece is made again as `limits.retry` says; one that fails later is not, because
  /// the sink has part of the body already.
  ///
  /// - Parameters:
  ///   - onHead: Called with the head of a response that is no refusal, before its body; may throw to stop.
  ///   - sink: Called on this thread with each piece of the body, in order; may throw to stop.
  /// - Returns: The head of the response.
  /// - Throws: As `send` does, and what `onHead` and `sink` throw.
  @discardableResult
  public func stream(
    _ request: HTTPRequest, limits: HTTPLimits = HTTPLimits(), onRetry: (RetryNotice) -> Void = { _ in },
    isCancelled: () -> Bool = { false }, onHead: (HTTPResponse) throws -> Void = { _ in }, sink: (UnsafeRawBufferPointer) throws -> Void
  ) throws -> HTTPResponse {
    var isBegun = false
    return try retrying(limits.retry, onRetry: onRetry, isCancelled: isCancelled, unless: { isBegun }) {
      try follow(request, limits, isCancelled, onHead: onHead) { bytes in
        isBegun = true
        try sink(bytes)
      }
    }
  }

  /// Does something again while it fails in a way that may pass, as the policy says.
  ///
  /// - Parameter unless: Asked after a failure whether another attempt is out of the question.
  public func retrying<Result>(
    _ policy: RetryPolicy, onRetry: (RetryNotice) -> Void = { _ in }, isCancelled: () -> Bool = { false },
    unless: () -> Bool = { false }, _ body: () throws -> Result
  ) throws -> Result {
    var attempt = 1
    while true {
      do {
        return try body()
      } catch var error as NetworkError {
        guard !unless(), let delay = policy.delay(after: error, attempt: attempt) else {
          if attempt > 1 { error.message += " (after \(attempt) attempts)" }
          throw error
        }
        onRetry(RetryNotice(attempt: attempt, attempts: policy.attempts(after: error), delaySeconds: delay, error: error))
        try wait(seconds: delay, isCancelled)
        attempt += 1
      }
    }
  }

  private func wait(seconds: Double, _ isCancelled: () -> Bool) throws {
    let end = ContinuousClock.now + .seconds(seconds)
    while true {
      if isCancelled() { throw NetworkCancelled() }
      let left = (end - ContinuousClock.now) / .seconds(1)
      if left <= 0 { return }
      usleep(UInt32(min(left, 0.05) * 1e6))
    }
  }

  // MARK: One attempt

  /// A request and the redirects it leads to.
  private func follow(
    _ request: HTTPRequest, _ limits: HTTPLimits, _ isCancelled: () -> Bool, onHead: (HTTPResponse) throws -> Void,
    sink: (UnsafeRawBufferPointer) throws -> Void
  ) throws -> HTTPResponse {
    let deadline = limits.totalTimeoutSeconds.map { ContinuousClock.now + .seconds($0) }
    var request = request
    var redirects: [HTTPResponse] = []
    while true {
      let transfer = Transfer(request: request, limits: limits, deadline: deadline, certificates: certificates)
      var response = try withLine { line in
        try transfer.run(
          line, isCancelled,
          onHead: { head in
            var head = head
            head.redirects = redirects
            try onHead(head)
          }, sink: sink)
      }
      guard let next = try Redirect(response, of: request)?.request else {
        response.redirects = redirects
        return response
      }
      redirects.append(response)
      guard redirects.count <= limits.maxRedirects else {
        throw NetworkError(.redirect, "\(shownURL(request.url)) redirects more than \(limits.maxRedirects) times")
      }
      request = next
    }
  }
}

extension HTTPClient {
  /// Runs `body` with a line that no other thread has; its connections serve the next request.
  private func withLine<Result>(_ body: (CurlLine) throws -> Result) throws -> Result {
    let line = try lock.withLock { _ in idleLines.popLast() } ?? CurlLine()
    defer { lock.withLock { _ in if idleLines.count < 64 { idleLines.append(line) } } }
    return try body(line)
  }
}

/// Where a response sends a request, and what of the request goes there.
struct Redirect {
  let request: HTTPRequest

  /// Nil where the response is no redirect.
  init?(_ response: HTTPResponse, of request: HTTPRequest) throws {
    guard [301, 302, 303, 307, 308].contains(response.status), let location = response.header("location") else { return nil }
    guard let base = URL(string: request.url), let target = URL(string: location, relativeTo: base)?.absoluteURL,
      let scheme = target.scheme?.lowercased(), ["http", "https"].contains(scheme), target.host()?.isEmpty == false
    else {
      throw NetworkError(
        .redirect, "\(shownURL(request.url)) redirects to \(shownURL(String(location.prefix(200)))), which is no web address")
    }
    if base.scheme?.lowercased() == "https", scheme == "http" {
      throw NetworkError(
        .redirect, "\(shownURL(request.url)) redirects to \(shownURL(target.absoluteString)), which is not encrypted",
        hint: "it was not followed: what comes from there could have been changed on the way")
    }
    var next = request
    next.url = target.absoluteString
    if origin(base) != origin(target) {
      next.key = nil
      for name in next.headers.keys where ["authorization", "cookie", "api-key", "x-api-key"].contains(name.lowercased()) {
        next.headers[name] = nil
      }
    }
    if response.status == 303 && request.method != "HEAD" || [301, 302].contains(response.status) && request.method == "POST" {
      next.method = "GET"
      next.body = nil
      next.headers = next.headers.filter { $0.key.lowercased() != "content-type" }
    }
    self.request = next
  }
}

/// Scheme, host and port: what a key belongs to.
private func origin(_ url: URL) -> String {
  let scheme = url.scheme?.lowercased() ?? ""
  return "\(scheme)://\(url.host()?.lowercased() ?? ""):\(url.port ?? (scheme == "https" ? 443 : 80))"
}
