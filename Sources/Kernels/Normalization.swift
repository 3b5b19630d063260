// RMSNorm over rows, forward and backward. Forward and dx: one task per block of rows, two passes over each row.
// dweight sums over rows, so a task owns a block of columns and walks the rows in order: the same bits for any thread count.

/// Root-mean-square normalization: out = x · weight / sqrt(mean(x²) + epsilon), for each row.
///
/// - Parameters:
///   - inverseRMS: Receives 1 / sqrt(mean(x²) + epsilon) of each row for the backward pass; nil if there will be none. Shape (rows,).
/// - Complexity: 4 FLOPs per element; reads x twice. `out` may be `x`.
/// - Source: Zhang and Sennrich 2019, arXiv:1910.07467, Eq. 4.
public func rmsNormForward(
  x: UnsafePointer<Float>, weight: UnsafePointer<Float>, out: UnsafeMutablePointer<Float>,
  inverseRMS: UnsafeMutablePointer<Float>?, rows: Int, columns: Int, epsilon: Float
) {
  ThreadPool.shared.forEachRange(of: rows, grain: rowGrain(columns)) { range in
    for row in range {
      let x = x + row * columns
      let out = out + row * columns
      let meanSquare = sumOfProducts(x, x, columns) / Float(columns)
      let inverse = 1 / (meanSquare + epsilon).squareRoot()
      inverseRMS?[row] = inverse
      let scale = Lanes(repeating: inverse)
      forEachLanes(columns) { index in
        (Lanes(at: x + index) * scale * Lanes(at: weight + index)).write(to: out + index)
      } rest: { start, lanes in
        (Lanes(at: x + start, count: lanes) * scale * Lanes(at: weight + start, count: lanes)).write(to: out + start, count: lanes)
      }
    }
  }
}

/// Gradients of `rmsNormForward`, added into `dx` and `dweight`.
///
/// - Parameters:
///   - inverseRMS: What the forward pass saved. Shape (rows,).
///   - dx: Nil if nobody needs it.
///   - dweight: Nil if the weight is frozen. Shape (columns,).
public func rmsNormBackward(
  dout: UnsafePointer<Float>, x: UnsafePointer<Float>, weight: UnsafePointer<Float>, inverseRMS: UnsafePointer<Float>,
  dx: UnsafeMutablePointer<Float>?, dweight: UnsafeMutablePointer<Float>?, rows: Int, columns: Int
) {
  if let dx {
    ThreadPool.shared.forEachRange(of: rows, grain: rowGrain(columns)) { range in
      for row in range {
        let offset = row * columns
        rmsNormRowBackward(dout + offset, x + offset, weight, inverseRMS[row], dx + offset, columns)
      }
    }
  }
  if let dweight {
    ThreadPool.shared.forEachRange(of: columns, grain: 64) { range in
      forEachLanes(range.count) { index in
        let column = range.lowerBound + index
        var sum = Lanes(at: dweight + column)
        for row in 0..<rows {
          let at = row * columns + column
          sum = sum.addingProduct(Lanes(at: dout + at) * Lanes(at: x + at), Lanes(repeating: inverseRMS[row]))
        }
        sum.write(to: dweight + column)
      } rest: { start, lanes in
        for column in range.lowerBound + start..<range.lowerBound + start + lanes {
          var sum = dweight[column]
          for row in 0..<rows {
            let at = row * columns + column
            sum = sum.addingProduct(dout[at] * x[at], inverseRMS[row])
          }
          dweight[column] = sum
        }
      }
    }
  }
}

/// dx += r·(w·dout) − x·r³·Σ(dout·w·x)/columns, where r = 1/rms.
@inline(__always)
private func rmsNormRowBackward(
  _ dout: UnsafePointer<Float>, _ x: UnsafePointer<Float>, _ weight: UnsafePointer<Float>, _ inverse: Float,
  _ dx: UnsafeMutablePointer<Float>, _ columns: Int
) {
  var sum = Lanes(repeating: 0)
  forEachLanes(columns) { index in
    sum = sum.addingProduct(Lanes(at: dout + index) * Lanes(at: weight + index), Lanes(at: x + index))
  } rest: { start, lanes in
    sum = sum.addingProduct(
      Lanes(at: dout + start, count: lanes) * Lanes(at: weight + start, count: lanes), Lanes(at: x + start, count: lanes))
  }
  let scale = Lanes(repeating: inverse)
  let pull = Lanes(repeating: -inverse * inverse * inverse * sum.total / Float(columns))
  forEachLanes(columns) { index in
    let direct = (Lanes(at: dout + index) * Lanes(at: weight + index)) * scale
    (Lanes(at: dx + index) + direct.addingProduct(Lanes(at: x + index), pull)).write(to: dx + index)
  } rest: { start, lanes in
    let direct = (Lanes(at: dout + start, count: lanes) * Lanes(at: weight + start, count: lanes)) * scale
    let sum = Lanes(at: dx + start, count: lanes) + direct.addingProduct(Lanes(at: x + start, count: lanes), pull)
    sum.write(to: dx + start, count: lanes)
  }
}

/// Σ a·b in four chains of 16 lanes, added in a fixed order.
@inline(__always)
func sumOfProducts(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ count: Int) -> Float {
  var s0 = Lanes(repeating: 0)
  var s1 = s0
  var s2 = s0
  var s3 = s0
  var index = 0
  while index &+ 64 <= count {
    s0 = s0.addingProduct(Lanes(at: a + index), Lanes(at: b + index))
    s1 = s1.addingProduct(Lanes(at: a + index + 16), Lanes(at: b + index + 16))
    s2 = s2.addingProduct(Lanes(at: a + index + 32), Lanes(at: b + index + 32))
    s3 = s3.addingProduct(Lanes(at: a + index + 48), Lanes(at: b + index + 48))
    index &+= 64
  }
  while index &+ 16 <= count {
    s0 = s0.addingProduct(Lanes(at: a + index), Lanes(at: b + index))
    index &+= 16
  }
  if index < count {
    s0 = s0.addingProduct(Lanes(at: a + index, count: count - index), Lanes(at: b + index, count: count - index))
  }
  return ((s0 + s1) + (s2 + s3)).total
}

/// Rows per task of a row-wise kernel.
@inline(__always)
func rowGrain(_ columns: Int) -> Int { max(1, elementGrain / max(1, columns)) }
