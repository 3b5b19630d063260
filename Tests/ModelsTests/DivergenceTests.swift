// The exact divergence between two models along a text, and the checksum by which a model is known again.

import Foundation
import Models
import Tensors
import XCTest

final class DivergenceTests: XCTestCase {
  private let ids = [5, 17, 3, 60, 42, 9]

  private func policy() throws -> (base: LanguageModel, policy: LanguageModel) {
    let folder = try TemporaryFolder()
    let base = try LanguageModel.load(path: try TinyModel().huggingFaceFolder(in: folder))
    let policy = try base.withLoRA(LoRAOptions(rank: 2, seed: 3))
    for adapter in policy.adapters {
      for index in 0..<adapter.b.count { adapter.b.pointer[index] = Float(index % 7) * 0.02 - 0.05 }
    }
    return (base, policy)
  }

  func testDivergenceAgainstTheFormula() throws {
    let (base, policy) = try policy()
    let found = try policy.divergence(from: nil, over: ids, from: 2)
    XCTAssertEqual(found.count, 4)
    let vocabulary = base.configuration.vocabularySize
    let (p, q) = (try policy.logits(ids).values, try base.logits(ids).values)
    for (index, token) in found.enumerated() {
      let row = (index + 1) * vocabulary
      func logProbs(_ x: [Float]) -> [Double] {
        let logits = x[row..<row + vocabulary].map(Double.init)
        let total = log(logits.reduce(0) { $0 + exp($1) })
        return logits.map { $0 - total }
      }
      let (a, b) = (logProbs(p), logProbs(q))
      XCTAssertEqual(token.divergence, zip(a, b).reduce(0) { $0 + exp($1.0) * ($1.0 - $1.1) }, accuracy: 1e-9)
      XCTAssertEqual(token.logProb, a[ids[index + 2]], accuracy: 1e-9)
      XCTAssertEqual(token.referenceLogProb, b[ids[index + 2]], accuracy: 1e-9)
    }
    XCTAssertGreaterThan(found[0].divergence, 1e-4, "the adapters should change something")
    XCTAssertEqual(try policy.divergence(from: base, over: ids, from: 2), found, "the base is the policy without adapters")
    XCTAssertEqual(try base.divergence(from: base, over: ids, from: 1).map(\.divergence), [0, 0, 0, 0, 0])
    XCTAssertEqual(try policy.divergence(from: nil, over: ids, from: 6), [])
    XCTAssertThrowsError(try policy.divergence(from: nil, over: ids, from: 0))
  }

  func testChecksumsTellModelsApart() throws {
    let (base, policy) = try policy()
    XCTAssertEqual(base.checksum(adapters: true), base.checksum(adapters: false))
    XCTAssertEqual(policy.checksum(adapters: false), base.checksum(adapters: false), "without adapters a policy is its base")
    XCTAssertNotEqual(policy.checksum(adapters: true), base.checksum(adapters: true))
    XCTAssertNotEqual(try base.converted(to: .f16).checksum(adapters: false), base.checksum(adapters: false))
    let copy = try base.unfrozen()
    XCTAssertEqual(copy.checksum(adapters: false), base.checksum(adapters: false))
    let last = try XCTUnwrap(copy.trainable.last).tensor
    last.pointer[last.count - 1] = last.pointer[last.count - 1].nextUp
    XCTAssertNotEqual(copy.checksum(adapters: false), base.checksum(adapters: false))
    XCTAssertEqual(base.checksum(adapters: false).count, 32)
    // Every bit of a short text counts, and so does where it is cut.
    func checksum(_ lists: [[Int]]) -> String {
      var result = Fingerprint()
      for list in lists { result.add(list) }
      return result.hexadecimal
    }
    let all = [
      checksum([[1, 2], [3]]), checksum([[1], [2, 3]]), checksum([[1, 2, 3]]), checksum([[1, 2], [4]]), checksum([[2, 1], [3]]),
    ]
    XCTAssertEqual(Set(all).count, all.count)
  }
}
