// A walk that divides: `fork` and `set` make a second trainer from where the walk stands, and the walk goes on in it.

import Language

extension Stepper {
  /// Makes a branch, under other options if there are any, and enters it.
  func branchOff(_ options: ValueMap) throws {
    let from = branches.firstIndex { $0 === trainer } ?? 0
    guard case .object(let object) = try builtin("fork", [.object(trainer)], options), let fork = object as? TrainerValue else { return }
    branches.append(fork)
    enter(fork)
    let changes = options.map { "\($0.key) \($0.value.isString ? $0.value.printed : $0.value.source)" }.joined(separator: ", ")
    say(
      "branch \(branches.count) · \(fork.name) from step \(loop.stepCount)\(changes.isEmpty ? "" : " with \(changes)") · "
        + "branch \(from + 1) is \(branches[from].name), as it was")
    try arrive()
  }

  /// Enters a branch; without a number lists them.
  func changeOver(to number: Int?) throws {
    guard let number else {
      for (index, branch) in branches.enumerated() {
        let last = branch.loop.history.rows.last
        var parts = [
          "\(branch === trainer ? "▸" : " ") \(index + 1)  \(branch.name)", "step \(branch.loop.stepCount)/\(branch.loop.totalSteps)",
        ]
        if let loss = last?["loss"] { parts.append("loss \(printf("%.4f", loss))") }
        if let margin = last?["rewards/margins"] { parts.append("margin \(printf("%+.4f", margin))") }
        parts += differences(of: branch)
        say(parts.joined(separator: " · "))
      }
      return
    }
    guard branches.indices.contains(number - 1) else {
      throw ZsError(
        "there is no branch \(number)", hint: branches.count == 1 ? "fork and set make one" : "they go from 1 to \(branches.count)")
    }
    enter(branches[number - 1])
    say("branch \(number) · \(trainer.name)")
    try arrive()
  }

  private func enter(_ other: TrainerValue) {
    trainer = other
    current = nil
    passed = (-1, [])
  }

  /// The options in which a branch is unlike the first trainer.
  private func differences(of branch: TrainerValue) -> [String] {
    branch.options.compactMap { name, value in
      branches[0].options[name] == value ? nil : "\(name) \(value.isString ? value.printed : value.source)"
    }
  }
}
