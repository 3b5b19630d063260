// The tape and its reversal. An operation computes its output and calls `Tensor.record`; `gradients` walks the recorded
// operations from the last to the first, in the order they were made, and lets go of each one's memory as soon as it is done.

import Kernels
import Synchronization

/// One recorded operation.
final class Node {
  let name: String
  let sequence: Int
  var inputs: [Tensor]
  var backward: ((BackwardPass) throws -> Void)?

  private static let counter = Atomic<Int>(0)

  init(name: String, inputs: [Tensor], backward: @escaping (BackwardPass) throws -> Void) {
    self.name = name
    self.inputs = inputs
    self.backward = backward
    sequence = Node.counter.add(1, ordering: .relaxed).newValue
  }

  /// A chain of a million operations must not be freed by a million nested calls, so it is taken apart in a loop.
  deinit {
    var pending = inputs
    inputs = []
    backward = nil
    while var tensor = pending.popLast() {
      guard isKnownUniquelyReferenced(&tensor), var node = tensor.node else { continue }
      tensor.node = nil
      guard isKnownUniquelyReferenced(&node) else { continue }
      pending.append(contentsOf: node.inputs)
      node.inputs = []
      node.backward = nil
    }
  }
}

enum Recording {
  @TaskLocal static var isOn = true
}

/// Runs `body` without recording: nothing it computes can be differentiated, and nothing is kept for that.
public func withoutRecording<R>(_ body: () throws -> R) rethrows -> R {
  try Recording.$isOn.withValue(false) { try body() }
}

extension Tensor {
  /// Whether operations on tensors that require gradients are being recorded.
  public static var isRecording: Bool { Recording.isOn }

  /// Puts an operation on the tape, if recording is on and one of its inputs requires a gradient.
  ///
  /// - Parameters:
  ///   - name: The operation, for messages.
  ///   - output: Its freshly computed result; not one of the inputs.
  ///   - inputs: What it was computed from, by position.
  ///   - backward: Adds to the gradients of the inputs that need one. It may capture inputs and `output.detached()`, not `output`.
  /// - Returns: `output`.
  public static func record(
    _ name: String, output: Tensor, inputs: [Tensor], backward: @escaping (BackwardPass) throws -> Void
  ) -> Tensor {
    guard inputs.contains(where: { $0.requiresGradient }), Recording.isOn else { return output }
    precondition(!inputs.contains { $0 === output }, "\(name): the output of a recorded operation must be a tensor of its own")
    output.node = Node(name: name, inputs: inputs, backward: backward)
    output.requiresGradient = true
    return output
  }
}

/// What a recorded operation sees when the tape runs backward.
public final class BackwardPass {
  /// Gradient of the loss with respect to the operation's output.
  public let dout: Tensor
  private let inputs: [Tensor]
  private let table: GradientTable

  init(dout: Tensor, inputs: [Tensor], table: GradientTable) {
    self.dout = dout
    self.inputs = inputs
    self.table = table
  }

  /// Whether anybody asked for a gradient that flows through this input.
  public func needs(_ input: Int) -> Bool { table.needed.contains(ObjectIdentifier(inputs[input])) }

  /// The gradient of an input, zeros on first use; add into its `pointer`.
  public func gradient(_ input: Int) throws -> Tensor {
    let key = ObjectIdentifier(inputs[input])
    if let gradient = table.gradients[key] { return gradient }
    let gradient = try Tensor.zeros(inputs[input].shape, lasting: table.targets.contains(key))
    if table.needed.contains(key) { table.gradients[key] = gradient }
    return gradient
  }

  /// The gradient of an input for an operation that computes all of it: a first term may be written where later ones are added.
  ///
  /// - Returns: The gradient, and whether it holds terms that must stay; if not, what it holds is not initialised.
  public func gradientToCompute(_ input: Int) throws -> (tensor: Tensor, holdsTerms: Bool) {
    let key = ObjectIdentifier(inputs[input])
    if let gradient = table.gradients[key] { return (gradient, true) }
    let gradient = try Tensor(shape: inputs[input].shape, lasting: table.targets.contains(key))
    if table.needed.contains(key) { table.gradients[key] = gradient }
    return (gradient, false)
  }

  /// Adds a freshly computed tensor, which nobody else holds, to the gradient of an input; keeps it as the gradient if it is the first.
  public func accumulate(_ input: Int, _ fresh: Tensor) {
    let key = ObjectIdentifier(inputs[input])
    guard table.needed.contains(key) else { return }
    precondition(fresh.shape == inputs[input].shape, "a gradient of shape \(fresh.shape) for an input of shape \(inputs[input].shape)")
    guard let gradient = table.gradients[key] else {
      table.gradients[key] = fresh
      return
    }
    addScaled(fresh.pointer, factor: 1, to: gradient.pointer, count: fresh.count)
  }
}

final class GradientTable {
  var gradients: [ObjectIdentifier: Tensor] = [:]
  var needed: Set<ObjectIdentifier> = []
  /// What is asked for: gradients that live on when the others are done with.
  let targets: Set<ObjectIdentifier>

  init(targets: Set<ObjectIdentifier>) {
    self.targets = targets
    needed = targets
  }
}

/// Gradients of a loss with respect to tensors it was computed from.
///
/// Each operation's memory is released as soon as it is done, so a loss can be differentiated once.
///
/// - Parameters:
///   - loss: A tensor with one element.
///   - targets: Tensors that require gradients.
///   - sums: Gradients of other losses by the same targets, which these are added to in place; empty: there are none yet. An error
///     leaves them worthless.
/// - Returns: One gradient per target, of its shape; zeros where the loss does not depend on it.
public func gradients(of loss: Tensor, with respectTo: [Tensor], addingTo sums: [Tensor] = []) throws -> [Tensor] {
  precondition(sums.isEmpty || sums.count == respectTo.count, "\(sums.count) sums for \(respectTo.count) targets")
  guard loss.count == 1 else {
    throw TensorError(
      "a gradient needs a loss with one element; this one has the shape \(Shape.text(loss.shape))",
      hint: "reduce it first: .sum() or .mean()")
  }
  return try backpropagate(from: loss, seed: try .full(loss.shape, 1), to: respectTo, addingTo: sums, stoppingAtTargets: false)
}

/// Pulls the gradient `seed` of `output` back to `targets`.
///
/// With `stoppingAtTargets` nothing before a target is visited, although it may have been recorded (checkpoints).
func backpropagate(
  from output: Tensor, seed: Tensor, to targets: [Tensor], addingTo sums: [Tensor] = [], stoppingAtTargets: Bool
) throws -> [Tensor] {
  for target in targets where !target.requiresGradient {
    throw TensorError("a tensor of shape \(Shape.text(target.shape)) was not marked for gradients before it was used")
  }
  let targetKeys = Set(targets.map { ObjectIdentifier($0) })
  let steps = recordedSteps(before: output, stoppingAt: stoppingAtTargets ? targetKeys : [])
  let table = GradientTable(targets: targetKeys)
  for (target, sum) in zip(targets, sums) { table.gradients[ObjectIdentifier(target)] = sum }
  for tensor in steps {  // oldest first: need spreads from the targets to what was made of them
    if let node = tensor.node, node.inputs.contains(where: { table.needed.contains(ObjectIdentifier($0)) }) {
      table.needed.insert(ObjectIdentifier(tensor))
    }
  }
  table.gradients[ObjectIdentifier(output)] = seed
  try withoutRecording {
    for tensor in steps.reversed() {
      guard let node = tensor.node, table.needed.contains(ObjectIdentifier(tensor)),
        let dout = table.gradients[ObjectIdentifier(tensor)]
      else { continue }
      try SafePoint.pass()
      guard let backward = node.backward else {
        throw TensorError(
          "the gradient through \(node.name) was already taken", hint: "compute the loss again before differentiating it again")
      }
      // The gradients of targets are results; all others are done with here.
      if !targetKeys.contains(ObjectIdentifier(tensor)) { table.gradients[ObjectIdentifier(tensor)] = nil }
      // Also where it is left half-way: what it had kept may be half used.
      defer { node.backward = nil }
      try backward(BackwardPass(dout: dout, inputs: node.inputs, table: table))
    }
  }
  return try targets.map { try table.gradients[ObjectIdentifier($0)] ?? .zeros($0.shape) }
}

/// The recorded tensors that `output` was computed from, itself included, oldest first.
private func recordedSteps(before output: Tensor, stoppingAt boundary: Set<ObjectIdentifier>) -> [Tensor] {
  var seen: Set<ObjectIdentifier> = []
  var found: [(sequence: Int, tensor: Tensor)] = []
  var pending = [output]
  while let tensor = pending.popLast() {
    guard let node = tensor.node, !boundary.contains(ObjectIdentifier(tensor)),
      seen.insert(ObjectIdentifier(tensor)).inserted
    else { continue }
    found.append((node.sequence, tensor))
    pending.append(contentsOf: node.inputs)
  }
  return found.sorted { $0.sequence < $1.sequence }.map { $0.tensor }
}
