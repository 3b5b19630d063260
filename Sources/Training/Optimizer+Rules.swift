// The update rules on plain memory, as torch.optim computes them in fp32.

extension Optimizer {
  /// torch.optim.AdamW: decay first, moments, bias correction, ε outside the root.
  static func adamW(
    _ p: UnsafeMutablePointer<Float>, _ g: UnsafeMutablePointer<Float>, _ m: UnsafeMutablePointer<Float>,
    _ v: UnsafeMutablePointer<Float>, _ range: Range<Int>, _ rule: AdamWRule
  ) {
    for i in range {
      let decayed = p[i] * rule.keep
      m[i] += (g[i] - m[i]) * rule.first
      v[i] = v[i] * rule.beta2 + g[i] * g[i] * rule.second
      p[i] = decayed - rule.stepSize * (m[i] / (v[i].squareRoot() / rule.rootCorrection + rule.epsilon))
    }
  }

  /// torch.optim.RMSprop with its defaults α 0.99 and ε 1e-8; weight decay joins the gradient.
  static func rmsProp(
    _ p: UnsafeMutablePointer<Float>, _ g: UnsafeMutablePointer<Float>, _ v: UnsafeMutablePointer<Float>, _ range: Range<Int>,
    rate: Float, decay: Float
  ) {
    for i in range {
      let gradient = g[i] + decay * p[i]
      v[i] = v[i] * 0.99 + gradient * gradient * 0.01
      p[i] -= rate * (gradient / (v[i].squareRoot() + 1e-8))
    }
  }

  /// torch.optim.SGD without momentum; weight decay joins the gradient.
  static func sgd(
    _ p: UnsafeMutablePointer<Float>, _ g: UnsafeMutablePointer<Float>, _ range: Range<Int>, rate: Float, decay: Float
  ) {
    for i in range { p[i] -= rate * (g[i] + decay * p[i]) }
  }
}

/// The numbers of one AdamW update, rounded to fp32 once.
struct AdamWRule {
  let keep, first, beta2, second, stepSize, rootCorrection, epsilon: Float

  init(step: Int, rate: Double, decay: Double, options: TrainOptions) {
    let (β1, β2) = (options.adamBeta1, options.adamBeta2)
    keep = Float(1 - rate * decay)
    first = Float(1 - β1)
    beta2 = Float(β2)
    second = Float(1 - β2)
    stepSize = Float(rate / (1 - power(β1, step)))
    rootCorrection = Float((1 - power(β2, step)).squareRoot())
    epsilon = Float(options.adamEpsilon)
  }
}

/// x^n for whole n, by squaring: the same on every machine.
private func power(_ x: Double, _ n: Int) -> Double {
  var (result, base, n) = (1.0, x, n)
  while n > 0 {
    if n & 1 == 1 { result *= base }
    base *= base
    n >>= 1
  }
  return result
}
