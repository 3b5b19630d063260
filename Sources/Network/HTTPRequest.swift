// What is sent: a method, a URL, headers, perhaps a body, and a key that no text of ours ever shows.

/// A key or token: it can be sent, and nothing else.
///
/// Its description hides it, so that no message, display or log can show it by accident.
public struct Secret: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  private let value: String

  /// Takes the key; blanks and line ends around it, as files have them, are dropped.
  public init(_ value: String) {
    let blanks: Set<UInt8> = [0x20, 0x09, 0x0A, 0x0D]
    var bytes = Array(value.utf8)
    while let last = bytes.last, blanks.contains(last) { bytes.removeLast() }
    self.value = String(decoding: bytes.drop { blanks.contains($0) }, as: UTF8.self)
  }

  /// Whether there is nothing to send.
  public var isEmpty: Bool { value.isEmpty }

  /// Whether it can stand in a header: visible ASCII characters only.
  public var isSendable: Bool { !isEmpty && value.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F } }

  /// A placeholder.
  public var description: String { "•••" }
  /// A placeholder.
  public var debugDescription: String { "•••" }
  /// A mirror of nothing, so that `dump` shows nothing either.
  public var customMirror: Mirror { Mirror(self, children: []) }

  /// The text of the Authorization header.
  var authorization: String { "Bearer \(value)" }

  /// A text in which the key is replaced by the placeholder: servers like to repeat what they were sent.
  ///
  /// Parts of the key that begin or end it and have at least eight characters are replaced too.
  public func hidden(in text: String) -> String {
    guard !isEmpty else { return text }
    var result = text.replacing(value, with: description)
    guard value.utf8.count > 8 else { return result }
    for part in [String(value.prefix(8)), String(value.suffix(8))] { result = result.replacing(part, with: description) }
    return result
  }
}

/// One HTTP request.
public struct HTTPRequest: Sendable {
  /// `GET`, `HEAD`, `POST`.
  public var method: String
  /// The address, `http` or `https`.
  public var url: String
  /// Headers; the key does not belong here.
  public var headers: [String: String]
  /// What is sent after the headers.
  public var body: [UInt8]?
  /// The key for `Authorization: Bearer …`; it goes to the host of `url` only, never to where that host redirects.
  public var key: Secret?

  /// A request.
  public init(_ url: String, method: String = "GET", headers: [String: String] = [:], body: [UInt8]? = nil, key: Secret? = nil) {
    self.url = url
    self.method = method
    self.headers = headers
    self.body = body
    self.key = key
  }
}

/// What came back: all of it, or all but the body where that went to a sink.
public struct HTTPResponse: Sendable {
  /// The status code, such as 200.
  public var status: Int
  /// Header values by lower-case name.
  public var headers: [String: String]
  /// Where the response came from, after redirects.
  public var url: String
  /// The bytes; empty where they went to a sink.
  public var body: [UInt8]
  /// The responses that redirected here, first to last, without bodies.
  public var redirects: [HTTPResponse]

  /// A response.
  public init(status: Int, headers: [String: String], url: String, body: [UInt8] = [], redirects: [HTTPResponse] = []) {
    self.status = status
    self.headers = headers
    self.url = url
    self.body = body
    self.redirects = redirects
  }

  /// The value of a header whatever its case, nil where there is none.
  public func header(_ name: String) -> String? { headers[name.lowercased()] }

  /// The length that the head announces; nil where it says nothing, or where what arrives is unpacked on the way.
  public var contentLength: Int? {
    if let encoding = header("content-encoding"), encoding.lowercased() != "identity" { return nil }
    return header("content-length").flatMap { Int($0) }
  }
}

/// Bounds of one request.
public struct HTTPLimits: Sendable {
  /// The longest wait for the head of a response, in seconds.
  public var responseTimeoutSeconds: Double
  /// The longest silence within a body, in seconds.
  public var idleTimeoutSeconds: Double
  /// The longest time for one attempt, in seconds; nil where a transfer may go on as long as bytes come.
  public var totalTimeoutSeconds: Double?
  /// The most bytes a body may have.
  public var maxBytes: Int
  /// The most redirects that are followed.
  public var maxRedirects: Int
  /// How often a request is made at most, and how long to wait between.
  public var retry: RetryPolicy

  /// Bounds that suit small answers.
  public init(
    responseTimeoutSeconds: Double = 30, idleTimeoutSeconds: Double = 30, totalTimeoutSeconds: Double? = nil, maxBytes: Int = 64 << 20,
    maxRedirects: Int = 10, retry: RetryPolicy = RetryPolicy()
  ) {
    self.responseTimeoutSeconds = responseTimeoutSeconds
    self.idleTimeoutSeconds = idleTimeoutSeconds
    self.totalTimeoutSeconds = totalTimeoutSeconds
    self.maxBytes = maxBytes
    self.maxRedirects = maxRedirects
    self.retry = retry
  }
}
