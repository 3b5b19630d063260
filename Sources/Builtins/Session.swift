// What the builtins may know of the process they run in: folders, environment, random numbers, and where text and progress go.
// `zs` makes the one session and hands it to the interpreter as its host; nothing in this target reads the environment or prints.
import Language
import Network
import Synchronization
import Tensors

/// Where a builtin reports how far a long piece of work has come.
public protocol ProgressSink: AnyObject {
  /// Shows how far the work is; calls may come at any rate, the sink decides what to draw.
  func update(_ progress: Progress)
  /// Ends the current work and leaves its last state where it can be read; called also after an error.
  func finish()
}

/// One state of a long piece of work.
public struct Progress: Sendable {
  /// What is being done: "step", "download smollm2".
  public var label: String
  /// How much is done, in `unit`.
  public var done: Double
  /// How much there is; nil where nobody knows.
  public var total: Double?
  /// What is counted: "steps", "rows", "bytes".
  public var unit: String
  /// The metric that matters, ready to print: "loss 0.6312 · lr 5.0e-05".
  public var note: String
  /// Numbers so far that are worth a curve above the line, such as losses; a screen redraws it in place.
  public var curve: [Double] = []

  /// A state of the work named `label`.
  public init(_ label: String, done: Double, total: Double? = nil, unit: String = "", note: String = "") {
    self.label = label
    self.done = done
    self.total = total
    self.unit = unit
    self.note = note
  }
}

/// What runs and cannot stop at once, so that whoever asks it to stop is told what is waited for; read from any thread.
public final class Activity: Sendable {
  private let current = Mutex<(text: String, end: Double)?>(nil)

  /// Nothing runs.
  public init() {}

  /// Says what begins, such as "step 69", and how long it is likely to take.
  public func begin(_ text: String, seconds: Double?) {
    let end = seconds.map { Builtins.seconds() + $0 } ?? 0
    current.withLock { $0 = (text, end) }
  }

  /// Says that it has ended.
  public func end() { current.withLock { $0 = nil } }

  /// What runs, and in how many seconds it is likely to end; 0 where nobody knows.
  public var now: (text: String, seconds: Double)? {
    current.withLock { $0.map { ($0.text, Swift.max(0, $0.end - Builtins.seconds())) } }
  }
}

/// A sink that shows nothing.
public final class SilentProgress: ProgressSink {
  /// A sink that shows nothing.
  public init() {}
  /// Ignores the state.
  public func update(_ progress: Progress) {}
  /// Does nothing.
  public func finish() {}
}

/// The host object of an interpreter that has the builtins of this target.
///
/// Used from the interpreter's thread only.
public final class Session: @unchecked Sendable {
  /// The folder for models and caches: `ZS_HOME`, or `~/.cache/zs`.
  public let home: String
  /// The environment as `zs` read it; what the builtin `env` gives.
  public let environment: [String: String]
  /// Whether a person types and watches: the notebook, not a script or a pipe.
  public let isInteractive: Bool
  /// Whether output may carry colours and other escape codes.
  public let colour: Bool
  /// The width that text is laid out for, in columns.
  public var width: () -> Int
  /// The lines that a screen holds.
  public var height: () -> Int = { 24 }
  /// Whether what loading and training will take is said before it begins: where somebody watches standard error.
  public var showsForecasts = false
  /// The version of zs, for files that say what wrote them.
  public var version = ""
  /// Opens a dialogue with whoever types; nil where nobody can.
  public var openDialogue: ((_ complete: @escaping DialogueCompletion) -> any Dialogue)?
  /// Shows text on standard output as it comes: what a statement `chat(…)` streams.
  public var output: (String) -> Void
  /// Shows a warning or a note on standard error.
  public var warn: (String) -> Void
  /// Where long work reports to.
  public var progress: any ProgressSink
  /// What a request to stop has to wait for.
  public let activity = Activity()
  /// The source of all random numbers that have no seed of their own; `seed(n)` replaces it.
  public var random: RandomSource

  /// The table of builtins, for help and completion.
  public private(set) lazy var table = BuiltinTable(allBuiltins())

  private var counters: [String: Int] = [:]

  /// A session; every argument has a value that suits a test.
  public init(
    home: String, environment: [String: String] = [:], isInteractive: Bool = false, colour: Bool = false, seed: UInt64 = 0,
    output: @escaping (String) -> Void = { _ in }, warn: @escaping (String) -> Void = { _ in },
    progress: any ProgressSink = SilentProgress(), width: @escaping () -> Int = { 100 }
  ) {
    self.home = home
    self.environment = environment
    self.isInteractive = isInteractive
    self.colour = colour
    self.output = output
    self.warn = warn
    self.progress = progress
    self.width = width
    random = RandomSource(seed: seed)
  }

  /// The client of all requests over the network; `SSL_CERT_FILE` names certificates to trust instead of the system's.
  public private(set) lazy var httpClient = HTTPClient(certificates: environment["SSL_CERT_FILE"].flatMap { $0.isEmpty ? nil : $0 })

  /// The folder that model files are kept in.
  public var modelsFolder: String { home + "/models" }

  /// The session that a builtin was called in.
  public static func of(_ call: Call) throws -> Session {
    guard let session = call.context.host as? Session else {
      throw ZsError(kind: "internal", message: "this builtin needs a zs session", hint: nil)
    }
    return session
  }

  /// A seed for work whose caller gave none: drawn from `random`, so that `seed(n)` fixes it.
  public func drawSeed() -> UInt64 { random.next() }

  /// 1, 2, 3… for each name: the number in `smollm2#1`.
  public func number(for name: String) -> Int {
    counters[name, default: 0] += 1
    return counters[name, default: 1]
  }
}
