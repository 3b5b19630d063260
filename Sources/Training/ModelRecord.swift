// How a checkpoint knows a model it does not hold: where it was loaded from, as what type, and the hash of every weight. A model
// that no file gives back, such as one with adapters merged in, is kept in the checkpoint itself.

import Formats
import Models
import OrderedCollections
import Tensors

/// A model that a run began with, or is held to.
public struct ModelRecord: Sendable, Equatable {
  /// The name it was loaded under.
  public var name: String
  /// Where it was loaded from.
  public var path: String
  /// The type that most weights are stored in.
  public var type: String
  /// A short hash of each weight.
  public var weights: OrderedDictionary<String, String>
  /// Whether loading from `path` gives these weights; otherwise the checkpoint holds them.
  public var isReproducible: Bool

  /// Looks at a model; reads it once more from its path to know whether that gives the same weights.
  public init(_ model: LanguageModel) {
    name = model.name
    path = model.path
    type = model.weightType.name
    weights = OrderedDictionary(Digest.weights(of: model), uniquingKeysWith: { $1 })
    isReproducible = true
    do {
      isReproducible = try differences(from: load(stored: nil)).isEmpty
    } catch {
      // What cannot be loaded again is kept.
      isReproducible = false
    }
  }

  /// Reads a record of a checkpoint.
  public init(_ json: JSON) throws {
    guard let name = json["name"]?.string, let path = json["path"]?.string, let type = json["type"]?.string,
      let weights = json["weights"]?.object
    else { throw TrainingError("the checkpoint does not say which model it is of") }
    self.name = name
    self.path = path
    self.type = type
    self.weights = weights.mapValues { $0.string ?? "" }
    isReproducible = json["stored"]?.bool != true
  }

  /// The record as JSON.
  public var json: JSON {
    [
      "name": .string(name), "path": .string(path), "type": .string(type), "stored": .bool(!isReproducible),
      "weights": .object(weights.mapValues { .string($0) }),
    ]
  }

  /// The model, loaded from its path.
  ///
  /// - Parameter stored: The file with its weights, where the checkpoint holds them.
  public func load(stored: String?) throws -> LanguageModel {
    let model = try LanguageModel.load(path: path, name: name)
    if let stored { return try model.replacingWeights(from: stored) }
    if model.weightType.name != type, let wanted = model.weightType(named: type) { return try model.converted(to: wanted) }
    return model
  }

  /// In what a model differs from this record, weight by weight.
  public func differences(from model: LanguageModel) -> [String] {
    let found = OrderedDictionary(Digest.weights(of: model), uniquingKeysWith: { $1 })
    return weights.keys.filter { found[$0] != weights[$0] } + found.keys.filter { weights[$0] == nil }
  }

  /// Throws where a model is not the one of this record, naming what differs.
  public func check(_ model: LanguageModel, role: String) throws {
    let differing = differences(from: model)
    guard let first = differing.first else { return }
    let count = differing.count == weights.count ? "all \(weights.count) weights differ" : "'\(first)' differs"
    let more = differing.count > 1 && differing.count < weights.count ? ", and \(differing.count - 1) more" : ""
    let types = model.weightType.name == type ? "" : "; its weights are \(model.weightType.name), they were \(type)"
    throw TrainingError(
      "the \(role) \(model.path) is not the one that the checkpoint was made with: \(count)\(more)\(types)",
      hint: "bring back the file as it was, or load that model and give it: resume(dir, \(role == "reference" ? "reference" : "model"): m)")
  }
}
