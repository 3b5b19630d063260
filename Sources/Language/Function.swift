// A function as a value: one written in zs, or a builtin named without a call.

/// A function value; functions are equal when they are the same one.
public class Function {
  /// The name it was defined under, `"function"` for a lambda.
  public let name: String

  init(name: String) { self.name = name }

  /// The function as help shows it: name and parameters.
  public var signature: String { name + "(…)" }

  /// The names of its parameters.
  public var parameterNames: [String] { [] }

  /// A function that Swift code provides, described as a builtin is: for fields that can be called.
  public static func native(_ row: Builtin) -> Function { BuiltinFunction([row]) }
}

/// A function written in zs, with the boxes of outer variables that it reads.
final class ZsFunction: Function {
  let code: FunctionCode
  let boxes: [Box]

  init(_ code: FunctionCode, boxes: [Box]) {
    self.code = code
    self.boxes = boxes
    super.init(name: code.name)
  }

  override var signature: String {
    "fn \(name)(\(code.parameters.map { $0.defaultValue == nil ? $0.name : "\($0.name) = …" }.joined(separator: ", ")))"
  }

  override var parameterNames: [String] { code.parameters.map(\.name) }
}

/// The rows of one builtin.
final class BuiltinFunction: Function {
  let rows: [Builtin]

  init(_ rows: [Builtin]) {
    self.rows = rows
    super.init(name: rows.first?.name ?? "function")
  }

  override var signature: String { rows.map(\.signature).joined(separator: "\n") }

  override var parameterNames: [String] { rows.first?.parameters.map(\.name) ?? [] }

  /// Binds arguments to the row whose first parameter admits the first argument; among several, to one that takes them all.
  static func bind(
    _ rows: [Builtin], _ positional: [Value], _ named: ValueMap, context: any EvaluationContext, isStatement: Bool
  ) throws -> Call {
    func bind(_ row: Builtin) throws -> Call {
      try Call(row, context: context, positional: positional, named: named, isStatement: isStatement)
    }
    if rows.count == 1 { return try bind(rows[0]) }
    var firstError: (any Error)?
    for row in rows where admits(row, positional, named) {
      do {
        return try bind(row)
      } catch {
        firstError = firstError ?? error
      }
    }
    if let firstError { throw firstError }
    guard let first = positional.first else { return try bind(rows[0]) }
    throw noRow(rows, first)
  }

  /// Whether a row takes what stands first.
  private static func admits(_ row: Builtin, _ positional: [Value], _ named: ValueMap) -> Bool {
    guard let parameter = row.parameters.first else { return positional.isEmpty }
    guard let first = positional.first ?? named[parameter.name] else { return parameter.isOptional }
    return parameter.type.admits(first) || (first.isNone && parameter.defaultValue?.isNone == true)
  }

  /// The error for a first argument that no row takes.
  static func noRow(_ rows: [Builtin], _ first: Value) -> ZsError {
    var types: [String] = []
    for name in rows.compactMap({ $0.parameters.first?.type.name }) where !types.contains(name) { types.append(name) }
    return ZsError(
      kind: "type", message: "\(rows[0].name) takes \(types.joined(separator: " or ")), not \(first.typeName)",
      hint: rows[0].briefSignature,
      argument: rows[0].parameters.first?.name)
  }
}
