// A function as a value: one written in zs, or a builtin named without a call.

/// A function value; functions are equal when they are the same one.
public final class Function {
  /// The name it was defined under, `"function"` for a lambda.
  public let name: String

  init(name: String) { self.name = name }
}
