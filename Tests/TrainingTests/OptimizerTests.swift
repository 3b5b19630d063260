// The update rules against torch.optim (Fixtures/optimizers.json, made by scripts/reference/optimizers.py).

import Formats
import Tensors
import Training
import XCTest

final class OptimizerTests: XCTestCase {
  func testUpdatesEqualTorch() throws {
    let data = try fixture("optimizers.json")
    let start = (data["start"]?.array ?? []).map { $0.doubles.map(Float.init) }
    let gradients = (data["gradients"]?.array ?? []).map { ($0.array ?? []).map { $0.doubles.map(Float.init) } }
    let rates = data["rates"]?.doubles ?? []
    for row in data["rows"]?.array ?? [] {
      var options = TrainOptions()
      options.optimizer = try XCTUnwrap(OptimizerKind(rawValue: row["name"]?.string ?? ""))
      options.weightDecay = row["decay"]?.double ?? .nan
      options.adamBeta2 = 0.95
      options.adamEpsilon = 1e-6
      let parameters = try [("layers.0.q_proj.weight", start[0]), ("layers.0.input_layernorm.weight", start[1])].map {
        (name: $0.0, tensor: try Tensor(parameter: [$0.1.count], values: $0.1))
      }
      let optimizer = try Optimizer(kind: options.optimizer, parameters: parameters)
      for (step, rate) in rates.enumerated() {
        let step1 = try gradients[step].map { try Tensor(shape: [$0.count], values: $0) }
        optimizer.update(step1, step: step + 1, rate: rate, options: options)
        for (i, parameter) in parameters.enumerated() {
          let expected = row["after"]?[step]?[i]?.doubles ?? []
          XCTAssertEqual(expected.count, parameter.tensor.count)
          for (a, b) in zip(parameter.tensor.values, expected) {
            assertClose(Double(a), b, relative: 1e-6, absolute: 2e-7, "\(options.optimizer) step \(step) parameter \(i)")
          }
        }
      }
    }
  }
}
