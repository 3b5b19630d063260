// Where the Hub is and where its files go: the environment variables of Python's huggingface_hub, with its defaults.

import Formats
import Network

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The Hub's address, the cache, and the token.
public struct HubSettings: Sendable {
  /// The Hub's address: `HF_ENDPOINT`, or `https://huggingface.co`.
  public var endpoint: String
  /// The address that serves the rows of data sets: `HF_DATASETS_SERVER`, or `https://datasets-server.huggingface.co`.
  public var datasetsServer: String
  /// The folder of repositories: `HF_HUB_CACHE`, else `hub` in `HF_HOME`, else `~/.cache/huggingface/hub`.
  public var cache: String
  /// The token: `HF_TOKEN`, else what the file `HF_TOKEN_PATH` or `token` in `HF_HOME` holds.
  public var token: Secret?
  /// Whether nothing may be asked over the network: `HF_HUB_OFFLINE` or `TRANSFORMERS_OFFLINE`.
  public var isOffline: Bool
  /// How often, and how soon, what failed is tried again.
  public var retry: RetryPolicy

  /// Reads an environment.
  public init(environment: [String: String], retry: RetryPolicy = RetryPolicy()) {
    func value(_ names: String...) -> String? { names.lazy.compactMap { environment[$0] }.first { !$0.isEmpty } }
    func expanded(_ path: String) -> String { path.hasPrefix("~/") ? environment["HOME", default: ""] + path.dropFirst() : path }
    func isTrue(_ name: String) -> Bool { ["1", "ON", "YES", "TRUE"].contains(environment[name, default: ""].uppercased()) }
    let caches = value("XDG_CACHE_HOME") ?? environment["HOME", default: "/tmp"] + "/.cache"
    let home = expanded(value("HF_HOME") ?? caches + "/huggingface")
    cache = expanded(value("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE") ?? home + "/hub")
    endpoint = HubSettings.trimmed(value("HF_ENDPOINT") ?? "https://huggingface.co")
    datasetsServer = HubSettings.trimmed(value("HF_DATASETS_SERVER") ?? "https://datasets-server.huggingface.co")
    isOffline = isTrue("HF_HUB_OFFLINE") || isTrue("TRANSFORMERS_OFFLINE")
    self.retry = retry
    if let text = value("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN") {
      token = Secret(text)
    } else if !isTrue("HF_HUB_DISABLE_IMPLICIT_TOKEN") {
      token = HubSettings.token(inFile: expanded(value("HF_TOKEN_PATH") ?? home + "/token"))
    }
    if token?.isEmpty == true { token = nil }
  }

  private static func trimmed(_ url: String) -> String {
    var url = url
    while url.hasSuffix("/") { url.removeLast() }
    return url
  }

  private static func token(inFile path: String) -> Secret? {
    guard let file = fopen(path, "r") else { return nil }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = fread(&bytes, 1, bytes.count, file)
    return Secret(String(decoding: bytes[..<count], as: UTF8.self))
  }
}
