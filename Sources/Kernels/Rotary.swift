// Rotary position embedding: pairs of a head's elements turned by an angle that grows with the position. Both layouts of the
// pairs, in place or not; the backward pass turns the other way. One pass over memory, threaded over rows.

/// Which elements of a head form a pair.
public enum RotaryLayout: Sendable, Equatable {
  /// Elements 2i and 2i+1: GGUF files of the llama architecture.
  case interleaved
  /// Elements i and i + headDimension/2: Hugging Face checkpoints.
  case halfSplit
}

/// Which rows to turn: `rows` tokens of `heads` heads each, token after token with `stride` floats between them.
public struct RotaryShape: Sendable, Equatable {
  /// Tokens.
  public var rows: Int
  /// Heads of one token, one behind the other.
  public var heads: Int
  /// Floats from a token to the next.
  public var stride: Int

  /// Describes tokens of `heads` heads; without `stride` they lie one behind the other.
  public init(rows: Int, heads: Int, headDimension: Int, stride: Int? = nil) {
    self.rows = rows
    self.heads = heads
    self.stride = stride ?? heads * headDimension
  }
}

/// Turns each pair of `x` by its token's angles; `out` may be `x`.
///
/// - Parameters:
///   - positions: Position of each token, within the table. Shape (rows,).
/// - Source: Su et al. 2021, arXiv:2104.09864, Eq. 34.
public func rotaryForward(
  x: UnsafePointer<Float>, out: UnsafeMutablePointer<Float>, positions: UnsafePointer<Int32>, shape: RotaryShape,
  table: RotaryTable, layout: RotaryLayout
) {
  forEachHead(shape, positions, table) { offset, cosines, sines in
    turn(x + offset, out + offset, cosines, sines, table.headDimension / 2, layout) { _, turned in turned }
  }
}

/// Turns each pair of `x` in place.
public func rotaryForward(
  x: UnsafeMutablePointer<Float>, positions: UnsafePointer<Int32>, shape: RotaryShape, table: RotaryTable, layout: RotaryLayout
) {
  rotaryForward(x: x, out: x, positions: positions, shape: shape, table: table, layout: layout)
}

/// Gradient of `rotaryForward`: `dout` turned back.
///
/// - Parameter adds: Whether `dx` holds terms that stay; if not, it is only written.
public func rotaryBackward(
  dout: UnsafePointer<Float>, dx: UnsafeMutablePointer<Float>, positions: UnsafePointer<Int32>, shape: RotaryShape,
  table: RotaryTable, layout: RotaryLayout, adds: Bool = true
) {
  forEachHead(shape, positions, table) { offset, cosines, sines in
    turn(dout + offset, dx + offset, cosines, sines, table.headDimension / 2, layout, back: true) { old, turned in
      adds ? old + turned : turned
    }
  }
}

@inline(__always)
private func forEachHead(
  _ shape: RotaryShape, _ positions: UnsafePointer<Int32>, _ table: RotaryTable,
  _ body: (_ offset: Int, _ cosines: UnsafePointer<Float>, _ sines: UnsafePointer<Float>) -> Void
) {
  let dimension = table.headDimension
  ThreadPool.shared.forEachRange(of: shape.rows, grain: rowGrain(shape.heads * dimension)) { range in
    for row in range {
      let at = Int(positions[row]) * (dimension / 2)
      for head in 0..<shape.heads {
        body(row * shape.stride + head * dimension, table.cosines + at, table.sines + at)
      }
    }
  }
}

/// Turns the pairs of one head; `combine` gets what stood in `out` and the turned value.
@inline(__always)
private func turn(
  _ x: UnsafePointer<Float>, _ out: UnsafeMutablePointer<Float>, _ cosines: UnsafePointer<Float>, _ sines: UnsafePointer<Float>,
  _ pairs: Int, _ layout: RotaryLayout, back: Bool = false, _ combine: (SIMD8<Float>, SIMD8<Float>) -> SIMD8<Float>
) {
  let sign: Float = back ? -1 : 1
  var pair = 0
  while pair &+ 8 <= pairs {
    let c = eight(cosines + pair)
    let s = eight(sines + pair) * sign
    switch layout {
    case .halfSplit:
      let a = eight(x + pair)
      let b = eight(x + pairs + pair)
      write(combine(eight(out + pair), a * c - b * s), out + pair)
      write(combine(eight(out + pairs + pair), b * c + a * s), out + pairs + pair)
    case .interleaved:
      let both = Lanes(at: x + 2 * pair)
      let old = Lanes(at: out + 2 * pair)
      let a = both.evenHalf
      let b = both.oddHalf
      var turned = Lanes()
      turned.evenHalf = combine(old.evenHalf, a * c - b * s)
      turned.oddHalf = combine(old.oddHalf, b * c + a * s)
      turned.write(to: out + 2 * pair)
    }
    pair &+= 8
  }
  while pair < pairs {
    let first = layout == .halfSplit ? pair : 2 * pair
    let second = layout == .halfSplit ? pairs + pair : 2 * pair + 1
    let c = cosines[pair]
    let s = sines[pair] * sign
    let a = x[first]
    let b = x[second]
    out[first] = combine(SIMD8(repeating: out[first]), SIMD8(repeating: a * c - b * s))[0]
    out[second] = combine(SIMD8(repeating: out[second]), SIMD8(repeating: b * c + a * s))[0]
    pair &+= 1
  }
}

@inline(__always)
private func eight(_ pointer: UnsafePointer<Float>) -> SIMD8<Float> {
  UnsafeRawPointer(pointer).loadUnaligned(as: SIMD8<Float>.self)
}

@inline(__always)
private func write(_ value: SIMD8<Float>, _ pointer: UnsafeMutablePointer<Float>) {
  UnsafeMutableRawPointer(pointer).storeBytes(of: value, as: SIMD8<Float>.self)
}
