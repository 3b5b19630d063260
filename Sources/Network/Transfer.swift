// One request without redirects or retries: what is sent, deadlines and sizes, and the words for what went wrong.

import CCurl

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// A request on its way.
struct Transfer {
  let request: HTTPRequest
  let limits: HTTPLimits
  /// When the attempt has to be over.
  let deadline: ContinuousClock.Instant?
  /// A file of certificates to trust instead of the system's.
  let certificates: String?

  private var shown: String { "\(request.method) \(shownURL(request.url))" }

  /// Runs the request to its end; a redirect is an end too.
  func run(
    _ line: CurlLine, _ isCancelled: () -> Bool, onHead: (HTTPResponse) throws -> Void,
    sink: (UnsafeRawBufferPointer) throws -> Void
  ) throws -> HTTPResponse {
    try withoutActuallyEscaping(onHead) { onHead in
      try withoutActuallyEscaping(sink) { sink in
        let incoming = Incoming(request, maxBytes: limits.maxBytes, onHead: onHead, sink: sink)
        let code = try prepared(line, incoming) { try perform(line, incoming, isCancelled) }
        try incoming.check(code, described: { described(code, incoming.errorText, line.curl) })
        return incoming.response
      }
    }
  }

  // MARK: Sending

  /// Runs `body` with all options set, and takes them back.
  private func prepared(_ line: CurlLine, _ incoming: Incoming, _ body: () throws -> Int32) throws -> Int32 {
    try checkURL()
    line.curl.easyReset(line.easy)
    line.set(ZS_CURLOPT_NOSIGNAL, 1)
    line.set(ZS_CURLOPT_NOPROGRESS, 1)
    line.set(ZS_CURLOPT_PROTOCOLS, ZS_CURLPROTO_HTTP | ZS_CURLPROTO_HTTPS)
    line.set(ZS_CURLOPT_TCP_KEEPALIVE, 1)
    // The head with which a proxy opens a tunnel is not the answer's.
    line.set(ZS_CURLOPT_SUPPRESS_CONNECT_HEADERS, 1)
    line.set(ZS_CURLOPT_BUFFERSIZE, 256 << 10)
    line.set(ZS_CURLOPT_CONNECTTIMEOUT_MS, Int(min(limits.responseTimeoutSeconds, 20) * 1000))
    // A text is copied by libcurl; the body, the error buffer and the context are not and outlive the transfer.
    for (option, text) in [(ZS_CURLOPT_URL, request.url), (ZS_CURLOPT_USERAGENT, HTTPClient.userAgent)] {
      text.withCString { line.set(option, pointer: $0) }
    }
    if let certificates { certificates.withCString { line.set(ZS_CURLOPT_CAINFO, pointer: $0) } }
    if !request.headers.keys.contains(where: { $0.lowercased() == "accept-encoding" }) {
      "".withCString { line.set(ZS_CURLOPT_ACCEPT_ENCODING, pointer: $0) }
    }
    let headers = try headerList(line.curl)
    defer { line.curl.listFree(headers) }
    line.set(ZS_CURLOPT_HTTPHEADER, pointer: headers)
    if request.method == "HEAD" { line.set(ZS_CURLOPT_NOBODY, 1) }
    let context = Unmanaged.passUnretained(incoming).toOpaque()
    line.set(ZS_CURLOPT_HEADERFUNCTION, callback: receiveHeader)
    line.set(ZS_CURLOPT_HEADERDATA, pointer: context)
    line.set(ZS_CURLOPT_WRITEFUNCTION, callback: receiveBody)
    line.set(ZS_CURLOPT_WRITEDATA, pointer: context)
    line.set(ZS_CURLOPT_ERRORBUFFER, pointer: incoming.errorBuffer.baseAddress)
    defer { line.curl.easyReset(line.easy) }
    guard request.method == "POST" else { return try body() }
    return try (request.body ?? []).withUnsafeBytes { bytes in
      line.set(ZS_CURLOPT_POST, 1)
      line.set(ZS_CURLOPT_POSTFIELDSIZE_LARGE, large: Int64(bytes.count))
      // Without a pointer libcurl would ask for the body.
      return try withUnsafeBytes(of: 0) { none in
        line.set(ZS_CURLOPT_POSTFIELDS, pointer: bytes.baseAddress ?? none.baseAddress)
        return try body()
      }
    }
  }

  private func checkURL() throws {
    let visible = request.url.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
    guard visible, let url = URL(string: request.url), let scheme = url.scheme?.lowercased(), ["http", "https"].contains(scheme),
      url.host()?.isEmpty == false
    else {
      throw NetworkError(.badURL, "'\(shownURL(request.url))' is no web address", hint: "it begins with https:// or http:// and a host")
    }
  }

  private func headerList(_ curl: Curl) throws -> Curl.Handle? {
    var lines = request.headers.map { "\($0.key): \($0.value)" }
    // libcurl would wait for the server's consent before it sends a body.
    lines.append("Expect:")
    if request.method == "POST", !request.headers.keys.contains(where: { $0.lowercased() == "content-type" }) {
      lines.append("Content-Type: application/json")
    }
    for line in lines where line.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) {
      throw NetworkError(.badURL, "a header for \(shownURL(request.url)) has a character that none may have: \(line.prefix { $0 != ":" })")
    }
    if let key = request.key, !key.isEmpty {
      guard key.isSendable else {
        throw NetworkError(
          .badURL, "the key for \(shownURL(request.url)) has characters that no key has", hint: "blanks, or other than English letters?")
      }
      lines.append("Authorization: \(key.authorization)")
    }
    return lines.reduce(nil as Curl.Handle?) { list, line in curl.listAppend(list, line) ?? list }
  }

  // MARK: Waiting

  /// Moves bytes until the transfer is over; the code libcurl ended it with.
  private func perform(_ line: CurlLine, _ incoming: Incoming, _ isCancelled: () -> Bool) throws -> Int32 {
    guard line.curl.multiAdd(line.multi, line.easy) == 0 else { throw NetworkError(.noLibrary, "libcurl takes no request") }
    defer { _ = line.curl.multiRemove(line.multi, line.easy) }
    while true {
      var running: Int32 = 0
      var count: Int32 = 0
      guard line.curl.multiPerform(line.multi, &running) == 0 else {
        throw NetworkError(.cut, "\(shown): libcurl cannot go on", hint: "try again")
      }
      if let message = line.curl.multiRead(line.multi, &count), message.pointee.kind == 1 { return zs_curl_message_code(message) }
      if isCancelled() { throw NetworkCancelled() }
      try checkTime(incoming)
      _ = line.curl.multiWait(line.multi, nil, 0, 50, &count)
    }
  }

  private func checkTime(_ incoming: Incoming) throws {
    let now = ContinuousClock.now
    if let deadline, now > deadline {
      throw NetworkError(
        .timeout, "\(shown) took longer than \(whole(limits.totalTimeoutSeconds ?? 0)) s", hint: "try again, or allow more time")
    }
    let seconds = incoming.hasHead ? limits.idleTimeoutSeconds : limits.responseTimeoutSeconds
    if now - incoming.lastProgress > .seconds(seconds) {
      throw NetworkError(
        .timeout, "\(shown): waited \(whole(seconds)) s for \(incoming.hasHead ? "more of the answer" : "the server to answer")",
        hint: "the server may be busy; try again, or allow more time")
    }
  }

  private func whole(_ seconds: Double) -> String { seconds == seconds.rounded() && seconds < 1e9 ? "\(Int(seconds))" : "\(seconds)" }

  /// What libcurl says, in words and kinds of our own.
  private func described(_ code: Int32, _ text: String, _ curl: Curl) -> NetworkError {
    let host = URL(string: request.url).flatMap { url in url.host().map { $0 + (url.port.map { ":\($0)" } ?? "") } } ?? "the host"
    let words = text.isEmpty ? curl.errorText(code).map { String(cString: $0) } ?? "error \(code)" : text
    let said = request.key?.hidden(in: words) ?? words
    switch code {
    case 3: return NetworkError(.badURL, "'\(shownURL(request.url))' is no web address that can be opened")
    case 5:
      return NetworkError(.noSuchHost, "\(shown): the name of the proxy cannot be resolved", hint: "see http_proxy, https_proxy, no_proxy")
    case 6:
      return NetworkError(.noSuchHost, "\(shown): the name \(host) cannot be resolved", hint: "is there a network, and is the name right?")
    case 7: return NetworkError(.noConnection, "\(shown): nothing answers at \(host)", hint: "is there a network, and does the server run?")
    case 28:
      return NetworkError(.timeout, "\(shown): no connection to \(host) in time", hint: "is there a network, and does the server run?")
    case 35, 51, 53, 54, 58, 59, 60, 64, 66, 77, 80, 82, 83, 90, 91, 98:
      return NetworkError(
        .certificate, "\(shown): no encrypted connection to \(host) that can be trusted: \(said)",
        hint: "its certificate may be out of date or from an unknown authority (Debian: apt install ca-certificates)")
    case 1, 8, 61: return NetworkError(.malformed, "\(shown): what came back is no HTTP response: \(said)")
    default: return NetworkError(.cut, "\(shown): the connection to \(host) broke: \(said)", hint: "try again")
    }
  }
}
