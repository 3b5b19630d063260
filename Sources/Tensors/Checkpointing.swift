// Recomputing instead of keeping: a checkpointed block stores its inputs only, and runs again when the tape comes back to it.

/// Runs `body` without keeping its intermediate results; they are computed again when gradients are needed.
///
/// - Parameters:
///   - inputs: What is passed to `body`.
///   - parameters: Tensors that `body` uses without being passed them and that need gradients.
///   - body: The block. It must compute the same every time, so randomness is drawn before, or from a source that it copies.
/// - Returns: What `body` returns, on the tape as one operation.
public func checkpoint(_ inputs: [Tensor], parameters: [Tensor], _ body: @escaping ([Tensor]) throws -> Tensor) throws -> Tensor {
  let result = try withoutRecording { try body(inputs) }
  // A body that hands one of its inputs through still needs an output of its own on the tape.
  let output = result.node == nil && !result.requiresGradient ? result : result.detached()
  return Tensor.record("checkpoint", output: output, inputs: inputs + parameters) { pass in
    let again = inputs.map { $0.detached(requiresGradient: $0.requiresGradient) }
    let wanted = (0..<(inputs.count + parameters.count)).filter { pass.needs($0) }
    let targets = wanted.map { $0 < inputs.count ? again[$0] : parameters[$0 - inputs.count] }
    let output = try Recording.$isOn.withValue(true) { try body(again) }
    guard output.node != nil || targets.contains(where: { $0 === output }) else { return }
    let results = try backpropagate(from: output, seed: pass.dout.copied(), to: targets, stoppingAtTargets: true)
    for (input, gradient) in zip(wanted, results) { pass.accumulate(input, gradient) }
  }
}
