// Updates of parameters from their gradients, element by element, as torch.optim computes them: AdamW, RMSprop, SGD. And the
// sum of squares that clipping by the global norm needs. One pass over memory, threaded over ranges; factors that depend on
// the step alone are computed in Double once.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Settings of AdamW.
public struct AdamWOptions: Sendable, Equatable {
  /// Step length.
  public var learningRate: Double
  /// Decay of the first moment.
  public var beta1: Double
  /// Decay of the second moment.
  public var beta2: Double
  /// Added to the root of the second moment, after bias correction.
  public var epsilon: Double
  /// Share of the parameter that a step of length 1 removes, apart from the gradient.
  public var weightDecay: Double
  /// What gradients are multiplied by first: the coefficient of clipping.
  public var gradientScale: Float

  /// Makes settings; what is not given is as in torch.optim.AdamW, but for the decay, which is off.
  public init(
    learningRate: Double, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8, weightDecay: Double = 0,
    gradientScale: Float = 1
  ) {
    self.learningRate = learningRate
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.weightDecay = weightDecay
    self.gradientScale = gradientScale
  }
}

/// One step of AdamW, in place.
///
/// - Parameters:
///   - step: Number of this step, from 1.
/// - Source: Loshchilov and Hutter 2017, arXiv:1711.05101, Algorithm 2; the order of operations is torch.optim.AdamW's.
public func adamWUpdate(
  parameter: UnsafeMutablePointer<Float>, gradient: UnsafePointer<Float>, firstMoment: UnsafeMutablePointer<Float>,
  secondMoment: UnsafeMutablePointer<Float>, count: Int, step: Int, options: AdamWOptions
) {
  let update = AdamWUpdate(step: step, options: options)
  forEachParameter(update, count, parameter, gradient, firstMoment, secondMoment)
}

private struct AdamWUpdate: ParameterUpdate {
  let (decay, blend1, keep2, blend2): (Lanes, Lanes, Lanes, Lanes)
  let (rootCorrection, epsilon, stepSize, scale): (Lanes, Lanes, Lanes, Lanes)

  init(step: Int, options: AdamWOptions) {
    let correction1 = 1 - pow(options.beta1, Double(step))
    let correction2 = (1 - pow(options.beta2, Double(step))).squareRoot()
    decay = Lanes(repeating: Float(1 - options.learningRate * options.weightDecay))
    blend1 = Lanes(repeating: Float(1 - options.beta1))
    keep2 = Lanes(repeating: Float(options.beta2))
    blend2 = Lanes(repeating: Float(1 - options.beta2))
    rootCorrection = Lanes(repeating: Float(correction2))
    epsilon = Lanes(repeating: Float(options.epsilon))
    stepSize = Lanes(repeating: Float(-options.learningRate / correction1))
    scale = Lanes(repeating: options.gradientScale)
  }

  @inline(always)
  func apply(_ p: inout Lanes, _ gradient: Lanes, _ m: inout Lanes, _ v: inout Lanes) {
    let g = gradient * scale
    p *= decay
    m = m.addingProduct(g - m, blend1)
    v = (v * keep2).addingProduct(blend2 * g, g)
    let denominator = v.root / rootCorrection + epsilon
    p += stepSize * m / denominator
  }
}

/// Settings of RMSprop.
public struct RMSpropOptions: Sendable, Equatable {
  /// Step length.
  public var learningRate: Double
  /// Decay of the mean square.
  public var alpha: Double
  /// Added to the root of the mean square.
  public var epsilon: Double
  /// Share of the parameter that is added to its gradient.
  public var weightDecay: Double
  /// Decay of the velocity; 0 for none.
  public var momentum: Double
  /// What gradients are multiplied by first: the coefficient of clipping.
  public var gradientScale: Float

  /// Makes settings; what is not given is as in torch.optim.RMSprop.
  public init(
    learningRate: Double, alpha: Double = 0.99, epsilon: Double = 1e-8, weightDecay: Double = 0, momentum: Double = 0,
    gradientScale: Float = 1
  ) {
    self.learningRate = learningRate
    self.alpha = alpha
    self.epsilon = epsilon
    self.weightDecay = weightDecay
    self.momentum = momentum
    self.gradientScale = gradientScale
  }
}

/// One step of RMSprop, in place, as torch.optim.RMSprop (not centred).
///
/// - Parameters:
///   - meanSquare: Running mean of squared gradients, from zeros.
///   - velocity: From zeros; left alone without momentum.
public func rmspropUpdate(
  parameter: UnsafeMutablePointer<Float>, gradient: UnsafePointer<Float>, meanSquare: UnsafeMutablePointer<Float>,
  velocity: UnsafeMutablePointer<Float>, count: Int, options: RMSpropOptions
) {
  forEachParameter(RMSpropUpdate(options), count, parameter, gradient, meanSquare, velocity)
}

private struct RMSpropUpdate: ParameterUpdate {
  let (decay, keep, blend, epsilon): (Lanes, Lanes, Lanes, Lanes)
  let (stepSize, momentum, scale): (Lanes, Lanes, Lanes)
  let hasMomentum: Bool

  init(_ options: RMSpropOptions) {
    decay = Lanes(repeating: Float(options.weightDecay))
    keep = Lanes(repeating: Float(options.alpha))
    blend = Lanes(repeating: Float(1 - options.alpha))
    epsilon = Lanes(repeating: Float(options.epsilon))
    stepSize = Lanes(repeating: Float(-options.learningRate))
    momentum = Lanes(repeating: Float(options.momentum))
    scale = Lanes(repeating: options.gradientScale)
    hasMomentum = options.momentum != 0
  }

  @inline(always)
  func apply(_ p: inout Lanes, _ gradient: Lanes, _ square: inout Lanes, _ velocity: inout Lanes) {
    let g = (gradient * scale).addingProduct(decay, p)
    square = (square * keep).addingProduct(blend * g, g)
    let average = square.root + epsilon
    if hasMomentum {
      velocity = velocity * momentum + g / average
      p.addProduct(stepSize, velocity)
    } else {
      p += stepSize * g / average
    }
  }
}

/// Settings of stochastic gradient descent.
public struct SGDOptions: Sendable, Equatable {
  /// Step length.
  public var learningRate: Double
  /// Share of the parameter that is added to its gradient.
  public var weightDecay: Double
  /// Decay of the velocity; 0 for none.
  public var momentum: Double
  /// Share of the gradient that does not enter the velocity.
  public var dampening: Double
  /// Whether the step looks ahead along the velocity.
  public var isNesterov: Bool
  /// What gradients are multiplied by first: the coefficient of clipping.
  public var gradientScale: Float

  /// Makes settings; what is not given is as in torch.optim.SGD.
  public init(
    learningRate: Double, weightDecay: Double = 0, momentum: Double = 0, dampening: Double = 0, isNesterov: Bool = false,
    gradientScale: Float = 1
  ) {
    self.learningRate = learningRate
    self.weightDecay = weightDecay
    self.momentum = momentum
    self.dampening = dampening
    self.isNesterov = isNesterov
    self.gradientScale = gradientScale
  }
}

/// One step of stochastic gradient descent, in place, as torch.optim.SGD.
///
/// - Parameters:
///   - velocity: Left alone without momentum.
///   - step: Number of this step, from 1: the first sets the velocity to the gradient.
public func sgdUpdate(
  parameter: UnsafeMutablePointer<Float>, gradient: UnsafePointer<Float>, velocity: UnsafeMutablePointer<Float>, count: Int,
  step: Int, options: SGDOptions
) {
  forEachParameter(SGDUpdate(step, options), count, parameter, gradient, velocity, velocity)
}

private struct SGDUpdate: ParameterUpdate {
  let (decay, momentum, blend, stepSize, scale): (Lanes, Lanes, Lanes, Lanes, Lanes)
  let hasMomentum: Bool
  let isNesterov: Bool
  let isFirst: Bool

  init(_ step: Int, _ options: SGDOptions) {
    decay = Lanes(repeating: Float(options.weightDecay))
    momentum = Lanes(repeating: Float(options.momentum))
    blend = Lanes(repeating: Float(1 - options.dampening))
    stepSize = Lanes(repeating: Float(-options.learningRate))
    scale = Lanes(repeating: options.gradientScale)
    hasMomentum = options.momentum != 0
    isNesterov = options.isNesterov
    isFirst = step == 1
  }

  /// Both states are the velocity; the second is written first, so the first is what stays.
  @inline(always)
  func apply(_ p: inout Lanes, _ gradient: Lanes, _ velocity: inout Lanes, _ same: inout Lanes) {
    var g = (gradient * scale).addingProduct(decay, p)
    if hasMomentum {
      velocity = isFirst ? g : (velocity * momentum).addingProduct(g, blend)
      g = isNesterov ? g.addingProduct(velocity, momentum) : velocity
    }
    p.addProduct(g, stepSize)
  }
}

/// Sum of the squares of all elements, in Double over fixed ranges: the same bits for any number of threads.
public func sumOfSquares(_ x: UnsafePointer<Float>, count: Int) -> Double {
  let grain = elementGrain
  let pieces = (count + grain - 1) / grain
  if pieces == 0 { return 0 }
  return withUnsafeTemporaryAllocation(of: Double.self, capacity: pieces) { sums in
    ThreadPool.shared.forEachRange(of: count, grain: grain) { range in
      var sum = SIMD8<Double>(repeating: 0)
      var index = range.lowerBound
      while index &+ 8 <= range.upperBound {
        let eight = SIMD8<Double>(UnsafeRawPointer(x + index).loadUnaligned(as: SIMD8<Float>.self))
        sum.addProduct(eight, eight)
        index &+= 8
      }
      var rest = 0.0
      while index < range.upperBound {
        rest += Double(x[index]) * Double(x[index])
        index &+= 1
      }
      sums[range.lowerBound / grain] = sum.sum() + rest
    }
    return sums.reduce(0, +)
  }
}

/// An update of 16 parameters; a type and not a closure, since a closure would be called for each vector.
private protocol ParameterUpdate {
  func apply(_ parameter: inout Lanes, _ gradient: Lanes, _ first: inout Lanes, _ second: inout Lanes)
}

/// Runs an update over vectors of a parameter, its gradient and two states.
@inline(__always)
private func forEachParameter<Update: ParameterUpdate>(
  _ update: Update, _ count: Int, _ parameter: UnsafeMutablePointer<Float>, _ gradient: UnsafePointer<Float>,
  _ first: UnsafeMutablePointer<Float>, _ second: UnsafeMutablePointer<Float>
) {
  ThreadPool.shared.forEachRange(of: count, grain: elementGrain) { range in
    let at = range.lowerBound
    forEachLanes(range.count) { index in
      var p = Lanes(at: parameter + at + index)
      var m = Lanes(at: first + at + index)
      var v = Lanes(at: second + at + index)
      update.apply(&p, Lanes(at: gradient + at + index), &m, &v)
      p.write(to: parameter + at + index)
      v.write(to: second + at + index)
      m.write(to: first + at + index)
    } rest: { start, lanes in
      let at = at + start
      var p = Lanes(at: parameter + at, count: lanes)
      var m = Lanes(at: first + at, count: lanes)
      var v = Lanes(at: second + at, count: lanes)
      update.apply(&p, Lanes(at: gradient + at, count: lanes), &m, &v)
      p.write(to: parameter + at, count: lanes)
      v.write(to: second + at, count: lanes)
      m.write(to: first + at, count: lanes)
    }
  }
}
