// What can go wrong on the way to a server and back, in words that never hold a key.

/// A request that failed: what was asked where, why it failed, and what to try.
public struct NetworkError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The kinds of failure that callers tell apart.
  public enum Kind: Sendable, Equatable {
    /// The address is none, or of another scheme.
    case badURL
    /// The host's name does not resolve.
    case noSuchHost
    /// Nothing answers at the host's port, or the network is down.
    case noConnection
    /// The connection ended before the response did.
    case cut
    /// The server said nothing for too long.
    case timeout
    /// The certificate is not one to trust, or encryption failed otherwise.
    case certificate
    /// The answer is larger than it may be.
    case tooLarge
    /// Too many redirects, or one to a place that is not followed.
    case redirect
    /// The server refused with a status code of 400 or above.
    case status(Int)
    /// What came is not what the protocol promises.
    case malformed
    /// The library that makes connections is not there.
    case noLibrary
  }

  /// What kind of failure this is.
  public var kind: Kind
  /// What failed, where and why.
  public var message: String
  /// What to try.
  public var hint: String?
  /// What the server asked to wait, in seconds.
  public var retryAfterSeconds: Double?
  /// The response's head where there was one.
  public var headers: [String: String] = [:]
  /// The beginning of a refusing response's body.
  public var body: String = ""

  /// An error.
  public init(_ kind: Kind, _ message: String, hint: String? = nil, retryAfterSeconds: Double? = nil) {
    self.kind = kind
    self.message = message
    self.hint = hint
    self.retryAfterSeconds = retryAfterSeconds
  }

  /// Message and hint in one text.
  public var description: String { hint.map { "\(message) (\($0))" } ?? message }

  /// The status code of a refusal.
  public var status: Int? { if case .status(let code) = kind { code } else { nil } }

  /// Whether the same request may succeed a little later.
  public var isWorthRetrying: Bool {
    switch kind {
    case .noSuchHost, .noConnection, .cut, .timeout: true
    case .status(let code): code == 408 || code == 425 || code == 429 || (500...599).contains(code) && code != 501 && code != 505
    case .badURL, .certificate, .tooLarge, .redirect, .malformed, .noLibrary: false
    }
  }
}

/// Thrown where the caller asked for a request to stop.
public struct NetworkCancelled: Error, Sendable, Equatable {
  /// Makes the error.
  public init() {}
}

/// An address without what may be secret in it: user, password, query and fragment.
public func shownURL(_ url: String) -> String {
  var text = Substring(url)
  var scheme = Substring()
  if let colon = text.firstRange(of: "://") {
    scheme = text[..<colon.upperBound]
    text = text[colon.upperBound...]
  }
  text = text.prefix { $0 != "?" && $0 != "#" }
  let host = text.prefix { $0 != "/" }
  if let at = host.lastIndex(of: "@") { text = text[text.index(after: at)...] }
  return String(scheme + text)
}

extension NetworkError {
  /// The error for a refusal, with what the server said about it.
  static func refused(_ response: HTTPResponse, _ request: HTTPRequest) -> NetworkError {
    // The key is hidden before anything is cut short: of a key that is cut, only the ends would be found.
    let hidden = { (text: String) in request.key.map { $0.hidden(in: text) } ?? text }
    let body = String(hidden(String(decoding: response.body, as: UTF8.self)).prefix(4096))
    let words = said(body, response, hidden)
    var error = NetworkError(
      .status(response.status),
      "\(request.method) \(shownURL(response.url)) was refused: \(response.status) \(reason(response.status))"
        + (words.isEmpty ? "" : ": \(words)"),
      hint: hint(response.status, hasKey: request.key != nil),
      retryAfterSeconds: response.header("retry-after").flatMap { Network.retryAfterSeconds($0) })
    error.headers = response.headers
    error.body = body
    if let seconds = error.retryAfterSeconds, seconds > 0 { error.message += "; it asks to wait \(Int(seconds.rounded(.up))) s" }
    return error
  }

  /// One line of what a refusing server wrote: the message of a JSON error, or the text's first line; nothing of a web page.
  private static func said(_ text: String, _ response: HTTPResponse, _ hidden: (String) -> String) -> String {
    if response.header("content-type")?.contains("html") == true || text.hasPrefix("<") { return "" }
    for name in ["\"message\"", "\"error\"", "\"detail\""] {
      guard let place = text.firstRange(of: name) else { continue }
      let rest = text[place.upperBound...].drop { $0 == " " || $0 == ":" || $0 == "\n" }
      guard rest.first == "\"" else { continue }
      var words = ""
      var isEscaped = false
      for character in rest.dropFirst() {
        if isEscaped {
          words.append(character == "n" ? " " : character)
          isEscaped = false
        } else if character == "\\" {
          isEscaped = true
        } else if character == "\"" {
          break
        } else {
          words.append(character)
        }
      }
      return shortened(hidden(words))
    }
    return shortened(text.split(whereSeparator: \.isNewline).first.map(String.init) ?? "")
  }

  private static func shortened(_ text: String) -> String {
    let visible = text.filter { !$0.isNewline && $0.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F } }
    return visible.count > 300 ? String(visible.prefix(300)) + "…" : visible
  }

  private static func hint(_ status: Int, hasKey: Bool) -> String? {
    switch status {
    case 401: hasKey ? "the key was not accepted" : "the server wants a key"
    case 403: hasKey ? "the key does not give access to this" : "the server wants a key, or denies access"
    case 404: "check the address"
    case 429: "fewer requests at once, or a little later"
    case 500...599: "the trouble is on the server's side; try again later"
    default: nil
    }
  }

  /// The name of a status code.
  private static func reason(_ status: Int) -> String {
    let names = [
      400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
      408: "Request Timeout", 409: "Conflict", 410: "Gone", 413: "Content Too Large", 416: "Range Not Satisfiable",
      422: "Unprocessable Content",
      429: "Too Many Requests", 451: "Unavailable For Legal Reasons", 500: "Internal Server Error", 501: "Not Implemented",
      502: "Bad Gateway",
      503: "Service Unavailable", 504: "Gateway Timeout",
    ]
    return names[status] ?? (status < 500 ? "refused" : "server error")
  }
}
