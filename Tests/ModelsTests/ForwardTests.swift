// The full forward pass and its gradients against transformers, from both file formats.

import Formats
import Kernels
import Models
import Tensors
import XCTest

final class ForwardTests: XCTestCase {
  private let ids = (try? reference("base", "ids").ints) ?? []

  private func load(_ tiny: TinyModel = TinyModel(), type: SafetensorsType = .f32) throws -> LanguageModel {
    let folder = try TemporaryFolder()
    return try LanguageModel.load(path: try tiny.huggingFaceFolder(in: folder, type: type))
  }

  func testHuggingFaceFolder() throws {
    let model = try load()
    XCTAssertEqual(model.parameterCount, TinyModel().weights.reduce(0) { $0 + $1.shape.reduce(1, *) })
    XCTAssertEqual(model.weightType, .f32)
    XCTAssertNil(model.tokenizer)
    XCTAssertEqual(model.endTokens, [2])
    assertClose(try model.logits(ids).values, try reference("base", "logits").doubles, "logits")
    let logprobs = try model.tokenLogProbs([ids], scoredFrom: [1])
    assertClose(logprobs.values, try reference("base", "logprobs").doubles, "log-probs")
    XCTAssertEqual(log(try model.perplexity(ids)), try reference("base", "loss").double ?? 0, accuracy: 1e-5)
  }

  func testGGUFFileIsTheSameModel() throws {
    let folder = try TemporaryFolder()
    let model = try LanguageModel.load(path: TinyModel().ggufFile(in: folder), name: "tiny")
    XCTAssertEqual(model.configuration.rotaryLayout, .interleaved)
    XCTAssertEqual(model.configuration.slidingWindow, 5)
    XCTAssertEqual(model.configuration.vocabularySize, 96)
    assertClose(try model.logits(ids).values, try reference("base", "logits").doubles, "logits")
  }

  func testVariants() throws {
    let last = { (tiny: TinyModel) throws -> [Float] in Array(try self.load(tiny).logits(self.ids).values.suffix(96)) }
    assertClose(try last(TinyModel(slidingWindow: nil)), try reference("variants", "no_window").doubles, "no window")
    assertClose(try last(TinyModel(isTied: true)), try reference("variants", "tied").doubles, "tied")
    let scaling: JSON = [
      "rope_type": "llama3", "rope_theta": 500.0, "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
      "original_max_position_embeddings": 16,
    ]
    let llama = TinyModel(slidingWindow: nil, isTied: true, extra: ["model_type": "llama", "rope_parameters": scaling])
    assertClose(try last(llama), try reference("variants", "llama3_tied").doubles, "llama 3")
    // The older spelling of the same.
    var older = llama
    older.extra = ["model_type": "llama", "rope_theta": 500, "rope_scaling": scaling]
    XCTAssertEqual(try last(older), try last(llama))
    let wide = TinyModel(headDimension: 16, extra: ["rope_parameters": ["rope_type": "default", "rope_theta": 777.0]])
    assertClose(try last(wide), try reference("variants", "wide_head").doubles, "wide heads")
  }

  func testHalfPrecisionFoldersComputeInFloats() throws {
    for type in [SafetensorsType.bf16, .f16] {
      let model = try load(type: type)
      XCTAssertEqual(model.weightType, type == .bf16 ? .bf16 : .f16)
      let floats = try model.unfrozen()
      assertClose(try model.logits(ids).values, try floats.logits(ids).values, "\(type)")
      assertClose(try model.logits(ids).values, try reference("base", "logits").doubles, absolute: 0.1, "\(type)")
    }
  }

  func testQuantizedFilesEqualTheirUnpackedWeights() throws {
    let folder = try TemporaryFolder()
    for type in [WeightType.q8_0, .q4_0, .q4_1, .f16, .bf16] {
      let model = try LanguageModel.load(path: TinyModel().ggufFile(in: folder, type: type))
      XCTAssertEqual(model.weightType, type)
      assertClose(try model.logits(ids).values, try model.unfrozen().logits(ids).values, "\(type)")
    }
  }

  func testGradientsEqualTransformers() throws {
    for checkpointing in [false, true] {
      let model = try load().unfrozen()
      let logprobs = try model.tokenLogProbs([ids], scoredFrom: [1], checkpointing: checkpointing)
      let loss = try -logprobs.mean()
      XCTAssertEqual(Double(try loss.item()), try reference("base", "loss").double ?? 0, accuracy: 1e-5)
      let found = try gradients(of: loss, with: model.trainable.map(\.tensor))
      try check(Dictionary(uniqueKeysWithValues: zip(model.trainable.map(\.name), found)), try reference("base", "gradients"))
    }
  }

  func testTiedGradientsAdd() throws {
    let model = try load(TinyModel(isTied: true)).unfrozen()
    XCTAssertEqual(model.trainable.count, TinyModel(isTied: true).weights.count)
    let embedding = try XCTUnwrap(model.trainable.first { $0.name.contains("embed") }).tensor
    let loss = { try -model.tokenLogProbs([self.ids], scoredFrom: [1]).mean() }
    let gradient = try gradients(of: try loss(), with: [embedding])[0]
    for index in [1 * 32 + 3, 17 * 32 + 30, 50 * 32] {  // used as input, used often, used as output only
      let kept = embedding.pointer[index]
      embedding.pointer[index] = kept + 0.01
      let above = try loss().item()
      embedding.pointer[index] = kept - 0.01
      let below = try loss().item()
      embedding.pointer[index] = kept
      XCTAssertEqual(Double(gradient.pointer[index]), Double((above - below) / 0.02), accuracy: 1e-3)
    }
  }

  /// Compares norms and first values of gradients by Hugging Face name.
  private func check(_ found: [String: Tensor], _ expected: JSON) throws {
    for (name, values) in try XCTUnwrap(expected.object) {
      let gradient = try XCTUnwrap(found[name], name)
      let norm = gradient.values.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
      assertClose([norm], [values["norm"]?.double ?? -1], absolute: 1e-6, relative: 1e-4, name)
      assertClose(Array(gradient.values.prefix(4)), values["first"]?.doubles ?? [], absolute: 1e-6, relative: 1e-3, name)
    }
    XCTAssertEqual(found.count, expected.object?.count)
  }

  func testLoRAEqualsPEFT() throws {
    for (key, isScaledByRoot) in [("lora", false), ("rslora", true)] {
      let options = LoRAOptions(
        rank: 3, alpha: 6, targets: try LoRAOptions.targets(named: ["q_proj", "v_proj", "down_proj"]), rsLoRA: isScaledByRoot)
      let policy = try load().withLoRA(options)
      for (name, tensor) in policy.trainable {
        for (index, value) in formula(name, tensor.count, scale: 0.3).enumerated() { tensor.pointer[index] = value }
      }
      assertClose(try policy.tokenLogProbs([ids], scoredFrom: [1]).values, try reference(key, "logprobs").doubles, key)
      for checkpointing in [false, true] {
        let loss = try -policy.tokenLogProbs([ids], scoredFrom: [9], checkpointing: checkpointing).mean()
        XCTAssertEqual(Double(try loss.item()), try reference(key, "loss_from_9").double ?? 0, accuracy: 1e-5)
        let found = try gradients(of: loss, with: policy.trainable.map(\.tensor))
        try check(Dictionary(uniqueKeysWithValues: zip(policy.trainable.map(\.name), found)), try reference(key, "gradients"))
      }
      let merged = try policy.merged()
      XCTAssertTrue(merged.adapters.isEmpty)
      assertClose(Array(try merged.logits(ids).values.suffix(96)), try reference(key, "last_merged").doubles, "merged")
      // The reference of DPO: the same model with its adapters off.
      let off = try policy.tokenLogProbs([ids], scoredFrom: [1], adapters: false)
      assertClose(off.values, try reference("base", "logprobs").doubles, "adapters off")
    }
  }

  func testFreshAdaptersChangeNotOneBit() throws {
    let folder = try TemporaryFolder()
    let model = try LanguageModel.load(path: TinyModel().ggufFile(in: folder, type: .q4_1))
    let policy = try model.withLoRA(LoRAOptions(rank: 4, seed: 5))
    XCTAssertEqual(policy.adapters.count, 14)
    XCTAssertTrue(policy.base === model)
    XCTAssertEqual(
      try policy.tokenLogProbs([ids, [5, 6, 7]], scoredFrom: [1, 1]).values,
      try model.tokenLogProbs([ids, [5, 6, 7]], scoredFrom: [1, 1]).values)
    let a = policy.adapters[0].a.values
    XCTAssertEqual(a, try model.withLoRA(LoRAOptions(rank: 4, seed: 5)).adapters[0].a.values)
    XCTAssertNotEqual(a, try model.withLoRA(LoRAOptions(rank: 4, seed: 6)).adapters[0].a.values)
    XCTAssertLessThanOrEqual(a.map(abs).max() ?? 1, 1 / Float(32).squareRoot())
    XCTAssertGreaterThan(a.map(abs).max() ?? 0, 0.9 / Float(32).squareRoot())
  }

  func testDropoutIsAFunctionOfThePass() throws {
    let policy = try load().withLoRA(LoRAOptions(rank: 4, dropout: 0.4, seed: 5))
    for (_, tensor) in policy.trainable { for index in 0..<tensor.count { tensor.pointer[index] += 0.05 } }
    let run = { (number: Int?, checkpointing: Bool) throws -> (values: [Float], gradient: [Float]) in
      let options = ForwardOptions(checkpointing: checkpointing, dropout: number.map { DropoutPass(seed: 1, number: $0) })
      let logprobs = try policy.tokenLogProbs([self.ids], scoredFrom: [1], options: options)
      return (logprobs.values, try gradients(of: try logprobs.mean(), with: [policy.adapters[0].a])[0].values)
    }
    let first = try run(1, false)
    XCTAssertEqual(first.values, try run(1, false).values)
    XCTAssertEqual(first.values, try run(1, true).values)
    assertClose(first.gradient, try run(1, true).gradient, absolute: 1e-6)
    XCTAssertNotEqual(first.values, try run(2, false).values)
    XCTAssertNotEqual(first.values, try run(nil, false).values)
  }

  /// The token that config.json names as padding learns as an output only, as in transformers.
  func testThePaddingTokenDoesNotLearnAsAnInput() throws {
    let sequence = [5, 7, 5, 9, 7, 2]
    func rows(padding: Int?) throws -> [Float] {
      let extra: [String: JSON] = padding.map { ["pad_token_id": .int(Int64($0))] } ?? [:]
      let folder = try TemporaryFolder()
      let model = try LanguageModel.load(path: TinyModel(extra: extra).huggingFaceFolder(in: folder)).unfrozen()
      let table = try XCTUnwrap(model.trainable.first { $0.name == "model.embed_tokens.weight" }).tensor
      let slope = try gradients(of: try model.tokenLogProbs([sequence], scoredFrom: [1]).sum(), with: [table])[0]
      return [5, 7, 9].map { slope.values[$0 * table.shape[1]] }
    }
    let (all, without) = (try rows(padding: nil), try rows(padding: 7))
    XCTAssertTrue(all.allSatisfy { $0 != 0 })
    XCTAssertEqual(without, [all[0], 0, all[2]])
  }

  func testPackedSequencesSeeOnlyThemselves() throws {
    let model = try load()
    let others = [[4, 5, 6, 7, 8], Array(ids.reversed()), [9, 9]]
    let together = try model.tokenLogProbs([ids] + others, scoredFrom: [3, 1, 14, 1]).values
    let apart = try [(ids, 3), (others[0], 1), (others[1], 14), (others[2], 1)].flatMap {
      try model.tokenLogProbs([$0.0], scoredFrom: [$0.1]).values
    }
    XCTAssertEqual(together, apart)
    XCTAssertEqual(together.count, 11 + 4 + 0 + 1)
  }

  /// One pass over a shared prompt gives the bits of separate passes, and gradients that differ by rounding only.
  func testSharedPrefixesEqualSeparatePasses() throws {
    let prompt = Array(ids.prefix(11))
    let sequences = [prompt + [7, 3, 90, 21], prompt + [8, 8], [5, 6, 7, 8], prompt + [7, 3, 4], prompt]
    let from = [11, 11, 1, 11, 10]
    for window in [nil, 5] {
      let policy = try load(TinyModel(slidingWindow: window)).withLoRA(LoRAOptions(rank: 2, seed: 5))
      for adapter in policy.adapters { for index in 0..<adapter.b.count { adapter.b.pointer[index] = 0.01 * Float(index % 7) } }
      func run(shared: Bool, checkpointing: Bool = false) throws -> (values: [Float], gradients: [[Float]]) {
        let options = ForwardOptions(checkpointing: checkpointing, sharesPrefixes: shared)
        let logProbs = try policy.tokenLogProbs(sequences, scoredFrom: from, options: options)
        let slopes = try Tensor(shape: [logProbs.count], values: (0..<logProbs.count).map { Float($0 % 3) - 0.7 })
        return (logProbs.values, try gradients(of: (logProbs * slopes).sum(), with: policy.trainable.map(\.tensor)).map(\.values))
      }
      let (apart, shared) = (try run(shared: false), try run(shared: true))
      XCTAssertEqual(shared.values, apart.values)
      // Sums over the same terms in another order: what cancels leaves rounding of the size of the terms, not of the sum.
      let largest = apart.gradients.joined().map(abs).max() ?? 0
      for (a, b) in zip(shared.gradients, apart.gradients) { assertClose(a, b, absolute: 1e-6 * Double(largest), relative: 0) }
      XCTAssertEqual(try run(shared: true, checkpointing: true).gradients, shared.gradients)
    }
    let packed = PackedSequences(sequences.map { $0.map(Int32.init) }, sharesPrefixes: true)
    XCTAssertEqual(packed.ids.count, 15 + 2 + 4 + 1 + 1, "the third branch shares 13 tokens, the prompt itself all but its last")
  }

  func testBadInput() throws {
    let model = try load()
    assertThrows("96 is no token id") { try model.logits([96]) }
    assertThrows("-1 is no token id") { try model.logits([-1]) }
    assertThrows("no tokens") { try model.logits([]) }
    assertThrows("65 tokens", "context of 64") { try model.logits(Array(repeating: 1, count: 65)) }
    assertThrows("position 0") { try model.tokenLogProbs([[1, 2]], scoredFrom: [0]) }
    assertThrows("'w_proj'", "q_proj") { try LoRAOptions.targets(named: ["w_proj"]) }
    assertThrows("rank") { try model.withLoRA(LoRAOptions(rank: 0)) }
    assertThrows("adapters already") { try model.withLoRA().withLoRA() }
    XCTAssertGreaterThan(try model.perplexity((0..<200).map { $0 % 96 }), 1)
  }
}
