// Seed tasks: what Self-Instruct begins with, in the form of the published seed_tasks.jsonl.

import Formats
import Training

/// A task written by a person.
public struct SeedTask: Sendable, Equatable {
  /// An input with the output that answers it.
  public struct Instance: Sendable, Equatable {
    /// What the instruction works on; empty where it needs nothing.
    public var input: String
    /// The answer.
    public var output: String

    /// An instance.
    public init(input: String, output: String) {
      self.input = input
      self.output = output
    }
  }

  /// Its id, such as `seed_task_0`.
  public var id: String
  /// A short name.
  public var name: String
  /// What is to be done.
  public var instruction: String
  /// Examples of it done.
  public var instances: [Instance]
  /// Whether the output is one of few labels.
  public var isClassification: Bool

  /// A task.
  public init(id: String, name: String, instruction: String, instances: [Instance], isClassification: Bool) {
    self.id = id
    self.name = name
    self.instruction = instruction
    self.instances = instances
    self.isClassification = isClassification
  }
}

/// Seed tasks read from rows, and what could not be used.
public struct SeedTasks: Sendable {
  /// The usable tasks.
  public private(set) var tasks: [SeedTask] = []
  /// The other rows, with line and reason.
  public private(set) var skipped: [SkippedRow] = []

  /// Reads a file of JSON lines.
  ///
  /// - Throws: `FormatError` where the file cannot be read, `TrainingError` where it holds no task.
  public init(path: String) throws {
    let lines = try JSONLines(path: path)
    skipped = lines.problems.map { SkippedRow(line: $0.line, reason: $0.reason) }
    try add(lines.rows.map { ($0.line, $0.value) }, name: path)
  }

  /// Takes rows that are already there; a string is an instruction by itself.
  public init(rows: [JSON]) throws { try add(rows.enumerated().map { ($0 + 1, $1) }, name: "the list of seeds") }

  private mutating func add(_ rows: [(line: Int, value: JSON)], name: String) throws {
    for (line, row) in rows {
      guard let instruction = row.string ?? row["instruction"]?.string, !stripped(instruction).isEmpty else {
        skipped.append(SkippedRow(line: line, reason: "no instruction"))
        continue
      }
      let instances = (row["instances"]?.array ?? []).compactMap { instance -> SeedTask.Instance? in
        guard let output = instance["output"]?.string else { return nil }
        return SeedTask.Instance(input: instance["input"]?.string ?? "", output: output)
      }
      tasks.append(
        SeedTask(
          id: row["id"]?.string ?? "seed_task_\(tasks.count)", name: row["name"]?.string ?? "", instruction: instruction,
          instances: instances, isClassification: row["is_classification"]?.bool ?? false))
    }
    guard tasks.isEmpty else { return }
    throw TrainingError(
      "\(name) holds no seed task" + (skipped.first.map { "; line \($0.line): \($0.reason)" } ?? ""),
      hint: "a row is {id, name, instruction, instances: [{input, output}], is_classification}")
  }
}
