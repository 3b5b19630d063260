// Figures of a real model: reading a prompt, decoding, scoring, training steps, the tokenizer, loading.
// Limits count the products only (two operations per weight and token forward, those of attention, twice that backward), or the bytes that
// a token reads. What zs does not compute (a prompt that two answers share) or computes again (scores in attention's backward pass) is
// counted as if it did neither.
import Builtins
import Glibc
import Kernels
import Language
import Models
import Tensors
import Training

enum ModelBench {
  /// Tokens of a sequence, and those of its prompt.
  private static let sequence = 512
  private static let prompt = 128
  private static let attention: [Projection] = [.query, .key, .value, .output]

  static var rows: [Bench.Row] {
    [
      ("prefill", prefill), ("decode", decode), ("decode:long", { try decodeLong($0, "decode:long", .f16) }),
      ("decode:long:f32", { try decodeLong($0, "decode:long:f32", .f32) }), ("decode:batch", decodeBatch),
      ("forward", forward), ("sft", { try sft($0, isLoRA: false) }),
      ("sft:lora", { try sft($0, isLoRA: true) }),
      ("dpo", { try dpo($0, isLoRA: false) }), ("dpo:lora", { try dpo($0, isLoRA: true) }), ("tokenizer", tokenizer), ("load", load),
    ]
  }

  /// Tokens of the model all over its vocabulary; `from` where another text begins.
  private static func ids(_ model: LanguageModel, _ count: Int, from: Int = 0, factor: Int = 7919) -> [Int] {
    (from..<from + count).map { ($0 * factor) % model.configuration.vocabularySize }
  }

  private static func tokens(_ model: LanguageModel, _ count: Int, factor: Int = 7919) -> [Int32] {
    ids(model, count, factor: factor).map { Int32($0) }
  }

  /// Products per token of the blocks, and of the output layer.
  private static func weights(_ model: LanguageModel) -> (blocks: Double, head: Double) {
    let head = Double(model.configuration.vocabularySize * model.configuration.hiddenSize)
    let tables = model.configuration.tieWordEmbeddings ? head : 2 * head
    return (Double(model.parameterCount) - tables, head)
  }

  /// Operations of attention over a sequence: two products over each pair of tokens that see each other.
  private static func attentionOperations(_ model: LanguageModel, tokens: Int) -> Double {
    let c = model.configuration
    return 2 * Double(tokens * (tokens + 1)) * Double(c.numAttentionHeads * c.headDimension * c.numHiddenLayers)
  }

  private static func operationsPerSecond(_ bench: Bench) -> Double { bench.limits(threads: bench.threads).gigaflops * 1e9 }

  /// A prompt of 512 tokens into the cache.
  private static func prefill(_ bench: Bench) throws -> BenchRow {
    let model = try bench.model()
    let decoder = try Decoder(model, capacity: sequence)
    let ids = tokens(model, sequence)
    let seconds = try bench.bestSeconds {
      decoder.cache.truncate(to: 0)
      try decoder.read(ids)
    }
    let count = weights(model)
    let operations = 2 * (count.blocks * Double(sequence) + count.head) + attentionOperations(model, tokens: sequence)
    return BenchRow(
      name: "prefill", value: Double(sequence) / seconds, unit: "token/s", limit: operationsPerSecond(bench) / operations * Double(sequence)
    )
  }

  /// 64 tokens, one by one, after 16; 16 of a model so large that each takes long.
  private static func decode(_ bench: Bench) throws -> BenchRow {
    let model = try bench.model()
    let decoder = try Decoder(model, capacity: sequence)
    let start = tokens(model, 16)
    let next = tokens(model, model.weightBytes > 1 << 30 ? 16 : 64, factor: 104_729)
    var best = Double.infinity
    _ = try bench.bestSeconds(least: 3) {
      decoder.cache.truncate(to: 0)
      try decoder.read(start)
      let begin = monotonicSeconds()
      for id in next { try decoder.step(id) }
      best = min(best, monotonicSeconds() - begin)
    }
    let limit = bench.limits(threads: bench.threads).readGigabytes * 1e9 / Double(model.weightBytes)
    return BenchRow(
      name: "decode", value: Double(next.count) / best, unit: "token/s", limit: limit,
      more: [("ms per token", best / Double(next.count) * 1000)])
  }

  /// 32 tokens after 4000, from a cache of half-precision keys and values or of floats.
  private static func decodeLong(_ bench: Bench, _ name: String, _ type: AttentionCacheType) throws -> BenchRow {
    let model = try bench.model()
    let start = tokens(model, 4000)
    let next = tokens(model, 32, factor: 104_729)
    let decoder = try Decoder(model, cacheType: type)
    try decoder.read(start)
    let seconds = try bench.bestSeconds {
      decoder.cache.truncate(to: start.count)
      for id in next { try decoder.step(id) }
    }
    let limit = bench.limits(threads: bench.threads).readGigabytes * 1e9 / Double(model.weightBytes + decoder.cache.bytes)
    return BenchRow(name: name, value: Double(next.count) / seconds, unit: "token/s", limit: limit)
  }

  /// 32 tokens of each of 8 sequences at once, after 16; one sequence alone beside it.
  private static func decodeBatch(_ bench: Bench) throws -> BenchRow {
    let model = try bench.model()
    let width = 8
    let decoder = try BatchDecoder(model, width: width)
    let start = tokens(model, 16)
    let caches = try (0..<width).map { _ in
      let one = try Decoder(model)
      try one.read(start)
      return one.cache
    }
    let steps = 32
    func seconds(_ width: Int) throws -> Double {
      try bench.bestSeconds {
        for cache in caches { cache.truncate(to: start.count) }
        for step in 0..<steps {
          let ids = (0..<width).map { Int32((step * 104_729 + $0 * 7919) % model.configuration.vocabularySize) }
          try decoder.step(ids, Array(caches[..<width]))
        }
      }
    }
    let batch = Double(width * steps) / (try seconds(width))
    let limit = operationsPerSecond(bench) / (2 * (weights(model).blocks + weights(model).head))
    return BenchRow(
      name: "decode:batch", value: batch, unit: "token/s", limit: limit, more: [("one sequence", Double(steps) / (try seconds(1)))])
  }

  /// Logits at every position of 512 tokens.
  private static func forward(_ bench: Bench) throws -> BenchRow {
    let model = try bench.model()
    let ids = ids(model, sequence)
    let seconds = try bench.bestSeconds { _ = try withoutRecording { try model.logits(ids) } }
    let count = weights(model)
    let operations = 2 * (count.blocks + count.head) * Double(sequence) + attentionOperations(model, tokens: sequence)
    return BenchRow(
      name: "forward", value: Double(sequence) / seconds, unit: "token/s",
      limit: operationsPerSecond(bench) / operations * Double(sequence))
  }

  private static func options() -> TrainOptions {
    var options = TrainOptions()
    options.learningRate = 1e-5
    options.maxSteps = 1_000_000
    options.batchSize = 1
    options.shuffle = false
    options.snapshotBytes = 0
    return options
  }

  /// A model that trains: all weights in fp32, or adapters of rank 16 on the projections of attention.
  private static func policy(_ base: LanguageModel, isLoRA: Bool) throws -> LanguageModel {
    isLoRA ? try base.withLoRA(LoRAOptions(rank: 16, alpha: 32, targets: attention)) : try base.unfrozen()
  }

  /// An update on 2 × 512 tokens, every one a label.
  private static func sft(_ bench: Bench, isLoRA: Bool) throws -> BenchRow {
    let base = try bench.model()
    let documents = (0..<2).map {
      SFTExample(ids: ids(base, sequence, from: $0 * sequence), trained: Array(repeating: true, count: sequence))
    }
    var options = options()
    options.batchSize = 2
    let loop = try TrainLoop(model: policy(base, isLoRA: isLoRA), objective: SFT(examples: documents.map { [$0] }), options: options)
    try loop.step()
    let seconds = try bench.bestSeconds(least: 1) { try loop.step() }
    let count = weights(base)
    // Frozen weights need no gradient of their own.
    let passes: Double = isLoRA ? 4 : 6
    let tokens = Double(2 * sequence)
    let operations = passes * (count.blocks + count.head) * tokens + 3 * 2 * attentionOperations(base, tokens: sequence)
    return BenchRow(
      name: isLoRA ? "sft:lora" : "sft", value: tokens / seconds, unit: "token/s",
      limit: operationsPerSecond(bench) / operations * tokens,
      more: [("step seconds", seconds)])
  }

  /// An update on one pair of 512 tokens each, 128 of them the prompt.
  ///
  /// Adapters: the reference's scores are known from the first step. All weights: the reference is computed at every step.
  private static func dpo(_ bench: Bench, isLoRA: Bool) throws -> BenchRow {
    let base = try bench.model()
    let pairs = (0..<(isLoRA ? 1 : 256)).map { number in
      let start = number * 2 * sequence
      return PreferenceExample(
        prompt: ids(base, prompt, from: start), chosen: ids(base, sequence - prompt, from: start + prompt),
        rejected: ids(base, sequence - prompt, from: start + sequence))
    }
    let objective = try DPO(examples: pairs, options: PreferenceOptions(), reference: isLoRA ? .adaptersOff : .model(base))
    let loop = try TrainLoop(model: policy(base, isLoRA: isLoRA), objective: objective, options: options())
    try loop.step()
    let seconds = try bench.bestSeconds(least: 1) { try loop.step() }
    let count = weights(base)
    let perToken = count.blocks * 2 * Double(sequence) + count.head * 2 * Double(sequence - prompt)
    let passes: Double = isLoRA ? 4 : 2 + 6
    let operations = passes * perToken + (isLoRA ? 3 : 4) * 2 * attentionOperations(base, tokens: sequence)
    return BenchRow(
      name: isLoRA ? "dpo:lora" : "dpo", value: 1 / seconds, unit: "step/s", limit: operationsPerSecond(bench) / operations,
      more: [("step seconds", seconds)])
  }

  /// A megabyte of English.
  private static func tokenizer(_ bench: Bench) throws -> BenchRow {
    let model = try bench.model()
    guard let tokenizer = model.tokenizer else { throw ModelError("\(model.name) has no tokenizer") }
    let paragraph =
      "The preference model never sees a score. It sees two answers to one question and learns which of them people liked better, "
      + "and by how much the policy must lean away from its reference to say so.\n"
    let size = 1 << 20
    let text = String((0...size / paragraph.count).map { "\($0). \(paragraph)" }.joined().prefix(size))
    let seconds = bench.bestSeconds { _ = tokenizer.encode(text, special: false) }
    return BenchRow(name: "tokenizer", value: Double(text.utf8.count) / 1e6 / seconds, unit: "MB/s")
  }

  private static func load(_ bench: Bench) throws -> BenchRow {
    let model = try bench.model()
    let seconds = try bench.bestSeconds { _ = try LanguageModel.load(path: model.path, name: model.name) }
    let limit = bench.limits(threads: bench.threads).readGigabytes * 1e9 / Double(model.weightBytes)
    return BenchRow(name: "load", value: 1 / seconds, unit: "1/s", limit: limit, more: [("ms", seconds * 1000)])
  }
}

extension Bench {
  /// The model that is measured: a file, or SmolLM2-135M-Instruct in Q4_1, fetched on first use as `load("smollm2")` does.
  func model() throws -> LanguageModel {
    if let loaded { return loaded }
    if let modelPath {
      let model = try LanguageModel.load(path: modelPath)
      loaded = model
      return model
    }
    let result = host.interpreter.run("load(\"smollm2\");", name: "zs bench") { _ in }
    host.progress.finish()
    if let error = result.errors.first { throw error }
    let model = try LanguageModel.load(path: host.session.modelsFolder + "/SmolLM2-135M-Instruct.Q4_1.gguf", name: "smollm2")
    loaded = model
    return model
  }
}
