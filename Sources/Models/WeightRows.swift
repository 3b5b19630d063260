// A weight on its way to a file: rows in the order and of the type that the file has them, a few megabytes at a time, so that
// writing a model takes no second copy of it.

import Formats
import Kernels
import Tensors

/// Called as bytes are written: how many so far, of how many; throws to stop.
public typealias WritingProgress = (_ done: Int, _ total: Int) throws -> Void

/// The rows of one weight as a file will have them.
struct WeightRows {
  let view: WeightView
  /// Which row of the weight each row of the file is; nil: the same.
  let order: [Int]?
  let type: WeightType

  /// Bytes in the file.
  var bytes: Int { view.rows * type.rowBytes(columns: view.columns) }

  /// Appends all rows.
  ///
  /// - Parameter advance: Told the number of bytes after each piece; throws to stop.
  func write(to file: AtomicFile.Writer, advance: (Int) throws -> Void) throws {
    let rowBytes = type.rowBytes(columns: view.columns)
    let piece = max(1, (4 << 20) / max(1, rowBytes))
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, min(piece, view.rows) * rowBytes), alignment: 64)
    defer { buffer.deallocate() }
    guard let base = buffer.baseAddress else { return }
    for start in stride(from: 0, to: view.rows, by: piece) {
      let range = start..<min(start + piece, view.rows)
      repackRows(view, rows: order.map { Array($0[range]) } ?? Array(range), as: type, to: base)
      try file.append(UnsafeRawBufferPointer(start: base, count: range.count * rowBytes))
      try advance(range.count * rowBytes)
    }
  }
}

extension LanguageModel {
  /// The rows of a weight in another rotary order and of another type.
  func rows(of name: WeightName, as type: (WeightType) -> WeightType, layout: RotaryLayout) throws -> WeightRows {
    var order: [Int]?
    switch name {
    case .projection(let projection, _), .bias(let projection, _):
      if let heads = projection.rotaryHeads(configuration) {
        order = rowOrder(from: configuration.rotaryLayout, to: layout, heads: heads, headDimension: configuration.headDimension)
      }
    default: break
    }
    if let view = weights.matrix(name)?.view { return WeightRows(view: view, order: order, type: type(view.type)) }
    guard let vector = weights.vector(name) else { throw ModelError("\(self.name) has no weight '\(name.huggingFace)'") }
    // A vector is a column, so that its elements can change places as rows do.
    let column = WeightView(type: .f32, base: UnsafeRawPointer(vector.pointer), rows: vector.count, columns: 1)
    return WeightRows(view: column, order: order, type: .f32)
  }
}
