// What comes back of one request: libcurl's callbacks put the head together and pass the body on, on the thread that waits.

import CCurl

/// A response on its way in.
final class Incoming {
  private let request: HTTPRequest
  private let maxBytes: Int
  private let onHead: (HTTPResponse) throws -> Void
  private let sink: (UnsafeRawBufferPointer) throws -> Void
  /// The response as far as it is known.
  private(set) var response: HTTPResponse
  /// Whether the head is complete.
  private(set) var hasHead = false
  /// When something came last.
  private(set) var lastProgress = ContinuousClock.now
  /// Where libcurl writes what went wrong.
  let errorBuffer = UnsafeMutableBufferPointer<CChar>.allocate(capacity: ZS_CURL_ERROR_SIZE)
  private var received = 0
  private var headBytes = 0
  private var isHeadPassedOn = false
  /// Whether the rest of the body is not wanted.
  private var isEnough = false
  private var failure: (any Error)?

  /// How much of a refusing response is kept, and of a redirect's body awaited.
  private static let maxRefusalBytes = 64 << 10
  /// The most bytes of headers.
  private static let maxHeadBytes = 256 << 10

  init(
    _ request: HTTPRequest, maxBytes: Int, onHead: @escaping (HTTPResponse) throws -> Void,
    sink: @escaping (UnsafeRawBufferPointer) throws -> Void
  ) {
    self.request = request
    self.maxBytes = maxBytes
    self.onHead = onHead
    self.sink = sink
    response = HTTPResponse(status: 0, headers: [:], url: request.url)
    errorBuffer.initialize(repeating: 0)
  }

  deinit { errorBuffer.deallocate() }

  /// What libcurl says went wrong.
  var errorText: String { errorBuffer.baseAddress.map { String(cString: $0) } ?? "" }

  private var shown: String { "\(request.method) \(shownURL(request.url))" }
  private var isRefusal: Bool { response.status >= 400 }
  private var isRedirect: Bool { (300..<400).contains(response.status) }

  /// Takes a line of the head; false ends the transfer.
  func takeHeader(_ bytes: UnsafeRawBufferPointer) -> Bool {
    lastProgress = .now
    headBytes += bytes.count
    guard headBytes <= Incoming.maxHeadBytes else {
      failure = NetworkError(.malformed, "\(shown): the headers of the answer have more than \(Incoming.maxHeadBytes >> 10) KB")
      return false
    }
    var text = Substring(String(decoding: bytes, as: UTF8.self))
    while let last = text.unicodeScalars.last, last.value <= 0x20 { text.unicodeScalars.removeLast() }
    if text.hasPrefix("HTTP/"), !hasHead {
      // A status line: the final one, or of what comes before it, such as 100.
      let parts = text.split(separator: " ", maxSplits: 2)
      response.status = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
      response.headers = [:]
    } else if text.isEmpty {
      if response.status >= 200 { hasHead = true }
    } else if !hasHead, let colon = text.firstIndex(of: ":") {
      let name = text[..<colon].lowercased()
      let value = text[text.index(after: colon)...].drop { $0 == " " || $0 == "\t" }.description
      if name == "content-length", let other = response.headers[name], other != value {
        failure = NetworkError(.malformed, "\(shown): the answer announces two lengths, \(other.prefix(20)) and \(value.prefix(20))")
        return false
      }
      response.headers[name] = value
    }
    return true
  }

  /// Takes bytes of the body; false ends the transfer.
  func takeBody(_ bytes: UnsafeRawBufferPointer) -> Bool {
    lastProgress = .now
    received += bytes.count
    do {
      try passHeadOn()
      if isRefusal || isRedirect {
        if isRefusal { response.body.append(contentsOf: bytes.prefix(Incoming.maxRefusalBytes - response.body.count)) }
        isEnough = received >= Incoming.maxRefusalBytes
        return !isEnough
      }
      guard received <= maxBytes else { throw tooLarge(received) }
      try sink(bytes)
      // What the sink did took its own time.
      lastProgress = .now
      return true
    } catch {
      failure = error
      return false
    }
  }

  private func passHeadOn() throws {
    guard !isHeadPassedOn else { return }
    isHeadPassedOn = true
    if isRefusal || isRedirect { return }
    if let length = response.contentLength, length > maxBytes, request.method != "HEAD" { throw tooLarge(length) }
    try onHead(response)
  }

  /// Throws unless the transfer ended as it should.
  func check(_ code: Int32, described: () -> NetworkError) throws {
    if let failure { throw failure }
    // A refusal counts even where its body broke off.
    let isComplete = code == 0 || isEnough || hasHead && isRefusal
    guard isComplete else { throw described() }
    guard hasHead, response.status >= 200 else {
      throw NetworkError(.cut, "\(shown): the answer broke off within its headers", hint: "try again")
    }
    try passHeadOn()
    if isRefusal { throw NetworkError.refused(response, request) }
    if let length = response.contentLength, request.method != "HEAD", !isRedirect, response.status != 204, received != length {
      throw NetworkError(.cut, "\(shown) ended after \(received) of \(length) bytes", hint: "try again")
    }
  }

  private func tooLarge(_ bytes: Int) -> NetworkError {
    NetworkError(.tooLarge, "\(shown): the answer has \(bytes) bytes or more, and at most \(maxBytes) were expected")
  }
}

/// libcurl's callback for each line of a head.
let receiveHeader: zs_curl_callback = { bytes, size, count, context in
  guard let context else { return 0 }
  let incoming = Unmanaged<Incoming>.fromOpaque(context).takeUnretainedValue()
  return incoming.takeHeader(UnsafeRawBufferPointer(start: bytes, count: size * count)) ? size * count : 0
}

/// libcurl's callback for each piece of a body.
let receiveBody: zs_curl_callback = { bytes, size, count, context in
  guard let context else { return 0 }
  let incoming = Unmanaged<Incoming>.fromOpaque(context).takeUnretainedValue()
  return incoming.takeBody(UnsafeRawBufferPointer(start: bytes, count: size * count)) ? size * count : 0
}
