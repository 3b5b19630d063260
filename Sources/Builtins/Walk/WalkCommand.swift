// The commands of `walk`: a table of names and help, and the reading of one line into an action. Nothing here acts.

import Language

/// One row of the table of commands.
package struct WalkCommand {
  package let name: String
  /// The one letter that means it, where there is one.
  let letter: String?
  let usage: String
  let summary: String
  let details: String

  /// Every command, in the order of help.
  static let all: [WalkCommand] = [
    row("pairs", "p", "pairs", "the pairs of the current batch, a line each"),
    row("pair", nil, "pair [K]", "pair K: its text with every token coloured; it becomes the current pair"),
    row(
      "tokens", "t", "tokens [K]", "all tokens of a pair, coloured, and the numbers of those that changed most",
      "Blue: likelier than under the reference; red: less likely. Without K, the current pair."),
    row("explain", "e", "explain [K]", "where the pair's margin comes from"),
    row(
      "gradient", nil, "gradient [K]", "the pair's gradient, layer by layer: its norm, and its cosine with the whole batch's",
      "A negative cosine: what this pair asks for, the others undo."),
    row(
      "what", "w", "what NAME VALUE …", "the current batch under other options, without a trace",
      "what beta 0.3 · what beta 0.3 loss ipo · what loss sigmoid,sft · what learning_rate 1e-4 (also measures the batch after the update)"),
    row(
      "set", nil, "set NAME VALUE …", "other options from here on, in a branch of their own",
      "set beta 0.3 · set learning_rate 1e-4 schedule constant\nThe trainer that was walked so far stays where it is: it is the branch before. A branch cannot go back beyond its beginning, as its options were others there."
    ),
    row(
      "fork", nil, "fork", "a second trainer from here, with the same past; the walk goes on in it",
      "Both go on apart. branch lists them and changes over; walk gives the trainer it ends on."),
    row("branch", nil, "branch [N]", "the trainers of this walk, or over to the N-th"),
    row("step", "s", "step [N]", "N updates, a line each; stops at a breakpoint"),
    row("back", "b", "back [N]", "undoes N updates, to the bit"),
    row("goto", "g", "goto N", "to the state after N updates, back or on"),
    row("run", "r", "run [N]", "N updates, or all that are left; stops at a breakpoint"),
    row(
      "until", "u", "until CONDITION", "updates until a condition on the batch's metrics holds, or the run ends",
      "until accuracy > 0.9 · until loss < 0.3 and margin > 1 · the metrics are those of each update's own batch"),
    row(
      "break", nil, "break CONDITION", "stops before an update whose batch has a pair like that",
      "break margin < -1 · break weight > 0.9 · break accuracy < 0.5 (of the whole batch, as accuracy is no number of a pair)\nThe stop is before the update: look at the pair, ask what if, and step on."
    ),
    row("breaks", nil, "breaks", "the breakpoints"),
    row("clear", nil, "clear [N]", "removes breakpoint N, or all"),
    row("plot", nil, "plot [NAME…]", "curves of the run so far", "plot loss · plot rewards/chosen rewards/rejected"),
    row("history", nil, "history [N]", "the numbers of the last N updates"),
    row("where", nil, "where", "the trainer and the current batch"),
    row("options", "o", "options", "every option of the trainer"),
    row("save", nil, "save PATH", "saves what was learned into a folder, or the run as a page where PATH ends in .html"),
    row("help", "h", "help [COMMAND]", "this list, or one command's own help; ? does the same"),
    row("quit", "q", "quit", "ends the walk; the trainer stays where it is"),
  ]

  private static func row(_ name: String, _ letter: String?, _ usage: String, _ summary: String, _ details: String = "") -> WalkCommand {
    WalkCommand(name: name, letter: letter, usage: usage, summary: summary, details: details)
  }

  /// The command of a name, a letter or the beginning of one name only.
  package static func named(_ word: String) throws -> WalkCommand {
    let aliases = [
      "rows": "pairs", "row": "pair", "what_if": "what", "exit": "quit", "inspect": "pairs", "continue": "run", "next": "step",
    ]
    let word = aliases[word] ?? word
    if let command = all.first(where: { $0.name == word || $0.letter == word }) { return command }
    let begun = all.filter { $0.name.hasPrefix(word) }
    if begun.count == 1 { return begun[0] }
    if begun.count > 1 {
      throw ZsError("'\(word)' may be \(begun.map(\.name).joined(separator: ", "))", hint: "type one more letter")
    }
    let meant = nearest(to: word, among: all.map(\.name)).map { "; did you mean '\($0)'?" } ?? ""
    throw ZsError("there is no command '\(word)'\(meant)", hint: "help lists them")
  }

  /// Name, summary and details.
  var help: String {
    ([usage, "  " + summary] + (details.isEmpty ? [] : details.split(separator: "\n").map { "  " + $0 })).joined(separator: "\n")
  }
}

/// What one line asks for.
package enum WalkAction {
  case pairs, breaks, location, options, quit, nothing
  case pair(Int?)
  case tokens(Int?)
  case explain(Int?)
  case gradient(Int?)
  case what(ValueMap)
  case set(ValueMap)
  case fork
  case branch(Int?)
  case step(Int)
  case back(Int)
  case goto(Int)
  case run(Int?)
  case until(WalkCondition)
  case setBreak(WalkCondition)
  case clear(Int?)
  case plot([String])
  case history(Int)
  case save(String)
  case help(WalkCommand?)

  /// Whether Enter on an empty line does it again.
  var isRepeatable: Bool {
    switch self {
    case .setBreak, .clear, .save, .quit, .nothing, .set, .fork, .branch: false
    default: true
    }
  }
}

/// Reads lines; it knows the names that conditions and options may use.
package struct WalkParser {
  /// Metrics of a batch.
  let metrics: [String]
  /// Numbers of a single pair.
  let pairNumbers: [String]
  /// The builtin behind `what`.
  let whatIf: Builtin

  package init(metrics: [String], pairNumbers: [String], whatIf: Builtin) {
    self.metrics = metrics
    self.pairNumbers = pairNumbers
    self.whatIf = whatIf
  }

  /// The action of a line.
  package func action(_ line: String) throws -> WalkAction {
    var text = line.trimmingBlanks()
    if text.isEmpty { return .nothing }
    if text.hasPrefix("?") { text = "help " + text.dropFirst() }
    if text.hasSuffix("?") { text = "help " + text.dropLast() }
    var words = try WalkParser.words(text)
    guard !words.isEmpty else { return .nothing }
    let command = try WalkCommand.named(words.removeFirst())
    let rest = words.joined(separator: " ")
    switch command.name {
    case "until": return .until(try WalkCondition(rest, names: metrics))
    case "break": return .setBreak(try WalkCondition(rest, names: pairNumbers + metrics.filter { !pairNumbers.contains($0) }))
    case "what": return .what(try options(words, of: command))
    case "set": return .set(try options(words, of: command))
    case "plot": return .plot(words)
    case "help": return .help(try words.first.map { try WalkCommand.named($0) })
    case "save":
      guard words.count == 1 else { throw usage(command, words.isEmpty ? "save needs a path" : "save takes one path") }
      return .save(words[0])
    default: return try counted(command, words)
    }
  }

  /// Commands that take at most a number.
  private func counted(_ command: WalkCommand, _ words: [String]) throws -> WalkAction {
    func number(least: Int) throws -> Int? {
      guard let word = words.first else { return nil }
      guard words.count == 1, let number = Int(word), number >= least, number <= 1_000_000_000 else {
        throw usage(
          command, "\(command.name) takes \(least > 0 ? "a number from \(least) on" : "a number"), not '\(words.joined(separator: " "))'")
      }
      return number
    }
    switch command.name {
    case "pair": return .pair(try number(least: -1_000_000))
    case "tokens": return .tokens(try number(least: -1_000_000))
    case "explain": return .explain(try number(least: -1_000_000))
    case "gradient": return .gradient(try number(least: -1_000_000))
    case "branch": return .branch(try number(least: 1))
    case "step": return .step(try number(least: 1) ?? 1)
    case "back": return .back(try number(least: 1) ?? 1)
    case "run": return .run(try number(least: 1))
    case "clear": return .clear(try number(least: 1))
    case "history": return .history(try number(least: 1) ?? 10)
    case "goto":
      guard let target = try number(least: 0) else { throw usage(command, "goto needs the number of a step") }
      return .goto(target)
    default: break
    }
    guard words.isEmpty else { throw usage(command, "\(command.name) takes nothing, not '\(words.joined(separator: " "))'") }
    switch command.name {
    case "pairs": return .pairs
    case "breaks": return .breaks
    case "where": return .location
    case "options": return .options
    case "fork": return .fork
    default: return .quit
    }
  }

  private func usage(_ command: WalkCommand, _ message: String) -> ZsError { ZsError(message, hint: command.usage) }

  /// `beta 0.3 loss ipo`, also with `:` or `=` after a name.
  private func options(_ words: [String], of command: WalkCommand) throws -> ValueMap {
    let plain = words.joined(separator: " ").split { " :=".contains($0) }.map(String.init)
    guard !plain.isEmpty, plain.count.isMultiple(of: 2) else {
      throw ZsError(
        plain.isEmpty ? "\(command.name) needs an option and a value" : "'\(plain[plain.count - 1])' has no value",
        hint: "\(command.name) beta 0.3 loss ipo")
    }
    var result: ValueMap = [:]
    let known = optionNames
    for index in stride(from: 0, to: plain.count, by: 2) {
      let name = plain[index]
      guard known.contains(name) else {
        let alias = whatIf.parameters.first { $0.aliases.contains(name) }?.name ?? nearest(to: name, among: known)
        throw ZsError(
          "\(command.name) knows no option '\(name)'" + (alias.map { "; did you mean '\($0)'?" } ?? ""), hint: known.joined(separator: " "))
      }
      result[name] = WalkParser.value(plain[index + 1])
    }
    return result
  }

  /// The options that `what` and `set` take.
  var optionNames: [String] { whatIf.parameters.dropFirst().map(\.name) }

  private static func value(_ word: String) -> Value {
    if word.contains(",") { return .list(word.split(separator: ",").map { value(String($0)) }) }
    switch word {
    case "true": return true
    case "false": return false
    case "none": return .none
    default: break
    }
    if let number = Int64(word) { return .int(number) }
    if let number = Double(word), number.isFinite { return .float(number) }
    return .string(word)
  }

  /// Words between blanks; quotes keep blanks together.
  private static func words(_ text: String) throws -> [String] {
    var words: [String] = []
    var word: String?
    var isQuoted = false
    for character in text {
      if character == "\"" {
        isQuoted.toggle()
        word = word ?? ""
      } else if character.isWhitespace, !isQuoted {
        if let done = word { words.append(done) }
        word = nil
      } else {
        word = (word ?? "") + String(character)
      }
    }
    if isQuoted { throw ZsError("a quote is not closed") }
    return words + (word.map { [$0] } ?? [])
  }

  /// What may stand at the end of a line that is being typed.
  package func complete(_ text: String, cursor: Int) -> (replaced: Int, candidates: [String]) {
    let before = String(text.prefix(cursor))
    let word = String(before.reversed().prefix { !" <>=!".contains($0) }.reversed())
    let earlier = before.dropLast(word.count).split(separator: " ").map(String.init)
    var candidates: [String]
    if let first = earlier.first {
      // A command that is not clear yet has no arguments to offer.
      guard let command = try? WalkCommand.named(first) else { return (0, []) }
      switch command.name {
      case "until", "plot": candidates = metrics
      case "break": candidates = pairNumbers + metrics
      case "help": candidates = WalkCommand.all.map(\.name)
      case "what", "set":
        let option = earlier.count.isMultiple(of: 2) ? whatIf.parameters.first { $0.name == earlier[earlier.count - 1] } : nil
        candidates = option?.choices ?? (earlier.count.isMultiple(of: 2) ? [] : optionNames)
      default: candidates = []
      }
    } else {
      candidates = WalkCommand.all.map(\.name)
    }
    candidates = Set(candidates.filter { $0.hasPrefix(word) && $0 != word }).sorted()
    return (word.count, candidates)
  }
}

extension StringProtocol {
  /// The text without blanks at its ends.
  func trimmingBlanks() -> String {
    String(drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed())
  }
}
