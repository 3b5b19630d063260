// Blocks of every type against the gguf Python package, byte for byte and bit for bit, and packing of awkward numbers.

import Kernels
import XCTest

final class QuantizationTests: XCTestCase {
  func testPackedTypesEqualTheReference() {
    typealias Fixture = QuantizationFixtures
    let cases: [(WeightType, bytes: String, values: String)] = [
      (.f16, Fixture.f16Bytes, Fixture.f16Values), (.bf16, Fixture.bf16Bytes, Fixture.bf16Values),
      (.q8_0, Fixture.q8_0Bytes, Fixture.q8_0Values), (.q4_0, Fixture.q4_0Bytes, Fixture.q4_0Values),
      (.q4_1, Fixture.q4_1Bytes, Fixture.q4_1Values), (.q5_0, Fixture.q5_0Bytes, Fixture.q5_0Values),
      (.q5_1, Fixture.q5_1Bytes, Fixture.q5_1Values),
    ]
    let source = words(Fixture.source).map { Float(bitPattern: $0) }
    for (type, bytes, values) in cases {
      var packed = [UInt8](repeating: 0, count: type.rowBytes(columns: source.count))
      pack(type, from: source, to: &packed, count: source.count)
      XCTAssertEqual(packed, digits(bytes), "\(type.name) packed")
      XCTAssertEqual(unpacked(type, digits(bytes)), words(values), "\(type.name) unpacked")
    }
  }

  func testSuperBlocksEqualTheReference() {
    typealias Fixture = QuantizationFixtures
    let cases: [(WeightType, bytes: String, values: String)] = [
      (.q2_K, Fixture.q2_KBytes, Fixture.q2_KValues), (.q3_K, Fixture.q3_KBytes, Fixture.q3_KValues),
      (.q4_K, Fixture.q4_KBytes, Fixture.q4_KValues), (.q5_K, Fixture.q5_KBytes, Fixture.q5_KValues),
      (.q6_K, Fixture.q6_KBytes, Fixture.q6_KValues),
    ]
    for (type, bytes, values) in cases {
      XCTAssertEqual(unpacked(type, digits(bytes)), words(values), type.name)
    }
  }

  /// Rows that the searches must survive: noise of several sizes, one sign, steps, a few large among small, zeros, numbers too small.
  private func rows(_ noise: inout Noise) -> [Float] {
    var values = noise.floats(256 * 9)
    for index in 256..<512 { values[index] = abs(values[index]) * 1e-3 }
    for index in 512..<768 { values[index] = -abs(values[index]) * 1e4 }
    for index in 768..<1024 { values[index] = Float(index % 32) - 16 }
    for index in 1024..<1280 where index % 37 != 0 { values[index] *= 1e-4 }
    for index in 1280..<1536 { values[index] = 0 }
    for index in 1536..<1792 { values[index] = index % 64 < 32 ? 0 : values[index] * 1e-20 }
    for index in 1792..<2048 { values[index] = index % 16 == 3 ? 1 : 0.25 }
    return values
  }

  func testKTypesEqualThePlainCode() {
    for seed in 1...6 as ClosedRange<UInt64> {
      var noise = Noise(seed: seed)
      let values = rows(&noise)
      for type in [WeightType.q2_K, .q3_K, .q4_K, .q5_K, .q6_K] {
        var packed = [UInt8](repeating: 0xAA, count: type.rowBytes(columns: values.count))
        pack(type, from: values, to: &packed, count: values.count)
        let expected = naivePackK(type, values)
        let size = type.blockBytes
        for block in 0..<9 where packed[block * size..<(block + 1) * size] != expected[block * size..<(block + 1) * size] {
          XCTFail("\(type.name): block \(block), seed \(seed)")
        }
      }
    }
  }

  /// Root mean square of the error over that of uniform noise, at most what the number of bits allows.
  func testKTypesLoseLittle() {
    var noise = Noise(seed: 3)
    let values = noise.floats(256 * 64)
    for (type, limit) in [(WeightType.q2_K, 0.25), (.q3_K, 0.135), (.q4_K, 0.058), (.q5_K, 0.03), (.q6_K, 0.0145)] {
      var packed = [UInt8](repeating: 0, count: type.rowBytes(columns: values.count))
      pack(type, from: values, to: &packed, count: values.count)
      let again = unpacked(type, packed).map { Float(bitPattern: $0) }
      let squares = zip(values, again).reduce(0.0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
      let total = values.reduce(0.0) { $0 + Double($1 * $1) }
      XCTAssertLessThan((squares / total).squareRoot(), limit, type.name)
      XCTAssertGreaterThan((squares / total).squareRoot(), limit / 2, type.name)
    }
  }

  func testRowsAreRepackedInAnyOrder() {
    var noise = Noise(seed: 4)
    for (from, to) in [(WeightType.f32, WeightType.q4_K), (.q8_0, .q6_K), (.q4_K, .q4_K), (.bf16, .f16)] {
      let weight = PackedWeight(from, rows: 300, columns: 512, &noise)
      let order = (0..<300).map { ($0 * 7 + 11) % 300 }
      var target = [UInt8](repeating: 0, count: 300 * to.rowBytes(columns: 512))
      repackRows(weight.view, rows: order, as: to, to: &target)
      let floats = unpackedWeight(weight.view)
      for row in [0, 1, 150, 299] {
        var expected = [UInt8](repeating: 0, count: to.rowBytes(columns: 512))
        let source = Array(floats[order[row] * 512..<(order[row] + 1) * 512])
        if from == to {
          for index in expected.indices { expected[index] = weight.view.row(order[row]).load(fromByteOffset: index, as: UInt8.self) }
        } else {
          pack(to, from: source, to: &expected, count: 512)
        }
        XCTAssertEqual(Array(target[row * expected.count..<(row + 1) * expected.count]), expected, "\(from.name) to \(to.name)")
      }
    }
  }

  func testPackingWhatWasUnpackedGivesTheSameValues() {
    var noise = Noise(seed: 1)
    for type in [WeightType.f32, .f16, .bf16, .q8_0, .q4_0, .q4_1, .q5_0, .q5_1] {
      let once = PackedWeight(type, rows: 5, columns: 96, &noise)
      let values = unpackedWeight(once.view)
      var again = [UInt8](repeating: 0, count: type.rowBytes(columns: 96) * 5)
      pack(type, from: values, to: &again, count: values.count)
      for (first, second) in zip(values, unpacked(type, again).map { Float(bitPattern: $0) }) {
        XCTAssertEqual(first, second, accuracy: 2e-3 * abs(first) + 1e-3, type.name)
      }
    }
  }

  func testNumbersWithoutABlockDoNotTrap() {
    let awkward: [Float] = [.nan, .infinity, -.infinity, 3.4e38, -3.4e38, .leastNonzeroMagnitude, -0.0, 65520]
    for type in WeightType.allCases {
      let count = max(32, type.blockElements)
      for value in awkward {
        var block = [Float](repeating: 1, count: count)
        block[5] = value
        var packed = [UInt8](repeating: 0, count: type.rowBytes(columns: count))
        pack(type, from: block, to: &packed, count: count)
        XCTAssertEqual(unpacked(type, packed).count, count)
      }
    }
    var nan = [UInt8](repeating: 0, count: 2)
    pack(.bf16, from: [Float(bitPattern: 0x7f80_0001)], to: &nan, count: 1)
    XCTAssert(Float(bitPattern: unpacked(.bf16, nan)[0]).isNaN)
  }

  func testCountsAreWholeAndOddNumbersOfBlocks() {
    var noise = Noise(seed: 2)
    for type in WeightType.allCases {
      for blocks in [1, 2, 3, 7] {
        let count = blocks * type.blockElements
        let weight = PackedWeight(type, rows: 1, columns: count, &noise)
        var values = [Float](repeating: 7, count: count + 1)
        unpack(type, from: weight.view.base, to: &values, count: count)
        XCTAssertEqual(values[count], 7, "\(type.name) writes past its end")
        var one = [Float](repeating: 0, count: type.blockElements)
        unpack(type, from: weight.view.base + (blocks - 1) * type.blockBytes, to: &one, count: type.blockElements)
        XCTAssertEqual(Array(values[(count - type.blockElements)..<count]), one, type.name)
      }
    }
  }

  private func unpacked(_ type: WeightType, _ bytes: [UInt8]) -> [UInt32] {
    let count = bytes.count / type.blockBytes * type.blockElements
    var values = [Float](repeating: 0, count: count)
    bytes.withUnsafeBytes { unpack(type, from: $0.baseAddress!, to: &values, count: count) }
    return values.map(\.bitPattern)
  }

  private func digits(_ text: String) -> [UInt8] {
    let nibbles = text.compactMap(\.hexDigitValue)
    return stride(from: 0, to: nibbles.count, by: 2).map { UInt8(nibbles[$0] << 4 | nibbles[$0 + 1]) }
  }

  private func words(_ text: String) -> [UInt32] {
    let bytes = digits(text)
    return stride(from: 0, to: bytes.count, by: 4).map { start in bytes[start..<start + 4].reduce(0) { $0 << 8 | UInt32($1) } }
  }
}
