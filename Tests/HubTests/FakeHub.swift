// A Hub of the tests' own: the API, the files (large ones by way of a "CDN" at another origin), the rows of data sets, and a list
// of mishaps that happen once each.

import Crypto
import Foundation
import LoopbackServer

/// A server that answers as the Hub does.
final class FakeHub: @unchecked Sendable {
  /// What goes wrong, once, when a file is asked for.
  enum Mishap {
    /// The connection is dropped after so many bytes.
    case drop(after: Int)
    /// A byte is changed.
    case wrongByte
    /// A status instead of the file.
    case status(Int, headers: [String: String])
    /// Ranges are not heeded.
    case wholeInsteadOfRange
    /// Nothing more comes after so many bytes.
    case stall(after: Int)
  }

  static let commit = "0123456789abcdef0123456789abcdef01234567"
  var files: [String: [UInt8]]
  /// Files that come by way of the CDN.
  var large: Set<String> = []
  /// Whether the listing tells hashes and sizes.
  var tellsBlobs = true
  var token: String?
  private let lock = NSLock()
  private var mishaps: [String: [Mishap]] = [:]
  private var servers: [LoopbackServer] = []
  /// Rows of the data set `owner/rows` by configuration and split.
  var rows: [String: [String]] = [:]
  /// Whether the server of rows says that it has not all of them.
  var isPartial = false

  init(_ files: [String: [UInt8]]) throws {
    self.files = files
    servers.append(try LoopbackServer { [unowned self] in cdn($0, $1) })
    servers.append(try LoopbackServer { [unowned self] in hub($0, $1) })
  }

  var url: String { servers[1].url }
  var requests: [LoopbackServer.Request] { servers[1].requests }
  var cdnRequests: [LoopbackServer.Request] { servers[0].requests }
  func stop() { for server in servers { server.stop() } }

  func plan(_ file: String, _ mishaps: Mishap...) { lock.withLock { self.mishaps[file, default: []] += mishaps } }

  private func mishap(_ file: String) -> Mishap? {
    lock.withLock { mishaps[file]?.isEmpty == false ? mishaps[file]?.removeFirst() : nil }
  }

  static func sha256(_ bytes: [UInt8]) -> String { SHA256.hash(data: bytes).map { String(format: "%02x", $0) }.joined() }
  static func gitHash(_ bytes: [UInt8]) -> String {
    Insecure.SHA1.hash(data: Array("blob \(bytes.count)\0".utf8) + bytes).map { String(format: "%02x", $0) }.joined()
  }
  func etag(_ file: String) -> String {
    let bytes = files[file] ?? []
    return large.contains(file) ? FakeHub.sha256(bytes) : FakeHub.gitHash(bytes)
  }

  private func hub(_ request: LoopbackServer.Request, _ connection: Connection) {
    if let token, request.headers["authorization"] != "Bearer \(token)" {
      return connection.respond(401, ["X-Error-Code": "GatedRepo"], json: #"{"error": "Access is restricted"}"#)
    }
    let path = request.path
    if path == "/splits" || path == "/rows" { return dataset(request, connection) }
    let parts = path.split(separator: "/").map(String.init)
    if path.hasPrefix("/api/models/owner/name/revision/") {
      guard ["main", "v1", FakeHub.commit].contains(parts[5]) else {
        return connection.respond(404, ["X-Error-Code": "RevisionNotFound"], json: #"{"error": "Invalid rev id"}"#)
      }
      return connection.respond(json: listing)
    }
    guard path.hasPrefix("/owner/name/resolve/\(FakeHub.commit)/") else {
      return connection.respond(401, ["X-Error-Code": "RepoNotFound"], json: #"{"error": "Repository not found"}"#)
    }
    let file = parts.dropFirst(4).joined(separator: "/").removingPercentEncoding ?? ""
    guard let bytes = files[file] else { return connection.respond(404, ["X-Error-Code": "EntryNotFound"], text: "Entry not found") }
    let headers = ["X-Repo-Commit": FakeHub.commit, "ETag": "\"\(etag(file))\""]
    guard large.contains(file) else { return send(bytes, file, request, connection, headers) }
    var linked = headers
    linked["ETag"] = "\"not-this-one\""
    linked["X-Linked-Etag"] = "\"\(etag(file))\""
    linked["X-Linked-Size"] = "\(bytes.count)"
    linked["Location"] = servers[0].url + "/cdn/" + file + "?signature=abc%2Fdef"
    connection.respond(302, linked, text: "Found. Redirecting")
  }

  private func cdn(_ request: LoopbackServer.Request, _ connection: Connection) {
    let file = String(request.path.dropFirst(5))
    guard request.query["signature"] == "abc/def", let bytes = files[file] else { return connection.respond(403, [:], text: "no") }
    send(bytes, file, request, connection, ["ETag": "\"of-the-cdn\""])
  }

  private func send(
    _ bytes: [UInt8], _ file: String, _ request: LoopbackServer.Request, _ connection: Connection, _ headers: [String: String]
  ) {
    guard request.method == "GET", let mishap = mishap(file) else { return connection.respond(file: bytes, to: request, headers) }
    switch mishap {
    case .drop(let count): connection.respond(file: bytes, to: request, headers, dropAfter: count)
    case .wrongByte:
      var wrong = bytes
      wrong[wrong.count / 2] ^= 1
      connection.respond(file: wrong, to: request, headers)
    case .status(let status, let more): connection.respond(status, more, text: "as planned")
    case .wholeInsteadOfRange: connection.respond(200, headers, bytes)
    case .stall(let count):
      connection.send("HTTP/1.1 200 Fine\r\nContent-Length: \(bytes.count)\r\n\r\n")
      connection.send(Array(bytes.prefix(count)))
      connection.hold(seconds: 20)
      connection.close()
    }
  }

  private var listing: String {
    let siblings = files.keys.sorted().map { name -> String in
      let bytes = files[name] ?? []
      if !tellsBlobs { return #"{"rfilename": "\#(name)"}"# }
      let lfs =
        large.contains(name) ? #", "lfs": {"sha256": "\#(FakeHub.sha256(bytes))", "size": \#(bytes.count), "pointerSize": 134}"# : ""
      return #"{"rfilename": "\#(name)", "size": \#(bytes.count), "blobId": "\#(FakeHub.gitHash(bytes))"\#(lfs)}"#
    }
    return #"{"id": "owner/name", "sha": "\#(FakeHub.commit)", "siblings": [\#(siblings.joined(separator: ", "))]}"#
  }

  // MARK: Data sets

  private func dataset(_ request: LoopbackServer.Request, _ connection: Connection) {
    guard request.query["dataset"] == "owner/rows" else {
      return connection.respond(404, ["X-Error-Code": "DatasetNotFoundError"], json: #"{"error": "The dataset does not exist"}"#)
    }
    if request.path == "/splits" {
      let splits = rows.keys.sorted().map { key -> String in
        let parts = key.split(separator: "/")
        return #"{"dataset": "owner/rows", "config": "\#(parts[0])", "split": "\#(parts[1])"}"#
      }
      return connection.respond(json: #"{"splits": [\#(splits.joined(separator: ", "))], "pending": [], "failed": []}"#)
    }
    let key = "\(request.query["config"] ?? "")/\(request.query["split"] ?? "")"
    guard let all = rows[key], let offset = Int(request.query["offset"] ?? ""), let length = Int(request.query["length"] ?? ""),
      length <= 100
    else { return connection.respond(422, [:], json: #"{"error": "Parameter 'length' must not be greater than 100"}"#) }
    switch mishap("\(offset)") {
    case .status(let status, let headers): return connection.respond(status, headers, text: "as planned")
    case .drop: return connection.close()
    default: break
    }
    let page = all.enumerated().dropFirst(offset).prefix(length).map { #"{"row_idx": \#($0), "row": \#($1), "truncated_cells": []}"# }
    connection.respond(
      json:
        #"{"features": [], "rows": [\#(page.joined(separator: ", "))], "num_rows_total": \#(all.count), "num_rows_per_page": 100, "partial": \#(isPartial)}"#
    )
  }
}
