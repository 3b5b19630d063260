// The files of one commit, brought one after the other: what is in the cache is used, what is missing is fetched.

import Network

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Brings files of a commit into the cache.
struct HubJob {
  let client: HTTPClient
  let settings: HubSettings
  let source: HubSource
  let cache: HubCache
  let commit: String
  let watch: ModelStore.Watch
  let note: (String) -> Void

  /// Brings files; all of them are in the snapshot when this returns.
  func bring(_ files: [HubFile]) throws {
    let missing = files.filter { !cache.has(commit, $0.path) }
    guard !missing.isEmpty else { return }
    try checkSpace(missing)
    let total = missing.reduce(0) { $0 + ($1.bytes ?? 0) }
    var done = 0
    for file in missing {
      let file = try complete(file)
      guard let etag = file.etag else { continue }
      try cache.locked(etag, waiting: { try watch.report(.waiting, done, total) }) {
        // Another process may have brought it, and a content may have two names.
        if access(cache.blob(etag), F_OK) != 0 {
          let transfer = HubTransfer(
            client: client, settings: settings, cache: cache, url: url(file), file: file, etag: etag,
            onRetry: { notice in
              note(
                "\(notice.error.message); attempt \(notice.attempt + 1) of \(notice.attempts) in \(Int(notice.delaySeconds.rounded(.up))) s"
              )
            })
          try transfer.run(onBytes: { try watch.report(.downloading, done + $0, max(total, done + $0)) }, isCancelled: watch.isCancelled)
        }
        if !cache.has(commit, file.path) { try cache.link(commit, file.path, etag: etag) }
      }
      done += file.bytes ?? 0
      try watch.report(.downloading, done, max(total, done))
    }
  }

  private func url(_ file: HubFile) -> String {
    "\(settings.endpoint)/\(source.prefix)/resolve/\(commit)/\(escaped(file.path, keeping: "/"))"
  }

  /// The file with its hash and size, asked for where the listing did not give them.
  private func complete(_ file: HubFile) throws -> HubFile {
    guard file.etag == nil || file.bytes == nil else { return file }
    let response = try client.send(
      HTTPRequest(url(file), method: "HEAD", headers: ["Accept-Encoding": "identity"], key: settings.token),
      limits: HTTPLimits(responseTimeoutSeconds: 20, retry: settings.retry), isCancelled: watch.isCancelled)
    // The first response is the Hub's own; where it leads to may have other tags and sizes.
    let heads = response.redirects + [response]
    var result = file
    let tag = heads.lazy.compactMap { $0.header("x-linked-etag") }.first ?? heads.lazy.compactMap { $0.header("etag") }.first
    result.etag = tag.flatMap(normalizedETag)
    result.bytes = HubFile.size(heads.lazy.compactMap { $0.header("x-linked-size").flatMap { Int($0) } }.first ?? response.contentLength)
    guard result.etag != nil else {
      throw HubError("the server gives no ETag for \(file.path)", hint: "does HF_ENDPOINT point to a Hub, or is a proxy in between?")
    }
    return result
  }

  private func checkSpace(_ files: [HubFile]) throws {
    let needed = files.reduce(0) { sum, file in
      let there =
        file.etag.flatMap { FileStamp(path: cache.blob($0) + ".incomplete")?.bytes ?? FileStamp(path: cache.blob($0))?.bytes } ?? 0
      return sum + max(0, (file.bytes ?? 0) - there)
    }
    try cache.makeFolders(for: cache.folder + "/x")
    var status = statvfs()
    guard statvfs(cache.folder, &status) == 0 else { return }
    let free = UInt64(status.f_bavail) * UInt64(status.f_frsize)
    guard free < UInt64(needed) else { return }
    throw HubError(
      "\(cache.folder) has \(free / 1_000_000) MB left, but \(source.repository) needs \(needed / 1_000_000) MB more",
      hint: "free some space, or set HF_HOME to a folder on another disk")
  }
}
