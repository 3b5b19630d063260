// The rotary tables of a model: made for as many positions as are needed, doubled when more are, never shrunk.

import Kernels
import Synchronization

/// Cosines and sines for the positions that were asked for so far.
final class RotaryTables: Sendable {
  private let configuration: Configuration
  private let current = Mutex<RotaryTable?>(nil)

  init(_ configuration: Configuration) { self.configuration = configuration }

  /// A table with at least `positions` positions.
  func table(positions: Int) -> RotaryTable {
    current.withLock { current in
      if let current, current.positions >= positions { return current }
      let room = min(max(512, 2 * positions), max(positions, configuration.maxPositionEmbeddings))
      let table = RotaryTable(
        headDimension: configuration.headDimension, theta: configuration.ropeTheta, positions: room, scaling: configuration.ropeScaling)
      current = table
      return table
    }
  }
}
