// The state of a loop on disk: parameters and moments with every bit. Step number, options and history are the checkpoint's to keep;
// the order of the data, dropout and noise follow from seed and step number, so there is no generator and no cursor to save.

import Formats
import Models
import Tensors

extension TrainLoop {
  /// Bytes that parameters and moments take.
  public var stateBytes: Int { Snapshot.bytes(of: self) }

  /// Writes parameters, moments and what the objective itself remembers.
  public func saveState(to path: String) throws {
    let names = model.trainable.map(\.name)
    var tensors: [(String, Tensor)] = zip(names, parameters).map { ("parameter.\($0)", $1) }
    for (name, moments) in zip(names, optimizer.moments) {
      tensors.append(("first.\(name)", moments.first))
      if let second = moments.second { tensors.append(("second.\(name)", second)) }
    }
    tensors += objective.state.map { ("objective.\($0.name)", $0.tensor) }
    try TrainLoop.write(tensors, to: path)
  }

  /// Writes the parameters as they were before the first update, if they are still known.
  ///
  /// - Returns: Whether they are: a run that has not begun is its own start, and a budget of memory may have been too small.
  public func saveStart(to path: String) throws -> Bool {
    guard stepCount > 0, let start = timeline.nearest(notAfter: 0) else { return false }
    try TrainLoop.write(zip(model.trainable.map(\.name), start.parameters).map { ("parameter.\($0)", $1) }, to: path)
    return true
  }

  /// Writes tensors as they are.
  static func write(_ tensors: [(String, Tensor)], to path: String) throws {
    try withExtendedLifetime(tensors) {
      try SafetensorsFile.write(
        tensors.map { name, tensor in
          let bytes = UnsafeRawBufferPointer(start: tensor.pointer, count: 4 * tensor.count)
          return SafetensorsFile.Output(name: name, type: .f32, shape: tensor.shape, data: bytes)
        }, metadata: ["format": "zs"], to: path)
    }
  }

  /// Takes the place of a loop that was saved, on a fresh loop over the same model, data and options.
  ///
  /// - Parameters:
  ///   - start: The parameters before the first update; nil where the fresh loop has them already.
  ///   - knowsStart: Whether the start is known at all: then every earlier step can be returned to.
  public func restore(state: String, start: String?, knowsStart: Bool, step: Int, history: MetricLog) throws {
    guard (0...totalSteps).contains(step) else { throw TrainingError("\(state) is of step \(step); this run has \(totalSteps)") }
    if let start { try read("parameter", parameters, from: SafetensorsFile(path: start)) }
    if knowsStart, step > 0 { try timeline.keep(self) }
    let file = try SafetensorsFile(path: state)
    try read("parameter", parameters, from: file)
    try read("first", optimizer.moments.map(\.first), from: file)
    if optimizer.moments.contains(where: { $0.second != nil }) { try read("second", optimizer.moments.compactMap(\.second), from: file) }
    for (name, tensor) in objective.state { try TrainLoop.fill(tensor, "objective.\(name)", file) }
    stepCount = step
    self.history = history
    model.parametersChanged()
    objective.returned(to: step)
  }

  private func read(_ part: String, _ tensors: [Tensor], from file: SafetensorsFile) throws {
    for (name, tensor) in zip(model.trainable.map(\.name), tensors) { try TrainLoop.fill(tensor, "\(part).\(name)", file) }
  }

  private static func fill(_ tensor: Tensor, _ name: String, _ file: SafetensorsFile) throws {
    guard let stored = file.tensors[name] else { throw TrainingError("\(file.path) has no '\(name)'", hint: "is it of another run?") }
    guard stored.type == .f32, stored.shape == tensor.shape else {
      throw TrainingError("\(file.path): '\(name)' has the shape \(stored.shape); the model wants \(tensor.shape)")
    }
    UnsafeMutableRawPointer(tensor.pointer).copyMemory(from: stored.data, byteCount: stored.bytes)
  }
}
