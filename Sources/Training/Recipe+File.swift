// Recipes from YAML files: the nodes as JSON, keys in their order.

import Formats
import OrderedCollections
import Yams

extension Recipe {
  /// Reads a YAML file of alignment-handbook or TRL.
  ///
  /// - Parameter method: Which trainer it is for; nil: what its keys and its path say.
  public init(path: String, method: Method? = nil) throws {
    guard let text = try FileContents.text(path) else { throw TrainingError("\(path) is not UTF-8 text") }
    let node: Node?
    do {
      node = try Yams.compose(yaml: text)
    } catch {
      throw TrainingError("\(path) is no YAML: \("\(error)".replacing("\n", with: " "))")
    }
    guard let mapping = node?.mapping, !mapping.isEmpty else {
      throw TrainingError("\(path) holds no settings", hint: "a recipe is a list of lines such as learning_rate: 2.0e-05")
    }
    var settings: OrderedDictionary<String, JSON> = [:]
    for (key, value) in mapping { settings[key.string ?? ""] = try JSON(value, path: path) }
    let isDPO =
      ["beta", "max_prompt_length", "precompute_ref_log_probs"].contains { settings[$0] != nil } || path.lowercased().contains("dpo")
    try self.init(name: path, method: method ?? (isDPO ? .dpo : .sft), settings: settings)
  }
}

extension JSON {
  /// A YAML node as JSON, scalars by the type that YAML gives them.
  fileprivate init(_ node: Node, path: String) throws {
    switch node {
    case .mapping(let mapping):
      var members: OrderedDictionary<String, JSON> = [:]
      for (key, value) in mapping { members[key.string ?? ""] = try JSON(value, path: path) }
      self = .object(members)
    case .sequence(let sequence): self = .array(try sequence.map { try JSON($0, path: path) })
    case .scalar(let scalar):
      // A quoted "no" is a string, a bare one is false.
      switch Tag.Name(rawValue: node.tag.description) {
      case .null: self = .null
      case .bool: self = .bool(node.bool ?? false)
      case .int: self = node.int.map { .int(Int64($0)) } ?? .string(scalar.string)
      case .float: self = node.float.map { .double($0) } ?? .string(scalar.string)
      default: self = .string(scalar.string)
      }
    default: throw TrainingError("\(path) uses an alias, which recipes do not need", hint: "write the value in its place")
    }
  }
}
