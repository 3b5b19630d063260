// The optimizers' updates written down as in torch.optim's single-tensor code, in Double, one parameter at a time: what the
// fast ones are tested against.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

package func naiveAdamW(
  _ parameter: inout Double, gradient: Double, _ first: inout Double, _ second: inout Double, step: Int, options: AdamWOptions
) {
  let gradient = gradient * Double(options.gradientScale)
  parameter *= 1 - options.learningRate * options.weightDecay
  first = options.beta1 * first + (1 - options.beta1) * gradient
  second = options.beta2 * second + (1 - options.beta2) * gradient * gradient
  let stepSize = options.learningRate / (1 - pow(options.beta1, Double(step)))
  let denominator = second.squareRoot() / (1 - pow(options.beta2, Double(step))).squareRoot() + options.epsilon
  parameter -= stepSize * first / denominator
}

package func naiveRMSprop(
  _ parameter: inout Double, gradient: Double, _ meanSquare: inout Double, _ velocity: inout Double, options: RMSpropOptions
) {
  let gradient = gradient * Double(options.gradientScale) + options.weightDecay * parameter
  meanSquare = options.alpha * meanSquare + (1 - options.alpha) * gradient * gradient
  let average = meanSquare.squareRoot() + options.epsilon
  if options.momentum == 0 {
    parameter -= options.learningRate * gradient / average
  } else {
    velocity = options.momentum * velocity + gradient / average
    parameter -= options.learningRate * velocity
  }
}

package func naiveSGD(_ parameter: inout Double, gradient: Double, _ velocity: inout Double, step: Int, options: SGDOptions) {
  var gradient = gradient * Double(options.gradientScale) + options.weightDecay * parameter
  if options.momentum != 0 {
    velocity = step == 1 ? gradient : options.momentum * velocity + (1 - options.dampening) * gradient
    gradient = options.isNesterov ? gradient + options.momentum * velocity : velocity
  }
  parameter -= options.learningRate * gradient
}
