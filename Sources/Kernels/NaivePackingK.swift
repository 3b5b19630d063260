// The K types packed one sub-block after the other, as plainly as the algorithm can be said: what PackingK.swift is tested
// against, byte for byte. Sums run in the order of the elements, in single precision, as in ggml's reference quantizers.

/// Two bits of each of a few bytes, side by side: from `shift` on, of the bytes at `places`.
private func sideBySide(_ bytes: [UInt8], _ places: [Int], shift: UInt8, mask: UInt8, width: Int) -> UInt8 {
  var packed: UInt8 = 0
  for (number, place) in places.enumerated() { packed |= (bytes[place] >> shift & mask) << UInt8(width * number) }
  return packed
}

/// Packs super-blocks of a K type; `values` is a multiple of 256 long.
package func naivePackK(_ type: WeightType, _ values: [Float]) -> [UInt8] {
  let values = values.map { $0.isNaN ? 0 : $0 }
  return stride(from: 0, to: values.count, by: 256).flatMap { start -> [UInt8] in
    let block = Array(values[start..<start + 256])
    switch type {
    case .q2_K: return naiveQ2K(block)
    case .q3_K: return naiveQ3K(block)
    case .q4_K: return naiveSixBit(block, levels: 15, lowest: -1, steps: 20)
    case .q5_K: return naiveSixBit(block, levels: 31, lowest: -0.5, steps: 15)
    case .q6_K: return naiveQ6K(block)
    default: return []
    }
  }
}

private func nearest(_ value: Float, _ low: Float, _ high: Float) -> Float {
  let whole = value.rounded(.toNearestOrEven)
  return whole > low ? (whole < high ? whole : high) : low
}

private func halfBytes(_ value: Float) -> [UInt8] {
  let bits = Float16(value).bitPattern
  return [UInt8(bits & 255), UInt8(bits >> 8)]
}

private func throughHalf(_ value: Float) -> Float { Float(Float16(value)) }

/// The search for scale and minimum of one sub-block.
private struct MinimumFit {
  var quants: [Float]
  var scale: Float
  var minimum: Float

  init(_ x: [Float], _ weights: [Float], levels: Float, lowest: Float, steps: Int, absoluteErrors: Bool) {
    var least = min(x.min() ?? 0, 0)
    let most = x.max() ?? 0
    quants = x.map { _ in 0 }
    (scale, minimum) = (0, -least)
    guard most != least else { return }
    let error = { (quants: [Float], scale: Float, least: Float) -> Float in
      var sum: Float = 0
      for index in x.indices {
        let difference = scale * quants[index] + least - x[index]
        sum += weights[index] * (absoluteErrors ? abs(difference) : difference * difference)
      }
      return sum
    }
    var (weightSum, weightedSum): (Float, Float) = (0, 0)
    for index in x.indices {
      weightSum += weights[index]
      weightedSum += weights[index] * x[index]
    }
    let first = levels / (most - least)
    quants = x.map { nearest(first * ($0 - least), 0, levels) }
    scale = 1 / first
    var best = error(quants, scale, least)
    for step in 0...steps {
      let inverse = (lowest + 0.1 * Float(step) + levels) / (most - least)
      let trial = x.map { nearest(inverse * ($0 - least), 0, levels) }
      var (sumL, sumLL, sumXL): (Float, Float, Float) = (0, 0, 0)
      for index in x.indices {
        let weighted = weights[index] * trial[index]
        sumL += weighted
        sumLL += weighted * trial[index]
        sumXL += weighted * x[index]
      }
      let determinant = weightSum * sumLL - sumL * sumL
      guard determinant > 0 else { continue }
      var newScale = (weightSum * sumXL - weightedSum * sumL) / determinant
      var newLeast = (sumLL * weightedSum - sumL * sumXL) / determinant
      if newLeast > 0 { (newLeast, newScale) = (0, sumXL / sumLL) }
      let found = error(trial, newScale, newLeast)
      if found < best { (best, quants, scale, least) = (found, trial, newScale, newLeast) }
    }
    minimum = -least
  }
}

/// The search for one scale, among nineteen widths.
private func fitSymmetric(_ x: [Float], half: Float) -> (scale: Float, quants: [Float]) {
  let extreme = x.reduce(0 as Float) { abs($1) > abs($0) ? $1 : $0 }
  guard abs(extreme) >= 1e-15 else { return (0, x.map { _ in 0 }) }
  var (scale, best, quants): (Float, Float, [Float]) = (0, 0, [])
  for number in [0, -9, -8, -7, -6, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 6, 7, 8, 9] as [Float] {
    let inverse = -(half + 0.1 * number) / extreme
    var (sumXL, sumLL): (Float, Float) = (0, 0)
    let trial = x.map { nearest(inverse * $0, -half, half - 1) }
    for (value, quant) in zip(x, trial) {
      let weight = value * value
      sumXL += weight * value * quant
      sumLL += weight * quant * quant
    }
    guard number == 0 || sumLL > 0 && sumXL * sumXL > best * sumLL else { continue }
    scale = sumLL == 0 ? 0 : sumXL / sumLL
    best = scale * sumXL
    quants = trial.map { $0 + half }
  }
  return (scale, quants)
}

/// The search for one scale by changing single quants.
private func fitByExchange(_ x: [Float], half: Float) -> (scale: Float, quants: [Float]) {
  let extreme = x.reduce(0 as Float) { abs($1) > abs($0) ? $1 : $0 }
  guard abs(extreme) >= 1e-15 else { return (0, x.map { _ in 0 }) }
  var quants = x.map { nearest(-half / extreme * $0, -half, half - 1) }
  var (sumXL, sumLL): (Float, Float) = (0, 0)
  for (value, quant) in zip(x, quants) {
    let weight = value * value
    sumXL += weight * value * quant
    sumLL += weight * quant * quant
  }
  for _ in 0..<5 {
    var hasChanged = false
    for (index, value) in x.enumerated() {
      let weight = value * value
      var otherXL = sumXL - weight * value * quants[index]
      var otherLL = sumLL - weight * quants[index] * quants[index]
      guard otherXL > 0 else { continue }
      let new = nearest(value * otherLL / otherXL, -half, half - 1)
      guard new != quants[index] else { continue }
      otherXL += weight * value * new
      otherLL += weight * new * new
      guard otherLL > 0, otherXL * otherXL * sumLL > sumXL * sumXL * otherLL else { continue }
      (quants[index], sumXL, sumLL, hasChanged) = (new, otherXL, otherLL, true)
    }
    if !hasChanged { break }
  }
  return (sumLL > 0 ? sumXL / sumLL : 0, quants.map { $0 + half })
}

private func groups(_ x: [Float], of count: Int) -> [[Float]] {
  stride(from: 0, to: x.count, by: count).map { Array(x[$0..<$0 + count]) }
}

/// Scales as whole numbers 0…limit of a common factor.
private func wholeScales(_ values: [Float], limit: Float) -> (factor: Float, quants: [Float]) {
  // Not `max`: a negative zero must not win over zero.
  let largest = values.reduce(0) { $1 > $0 ? $1 : $0 }
  let inverse = largest > 0 ? limit / largest : 0
  return (largest / limit, values.map { nearest(inverse * $0, 0, limit) })
}

/// Each group quantized with its scale as it will be read back; those with scale zero keep what the search found.
private func requantized(
  _ x: [[Float]], _ found: [[Float]], scales: [Float], minimums: [Float], _ low: Float, _ high: Float, stored offset: Float
) -> [UInt8] {
  x.indices.flatMap { group -> [UInt8] in
    guard scales[group] != 0 else { return found[group].map { UInt8($0) } }
    return x[group].map { UInt8(nearest(($0 + minimums[group]) / scales[group], low, high) + offset) }
  }
}

private func twoBits(_ quants: [UInt8]) -> [UInt8] {
  (0..<64).map { place in
    let start = place / 32 * 128 + place % 32
    return sideBySide(quants, [start, start + 32, start + 64, start + 96], shift: 0, mask: 3, width: 2)
  }
}

private func naiveQ2K(_ block: [Float]) -> [UInt8] {
  let x = groups(block, of: 16)
  let fits = x.map { MinimumFit($0, $0.map(abs), levels: 3, lowest: -0.5, steps: 15, absoluteErrors: true) }
  let (scale, scales) = wholeScales(fits.map(\.scale), limit: 15)
  let (minimum, minimums) = wholeScales(fits.map(\.minimum), limit: 15)
  let quants = requantized(
    x, fits.map(\.quants), scales: scales.map { throughHalf(scale) * $0 }, minimums: minimums.map { throughHalf(minimum) * $0 }, 0, 3,
    stored: 0)
  return zip(scales, minimums).map { UInt8($0) | UInt8($1) << 4 } + twoBits(quants) + halfBytes(scale) + halfBytes(minimum)
}

private func naiveQ3K(_ block: [Float]) -> [UInt8] {
  let x = groups(block, of: 16)
  let fits = x.map { fitByExchange($0, half: 4) }
  let extreme = fits.reduce(0 as Float) { abs($1.scale) > abs($0) ? $1.scale : $0 }
  let inverse = extreme == 0 ? 0 : -32 / extreme
  let factor = extreme == 0 ? 0 : 1 / inverse
  let scales = fits.map { extreme == 0 ? 0 : nearest(inverse * $0.scale, -32, 31) }
  let quants = requantized(
    x, fits.map(\.quants), scales: scales.map { throughHalf(factor) * $0 }, minimums: scales.map { _ in 0 }, -4, 3, stored: 4)
  let stored: [UInt8] = scales.map { extreme == 0 ? 0 : UInt8($0 + 32) }
  let low = (0..<8).map { sideBySide(stored, [$0, $0 + 8], shift: 0, mask: 15, width: 4) }
  let high = (0..<4).map { sideBySide(stored, [$0, $0 + 4, $0 + 8, $0 + 12], shift: 4, mask: 3, width: 2) }
  let mask = (0..<32).map { place in sideBySide(quants, (0..<8).map { place + 32 * $0 }, shift: 2, mask: 1, width: 1) }
  return mask + twoBits(quants) + low + high + halfBytes(factor)
}

private func naiveSixBit(_ block: [Float], levels: Float, lowest: Float, steps: Int) -> [UInt8] {
  let x = groups(block, of: 32)
  let fits = x.map { group -> MinimumFit in
    let mean = (group.reduce(0 as Float) { $0 + $1 * $1 } / 32).squareRoot()
    return MinimumFit(group, group.map { mean + abs($0) }, levels: levels, lowest: lowest, steps: steps, absoluteErrors: false)
  }
  let (scale, scales) = wholeScales(fits.map(\.scale), limit: 63)
  let (minimum, minimums) = wholeScales(fits.map(\.minimum), limit: 63)
  let quants = requantized(
    x, fits.map(\.quants), scales: scales.map { throughHalf(scale) * $0 }, minimums: minimums.map { throughHalf(minimum) * $0 }, 0, levels,
    stored: 0)
  let (s, m): ([UInt8], [UInt8]) = (scales.map { UInt8($0) }, minimums.map { UInt8($0) })
  var packed: [UInt8] = []
  for group in 0..<4 { packed.append(s[group] | (s[group + 4] >> 4) << 6) }
  for group in 0..<4 { packed.append(m[group] | (m[group + 4] >> 4) << 6) }
  for group in 4..<8 { packed.append(s[group] & 15 | (m[group] & 15) << 4) }
  let nibbles: [UInt8] = (0..<128).map { place in
    let start = place / 32 * 64 + place % 32
    return sideBySide(quants, [start, start + 32], shift: 0, mask: 15, width: 4)
  }
  let top: [UInt8] = (0..<32).map { place in sideBySide(quants, (0..<8).map { place + 32 * $0 }, shift: 4, mask: 1, width: 1) }
  return halfBytes(scale) + halfBytes(minimum) + packed + (levels > 15 ? top : []) + nibbles
}

private func naiveQ6K(_ block: [Float]) -> [UInt8] {
  let x = groups(block, of: 16)
  let fits = x.map { fitSymmetric($0, half: 32) }
  let extreme = fits.reduce(0 as Float) { abs($1.scale) > abs($0) ? $1.scale : $0 }
  guard abs(extreme) >= 1e-15 else { return [UInt8](repeating: 0, count: 210) }
  let inverse = -128 / extreme
  let scales = fits.map { nearest(inverse * $0.scale, -128, 127) }
  let quants = requantized(
    x, fits.map(\.quants), scales: scales.map { throughHalf(1 / inverse) * $0 }, minimums: scales.map { _ in 0 }, -32, 31, stored: 32)
  let low: [UInt8] = (0..<128).map { place in
    let start = place / 64 * 128 + place % 64
    return sideBySide(quants, [start, start + 64], shift: 0, mask: 15, width: 4)
  }
  let high: [UInt8] = (0..<64).map { place in
    let start = place / 32 * 128 + place % 32
    return sideBySide(quants, [start, start + 32, start + 64, start + 96], shift: 4, mask: 3, width: 2)
  }
  let scaleBytes = scales.map { UInt8(bitPattern: Int8($0)) }
  return low + high + scaleBytes + halfBytes(1 / inverse)
}
