// The folders that Python's huggingface_hub and transformers keep repositories in, made and read in the same way:
// `models--owner--name/refs/REVISION` names a commit, `snapshots/COMMIT/FILE` is a link to `blobs/ETAG`.

import Formats

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// One repository's folder in the cache.
struct HubCache {
  let source: HubSource
  /// The folder that holds all repositories.
  let root: String

  private var folderName: String { "\(source.kind.rawValue)s--" + source.repository.split(separator: "/").joined(separator: "--") }

  /// The repository's folder.
  var folder: String { "\(root)/\(folderName)" }
  /// The file a commit's name is kept in, for a branch or tag.
  var ref: String { "\(folder)/refs/\(source.revision)" }
  /// The folder of a commit's files.
  func snapshot(_ commit: String) -> String { "\(folder)/snapshots/\(commit)" }
  /// A file of a commit: a link to a blob.
  func pointer(_ commit: String, _ file: String) -> String { "\(snapshot(commit))/\(file)" }
  /// The file of a content.
  func blob(_ etag: String) -> String { "\(folder)/blobs/\(etag)" }
  /// The file that one process at a time holds while it brings a content.
  func lock(_ etag: String) -> String { "\(root)/.locks/\(folderName)/\(etag).lock" }

  /// The commit that the revision meant the last time, nil where nothing is known of it.
  func knownCommit() -> String? {
    if source.isCommit { return source.revision }
    guard let file = fopen(ref, "r") else { return nil }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 64)
    let count = fread(&bytes, 1, bytes.count, file)
    let text = String(decoding: bytes[..<count], as: UTF8.self).filter { !$0.isWhitespace }
    return text.utf8.count == 40 && text.allSatisfy(\.isHexDigit) ? text : nil
  }

  /// Notes which commit the revision means.
  func remember(_ commit: String) throws {
    guard !source.isCommit, knownCommit() != commit else { return }
    try makeFolders(for: ref)
    try AtomicFile.write(commit, to: ref)
  }

  /// Whether a file of a commit is there; a link to nothing is none.
  func has(_ commit: String, _ file: String) -> Bool { access(pointer(commit, file), F_OK) == 0 }

  /// The paths of all files of a commit that are there.
  func files(_ commit: String) -> [String] { HubCache.files(in: snapshot(commit), prefix: "", depth: 0) }

  private static func files(in folder: String, prefix: String, depth: Int) -> [String] {
    guard depth < 8 else { return [] }
    return names(in: folder).flatMap { name -> [String] in
      let path = "\(folder)/\(name)"
      var status = stat()
      guard stat(path, &status) == 0 else { return [] }
      return status.st_mode & S_IFMT == S_IFDIR ? files(in: path, prefix: "\(prefix)\(name)/", depth: depth + 1) : [prefix + name]
    }
  }

  /// Makes the link from a commit's file to its content.
  func link(_ commit: String, _ file: String, etag: String) throws {
    let pointer = pointer(commit, file)
    try makeFolders(for: pointer)
    let up = String(repeating: "../", count: file.count { $0 == "/" } + 2)
    // Under another name first, so that the link is there whole whoever looks.
    let temporary = "\(pointer).\(getpid()).tmp"
    unlink(temporary)
    guard symlink("\(up)blobs/\(etag)", temporary) == 0, rename(temporary, pointer) == 0 else {
      let reason = String(cString: strerror(errno))
      unlink(temporary)
      throw HubError("the link \(pointer) cannot be made: \(reason)", hint: "set HF_HOME to a folder on a disk that knows symbolic links")
    }
  }

  /// Makes the folders above a path.
  func makeFolders(for path: String) throws {
    var folder = ""
    for part in path.split(separator: "/", omittingEmptySubsequences: false).dropLast() {
      folder += part
      if !folder.isEmpty, mkdir(folder, 0o755) != 0, errno != EEXIST, access(folder, F_OK) != 0 {
        throw HubError(
          "the folder \(folder) cannot be made: \(String(cString: strerror(errno)))", hint: "set HF_HOME to a folder that can be written")
      }
      folder += "/"
    }
  }

  /// Runs `body` while no other process brings the same content; Python's huggingface_hub respects the same lock.
  func locked(_ etag: String, waiting: () throws -> Void, _ body: () throws -> Void) throws {
    let path = lock(etag)
    try makeFolders(for: path)
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      throw HubError("\(path) cannot be written: \(String(cString: strerror(errno)))", hint: "set HF_HOME to a folder that can be written")
    }
    defer { close(descriptor) }
    while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
      guard errno == EWOULDBLOCK || errno == EINTR else {
        throw HubError("\(path) cannot be locked: \(String(cString: strerror(errno)))", hint: "set HF_HOME to a folder on a local disk")
      }
      try waiting()
      usleep(100_000)
    }
    try body()
  }
}
