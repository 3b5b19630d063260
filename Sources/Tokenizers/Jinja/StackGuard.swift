// How much stack a recursion has taken since it began: what bounds it besides a count of levels, so that a template
// overflows no thread's stack, however small.

/// Measures the stack from where it was made.
struct StackGuard {
  /// What one rendering may take; threads have 512 KB at least, and printing and freeing nested values needs some too.
  static let limit = 256 << 10

  private let start: Int

  init() { start = Self.here }

  @inline(__always)
  private static var here: Int {
    var mark: UInt8 = 0
    return withUnsafeMutablePointer(to: &mark) { Int(bitPattern: $0) }
  }

  /// Whether another level fits.
  @inline(__always)
  var hasRoom: Bool { (start &- Self.here).magnitude < UInt(Self.limit) }
}
