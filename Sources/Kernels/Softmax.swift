// Softmax, log-softmax and log-sum-exp over rows, with the gradients of the first two. Each row: its largest value, then the
// sum of exponentials of the differences, then the result; threaded over rows. Sums in 16 fp32 lanes, added in a fixed order.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// out = e^x / Σ e^x of each row; `out` may be `x`.
public func softmaxRows(x: UnsafePointer<Float>, out: UnsafeMutablePointer<Float>, rows: Int, columns: Int) {
  ThreadPool.shared.forEachRange(of: rows, grain: rowGrain(columns)) { range in
    for row in range {
      let x = x + row * columns
      let out = out + row * columns
      let shift = Lanes(repeating: largest(x, columns))
      var sum = Lanes(repeating: 0)
      forEachLanes(columns) { index in
        let power = (Lanes(at: x + index) - shift).exponential
        power.write(to: out + index)
        sum += power
      } rest: { start, lanes in
        let power = (Lanes(at: x + start, count: lanes, filling: -.infinity) - shift).exponential
        power.write(to: out + start, count: lanes)
        sum += power
      }
      let scale = Lanes(repeating: 1 / sum.total)
      forEachLanes(columns) { index in
        (Lanes(at: out + index) * scale).write(to: out + index)
      } rest: { start, lanes in
        (Lanes(at: out + start, count: lanes) * scale).write(to: out + start, count: lanes)
      }
    }
  }
}

/// out = x − log Σ e^x of each row; `out` may be `x`.
public func logSoftmaxRows(x: UnsafePointer<Float>, out: UnsafeMutablePointer<Float>, rows: Int, columns: Int) {
  ThreadPool.shared.forEachRange(of: rows, grain: rowGrain(columns)) { range in
    for row in range {
      let x = x + row * columns
      let out = out + row * columns
      let (top, sum) = largestAndSum(x, columns)
      // Two subtractions: x − top is exact near the top, where the small log-probabilities are.
      let shift = Lanes(repeating: top)
      let logarithm = Lanes(repeating: logf(sum))
      forEachLanes(columns) { index in
        ((Lanes(at: x + index) - shift) - logarithm).write(to: out + index)
      } rest: { start, lanes in
        ((Lanes(at: x + start, count: lanes) - shift) - logarithm).write(to: out + start, count: lanes)
      }
    }
  }
}

/// out = log Σ e^x of each row, one number per row.
public func logSumExpRows(x: UnsafePointer<Float>, out: UnsafeMutablePointer<Float>, rows: Int, columns: Int) {
  ThreadPool.shared.forEachRange(of: rows, grain: rowGrain(columns)) { range in
    for row in range {
      let (top, sum) = largestAndSum(x + row * columns, columns)
      out[row] = top.isInfinite ? top : top + logf(sum)
    }
  }
}

/// Gradient of `softmaxRows` from its result `y`, added into `dx`: dx += y·(dout − Σ dout·y).
public func softmaxBackward(
  dout: UnsafePointer<Float>, y: UnsafePointer<Float>, dx: UnsafeMutablePointer<Float>, rows: Int, columns: Int
) {
  ThreadPool.shared.forEachRange(of: rows, grain: rowGrain(columns)) { range in
    for row in range {
      let dout = dout + row * columns
      let y = y + row * columns
      let dx = dx + row * columns
      let mean = Lanes(repeating: sumOfProducts(dout, y, columns))
      forEachLanes(columns) { index in
        Lanes(at: dx + index).addingProduct(Lanes(at: y + index), Lanes(at: dout + index) - mean).write(to: dx + index)
      } rest: { start, lanes in
        let sum = Lanes(at: dx + start, count: lanes)
          .addingProduct(Lanes(at: y + start, count: lanes), Lanes(at: dout + start, count: lanes) - mean)
        sum.write(to: dx + start, count: lanes)
      }
    }
  }
}

/// Gradient of `logSoftmaxRows` from its result `y`, added into `dx`: dx += dout − e^y·Σ dout.
public func logSoftmaxBackward(
  dout: UnsafePointer<Float>, y: UnsafePointer<Float>, dx: UnsafeMutablePointer<Float>, rows: Int, columns: Int
) {
  ThreadPool.shared.forEachRange(of: rows, grain: rowGrain(columns)) { range in
    for row in range {
      let dout = dout + row * columns
      let y = y + row * columns
      let dx = dx + row * columns
      var total = Lanes(repeating: 0)
      forEachLanes(columns) { index in
        total += Lanes(at: dout + index)
      } rest: { start, lanes in
        total += Lanes(at: dout + start, count: lanes)
      }
      let sum = Lanes(repeating: -total.total)
      forEachLanes(columns) { index in
        let step = Lanes(at: dout + index).addingProduct(Lanes(at: y + index).exponential, sum)
        (Lanes(at: dx + index) + step).write(to: dx + index)
      } rest: { start, lanes in
        let step = Lanes(at: dout + start, count: lanes).addingProduct(Lanes(at: y + start, count: lanes).exponential, sum)
        (Lanes(at: dx + start, count: lanes) + step).write(to: dx + start, count: lanes)
      }
    }
  }
}

/// Largest of `count` values, −∞ if there are none.
@inline(__always)
func largest(_ x: UnsafePointer<Float>, _ count: Int) -> Float {
  var top = Lanes(repeating: -.infinity)
  forEachLanes(count) { index in
    top = top.larger(Lanes(at: x + index))
  } rest: { start, lanes in
    top = top.larger(Lanes(at: x + start, count: lanes, filling: -.infinity))
  }
  return top.largest
}

/// Largest value, and the sum of e^(x − largest).
@inline(__always)
func largestAndSum(_ x: UnsafePointer<Float>, _ count: Int) -> (largest: Float, sum: Float) {
  let top = largest(x, count)
  let shift = Lanes(repeating: top)
  var sum = Lanes(repeating: 0)
  forEachLanes(count) { index in
    sum += (Lanes(at: x + index) - shift).exponential
  } rest: { start, lanes in
    sum += (Lanes(at: x + start, count: lanes, filling: -.infinity) - shift).exponential
  }
  return (top, sum.total)
}
