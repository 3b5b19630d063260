// Models of the Hub: from an address to a folder or file on this machine, fetched where it is not there yet.

import Formats
import Network

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Brings models of the Hub into the cache that Python's libraries use too.
public struct HubModels {
  /// The addresses and the cache.
  public let settings: HubSettings
  private let client: HTTPClient

  /// Makes a bringer of models.
  public init(settings: HubSettings, client: HTTPClient) {
    self.settings = settings
    self.client = client
  }

  /// The folder of a model, or the file that the address names; all that is needed of it is there when this returns.
  ///
  /// - Parameters:
  ///   - needsWeights: Whether more than configuration and tokenizer is needed.
  ///   - progress: Told often how far the work has come, over all files.
  ///   - note: Told what a person should know: a failed attempt, or that the Hub did not answer and the cache is used.
  ///   - isCancelled: Asked often whether to stop; what has come so far is kept.
  /// - Throws: `HubError`, `NetworkError`, or `TransferCancelled` where `isCancelled` said so.
  public func locate(
    _ source: HubSource, needsWeights: Bool = true, progress: @escaping (TransferProgress) -> Void = { _ in },
    note: @escaping (String) -> Void = { _ in }, isCancelled: @escaping () -> Bool = { false }
  ) throws -> String {
    let cache = HubCache(source: source, root: settings.cache)
    let cached = cached(source, cache, needsWeights: needsWeights)
    if let path = cached, source.isCommit || settings.isOffline { return path }
    if settings.isOffline {
      throw HubError(
        "\(source.address) is not whole in the cache \(settings.cache), and HF_HUB_OFFLINE forbids to fetch it",
        hint: "unset HF_HUB_OFFLINE once, or load another model")
    }
    do {
      return try fetch(source, cache, needsWeights, ModelStore.Watch(progress: progress, isCancelled: isCancelled), note)
    } catch is NetworkCancelled {
      throw TransferCancelled()
    } catch let error as NetworkError {
      if let path = cached, error.isWorthRetrying || error.kind == .certificate {
        note("the Hub cannot be asked, so the model is taken from the cache as it is: \(error.message)")
        return path
      }
      throw HubModels.described(error, source, settings)
    }
  }

  /// Where a model is if it is whole in the cache, without asking anyone.
  public func cached(_ source: HubSource) -> String? {
    cached(source, HubCache(source: source, root: settings.cache), needsWeights: true)
  }

  private func cached(_ source: HubSource, _ cache: HubCache, needsWeights: Bool) -> String? {
    guard let commit = cache.knownCommit() else { return nil }
    let names = cache.files(commit)
    if !needsWeights, source.file == nil {
      return names.contains { ["tokenizer.json", "tokenizer.model"].contains($0) } ? cache.snapshot(commit) : nil
    }
    do {
      let small = try HubChoice.small(among: names, source)
      let shards = small.contains(HubChoice.index) ? try HubChoice.shards(inIndex: cache.pointer(commit, HubChoice.index)) : []
      let weights = try HubChoice.weights(among: names, shards: shards, source)
      guard source.file != nil || names.contains("config.json") || names.contains("adapter_config.json") else { return nil }
      guard weights.allSatisfy({ cache.has(commit, $0) }) else { return nil }
    } catch {
      // Something is missing or cannot be read: then it is not whole.
      return nil
    }
    return place(source, cache, commit)
  }

  private func place(_ source: HubSource, _ cache: HubCache, _ commit: String) -> String {
    source.file.map { cache.pointer(commit, $0) } ?? cache.snapshot(commit)
  }

  // MARK: Fetching

  private func fetch(
    _ source: HubSource, _ cache: HubCache, _ needsWeights: Bool, _ watch: ModelStore.Watch, _ note: @escaping (String) -> Void
  ) throws -> String {
    let listing = try listing(source, watch, note)
    let names = listing.files.map(\.path)
    let small = try HubChoice.small(among: names, source)
    // What cannot be loaded is refused before anything of it is fetched.
    if needsWeights, !small.contains(HubChoice.index) { _ = try HubChoice.weights(among: names, shards: [], source) }
    let job = HubJob(client: client, settings: settings, source: source, cache: cache, commit: listing.commit, watch: watch, note: note)
    try job.bring(small.compactMap { name in listing.files.first { $0.path == name } })
    if needsWeights {
      let shards = small.contains(HubChoice.index) ? try HubChoice.shards(inIndex: cache.pointer(listing.commit, HubChoice.index)) : []
      let weights = try HubChoice.weights(among: names, shards: shards, source)
      try job.bring(weights.compactMap { name in listing.files.first { $0.path == name } })
    }
    try cache.remember(listing.commit)
    return place(source, cache, listing.commit)
  }

  private func listing(_ source: HubSource, _ watch: ModelStore.Watch, _ note: (String) -> Void) throws -> HubListing {
    let url = "\(settings.endpoint)/api/\(source.kind.rawValue)s/\(source.repository)/revision/\(escaped(source.revision))?blobs=true"
    let response = try client.send(
      HTTPRequest(url, headers: ["Accept": "application/json"], key: settings.token),
      limits: HTTPLimits(responseTimeoutSeconds: 20, maxBytes: 64 << 20, retry: settings.retry),
      onRetry: { note("\($0.error.message); attempt \($0.attempt + 1) of \($0.attempts) in \(Int($0.delaySeconds.rounded(.up))) s") },
      isCancelled: watch.isCancelled)
    do {
      return try HubListing(JSON.parse(response.body, source: shownURL(url)), of: source)
    } catch let error as FormatError {
      throw HubError("the Hub's answer about \(source.repository) is no JSON: \(error.message)", hint: "does HF_ENDPOINT point to a Hub?")
    }
  }

  /// The Hub's refusals in a person's words.
  static func described(_ error: NetworkError, _ source: HubSource, _ settings: HubSettings) -> any Error {
    guard let status = error.status else {
      var error = error
      if [.noSuchHost, .noConnection, .timeout].contains(error.kind) {
        error.hint = "is there a network? Without one, models that are in \(settings.cache) load all the same; HF_ENDPOINT names a mirror"
      }
      return error
    }
    let page = "\(settings.endpoint)/\(source.prefix)"
    let code = error.headers["x-error-code"] ?? ""
    switch (status, code) {
    case (_, "GatedRepo"), (403, ""):
      return HubError(
        "\(source.repository) is gated: its owners want to know who uses it",
        hint: settings.token == nil
          ? "accept its terms at \(page), then set HF_TOKEN to a token of that account"
          : "the token's account has no access yet: accept the terms at \(page)")
    case (_, "RevisionNotFound"):
      return HubError("\(source.repository) has no revision '\(source.revision)'", hint: "its branches and tags are listed at \(page)")
    case (_, "EntryNotFound"): return HubError("\(source.repository) has no such file", hint: "its files are listed at \(page)/tree/main")
    case (401, "") where settings.token != nil:
      return HubError("the Hub does not accept the token", hint: "make a new one, and set HF_TOKEN to it or remove the old one")
    case (401, _), (404, _):
      return HubError(
        "the Hub has no \(source.kind.rawValue) '\(source.repository)' that may be seen\(settings.token == nil ? " without a token" : "")",
        hint: settings.token == nil
          ? "check the spelling; if it is private, set HF_TOKEN" : "check the spelling, and what HF_TOKEN may read")
    default: return error
    }
  }
}

/// A path or revision for an address: everything but letters, digits and `-._~` escaped.
func escaped(_ text: String, keeping kept: String = "") -> String {
  text.utf8.map { byte in
    let character = Character(UnicodeScalar(byte))
    let isPlain = byte < 0x80 && (character.isLetter || character.isNumber || "-._~".contains(character) || kept.contains(character))
    return isPlain ? String(character) : "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
  }.joined()
}
