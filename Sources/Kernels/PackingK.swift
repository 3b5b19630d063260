// From floats to the K types of GGUF: super-blocks of 256 elements whose sub-blocks have small integer scales of their own.
// The scales are searched as ggml's reference quantizers search them (PackingK+Search.swift); here they are rounded, the
// elements quantized once more with the rounded ones, and all of it laid out in bytes.

/// Sixteen sub-blocks of sixteen: Q2_K.
func packQ2K(_ source: UnsafePointer<Float>, _ target: UnsafeMutableRawPointer, _ blocks: Int) {
  SubBlocks.with(16) { sub in
    for block in 0..<blocks {
      let to = target + block * 84
      sub.load(source + block * 256)
      for index in 0..<16 { sub.weights[index] = magnitude(sub.x[index]) }
      let (scales, minimums) = sub.fitWithMinimum(levels: 3, from: -0.5, by: 0.1, steps: 15, absoluteErrors: true)
      let (scale, scaleQuants) = rounded(scales, limit: 15)
      let (minimum, minimumQuants) = rounded(minimums, limit: 15)
      for group in 0..<16 {
        (to + group).storeBytes(of: byte(scaleQuants[group]) | byte(minimumQuants[group]) << 4, as: UInt8.self)
      }
      storeHalf(scale, to + 80)
      storeHalf(minimum, to + 82)
      sub.requantize(scales: asHalf(scale) * scaleQuants, minimums: asHalf(minimum) * minimumQuants, 0, 3, stored: 0)
      storeTwoBits(sub, to + 16) { $0 }
    }
  }
}

/// Sixteen sub-blocks of sixteen: Q3_K.
func packQ3K(_ source: UnsafePointer<Float>, _ target: UnsafeMutableRawPointer, _ blocks: Int) {
  SubBlocks.with(16) { sub in
    for block in 0..<blocks {
      let to = target + block * 110
      sub.load(source + block * 256)
      let scales = sub.fitByExchange(half: 4)
      let extreme = largestByMagnitude(scales)
      let inverse = extreme == 0 ? 0 : -32 / extreme
      let quants = clamped(nearestWhole(inverse * scales), -32, 31)
      storeHalf(extreme == 0 ? 0 : 1 / inverse, to + 108)
      to.advanced(by: 96).initializeMemory(as: UInt8.self, repeating: 0, count: 12)
      if extreme != 0 {
        for group in 0..<16 {
          let quant = byte(quants[group] + 32)
          merge(quant & 15, group < 8 ? 0 : 4, to + 96 + group % 8)
          merge(quant >> 4, group / 4 * 2, to + 104 + group % 4)
        }
        let scale = half(UnsafeRawPointer(to + 108))
        sub.requantize(scales: scale * quants, minimums: Lanes(), -4, 3, stored: 4)
      }
      // The third bit of quant i is bit i / 32 of byte i % 32.
      to.initializeMemory(as: UInt8.self, repeating: 0, count: 32)
      for index in 0..<256 where sub.quant(index) > 3 { merge(1, index / 32, to + index % 32) }
      storeTwoBits(sub, to + 32) { $0 & 3 }
    }
  }
}

/// Eight sub-blocks of thirty-two, two super-blocks at a time: Q4_K.
func packQ4K(_ source: UnsafePointer<Float>, _ target: UnsafeMutableRawPointer, _ blocks: Int) {
  packWithSixBitScales(source, target, blocks, blockBytes: 144, levels: 15, from: -1, steps: 20) { sub, first, to in
    for pair in 0..<4 {
      for index in 0..<32 {
        let low = byte(sub.quants[index][first + 2 * pair])
        let high = byte(sub.quants[index][first + 2 * pair + 1])
        (to + 16 + 32 * pair + index).storeBytes(of: low | high << 4, as: UInt8.self)
      }
    }
  }
}

/// Eight sub-blocks of thirty-two, two super-blocks at a time: Q5_K.
func packQ5K(_ source: UnsafePointer<Float>, _ target: UnsafeMutableRawPointer, _ blocks: Int) {
  packWithSixBitScales(source, target, blocks, blockBytes: 176, levels: 31, from: -0.5, steps: 15) { sub, first, to in
    for index in 0..<32 {
      var top: UInt8 = 0
      for pair in 0..<4 {
        let low = byte(sub.quants[index][first + 2 * pair])
        let high = byte(sub.quants[index][first + 2 * pair + 1])
        top |= (low >> 4) << UInt8(2 * pair) | (high >> 4) << UInt8(2 * pair + 1)
        (to + 48 + 32 * pair + index).storeBytes(of: low & 15 | (high & 15) << 4, as: UInt8.self)
      }
      (to + 16 + index).storeBytes(of: top, as: UInt8.self)
    }
  }
}

/// Sixteen sub-blocks of sixteen with signed eight-bit scales: Q6_K.
func packQ6K(_ source: UnsafePointer<Float>, _ target: UnsafeMutableRawPointer, _ blocks: Int) {
  SubBlocks.with(16) { sub in
    for block in 0..<blocks {
      let to = target + block * 210
      sub.load(source + block * 256)
      let scales = sub.fitSymmetric(half: 32)
      let extreme = largestByMagnitude(scales)
      guard abs(extreme) >= 1e-15 else {
        to.initializeMemory(as: UInt8.self, repeating: 0, count: 210)
        continue
      }
      let inverse = -128 / extreme
      let quants = clamped(nearestWhole(inverse * scales), -128, 127)
      storeHalf(1 / inverse, to + 208)
      for group in 0..<16 { (to + 192 + group).storeBytes(of: signedByte(quants[group]), as: Int8.self) }
      sub.requantize(scales: half(UnsafeRawPointer(to + 208)) * quants, minimums: Lanes(), -32, 31, stored: 32)
      for run in 0..<2 {
        for index in 0..<32 {
          let quant = { (part: Int) in sub.quant(128 * run + 32 * part + index) }
          let (a, b, c, d) = (quant(0), quant(1), quant(2), quant(3))
          (to + 64 * run + index).storeBytes(of: a & 15 | (c & 15) << 4, as: UInt8.self)
          (to + 64 * run + 32 + index).storeBytes(of: b & 15 | (d & 15) << 4, as: UInt8.self)
          let top = a >> 4 | (b >> 4) << 2 | (c >> 4) << 4 | (d >> 4) << 6
          (to + 128 + 32 * run + index).storeBytes(of: top, as: UInt8.self)
        }
      }
    }
  }
}

/// Q4_K and Q5_K, which differ in their levels and in where the quants lie.
private func packWithSixBitScales(
  _ source: UnsafePointer<Float>, _ target: UnsafeMutableRawPointer, _ blocks: Int, blockBytes: Int, levels: Float, from lowest: Float,
  steps: Int, store: (_ sub: SubBlocks, _ firstLane: Int, _ to: UnsafeMutableRawPointer) -> Void
) {
  SubBlocks.with(32) { sub in
    for pair in stride(from: 0, to: blocks, by: 2) {
      let present = min(2, blocks - pair)
      sub.load(source + pair * 256, present: 8 * present)
      var squares = Lanes()
      for index in 0..<32 { squares += sub.x[index] * sub.x[index] }
      let mean = (squares / 32).squareRoot()
      for index in 0..<32 { sub.weights[index] = mean + magnitude(sub.x[index]) }
      let (scales, minimums) = sub.fitWithMinimum(levels: levels, from: lowest, by: 0.1, steps: steps, absoluteErrors: false)
      var (groupScales, groupMinimums) = (Lanes(), Lanes())
      for block in 0..<present {
        let to = target + (pair + block) * blockBytes
        let (scale, scaleQuants) = rounded(eight(scales, block), limit: 63)
        let (minimum, minimumQuants) = rounded(eight(minimums, block), limit: 63)
        storeHalf(scale, to)
        storeHalf(minimum, to + 2)
        storeSixBits(scaleQuants, minimumQuants, to + 4)
        for group in 0..<8 {
          groupScales[8 * block + group] = asHalf(scale) * scaleQuants[group]
          groupMinimums[8 * block + group] = asHalf(minimum) * minimumQuants[group]
        }
      }
      sub.requantize(scales: groupScales, minimums: groupMinimums, 0, levels, stored: 0)
      for block in 0..<present { store(sub, 8 * block, target + (pair + block) * blockBytes) }
    }
  }
}

/// Scales and minimums of six bits in twelve bytes: four whole ones each, then low nibbles and the two bits above elsewhere.
private func storeSixBits(_ scales: Lanes, _ minimums: Lanes, _ to: UnsafeMutableRawPointer) {
  for group in 0..<4 {
    let (scale, minimum) = (byte(scales[group + 4]), byte(minimums[group + 4]))
    (to + group).storeBytes(of: byte(scales[group]) | (scale >> 4) << 6, as: UInt8.self)
    (to + 4 + group).storeBytes(of: byte(minimums[group]) | (minimum >> 4) << 6, as: UInt8.self)
    (to + 8 + group).storeBytes(of: scale & 15 | (minimum & 15) << 4, as: UInt8.self)
  }
}

/// Two bits of each quant: four runs of thirty-two share thirty-two bytes, each run two bits further up.
private func storeTwoBits(_ sub: SubBlocks, _ to: UnsafeMutableRawPointer, _ bits: (UInt8) -> UInt8) {
  for half in 0..<2 {
    for index in 0..<32 {
      var packed: UInt8 = 0
      for run in 0..<4 { packed |= bits(sub.quant(128 * half + 32 * run + index)) << UInt8(2 * run) }
      (to + 32 * half + index).storeBytes(of: packed, as: UInt8.self)
    }
  }
}

extension SubBlocks {
  /// Quantizes the elements with the scales as they will be read back; a sub-block of scale zero keeps what the search gave it.
  fileprivate func requantize(scales: Lanes, minimums: Lanes, _ low: Float, _ high: Float, stored offset: Float) {
    let keeps = scales .== 0
    for index in 0..<count {
      let quant = clamped(nearestWhole((x[index] + minimums) / scales), low, high) + offset
      quants[index] = quant.replacing(with: quants[index], where: keeps)
    }
  }

  /// The quant of element `index` of a super-block of sixteen sub-blocks.
  @inline(__always)
  fileprivate func quant(_ index: Int) -> UInt8 { byte(quants[index & 15][index >> 4]) }
}

/// The common factor of positive numbers, and the whole numbers 0…limit that they become.
private func rounded(_ values: Lanes, limit: Float) -> (factor: Float, quants: Lanes) {
  let largest = max(0, values.replacing(with: Lanes(), where: .!(values .> 0)).largest)
  let inverse = largest > 0 ? limit / largest : 0
  return (largest / limit, clamped(nearestWhole(inverse * values), 0, limit))
}

/// The lane of largest magnitude, the first of equal ones.
private func largestByMagnitude(_ values: Lanes) -> Float {
  var largest: Float = 0
  for lane in 0..<16 where abs(values[lane]) > abs(largest) { largest = values[lane] }
  return largest
}

/// Lanes 8·block … 8·block + 7, the others zero.
private func eight(_ values: Lanes, _ block: Int) -> Lanes {
  Lanes(lowHalf: block == 0 ? values.lowHalf : values.highHalf, highHalf: SIMD8())
}

private func asHalf(_ value: Float) -> Float { Float(Float16(value)) }

@inline(__always)
private func byte(_ quant: Float) -> UInt8 { quant > 0 ? UInt8(min(quant, 255)) : 0 }

@inline(__always)
private func signedByte(_ quant: Float) -> Int8 { quant >= -128 && quant <= 127 ? Int8(quant) : 0 }

@inline(__always)
private func merge(_ bits: UInt8, _ shift: Int, _ place: UnsafeMutableRawPointer) {
  place.storeBytes(of: place.load(as: UInt8.self) | bits << UInt8(shift), as: UInt8.self)
}
