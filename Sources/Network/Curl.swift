// libcurl, opened when it is first needed. URLSession on Linux is the same library behind code that traps the process when a
// server breaks off within its headers, and that cannot hold a transfer back; here bytes go from libcurl to the caller on the
// caller's own thread, so nothing is read that was not yet put away.

import CCurl

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The functions of libcurl.
struct Curl: @unchecked Sendable {
  typealias Handle = UnsafeMutableRawPointer

  let easyInit: @convention(c) () -> Handle?
  let easyReset: @convention(c) (Handle) -> Void
  let easyCleanup: @convention(c) (Handle) -> Void
  let setOption: UnsafeMutableRawPointer
  let errorText: @convention(c) (Int32) -> UnsafePointer<CChar>?
  let listAppend: @convention(c) (Handle?, UnsafePointer<CChar>) -> Handle?
  let listFree: @convention(c) (Handle?) -> Void
  let multiInit: @convention(c) () -> Handle?
  let multiAdd: @convention(c) (Handle, Handle) -> Int32
  let multiRemove: @convention(c) (Handle, Handle) -> Int32
  let multiPerform: @convention(c) (Handle, UnsafeMutablePointer<Int32>) -> Int32
  let multiWait: @convention(c) (Handle, UnsafeMutableRawPointer?, UInt32, Int32, UnsafeMutablePointer<Int32>) -> Int32
  let multiRead: @convention(c) (Handle, UnsafeMutablePointer<Int32>) -> UnsafePointer<zs_curl_message>?
  let multiCleanup: @convention(c) (Handle) -> Int32

  private static let opened: Result<Curl, NetworkError> = Result { () throws(NetworkError) in try Curl() }

  /// The library; opened and set up once.
  static func library() throws -> Curl { try opened.get() }

  private init() throws(NetworkError) {
    let names = ["libcurl.so.4", "libcurl-gnutls.so.4", "libcurl.4.dylib"]
    guard let library = names.lazy.compactMap({ dlopen($0, RTLD_NOW | RTLD_LOCAL) }).first else {
      throw NetworkError(.noLibrary, "libcurl was not found, and without it there is no network", hint: "Debian: apt install libcurl4")
    }
    func symbol(_ name: String) throws(NetworkError) -> UnsafeMutableRawPointer {
      guard let address = dlsym(library, name) else {
        throw NetworkError(.noLibrary, "libcurl has no \(name)", hint: "it is older than 7.66; update it")
      }
      return address
    }
    typealias GlobalInit = @convention(c) (Int) -> Int32
    guard unsafeBitCast(try symbol("curl_global_init"), to: GlobalInit.self)(ZS_CURL_GLOBAL_ALL) == 0 else {
      throw NetworkError(.noLibrary, "libcurl cannot be set up")
    }
    easyInit = unsafeBitCast(try symbol("curl_easy_init"), to: (@convention(c) () -> Handle?).self)
    easyReset = unsafeBitCast(try symbol("curl_easy_reset"), to: (@convention(c) (Handle) -> Void).self)
    easyCleanup = unsafeBitCast(try symbol("curl_easy_cleanup"), to: (@convention(c) (Handle) -> Void).self)
    setOption = try symbol("curl_easy_setopt")
    errorText = unsafeBitCast(try symbol("curl_easy_strerror"), to: (@convention(c) (Int32) -> UnsafePointer<CChar>?).self)
    listAppend = unsafeBitCast(
      try symbol("curl_slist_append"), to: (@convention(c) (Handle?, UnsafePointer<CChar>) -> Handle?).self)
    listFree = unsafeBitCast(try symbol("curl_slist_free_all"), to: (@convention(c) (Handle?) -> Void).self)
    multiInit = unsafeBitCast(try symbol("curl_multi_init"), to: (@convention(c) () -> Handle?).self)
    multiAdd = unsafeBitCast(try symbol("curl_multi_add_handle"), to: (@convention(c) (Handle, Handle) -> Int32).self)
    multiRemove = unsafeBitCast(try symbol("curl_multi_remove_handle"), to: (@convention(c) (Handle, Handle) -> Int32).self)
    multiPerform = unsafeBitCast(
      try symbol("curl_multi_perform"), to: (@convention(c) (Handle, UnsafeMutablePointer<Int32>) -> Int32).self)
    multiWait = unsafeBitCast(
      try symbol("curl_multi_poll"),
      to: (@convention(c) (Handle, UnsafeMutableRawPointer?, UInt32, Int32, UnsafeMutablePointer<Int32>) -> Int32).self)
    multiRead = unsafeBitCast(
      try symbol("curl_multi_info_read"),
      to: (@convention(c) (Handle, UnsafeMutablePointer<Int32>) -> UnsafePointer<zs_curl_message>?).self)
    multiCleanup = unsafeBitCast(try symbol("curl_multi_cleanup"), to: (@convention(c) (Handle) -> Int32).self)
  }
}

/// A connection pool with a handle for one request at a time; used by one thread at a time.
final class CurlLine {
  let curl: Curl
  let multi: Curl.Handle
  let easy: Curl.Handle

  init() throws {
    curl = try Curl.library()
    guard let multi = curl.multiInit() else { throw NetworkError(.noLibrary, "libcurl has no memory for a connection") }
    guard let easy = curl.easyInit() else {
      _ = curl.multiCleanup(multi)
      throw NetworkError(.noLibrary, "libcurl has no memory for a connection")
    }
    self.multi = multi
    self.easy = easy
  }

  deinit {
    curl.easyCleanup(easy)
    _ = curl.multiCleanup(multi)
  }

  func set(_ option: Int, _ value: Int) {
    _ = zs_curl_set_long(curl.setOption, easy, Int32(option), value)
  }

  func set(_ option: Int, pointer: UnsafeRawPointer?) {
    _ = zs_curl_set_pointer(curl.setOption, easy, Int32(option), pointer)
  }

  func set(_ option: Int, large: Int64) {
    _ = zs_curl_set_large(curl.setOption, easy, Int32(option), large)
  }

  func set(_ option: Int, callback: zs_curl_callback) {
    _ = zs_curl_set_callback(curl.setOption, easy, Int32(option), callback)
  }
}
