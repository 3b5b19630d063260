// Replies of endpoints on the disk, one file each, named by what was asked. A file appears whole or not at all, so several
// processes may use one folder; a file that cannot be read is asked for again. Keys are no part of the name or the content.

import Crypto
import Formats

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

/// A folder of replies.
struct EndpointCache: Sendable {
  let folder: String

  /// The name of a request's file: SHA-256 of address, model and request.
  static func name(url: String, model: String, request: String) -> String {
    SHA256.hash(data: Array("\(url)\n\(model)\n\(request)".utf8)).map { byte in
      let text = String(byte, radix: 16)
      return byte < 16 ? "0" + text : text
    }.joined()
  }

  private func path(_ name: String) -> String { "\(folder)/\(name.prefix(2))/\(name).json" }

  /// The reply kept under a name; nil where there is none that can be read.
  func reply(_ name: String) -> TeacherReply? {
    guard access(path(name), R_OK) == 0 else { return nil }
    do {
      guard var reply = try JSON.read(path: path(name))["reply"].flatMap(TeacherReply.init(json:)) else { return nil }
      reply.isCached = true
      return reply
    } catch {
      return nil
    }
  }

  /// Keeps a reply.
  ///
  /// - Throws: `TeacherError` where the folder cannot be written.
  func keep(_ reply: TeacherReply, _ name: String, url: String, model: String, request: JSON) throws {
    let file = path(name)
    do {
      try makeFolders(file)
      let content = JSON.object(["url": .string(url), "model": .string(model), "request": request, "reply": reply.json])
      try AtomicFile.write(content.serialized() + "\n", to: file)
    } catch let error as FormatError {
      throw TeacherError(
        "the cache of replies cannot be written: \(error.message)", hint: "free some space, or turn it off with cache: false")
    }
  }

  private func makeFolders(_ file: String) throws {
    var path = ""
    for part in file.split(separator: "/", omittingEmptySubsequences: false).dropLast() {
      path += part
      if !path.isEmpty, mkdir(path, 0o755) != 0, errno != EEXIST, access(path, F_OK) != 0 {
        throw FormatError("the folder \(path) cannot be made: \(String(cString: strerror(errno)))")
      }
      path += "/"
    }
  }
}
