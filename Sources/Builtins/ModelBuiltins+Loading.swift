// Loading: from a short name, a path or a folder to a model or a tokenizer, and the list of what there is.

import Formats
import Hub
import Language
import Models
import Tokenizers

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

func loadingBuiltins() -> [Builtin] {
  [
    Builtin(
      "load", category: modelCategory,
      [
        Parameter("source", .string, help: "a short name, a .gguf file, a folder of safetensors, or hf://owner/name"),
        Parameter(
          "dtype", .string, default: Value.none, aliases: ["torch_dtype"],
          help: "convert the weights, as quantize does; none: as they are stored"),
      ],
      returns: "model", summary: "Loads a language model.", example: "m = load(\"smollm2\")",
      details: """
        models() lists the short names; their files are fetched once and kept in ${ZS_HOME:-~/.cache/zs}/models. Weights are mapped,
        not copied, unless dtype asks for another type. hf://owner/name@revision, or hf://owner/name/file.gguf, is fetched from the
        Hugging Face Hub into the cache that Python's libraries use (HF_HOME, HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE are honoured);
        an interrupted download goes on where it stopped.
        """
    ) { call in
      let session = try Session.of(call)
      let clock = ContinuousClock()
      let began = clock.now
      let (path, name) = try ModelSource(call, "source").located()
      let type = try call["dtype"] == .none ? nil : StoredType(call, "dtype")
      var model = try LanguageModel.load(path: path, name: name) { try session.admit($0, name: name, isConverted: type != nil) }
      if let type {
        try session.admit(conversionOf: model, to: type)
        model = try type.converted(model, writing(call, "convert \(name)"))
      }
      return .object(ModelValue(model, number: session.number(for: name), seconds: (clock.now - began) / .seconds(1)))
    },
    Builtin(
      "models", category: modelCategory, [],
      returns: "list", summary: "The models that load knows by name, and the files that are in the folder of models.", example: "models()"
    ) { call in .list(try listModels(Session.of(call))) },
    Builtin(
      "tokenizer", category: modelCategory,
      [Parameter("source", .string, help: "a .gguf file, a folder with tokenizer.json or tokenizer.model, hf://…, or a short name")],
      returns: "tokenizer", summary: "A tokenizer by itself; it works wherever a model's is meant.",
      example: "t = tokenizer(\"smollm2\")\ntokenize(t, \"Ahoy\")"
    ) { call in
      let (path, name) = try ModelSource(call, "source").located()
      return .object(TokenizerValue(try loadTokenizer(path), name: name))
    },
  ]
}

/// What a person wrote to name a model, and where that is.
private struct ModelSource {
  let call: Call
  let source: String
  let argument: String

  init(_ call: Call, _ argument: String) throws {
    self.call = call
    self.argument = argument
    source = try call.string(argument)
  }

  /// The path, and the name for displays.
  func located() throws -> (path: String, name: String) {
    let session = try Session.of(call)
    if source.hasPrefix("hf://") { return try onHub(source) }
    let path = source.hasPrefix("~/") ? (session.environment["HOME"] ?? "~") + source.dropFirst() : source
    let store = ModelStore(home: session.home)
    if access(path, F_OK) == 0 { return (path, displayName(path)) }
    if let known = store.model(named: source) { return (try fetched(known.name, store, session), known.name) }
    if let known = KnownRepository.named(source) { return (try onHub(known.source).path, known.name) }
    let inFolder = "\(store.folder)/\(source)"
    if !source.contains("/"), access(inFolder, F_OK) == 0 { return (inFolder, displayName(inFolder)) }
    throw notFound(path, store)
  }

  /// A tokenizer needs no weights.
  private func onHub(_ address: String) throws -> (path: String, name: String) {
    let path = try call.hubPath(address, argument: argument, needsWeights: call.builtin.name != "tokenizer")
    return (path, try HubSource(address).shortName)
  }

  private func displayName(_ path: String) -> String {
    let last = path.split(separator: "/").last.map(String.init) ?? path
    return last.hasSuffix(".gguf") ? String(last.dropLast(5)) : last
  }

  private func fetched(_ name: String, _ store: ModelStore, _ session: Session) throws -> String {
    defer { session.progress.finish() }
    let context = call.context
    do {
      return try store.locate(
        name,
        progress: { state in
          session.progress.update(
            Progress("\(state.stage.rawValue) \(name)", done: Double(state.done), total: Double(state.total), unit: "bytes"))
        }, isCancelled: { context.isInterrupted })
    } catch is TransferCancelled {
      throw Interrupted()
    }
  }

  private func notFound(_ path: String, _ store: ModelStore) -> ZsError {
    let looksLikePath = source.contains("/") || source.hasSuffix(".gguf") || source.hasSuffix(".safetensors")
    let names = store.names + KnownRepository.all.map(\.name)
    let near = looksLikePath ? nil : nearest(to: source.lowercased(), among: names)
    let message = looksLikePath ? "there is no file or folder '\(path)'" : "no model is called '\(source)'"
    return ZsError(
      kind: "file", message: message + (near.map { "; did you mean \"\($0)\"?" } ?? ""),
      hint:
        "load takes a path to a .gguf file or a Hugging Face folder, hf://owner/name, or a short name: \(names.joined(separator: ", "))",
      argument: argument)
  }
}

/// Rows of the models with short names, those of the Hub after our own, then of other files in the folder.
private func listModels(_ session: Session) throws -> [Value] {
  let store = ModelStore(home: session.home)
  var known: Set<String> = []
  var rows: [Value] = []
  for name in store.names {
    guard let model = store.model(named: name) else { continue }
    known.insert(model.file)
    rows.append(
      row(name, model.summary, model.bytes, store.path(of: model), isCached: access(store.path(of: model), F_OK) == 0, template: "chatml"))
  }
  for model in KnownRepository.all {
    let path = session.hubModels.cached(try HubSource(model.source))
    rows.append(row(model.name, model.summary, model.bytes, path ?? model.source, isCached: path != nil, template: model.template))
  }
  for file in ggufFiles(in: store.folder) where !known.contains(file) {
    let path = "\(store.folder)/\(file)"
    var status = stat()
    guard stat(path, &status) == 0 else { continue }
    rows.append(row(file, "a file in the folder of models", Int(status.st_size), path, isCached: true))
  }
  return rows
}

private func row(_ name: String, _ summary: String, _ bytes: Int, _ path: String, isCached: Bool, template: String = "") -> Value {
  .map([
    "name": .string(name), "cached": .bool(isCached), "bytes": .int(Int64(bytes)), "template": .string(template),
    "summary": .string(summary), "path": .string(path),
  ])
}

private func ggufFiles(in folder: String) -> [String] {
  guard let directory = opendir(folder) else { return [] }
  defer { closedir(directory) }
  var names: [String] = []
  while let entry = readdir(directory) {
    let name = withUnsafePointer(to: &entry.pointee.d_name) {
      $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
    }
    if name.hasSuffix(".gguf"), !name.hasPrefix(".") { names.append(name) }
  }
  return names.sorted()
}

/// The tokenizer of a GGUF file or a folder.
private func loadTokenizer(_ path: String) throws -> Tokenizer {
  for file in ["/tokenizer.json", "/tokenizer.model"] where path.hasSuffix(file) {
    return try Tokenizer(directory: String(path.dropLast(file.count)))
  }
  var status = stat()
  guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else { return try Tokenizer(gguf: GGUFFile(path: path)) }
  return try Tokenizer(directory: path)
}
