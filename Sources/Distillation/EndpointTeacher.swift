// A teacher behind an OpenAI-compatible address. Requests go out from several threads at once; replies, interruption and errors
// are dealt with on the caller's. What was answered once is kept on the disk and not asked again.

import Formats
import Models
import Network
import Synchronization

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// How an endpoint is spoken to.
public struct EndpointOptions: Sendable {
  /// The name of the environment variable that the key came from, for messages.
  public var keyName: String?
  /// The key.
  public var key: Secret?
  /// The longest wait for an answer, in seconds.
  public var timeoutSeconds: Double
  /// How many requests are under way at once.
  public var concurrency: Int
  /// How often, and how soon, a request that failed is made again.
  public var retry: RetryPolicy
  /// Whether answers come as streams of events.
  public var isStreamed: Bool
  /// The folder of replies; nil keeps none.
  public var cacheFolder: String?
  /// Dollars for a million tokens of prompts and of answers.
  public var promptPrice: Double
  /// Dollars for a million tokens of answers.
  public var completionPrice: Double
  /// The most bytes of one response.
  public var maxResponseBytes: Int

  /// Options; without arguments for a server that needs no key.
  public init(
    keyName: String? = nil, key: Secret? = nil, timeoutSeconds: Double = 600, concurrency: Int = 4, retry: RetryPolicy = RetryPolicy(),
    isStreamed: Bool = false, cacheFolder: String? = nil
  ) {
    self.keyName = keyName
    self.key = key
    self.timeoutSeconds = timeoutSeconds
    self.concurrency = max(1, concurrency)
    self.retry = retry
    self.isStreamed = isStreamed
    self.cacheFolder = cacheFolder
    promptPrice = 0
    completionPrice = 0
    maxResponseBytes = 32 << 20
  }
}

/// What a teacher was asked and what that took.
public struct EndpointCounts: Sendable, Equatable {
  /// Requests that the server answered.
  public var requests = 0
  /// Requests answered from the cache.
  public var cached = 0
  /// Attempts that failed and were made again.
  public var retries = 0
  /// Requests that were given up.
  public var failures = 0
  /// Tokens of prompts, as far as the server said.
  public var promptTokens = 0
  /// Tokens of answers, as far as the server said.
  public var completionTokens = 0
}

/// An OpenAI-compatible endpoint that answers requests.
public final class EndpointTeacher: Teacher {
  /// The address, without a slash or the path of a method at its end.
  public let url: String
  /// The model's name on the server.
  public let model: String
  /// How it is spoken to.
  public let options: EndpointOptions
  /// What data sets call it.
  public var name: String { model }
  /// Model and address.
  public var identity: String { "\(model) \(url)" }
  /// Called on the calling thread with the text of a streamed answer as it comes; meant for one request at a time.
  public var onText: ((String) -> Void)?
  /// Called on the calling thread with each failed attempt that will be followed by another.
  public var onRetry: ((RetryNotice) -> Void)?
  let client: HTTPClient
  private let state: EndpointState

  /// A teacher.
  ///
  /// - Parameter url: Such as `https://api.openai.com/v1`; `/chat/completions` or `/completions` at its end is dropped.
  /// - Throws: `TeacherError` where the address or the model's name is none.
  public init(url: String, model: String, options: EndpointOptions = EndpointOptions(), client: HTTPClient = HTTPClient()) throws {
    var address = url
    while address.hasSuffix("/") { address.removeLast() }
    for end in ["/chat/completions", "/completions"] where address.hasSuffix(end) { address.removeLast(end.count) }
    // A query would stand before the path of the method, and its key would be shown and kept.
    guard address.hasPrefix("http://") || address.hasPrefix("https://"), !address.contains(where: { "@?#".contains($0) }),
      address.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
    else {
      throw TeacherError(
        "'\(shownURL(url))' is no address of an endpoint",
        hint: "such as \"https://api.openai.com/v1\" or \"http://127.0.0.1:8000/v1\"; keys go in by key_env:")
    }
    guard !model.isEmpty else { throw TeacherError("the endpoint needs the name of a model", hint: "model: \"…\" as the server calls it") }
    self.url = address
    self.model = model
    self.options = options
    self.client = client
    state = EndpointState()
  }

  /// What was asked so far.
  public var counts: EndpointCounts { state.counts }

  /// What that cost, in dollars, by the prices of the options.
  public var cost: Double {
    let counts = counts
    return (Double(counts.promptTokens) * options.promptPrice + Double(counts.completionTokens) * options.completionPrice) / 1e6
  }

  /// Answers requests, several at once.
  public func reply(
    to requests: [TeacherRequest], shouldStop: () -> Bool,
    onReply: (_ index: Int, _ reply: Result<TeacherReply, TeacherError>) throws -> Void
  ) throws -> Bool {
    let cache = options.cacheFolder.map { EndpointCache(folder: $0) }
    var jobs: [EndpointJob] = []
    for (index, request) in requests.enumerated() {
      let wire = EndpointWire(model: model, request: request, count: request.n)
      let body = wire.body
      let name = EndpointCache.name(url: url + wire.path, model: model, request: body.serialized() + state.occurrence(of: request, body))
      if let reply = cache?.reply(name) {
        state.update { $0.cached += 1 }
        try onReply(index, .success(reply))
      } else {
        jobs.append(EndpointJob(index: index, request: request, cacheName: name, body: body))
      }
    }
    guard !jobs.isEmpty else { return true }
    return try EndpointRun(self, state, jobs, cache).run(shouldStop: shouldStop, onReply: onReply)
  }
}

/// One request that the server has to be asked.
struct EndpointJob: Sendable {
  let index: Int
  let request: TeacherRequest
  let cacheName: String
  let body: JSON
}

/// What a teacher's threads share.
final class EndpointState: Sendable {
  private struct Content {
    var counts = EndpointCounts()
    var occurrences: [String: Int] = [:]
    var saysMaxCompletionTokens = false
    var asksForStreamedUsage = true
  }
  private let content = Mutex(Content())

  var counts: EndpointCounts { content.withLock { $0.counts } }
  var saysMaxCompletionTokens: Bool { content.withLock { $0.saysMaxCompletionTokens } }
  var asksForStreamedUsage: Bool { content.withLock { $0.asksForStreamedUsage } }

  func update(_ change: (inout EndpointCounts) -> Void) { content.withLock { change(&$0.counts) } }

  /// Adapts to what a server complained about; whether that changed anything.
  func learn(from complaint: String) -> Bool {
    content.withLock { content in
      if complaint.contains("max_completion_tokens"), !content.saysMaxCompletionTokens {
        content.saysMaxCompletionTokens = true
        return true
      }
      if complaint.contains("stream_options"), content.asksForStreamedUsage {
        content.asksForStreamedUsage = false
        return true
      }
      return false
    }
  }

  /// Draws without a seed differ each time they are asked for, and the second time of one run is the second of the next.
  func occurrence(of request: TeacherRequest, _ body: JSON) -> String {
    guard request.temperature > 0, request.seed == nil else { return "" }
    let key = body.serialized()
    return content.withLock { content in
      content.occurrences[key, default: 0] += 1
      return "\ntime \(content.occurrences[key, default: 1])"
    }
  }
}
