// One file from the Hub into the cache: continued where the last attempt stopped, hashed as it comes, put in place when it is
// whole and right.

import Crypto
import Network

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A content on its way into the cache.
struct HubTransfer {
  let client: HTTPClient
  let settings: HubSettings
  let cache: HubCache
  /// The address of the file.
  let url: String
  let file: HubFile
  /// The hash that names the content.
  let etag: String
  /// Told of each failed attempt that will be followed by another.
  let onRetry: (RetryNotice) -> Void

  /// Brings the content; it is in its place when this returns.
  ///
  /// - Parameter onBytes: Told how many bytes are there; throws to stop.
  func run(onBytes: (Int) throws -> Void, isCancelled: () -> Bool) throws {
    let goal = cache.blob(etag)
    let path = goal + ".incomplete"
    try cache.makeFolders(for: path)
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw failure("cannot be written", path) }
    defer { close(descriptor) }
    var isSecondTime = false
    while true {
      var sink = try HubSink(descriptor, path, file: file, etag: etag, onBytes: onBytes)
      try download(&sink, onBytes, isCancelled)
      guard let problem = sink.problem() else { break }
      // What is wrong in the middle cannot be mended from the end: once more from the beginning.
      guard ftruncate(descriptor, 0) == 0 else { throw failure("cannot be cut", path) }
      guard !isSecondTime else {
        unlink(path)
        throw HubError(
          "\(file.path) came wrong twice: \(problem)", hint: "nothing was kept; try again later, or from another endpoint (HF_ENDPOINT)")
      }
      isSecondTime = true
    }
    guard fsync(descriptor) == 0, fchmod(descriptor, 0o644) == 0, rename(path, goal) == 0 else {
      throw failure("cannot be put in place", goal)
    }
  }

  /// Asks for what is missing until nothing is; a failure after which bytes came does not count against the attempts.
  private func download(_ sink: inout HubSink, _ onBytes: (Int) throws -> Void, _ isCancelled: () -> Bool) throws {
    var attempt = 1
    while !sink.isWhole {
      let before = sink.count
      do {
        try request(&sink, onBytes, isCancelled)
        if sink.isWhole || file.bytes == nil { return }
        throw NetworkError(.cut, "\(shownURL(url)) ended after \(sink.count) of \(file.bytes ?? 0) bytes")
      } catch let error as NetworkError {
        if error.status == 416, before > 0 {
          // What is there is no beginning of this file.
          try sink.restart()
          continue
        }
        if sink.count > before { attempt = 1 }
        guard let delay = settings.retry.delay(after: error, attempt: attempt) else {
          var error = error
          if sink.count > 0 { error.message += "; \(sink.count) bytes of \(file.path) are kept, and the next attempt continues there" }
          throw error
        }
        onRetry(RetryNotice(attempt: attempt, attempts: settings.retry.attempts(after: error), delaySeconds: delay, error: error))
        try wait(delay, isCancelled)
        attempt += 1
      }
    }
  }

  private func request(_ sink: inout HubSink, _ onBytes: (Int) throws -> Void, _ isCancelled: () -> Bool) throws {
    var request = HTTPRequest(url, headers: ["Accept-Encoding": "identity"], key: settings.token)
    let start = sink.count
    if start > 0 { request.headers["Range"] = "bytes=\(start)-" }
    var limits = HTTPLimits(responseTimeoutSeconds: 30, idleTimeoutSeconds: 30, retry: RetryPolicy(attempts: 1))
    limits.maxBytes = file.bytes ?? 1 << 40
    var receiving = sink
    defer { sink = receiving }
    try client.stream(
      request, limits: limits, isCancelled: isCancelled,
      onHead: { response in
        if start > 0, response.status != 206 || !beginsAt(start, response) { try receiving.restart() }
      },
      sink: { bytes in
        try receiving.append(bytes)
        try onBytes(receiving.count)
      })
  }

  /// Whether a partial response begins where it was asked to.
  private func beginsAt(_ start: Int, _ response: HTTPResponse) -> Bool {
    guard let range = response.header("content-range"), range.hasPrefix("bytes ") else { return false }
    return range.dropFirst(6).prefix { $0 != "-" } == "\(start)"
  }

  private func wait(_ seconds: Double, _ isCancelled: () -> Bool) throws {
    let end = ContinuousClock.now + .seconds(seconds)
    while ContinuousClock.now < end {
      if isCancelled() { throw NetworkCancelled() }
      usleep(20_000)
    }
  }

  private func failure(_ what: String, _ path: String) -> HubError {
    HubError(
      "\(path) \(what): \(String(cString: strerror(errno)))", hint: "free some space, or set HF_HOME to a folder that can be written")
  }
}

/// The growing file of a transfer and the hash of what it holds.
struct HubSink {
  private let descriptor: Int32
  private let path: String
  private let file: HubFile
  private let etag: String
  private var hash: ContentHash
  /// The bytes that are there.
  private(set) var count = 0

  /// Takes over what an earlier attempt left.
  init(_ descriptor: Int32, _ path: String, file: HubFile, etag: String, onBytes: (Int) throws -> Void) throws {
    self.descriptor = descriptor
    self.path = path
    self.file = file
    self.etag = etag
    hash = ContentHash(etag: etag, bytes: file.bytes)
    let size = Int(lseek(descriptor, 0, SEEK_END))
    guard size <= (file.bytes ?? 0) else {
      try restart()
      return
    }
    guard lseek(descriptor, 0, SEEK_SET) == 0 else { throw failure() }
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
    defer { buffer.deallocate() }
    while count < size {
      let got = read(descriptor, buffer.baseAddress, min(buffer.count, size - count))
      if got < 0 && errno == EINTR { continue }
      guard got > 0 else { throw failure() }
      hash.update(UnsafeRawBufferPointer(rebasing: buffer[..<got]))
      count += got
      try onBytes(count)
    }
  }

  /// Whether as much is there as there should be.
  var isWhole: Bool { file.bytes.map { count == $0 } ?? false }

  mutating func restart() throws {
    guard ftruncate(descriptor, 0) == 0, lseek(descriptor, 0, SEEK_SET) == 0 else { throw failure() }
    hash = ContentHash(etag: etag, bytes: file.bytes)
    count = 0
  }

  mutating func append(_ bytes: UnsafeRawBufferPointer) throws {
    var rest = bytes[...]
    while let base = UnsafeRawBufferPointer(rebasing: rest).baseAddress, !rest.isEmpty {
      let written = write(descriptor, base, rest.count)
      if written < 0 && errno == EINTR { continue }
      guard written > 0 else { throw failure() }
      hash.update(UnsafeRawBufferPointer(rebasing: rest.prefix(written)))
      count += written
      rest = rest.dropFirst(written)
    }
  }

  /// What is wrong with the whole file, nil if nothing is.
  func problem() -> String? {
    if let bytes = file.bytes, count != bytes { return "\(count) bytes instead of \(bytes)" }
    guard let found = hash.finished(), found != etag.lowercased() else { return nil }
    return "its hash is \(found), not \(etag)"
  }

  private func failure() -> HubError {
    HubError(
      "\(path) cannot be written or read: \(String(cString: strerror(errno)))", hint: "free some space, or set HF_HOME to another disk")
  }
}

/// The hash that an ETag of the Hub is: SHA-256 of the content, or SHA-1 of it as a git blob; none for other tags.
enum ContentHash {
  case sha256(SHA256)
  case git(Insecure.SHA1)
  case unknown

  init(etag: String, bytes: Int?) {
    let isHexadecimal = etag.allSatisfy(\.isHexDigit)
    switch (etag.utf8.count, bytes) {
    case (64, _) where isHexadecimal: self = .sha256(SHA256())
    case (40, let bytes?) where isHexadecimal:
      var hash = Insecure.SHA1()
      hash.update(data: Array("blob \(bytes)\0".utf8))
      self = .git(hash)
    default: self = .unknown
    }
  }

  mutating func update(_ bytes: UnsafeRawBufferPointer) {
    switch self {
    case .sha256(var hash):
      self = .unknown
      hash.update(bufferPointer: bytes)
      self = .sha256(hash)
    case .git(var hash):
      self = .unknown
      hash.update(bufferPointer: bytes)
      self = .git(hash)
    case .unknown: break
    }
  }

  /// The hash in lower-case hexadecimal, nil where the tag was no hash.
  func finished() -> String? {
    switch self {
    case .sha256(let hash): hexadecimal(hash.finalize())
    case .git(let hash): hexadecimal(hash.finalize())
    case .unknown: nil
    }
  }
}

/// Bytes as lower-case hexadecimal.
func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
  bytes.map { byte in
    let text = String(byte, radix: 16)
    return byte < 16 ? "0" + text : text
  }.joined()
}
