// Going back: copies of parameters and moments at earlier steps, within a budget of memory. What is not kept is recomputed from
// the nearest earlier copy; a step is a function of state and step number alone, so the recomputed bits are the same.

import Tensors

/// Everything that an update changes.
struct Snapshot {
  let step: Int
  let parameters: [Tensor]
  let moments: [Moments]
  /// What follows the model, such as a reference that is synchronised.
  let moving: [Tensor]
  let bytes: Int

  init(of loop: TrainLoop) throws {
    step = loop.stepCount
    parameters = try loop.parameters.map { try Snapshot.copy($0) }
    moments = try loop.optimizer.moments.map { Moments(first: try Snapshot.copy($0.first), second: try $0.second.map(Snapshot.copy)) }
    moving = try loop.objective.state.map { try Snapshot.copy($0.tensor) }
    bytes = Snapshot.bytes(of: loop)
  }

  /// Gigabytes take a while to copy, and nothing has changed before all is copied.
  private static func copy(_ tensor: Tensor) throws -> Tensor {
    try SafePoint.pass()
    return try tensor.copied(lasting: true)
  }

  /// What a snapshot of this loop takes.
  static func bytes(of loop: TrainLoop) -> Int {
    let moments = loop.optimizer.moments.reduce(0) { $0 + $1.first.count + ($1.second?.count ?? 0) }
    return 4 * ((loop.parameters + loop.objective.state.map(\.tensor)).reduce(0) { $0 + $1.count } + moments)
  }

  /// Writes the state back, into the memory that model and optimizer hold.
  ///
  /// - Parameter moments: Whether the optimizer's are wanted: those of another kind of optimizer mean nothing to it.
  func restore(_ loop: TrainLoop, moments wanted: Bool = true) {
    for (from, to) in zip(parameters, loop.parameters) { to.pointer.update(from: from.pointer, count: to.count) }
    for (from, to) in zip(wanted ? moments : [], loop.optimizer.moments) {
      to.first.pointer.update(from: from.first.pointer, count: to.first.count)
      if let a = from.second, let b = to.second { b.pointer.update(from: a.pointer, count: b.count) }
    }
    for (from, to) in zip(moving, loop.objective.state.map(\.tensor)) { to.pointer.update(from: from.pointer, count: to.count) }
    loop.objective.returned(to: step)
    loop.stepCount = step
    loop.model.parametersChanged()
  }
}

/// The snapshots of a run.
public struct Timeline {
  /// Bytes that all snapshots together may take.
  public let budget: Int
  private var snapshots: [Snapshot] = []  // by step, ascending

  init(budget: Int) { self.budget = budget }

  /// Bytes that the snapshots take.
  public var bytes: Int { snapshots.reduce(0) { $0 + $1.bytes } }
  /// The steps that can be returned to at once.
  public var steps: [Int] { snapshots.map(\.step) }

  /// Keeps the loop's state, if the budget allows any; thins out older snapshots to make room.
  mutating func keep(_ loop: TrainLoop) throws {
    guard Snapshot.bytes(of: loop) <= budget, !snapshots.contains(where: { $0.step == loop.stepCount }) else { return }
    snapshots.append(try Snapshot(of: loop))
    while bytes > budget, snapshots.count > 1 { snapshots.remove(at: leastMissed(now: loop.stepCount)) }
  }

  /// The snapshot between whose neighbours the gap is smallest for its age: what stays is dense near now and sparse long ago.
  ///
  /// The first snapshot stays as long as there is another, since every step can be recomputed from it.
  private func leastMissed(now: Int) -> Int {
    guard snapshots.count > 2 else { return 1 }
    return (1..<snapshots.count).min { cost(of: $0, now: now) < cost(of: $1, now: now) } ?? 1
  }

  private func cost(of index: Int, now: Int) -> Double {
    let next = index + 1 < snapshots.count ? snapshots[index + 1].step : snapshots[index].step + 1
    return Double(next - snapshots[index - 1].step) / Double(1 + abs(now - snapshots[index].step))
  }

  /// Lets go of what lies ahead of `step`.
  mutating func forget(after step: Int) { snapshots.removeAll { $0.step > step } }

  /// The snapshot to start from on the way to `step`.
  func nearest(notAfter step: Int) -> Snapshot? { snapshots.last { $0.step <= step } }
}

extension TrainLoop {
  /// Undoes updates, exactly.
  public func back(_ count: Int = 1, poll: () throws -> Void = {}) throws {
    guard count >= 0 else { throw TrainingError("cannot go back \(count) steps", hint: "use step or goto to go on") }
    guard count <= stepCount else {
      let done = stepCount == 1 ? "1 step has" : "\(stepCount) steps have"
      let wanted = count == 1 ? "a step" : "\(count) steps"
      throw TrainingError("cannot go back \(wanted): \(done) been done", hint: "goto(t, 0) is the beginning")
    }
    try goto(stepCount - count, poll: poll)
  }

  /// Moves to the state after `target` updates: back by a snapshot and, where none was kept, the steps from it; forward by the steps.
  ///
  /// An interrupt on the way back leaves the loop where it was; on the way forward the steps done stay done.
  public func goto(_ target: Int, poll: () throws -> Void = {}) throws {
    guard (0...totalSteps).contains(target) else {
      throw TrainingError("there is no step \(target): the run goes from 0 to \(totalSteps)")
    }
    guard target < stepCount else {
      while stepCount < target { try step(poll: poll) }
      return
    }
    guard target >= beginning else {
      throw TrainingError(
        "cannot go back to step \(target): this trainer was forked under options of its own at step \(beginning)",
        hint: "the trainer it was forked from has the steps before")
    }
    guard let start = timeline.nearest(notAfter: target) else {
      throw TrainingError(
        "cannot go back: a snapshot of this trainer takes \(Snapshot.bytes(of: self) >> 20) MB, the budget is \(timeline.budget >> 20) MB",
        hint: "train adapters (lora), or raise snapshot_megabytes")
    }
    let origin = start.step == target ? nil : try Snapshot(of: self)
    let past = history
    start.restore(self)
    history.truncate(to: start.step)
    do {
      while stepCount < target { try step(poll: poll) }
    } catch {
      origin?.restore(self)
      history = past
      throw error
    }
    // The steps taken again are the same to the bit; what was evaluated between them was not measured again.
    history = past
    history.truncate(to: target)
    timeline.forget(after: target)
  }
}
