// Optimizer updates against their twins in Double, and against numbers that torch.optim 2 computed.

import Kernels
import XCTest

final class OptimizerTests: XCTestCase {
  private let gradients: [[Float]] = [[0.5, -1.0, 0.25], [0.1, 2.0, -0.5], [-0.3, 0.7, 1.5]]

  private func run(_ update: (inout [Float], [Float], inout [Float], inout [Float], Int) -> Void) -> [Float] {
    var parameter: [Float] = [1, -2, 0.5]
    var (first, second) = ([Float](repeating: 0, count: 3), [Float](repeating: 0, count: 3))
    for (index, gradient) in gradients.enumerated() { update(&parameter, gradient, &first, &second, index + 1) }
    return parameter
  }

  func testTorchNumbers() {
    let adamW = AdamWOptions(learningRate: 0.1, beta1: 0.9, beta2: 0.95, epsilon: 1e-6, weightDecay: 0.1)
    expectClose(
      run { adamWUpdate(parameter: &$0, gradient: $1, firstMoment: &$2, secondMoment: &$3, count: 3, step: $4, options: adamW) },
      [0.7705357670783997, -1.9247833490371704, 0.3741731345653534], absolute: 2e-7, relative: 0, "AdamW")
    let heavy = RMSpropOptions(learningRate: 0.01, alpha: 0.9, weightDecay: 0.1, momentum: 0.9)
    expectClose(
      run { p, g, m, v, _ in rmspropUpdate(parameter: &p, gradient: g, meanSquare: &m, velocity: &v, count: 3, options: heavy) },
      [0.9054391980171204, -1.9727423191070557, 0.43513742089271545], absolute: 2e-7, relative: 0, "RMSprop with momentum")
    let plain = RMSpropOptions(learningRate: 0.01)
    expectClose(
      run { p, g, m, v, _ in rmspropUpdate(parameter: &p, gradient: g, meanSquare: &m, velocity: &v, count: 3, options: plain) },
      [0.9313743710517883, -2.0195717811584473, 0.39575955271720886], absolute: 2e-7, relative: 0, "RMSprop")
    let damped = SGDOptions(learningRate: 0.1, weightDecay: 0.01, momentum: 0.9, dampening: 0.5)
    expectClose(
      run { p, g, m, _, step in sgdUpdate(parameter: &p, gradient: g, velocity: &m, count: 3, step: step, options: damped) },
      [0.8659396171569824, -1.9458242654800415, 0.4027060866355896], absolute: 2e-7, relative: 0, "SGD with dampening")
    let nesterov = SGDOptions(learningRate: 0.1, momentum: 0.9, isNesterov: true)
    expectClose(
      run { p, g, m, _, step in sgdUpdate(parameter: &p, gradient: g, velocity: &m, count: 3, step: step, options: nesterov) },
      [0.85794997215271, -2.3310999870300293, 0.26452499628067017], absolute: 2e-7, relative: 0, "SGD, Nesterov")
  }

  func testTwins() {
    var numbers = Numbers(seed: 21)
    let adamW = AdamWOptions(learningRate: 0.01, weightDecay: 0.1, gradientScale: 0.5)
    let rmsprop = RMSpropOptions(learningRate: 0.01, weightDecay: 0.1, momentum: 0.5, gradientScale: 0.5)
    let sgd = SGDOptions(learningRate: 0.1, weightDecay: 0.1, momentum: 0.5, isNesterov: true, gradientScale: 0.5)
    for count in awkwardSizes + [16_385] {
      let start = numbers.floats(count)
      var (p, m, v) = (start, start.map { _ in Float(0) }, start.map { _ in Float(0) })
      var (r, rm, rv) = (p, m, v)
      var (s, sv) = (p, m)
      var twins = start.map { Twin(Double($0)) }
      for step in 1...4 {
        let gradient = numbers.floats(count)
        adamWUpdate(parameter: &p, gradient: gradient, firstMoment: &m, secondMoment: &v, count: count, step: step, options: adamW)
        rmspropUpdate(parameter: &r, gradient: gradient, meanSquare: &rm, velocity: &rv, count: count, options: rmsprop)
        sgdUpdate(parameter: &s, gradient: gradient, velocity: &sv, count: count, step: step, options: sgd)
        for index in twins.indices {
          let g = Double(gradient[index])
          var twin = twins[index]
          naiveAdamW(&twin.p, gradient: g, &twin.m, &twin.v, step: step, options: adamW)
          naiveRMSprop(&twin.r, gradient: g, &twin.rm, &twin.rv, options: rmsprop)
          naiveSGD(&twin.s, gradient: g, &twin.sv, step: step, options: sgd)
          twins[index] = twin
        }
      }
      expectClose(p, twins.map(\.p), absolute: 1e-6, "AdamW \(count)")
      expectClose(m, twins.map(\.m), absolute: 1e-6, "first moment \(count)")
      expectClose(v, twins.map(\.v), absolute: 1e-6, "second moment \(count)")
      expectClose(r, twins.map(\.r), absolute: 2e-6, "RMSprop \(count)")
      expectClose(s, twins.map(\.s), absolute: 1e-6, "SGD \(count)")
    }
  }

  func testSameBitsForAnyThreadCount() {
    var numbers = Numbers(seed: 22)
    let (start, gradient) = (numbers.floats(50_001), numbers.floats(50_001))
    expectSameBits {
      var (p, m, v) = (start, start.map { _ in Float(0) }, start.map { _ in Float(0) })
      let options = AdamWOptions(learningRate: 0.01)
      adamWUpdate(parameter: &p, gradient: gradient, firstMoment: &m, secondMoment: &v, count: p.count, step: 1, options: options)
      return p + m + v
    }
  }
}

private struct Twin {
  var p: Double
  var r: Double
  var s: Double
  var m = 0.0
  var v = 0.0
  var rm = 0.0
  var rv = 0.0
  var sv = 0.0

  init(_ start: Double) {
    p = start
    r = start
    s = start
  }
}
