// Data: preference pairs and conversations, and what can be done with their rows.

import Formats
import Language
import Tensors
import Training

private let category = "Data"
private var source: Parameter {
  Parameter(
    "source", .anyOf([.string, .list, .object("dataset")]), help: "a .jsonl or .json file, a list of maps, or hf://datasets/owner/name")
}
private var hubParameters: [Parameter] {
  [
    Parameter("split", .string, default: Value.none, help: "of a data set of the Hub: \"train\" unless another is given"),
    Parameter("config", .string, default: Value.none, aliases: ["name", "subset"], help: "of a data set of the Hub: the configuration"),
    Parameter("rows", .int, default: Value.none, range: 1...9e15, help: "of a data set of the Hub: how many rows are enough; none: all"),
  ]
}
private var dataset: Parameter { Parameter("data", .object("dataset")) }

/// Rows for datasets.
public func dataBuiltins() -> [Builtin] {
  [
    Builtin(
      "preferences", category: category, [source] + hubParameters, returns: "dataset",
      summary: "Pairs of a better and a worse answer to a prompt.",
      example: "preferences([{prompt: \"2 + 2?\", chosen: \"4\", rejected: \"5\"}])",
      details: """
        A row has prompt, chosen and rejected, as strings or as lists of {role, content}. Lists may hold the prompt too: what both
        begin with is the prompt. Or it is tokenized already: prompt_ids, chosen_ids, rejected_ids. Or, for loss: "kto", it is one
        answer with a label: prompt, completion, label (true for a desirable one), or in ids. Rows that cannot be used are
        listed in .skipped with line and reason. Rows of a data set of the Hub come page by page and are kept in
        ${ZS_HOME:-~/.cache/zs}/datasets; an interrupted download goes on where it stopped.
        """
    ) { call in .object(DatasetValue(try datasetArgument(call, "source", .preferences))) },
    Builtin(
      "conversations", category: category, [source] + hubParameters, returns: "dataset",
      summary: "Conversations to learn from.",
      example: "conversations([{messages: [{role: \"user\", content: \"Ahoy\"}, {role: \"assistant\", content: \"Aye\"}]}])",
      details: """
        A row has messages, a list of {role, content} (ShareGPT's from and value are understood); or prompt and completion; or text;
        or input_ids and labels, -100 where nothing is to be learned. Rows that cannot be used are listed in .skipped.
        """
    ) { call in .object(DatasetValue(try datasetArgument(call, "source", .conversations))) },
    Builtin(
      "take", category: category, [dataset, Parameter("n", .int, range: 0...9e15, help: "how many")], returns: "dataset",
      summary: "The first n rows.", example: "preferences([{prompt: \"a\", chosen: \"b\", rejected: \"c\"}]) |> take(1)"
    ) { call in
      let data = try call.object("data", as: DatasetValue.self).dataset
      return .object(DatasetValue(data.selecting(0..<min(try call.int("n"), data.rows.count))))
    },
    Builtin(
      "skip", category: category, [dataset, Parameter("n", .int, range: 0...9e15, help: "how many")], returns: "dataset",
      summary: "All rows but the first n.", example: "preferences([{prompt: \"a\", chosen: \"b\", rejected: \"c\"}]) |> skip(1)"
    ) { call in
      let data = try call.object("data", as: DatasetValue.self).dataset
      return .object(DatasetValue(data.selecting(min(try call.int("n"), data.rows.count)..<data.rows.count)))
    },
    Builtin(
      "shuffle", category: category,
      [dataset, Parameter("seed", .int, default: Value.none, help: "what the order derives from; none: the session's own")],
      returns: "dataset", summary: "The rows in random order.",
      example: "preferences([{prompt: \"a\", chosen: \"b\", rejected: \"c\"}]) |> shuffle(seed: 1)"
    ) { call in
      let seed = try call.optionalInt("seed").map { UInt64(bitPattern: Int64($0)) } ?? Session.of(call).drawSeed()
      return .object(DatasetValue(try call.object("data", as: DatasetValue.self).dataset.shuffled(seed: seed)))
    },
    Builtin(
      "split", category: category,
      [
        dataset, Parameter("test", .float, default: 0.1, range: 0...9e15, help: "the share of the second part, or from 1 on its rows"),
        Parameter("seed", .int, default: 42, help: "what the order derives from; none keeps the order"),
      ],
      returns: "list", summary: "Two datasets: one to train on and one to test with.",
      example: "train, test = split(preferences([{prompt: \"a\", chosen: \"b\", rejected: \"c\"}]), test: 1)",
      body: splitDataset),
    Builtin(
      "filter", category: category, [dataset, Parameter("f", .function, help: "says whether to keep a row")], returns: "dataset",
      summary: "The rows for which f is true.",
      example: "preferences([{prompt: \"a\", chosen: \"b\", rejected: \"c\"}]) |> filter(row => len(row.chosen) > 0)"
    ) { call in
      let data = try call.object("data", as: DatasetValue.self)
      let kept = try data.dataset.rows.indices.filter { index in
        if call.context.isInterrupted { throw Interrupted() }
        return try Operations.truth(call.context.call(call["f"], [data.element(at: index)]))
      }
      return .object(DatasetValue(data.dataset.selecting(kept)))
    },
    Builtin(
      "map", category: category, [dataset, Parameter("f", .function, help: "gives a row, as a map, for each row")],
      returns: "dataset", summary: "What f gives for each row: a dataset while that can be used as rows, else a list.",
      example:
        "preferences([{prompt: \"a\", chosen: \"b\", rejected: \"c\"}]) |> map(row => ({prompt: upper(row.prompt), chosen: row.chosen, rejected: row.rejected}))",
      body: mapDataset),
  ] + listSelections
}

/// The same words for plain lists, such as the rows of `tokens`.
private var listSelections: [Builtin] {
  let items = Parameter("items", .list, help: "a list")
  let count = Parameter("n", .int, range: 0...9e15, help: "how many")
  return [
    Builtin(
      "take", category: category, [items, count], returns: "list", summary: "The first n items.", example: "take([3, 1, 2], 2)"
    ) { call in .list(Array(try call.list("items").prefix(try call.int("n")))) },
    Builtin(
      "skip", category: category, [items, count], returns: "list", summary: "All items but the first n.", example: "skip([3, 1, 2], 2)"
    ) { call in .list(Array(try call.list("items").dropFirst(try call.int("n")))) },
    Builtin(
      "shuffle", category: category,
      [items, Parameter("seed", .int, default: Value.none, help: "what the order derives from; none: the session's own")],
      returns: "list", summary: "The items in random order.", example: "shuffle([3, 1, 2], seed: 1)"
    ) { call in
      let seed = try call.optionalInt("seed").map { UInt64(bitPattern: Int64($0)) } ?? Session.of(call).drawSeed()
      var random = RandomSource(seed: seed).split("shuffle of a list")
      return .list(try call.list("items").shuffled(using: &random))
    },
  ]
}

/// What f gives for each row: a dataset where any of it can still be used as a row, else a plain list.
private func mapDataset(_ call: Call) throws -> Value {
  let data = try call.object("data", as: DatasetValue.self)
  let results = try data.dataset.rows.indices.map { index in
    if call.context.isInterrupted { throw Interrupted() }
    return try call.context.call(call["f"], [data.element(at: index)])
  }
  var rows = results.makeIterator()
  do {
    return .object(DatasetValue(try data.dataset.mapping { _ in try (rows.next() ?? .none).asJSON() }))
  } catch is TrainingError {
    return .list(results)
  }
}

private func splitDataset(_ call: Call) throws -> Value {
  let data = try call.object("data", as: DatasetValue.self).dataset
  let wanted = try call.double("test")
  let count = data.rows.count
  let test = wanted < 1 ? Int((wanted * Double(count)).rounded()) : Int(wanted)
  guard test <= count else { throw ZsError("a test part of \(test) of \(count) rows", hint: "a share such as 0.1", argument: "test") }
  var ordered = data
  if let seed = try call.optionalInt("seed") { ordered = data.shuffled(seed: UInt64(bitPattern: Int64(seed))) }
  return .list([
    .object(DatasetValue(ordered.selecting(0..<count - test))), .object(DatasetValue(ordered.selecting(count - test..<count))),
  ])
}

/// A dataset of an argument: one made before, a file, or a list of maps.
func datasetArgument(_ call: Call, _ name: String, _ kind: DatasetKind) throws -> Dataset {
  switch call[name] {
  case .string(let path):
    if path.hasPrefix("hf://") { return try call.hubDataset(path, kind, argument: name) }
    return try Dataset(kind, path: path)
  case .list(let rows): return try Dataset(kind, rows: rows.map { try $0.asJSON() })
  case .object(let object as DatasetValue):
    guard object.dataset.kind == kind else {
      // Rows of the other kind may hold what this one needs, such as the messages of UltraFeedback.
      return try Dataset(kind, rows: object.dataset.rows.map { .object($0.fields) }, name: object.dataset.name)
    }
    return object.dataset
  default:
    throw ZsError(
      kind: "type", message: "\(call.builtin.name) takes '\(name)' as a path, a list of maps or a dataset, not \(call[name].typeName)",
      argument: name)
  }
}
