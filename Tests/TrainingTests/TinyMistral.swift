// The small Mistral of Fixtures/tiny and what torch computes with it (scripts/reference/sft_values.py).

import Formats
import Foundation
import Models
import Training
import XCTest

enum TinyMistral {
  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures/tiny").path

  static func load() throws -> LanguageModel { try LanguageModel.load(path: folder) }

  static func values() throws -> JSON { try fixture("tiny/values.json") }

  /// The two rows of the fixture as examples, in a batch each or repeated to make more.
  static func examples(_ count: Int = 2) throws -> [[SFTExample]] {
    let rows = (try values()["rows"]?.array ?? []).map { row in
      SFTExample(ids: (row["input_ids"]?.array ?? []).compactMap(\.int), trained: (row["labels"]?.doubles ?? []).map { $0 >= 0 })
    }
    return (0..<count).map { index in
      // Later copies differ, so that batches are not all alike.
      var example = rows[index % rows.count]
      if index >= rows.count { for i in example.ids.indices.dropFirst() { example.ids[i] = (example.ids[i] + 7 * index) % 96 } }
      example.row = index
      return [example]
    }
  }

  static func options(_ change: (inout TrainOptions) -> Void = { _ in }) -> TrainOptions {
    var options = TrainOptions()
    options.learningRate = 1e-3
    options.schedule = .constant
    options.warmupRatio = 0
    options.batchSize = 2
    options.epochs = 20
    options.shuffle = false
    options.maxGradNorm = 0
    change(&options)
    return options
  }

  /// A trainer of a fresh copy that learns whole.
  static func loop(
    _ count: Int = 2, model: LanguageModel? = nil, _ change: (inout TrainOptions) -> Void = { _ in }
  ) throws -> TrainLoop {
    try TrainLoop(model: try model ?? load().unfrozen(), objective: SFT(examples: try examples(count)), options: options(change))
  }
}

extension TrainLoop {
  /// Every parameter's elements, for comparison to the bit.
  var parameterValues: [[Float]] { model.trainable.map(\.tensor.values) }
}

/// A folder of its own for a test, removed when the test ends.
func temporaryFolder(_ test: XCTestCase) throws -> String {
  let path = NSTemporaryDirectory() + "zs-training-\(UUID().uuidString)"
  try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  test.addTeardownBlock { try? FileManager.default.removeItem(atPath: path) }
  return path
}
