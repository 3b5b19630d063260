// The searches behind the K types: for each sub-block the scale (and minimum) that lose least under its weights.
// One lane per sub-block: sixteen of them are searched side by side, each with the very sums, in the very order, of the plain
// code in NaivePackingK.swift, so that the two give the same bits. About 60 operations per element, all in registers.

/// Sixteen sub-blocks, transposed: element i of all of them is one vector.
struct SubBlocks {
  /// Elements of one sub-block.
  let count: Int
  let x: UnsafeMutablePointer<Lanes>
  /// How much an error on each element counts.
  let weights: UnsafeMutablePointer<Lanes>
  /// The quants found, as whole floats.
  let quants: UnsafeMutablePointer<Lanes>
  let trial: UnsafeMutablePointer<Lanes>

  /// Calls `body` with memory for sixteen sub-blocks of `count` elements.
  static func with(_ count: Int, _ body: (SubBlocks) -> Void) {
    withUnsafeTemporaryAllocation(of: Lanes.self, capacity: 4 * count) { memory in
      guard let base = memory.baseAddress else { return }
      body(
        SubBlocks(count: count, x: base, weights: base + count, quants: base + 2 * count, trial: base + 3 * count))
    }
  }

  /// Takes the elements of sixteen consecutive sub-blocks, of which `present` are there; the others are zero.
  func load(_ source: UnsafePointer<Float>, present: Int = 16) {
    for index in 0..<count {
      var column = Lanes()
      for lane in 0..<present {
        let value = source[lane * count + index]
        column[lane] = value.isNaN ? 0 : value
      }
      x[index] = column
    }
  }
}

/// Nearest whole numbers, ties to even, where they are below 2^22; beyond, about the same number, for a clamp to cut.
@inline(__always)
func nearestWhole(_ value: Lanes) -> Lanes {
  let magic = Lanes(repeating: 12_582_912)
  return (value + magic) - magic
}

@inline(__always)
func clamped(_ value: Lanes, _ low: Float, _ high: Float) -> Lanes {
  let (low, high) = (Lanes(repeating: low), Lanes(repeating: high))
  let raised = low.replacing(with: value, where: value .> low)
  return high.replacing(with: raised, where: raised .< high)
}

@inline(__always)
func magnitude(_ value: Lanes) -> Lanes {
  unsafeBitCast(unsafeBitCast(value, to: SIMD16<UInt32>.self) & 0x7FFF_FFFF, to: Lanes.self)
}

extension SubBlocks {
  /// Scale and minimum with quants 0…levels.
  ///
  /// A first guess from the range, then `steps` widths around it, each refined by weighted least squares; the best is kept. The
  /// minimum is returned negated, as blocks store it.
  func fitWithMinimum(
    levels: Float, from lowest: Float, by step: Float, steps: Int, absoluteErrors: Bool
  ) -> (scale: Lanes, minimum: Lanes) {
    var least = x[0]
    var most = x[0]
    var weightSum = weights[0]
    var weightedSum = weightSum * x[0]
    for index in 1..<count {
      least.replace(with: x[index], where: x[index] .< least)
      most.replace(with: x[index], where: x[index] .> most)
      weightSum += weights[index]
      weightedSum += weights[index] * x[index]
    }
    least.replace(with: Lanes(), where: least .> 0)
    let isFlat = most .== least
    let flatMinimum = least
    var scale = Lanes(repeating: 1) / (Lanes(repeating: levels) / (most - least))
    for index in 0..<count {
      quants[index] = clamped(nearestWhole(Lanes(repeating: levels) / (most - least) * (x[index] - least)), 0, levels)
    }
    var best = error(of: quants, scale, least, absoluteErrors)
    for number in 0...steps {
      let inverse = Lanes(repeating: lowest + step * Float(number) + levels) / (most - least)
      var (sumL, sumLL, sumXL) = (Lanes(), Lanes(), Lanes())
      for index in 0..<count {
        let quant = clamped(nearestWhole(inverse * (x[index] - least)), 0, levels)
        trial[index] = quant
        let weighted = weights[index] * quant
        sumL += weighted
        sumLL += weighted * quant
        sumXL += weighted * x[index]
      }
      let determinant = weightSum * sumLL - sumL * sumL
      var newScale = (weightSum * sumXL - weightedSum * sumL) / determinant
      var newMinimum = (sumLL * weightedSum - sumL * sumXL) / determinant
      let isPositive = newMinimum .> 0
      newMinimum.replace(with: Lanes(), where: isPositive)
      newScale.replace(with: sumXL / sumLL, where: isPositive)
      let found = error(of: trial, newScale, newMinimum, absoluteErrors)
      let isBetter = (determinant .> 0) .& (found .< best)
      for index in 0..<count { quants[index].replace(with: trial[index], where: isBetter) }
      best.replace(with: found, where: isBetter)
      scale.replace(with: newScale, where: isBetter)
      least.replace(with: newMinimum, where: isBetter)
    }
    for index in 0..<count { quants[index].replace(with: Lanes(), where: isFlat) }
    scale.replace(with: Lanes(), where: isFlat)
    least.replace(with: flatMinimum, where: isFlat)
    return (scale, -least)
  }

  @inline(__always)
  private func error(of quants: UnsafeMutablePointer<Lanes>, _ scale: Lanes, _ minimum: Lanes, _ isAbsolute: Bool) -> Lanes {
    var sum = Lanes()
    for index in 0..<count {
      let difference = scale * quants[index] + minimum - x[index]
      sum += weights[index] * (isAbsolute ? magnitude(difference) : difference * difference)
    }
    return sum
  }

  /// The element of largest magnitude of each sub-block, sign included, and which sub-blocks are all but zero.
  private func extremes() -> (extreme: Lanes, isEmpty: SIMDMask<SIMD16<Int32>>) {
    var largest = Lanes()
    var extreme = Lanes()
    for index in 0..<count {
      let size = magnitude(x[index])
      let isLarger = size .> largest
      largest.replace(with: size, where: isLarger)
      extreme.replace(with: x[index], where: isLarger)
    }
    return (extreme, largest .< 1e-15)
  }

  /// One scale with quants −half ..< half, stored from 0 on: nineteen widths around the range, weights x².
  func fitSymmetric(half: Float) -> Lanes {
    let (extreme, isEmpty) = extremes()
    var scale = Lanes()
    var best = Lanes()
    for number in [0, -9, -8, -7, -6, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 6, 7, 8, 9] as [Float] {
      let inverse = -(half + 0.1 * number) / extreme
      var (sumXL, sumLL) = (Lanes(), Lanes())
      for index in 0..<count {
        let quant = clamped(nearestWhole(inverse * x[index]), -half, half - 1)
        trial[index] = quant + half
        let weight = x[index] * x[index]
        sumXL += weight * x[index] * quant
        sumLL += weight * quant * quant
      }
      let isBetter = number == 0 ? SIMDMask(repeating: true) : (sumLL .> 0) .& (sumXL * sumXL .> best * sumLL)
      let fitted = (sumXL / sumLL).replacing(with: Lanes(), where: sumLL .== 0)
      scale.replace(with: fitted, where: isBetter)
      best.replace(with: fitted * sumXL, where: isBetter)
      for index in 0..<count { quants[index].replace(with: trial[index], where: isBetter) }
    }
    for index in 0..<count { quants[index].replace(with: Lanes(), where: isEmpty) }
    return scale.replacing(with: Lanes(), where: isEmpty)
  }

  /// One scale with quants −half ..< half, stored from 0 on: single quants are changed as long as that helps, weights x².
  func fitByExchange(half: Float) -> Lanes {
    let (extreme, isEmpty) = extremes()
    let inverse = Lanes(repeating: -half) / extreme
    var (sumXL, sumLL) = (Lanes(), Lanes())
    for index in 0..<count {
      let quant = clamped(nearestWhole(inverse * x[index]), -half, half - 1)
      quants[index] = quant
      let weight = x[index] * x[index]
      sumXL += weight * x[index] * quant
      sumLL += weight * quant * quant
    }
    for _ in 0..<5 {
      var hasChanged = false
      for index in 0..<count {
        let weight = x[index] * x[index]
        let old = quants[index]
        var otherXL = sumXL - weight * x[index] * old
        var otherLL = sumLL - weight * old * old
        let isPossible = otherXL .> 0
        let new = clamped(nearestWhole(x[index] * otherLL / otherXL), -half, half - 1)
        otherXL += weight * x[index] * new
        otherLL += weight * new * new
        let helps =
          isPossible .& (new .!= old) .& (otherLL .> 0) .& (otherXL * otherXL * sumLL .> sumXL * sumXL * otherLL) .& .!isEmpty
        guard any(helps) else { continue }
        hasChanged = true
        quants[index].replace(with: new, where: helps)
        sumXL.replace(with: otherXL, where: helps)
        sumLL.replace(with: otherLL, where: helps)
      }
      if !hasChanged { break }
    }
    for index in 0..<count {
      quants[index] = (quants[index] + half).replacing(with: Lanes(), where: isEmpty)
    }
    return (sumXL / sumLL).replacing(with: Lanes(), where: isEmpty .| .!(sumLL .> 0))
  }
}
