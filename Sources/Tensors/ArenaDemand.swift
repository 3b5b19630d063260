// What sets of tensors will take of the arena, told from their sizes before any of them exists. The arena keeps freed blocks by
// size class and gives them to later tensors of that class, so tensors that live one after the other share their memory.

/// Blocks that are needed together, by size class.
public struct ArenaDemand: Sendable, Equatable {
  private struct Need: Sendable, Equatable {
    var blocks = 0
    /// Bytes that are written to: the rest of a block never becomes resident.
    var bytes = 0
  }

  private var needs: [Int: Need] = [:]

  /// Nothing is needed.
  public init() {}

  /// Tensors of `elements` floats, alive together with the others.
  public mutating func add(_ elements: Int, times: Int = 1) {
    guard times > 0, elements > 0, elements <= Arena.largestBytes / 8 else { return }
    needs[Arena.sizeClass(bytes: 4 * elements), default: Need()].blocks += times
    needs[Arena.sizeClass(bytes: 4 * elements), default: Need()].bytes += 4 * elements * times
  }

  /// What another set needs at the same time.
  public mutating func add(_ other: ArenaDemand) {
    for (sizeClass, need) in other.needs {
      needs[sizeClass, default: Need()].blocks += need.blocks
      needs[sizeClass, default: Need()].bytes += need.bytes
    }
  }

  /// Bytes of all blocks.
  public var bytes: Int { needs.values.reduce(0) { $0 + $1.bytes } }

  /// Bytes of all blocks with their unused ends, as `Arena.usage` counts them.
  package var blockBytes: Int { needs.reduce(0) { $0 + $1.value.blocks * Arena.classBytes($1.key) } }

  /// Bytes that the arena has to take from the system: what it keeps for reuse is there already.
  public var newBytes: Int {
    let cached = Arena.shared.cachedBlocks
    return needs.reduce(0) { sum, entry in
      let (blocks, bytes) = (entry.value.blocks, entry.value.bytes)
      return sum + bytes / max(1, blocks) * max(0, blocks - cached[entry.key])
    }
  }
}
