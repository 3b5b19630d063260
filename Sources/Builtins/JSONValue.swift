// Between zs values and JSON: null is none, whole numbers are ints, objects are maps with their order kept.
import Formats
import Language
import OrderedCollections

extension Value {
  /// The zs value of a JSON value.
  public init(_ json: JSON) {
    switch json {
    case .null: self = .none
    case .bool(let value): self = .bool(value)
    case .int(let value): self = .int(value)
    case .double(let value): self = .float(value)
    case .string(let value): self = .string(value)
    case .array(let values): self = .list(values.map { Value($0) })
    case .object(let members): self = .map(members.mapValues { Value($0) })
    }
  }

  /// The value as JSON; NaN and infinities become null, objects what their `plain()` gives.
  public func asJSON() throws -> JSON {
    switch try plain() {
    case .none: .null
    case .bool(let value): .bool(value)
    case .int(let value): .int(value)
    case .float(let value): value.isFinite ? .double(value) : .null
    case .string(let value): .string(value)
    case .list(let values): .array(try values.map { try $0.asJSON() })
    case .map(let map): .object(try map.mapValues { try $0.asJSON() })
    case .range, .function, .object: .null
    }
  }
}
