// Recipes as values: what alignment-handbook and TRL wrote, and what it means here, row by row.

import Formats
import Language
import OrderedCollections
import Training

func recipeBuiltins() -> [Builtin] {
  [
    Builtin(
      "recipe", category: trainingCategory,
      [
        Parameter(
          "name", .string, help: "a .yaml file of alignment-handbook or TRL, or one of " + Recipe.names.joined(separator: ", ")),
        Parameter(
          "method", .string, default: Value.none, choices: ["sft", "dpo"], help: "which trainer a file is for; none: what its keys say"),
      ],
      returns: "recipe", summary: "The settings of a run, for sft(m, data, recipe: r) or dpo(p, data, recipe: r).",
      example: "recipe(\"zephyr-7b-beta/sft/current\").options.learning_rate",
      details: """
        Shown as a table: the recipe's value, what is used here, and why the two differ. Keys without an effect, obsolete and unknown
        ones stand there too, with the reason. Options given to sft or dpo win over the recipe's. A recipe with adapters puts them on
        a model that has none. Fields: name, method, options, lora, model, datasets, global_batch, settings.
        """, body: makeRecipe)
  ]
}

private func makeRecipe(_ call: Call) throws -> Value { .object(RecipeValue(try recipe(call, "name"))) }

/// The recipe that a name or path means; what nobody knows is said at once.
private func recipe(_ call: Call, _ argument: String) throws -> Recipe {
  let name = try call.string(argument)
  if let frozen = try Recipe.named(name) { return frozen }
  let lower = name.lowercased()
  guard lower.hasSuffix(".yaml") || lower.hasSuffix(".yml") else {
    let near = nearest(to: name, among: Recipe.names)
    throw ZsError(
      "no recipe is called \"\(name)\"" + (near.map { "; did you mean \"\($0)\"?" } ?? ""),
      hint: "a .yaml file, or one of " + Recipe.names.joined(separator: ", "), argument: argument)
  }
  let method = call.given("method") ? try call.optionalString("method").flatMap { Recipe.Method(rawValue: $0) } : nil
  let read = try Recipe(path: name, method: method)
  let session = try Session.of(call)
  for setting in read.settings where setting.state == .unknown { session.warn("note: \(name): \(setting.key): \(setting.note)") }
  return read
}

extension Call {
  /// The recipe given to a trainer, checked to be for it; nil where none was given.
  func recipe(for method: Recipe.Method) throws -> Recipe? {
    let found: Recipe
    switch self["recipe"] {
    case .object(let object as RecipeValue): found = object.recipe
    case .string: found = try Builtins.recipe(self, "recipe")
    default: return nil
    }
    guard found.method == method else {
      throw ZsError(
        "\(found.name) is a recipe for \(found.method.rawValue), not for \(method.rawValue)",
        hint: "\(found.method.rawValue)(…, recipe: …)", argument: "recipe")
    }
    for (name, value) in found.options {
      try builtin.parameters.first { $0.name == name }?.check(Value(value), of: found.name)
    }
    return found
  }
}

/// The parameter of trainers that takes a recipe.
var recipeParameter: Parameter {
  Parameter(
    "recipe", .anyOf([.string, .object("recipe")]), default: Value.none,
    help: "what recipe(…) gave, or its name: options that are not given come from it")
}

/// A recipe of the language.
final class RecipeValue: ObjectValue {
  let recipe: Recipe

  init(_ recipe: Recipe) { self.recipe = recipe }

  var typeName: String { "recipe" }

  var fieldNames: [String] { ["name", "method", "options", "lora", "model", "datasets", "global_batch", "settings"] }

  func field(_ name: String) throws -> Value? {
    switch name {
    case "name": .string(recipe.name)
    case "method": .string(recipe.method.rawValue)
    case "options": .map(recipe.options.mapValues { Value($0) })
    case "lora": recipe.lora.map { .map($0.mapValues { Value($0) }) } ?? Value.none
    case "model": recipe.model.map { .string($0) } ?? Value.none
    case "datasets": .list(recipe.datasets.map { .string($0) })
    case "global_batch": .int(Int64(recipe.globalBatch))
    case "settings": .list(recipe.settings.map { row($0) })
    default: nil
    }
  }

  private func row(_ setting: RecipeSetting) -> Value {
    .map([
      "key": .string(setting.key), "value": Value(setting.value), "state": .string(setting.state.rawValue),
      "here": .map(setting.options.mapValues { Value($0) }), "why": .string(setting.note),
      "source": setting.source.map { .string($0) } ?? Value.none,
    ])
  }

  /// `r["learning_rate"]`: a field, an option of zs, or a key of the recipe.
  func subscripted(_ index: [IndexArgument]) throws -> Value {
    guard index.count == 1, case .at(.string(let name))? = index.first else {
      throw ZsError(kind: "type", message: "a recipe is indexed by the name of an option", hint: "r[\"learning_rate\"], r.options")
    }
    if let value = try field(name) { return value }
    if let value = recipe.options[name] ?? recipe.settings.first(where: { $0.key == name })?.value { return Value(value) }
    let near = nearest(to: name, among: Array(recipe.options.keys) + recipe.settings.map(\.key))
    throw ZsError(kind: "key", message: "\(recipe.name) has no \"\(name)\"" + (near.map { "; did you mean \"\($0)\"?" } ?? ""))
  }

  func isEqual(to other: any ObjectValue) -> Bool { (other as? RecipeValue)?.recipe == recipe }

  func plain() throws -> Value {
    var result: ValueMap = [:]
    for name in fieldNames { result[name] = try field(name) ?? Value.none }
    return .map(result)
  }

  /// What counts as a table; then, in words, what differs here and why, what has no effect, and where the numbers are from.
  func display(_ options: DisplayOptions) -> String {
    var first = "recipe \(recipe.name) · \(recipe.method.rawValue) · \(recipe.globalBatch) examples per update"
    if let lora = recipe.lora { first += " · LoRA r\(lora["rank"]?.serialized() ?? "16")" }
    let rows = recipe.settings.filter { $0.state != .noted }.map { setting in
      let here = setting.options.map { "\($0): \(Value($1).source)" }.joined(separator: ", ")
      return [setting.key, Value(setting.value).source, here.isEmpty ? "–" : here]
    }
    let table = TextTable(headings: ["setting", "recipe", "here"], rows: rows, numeric: [false, false, false])
    var lines = [first, table.text(width: options.width, maxRows: max(options.maxRows, 60), colour: options.colour)]
    for (state, heading) in [
      (RecipeSetting.State.unknown, "unknown"), (.obsolete, "obsolete"), (.changed, "different here"), (.used, "understood as"),
      (.implied, "filled in"), (.noted, "without effect here"),
    ] {
      let told = recipe.settings.filter { $0.state == state && !$0.note.isEmpty }
      if told.isEmpty { continue }
      lines.append(heading)
      lines += told.flatMap { wrapped("\($0.key): \($0.note)", width: options.width) }
    }
    var sources = OrderedDictionary<String, [String]>()
    for setting in recipe.settings { if let source = setting.source { sources[source, default: []].append(setting.key) } }
    if !sources.isEmpty { lines.append("sources") }
    lines += sources.flatMap { wrapped("\($0): \($1.joined(separator: ", "))", width: options.width) }
    return lines.joined(separator: "\n")
  }

  /// Text in lines of at most `width` columns, set in from the margin.
  private func wrapped(_ text: String, width: Int) -> [String] {
    var lines: [String] = []
    var line = " "
    for word in text.split(separator: " ") {
      if TextWidth.of(line) + 1 + TextWidth.of(String(word)) > width, line.count > 4 {
        lines.append(line)
        line = "   "
      }
      line += " \(word)"
    }
    return lines + [line]
  }
}
