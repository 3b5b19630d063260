// Conditions of `until` and `break`: `accuracy > 0.9`, `margin < -1 and weight < 0.01`.

import Language

/// Comparisons of named numbers that must hold together.
package struct WalkCondition: Equatable {
  /// One comparison.
  package struct Term: Equatable {
    let name: String
    let comparison: String
    let number: Double

    func holds(_ value: Double) -> Bool {
      switch comparison {
      case "<": value < number
      case "<=": value <= number
      case ">": value > number
      case ">=": value >= number
      case "==", "=": value == number
      default: value != number
      }
    }
  }

  package let terms: [Term]

  /// The condition as one would type it.
  package var text: String { terms.map { "\($0.name) \($0.comparison) \(Value.float($0.number).source)" }.joined(separator: " and ") }

  /// Reads a condition; `names` are those it may use.
  package init(_ text: String, names: [String]) throws {
    let parts = text.split(separator: " ", omittingEmptySubsequences: true).split(separator: "and").map { $0.joined(separator: " ") }
    guard !parts.isEmpty else {
      throw ZsError("a condition is missing", hint: "until accuracy > 0.9 · break margin < -1")
    }
    terms = try parts.map { try WalkCondition.term($0, names: names) }
  }

  private static func term(_ text: String, names: [String]) throws -> Term {
    guard let start = text.firstIndex(where: { "<>=!".contains($0) }) else {
      throw ZsError("'\(text)' compares nothing", hint: "a name, one of < <= > >= == !=, and a number: accuracy > 0.9")
    }
    let end = text[start...].firstIndex { !"<>=!".contains($0) } ?? text.endIndex
    let (name, comparison) = (String(text[..<start].filter { $0 != " " }), String(text[start..<end]))
    let rest = text[end...].filter { $0 != " " }
    guard ["<", "<=", ">", ">=", "==", "=", "!="].contains(comparison) else {
      throw ZsError("there is no comparison '\(comparison)'", hint: "one of < <= > >= == !=")
    }
    guard let number = Double(rest), number.isFinite else {
      throw ZsError("'\(rest)' is no number to compare \(name.isEmpty ? "with" : name + " with")", hint: "accuracy > 0.9")
    }
    guard names.contains(name) else {
      let meant = nearest(to: name, among: names).map { "; did you mean '\($0)'?" } ?? ""
      throw ZsError("there is no number '\(name)' to watch\(meant)", hint: names.joined(separator: " "))
    }
    return Term(name: name, comparison: comparison, number: number)
  }

  /// Whether every comparison holds; one about a number that is not there does not.
  package func holds(_ value: (String) -> Double?) -> Bool {
    terms.allSatisfy { term in value(term.name).map { term.holds($0) } ?? false }
  }
}

/// A condition that stops a walk.
struct WalkBreakpoint {
  let number: Int
  let condition: WalkCondition
  /// Whether it asks for single pairs; else for means over the batch.
  let isOfPairs: Bool
}
