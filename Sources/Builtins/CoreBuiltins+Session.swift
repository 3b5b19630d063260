// Time, randomness, comparison within a tolerance, expected failures, help.
import Glibc
import Language
import Tensors

func sessionBuiltins() -> [Builtin] {
  [
    Builtin(
      "now", category: "Core", [],
      returns: "float", summary: "Seconds since the beginning of 1970.", example: "now() > 1.7e9"
    ) { _ in
      var time = timespec()
      clock_gettime(CLOCK_REALTIME, &time)
      return .float(Double(time.tv_sec) + Double(time.tv_nsec) / 1e9)
    },
    Builtin(
      "time", category: "Core",
      [
        Parameter("f", .function, help: "a function without parameters"),
        Parameter("n", .int, default: 1, range: 1...1e9, help: "how often to call it"),
      ],
      returns: "float", summary: "The seconds that a call takes; of several calls, the shortest.", example: "time(() => sum(0..<1000)) < 10"
    ) { call in
      var best = Double.infinity
      for _ in 0..<(try call.int("n")) {
        if call.context.isInterrupted { throw Interrupted() }
        let start = seconds()
        _ = try call.context.call(call["f"], [])
        best = Swift.min(best, seconds() - start)
      }
      return .float(best)
    },
    Builtin(
      "close", category: "Core",
      [
        Parameter("a", .any, help: "a number, tensor, list or map"), Parameter("b", .any, help: "what it should be"),
        Parameter("rtol", .float, default: 1e-6, range: 0...Double.infinity, help: "tolerance relative to b"),
        Parameter("atol", .float, default: 1e-8, range: 0...Double.infinity, help: "absolute tolerance"),
      ],
      returns: "bool", summary: "Whether all numbers agree: |a - b| is at most atol + rtol * |b|.", example: "close(0.1 + 0.2, 0.3)"
    ) { call in
      .bool(isClose(try call["a"].plain(), try call["b"].plain(), try call.double("rtol"), try call.double("atol")))
    },
    Builtin(
      "raises", category: "Core", [Parameter("f", .function, help: "a function without parameters")],
      returns: "bool", summary: "Whether the call fails.", example: "raises(() => [1][5])"
    ) { call in
      do {
        _ = try call.context.call(call["f"], [])
        return .bool(false)
      } catch let error where error is Interrupted || isFatal(error) {
        throw error
      } catch {
        return .bool(true)
      }
    },
    Builtin(
      "seed", category: "Core", [Parameter("n", .int, help: "any number")],
      returns: "none", summary: "Makes all random numbers that follow depend on n only.",
      example: "seed(7)\na = rand(3)\nseed(7)\nclose(a, rand(3))"
    ) { call in
      try Session.of(call).random = RandomSource(seed: UInt64(bitPattern: Int64(try call.int("n"))))
      return .none
    },
    Builtin(
      "help", category: "Core",
      [Parameter("name", .anyOf([.string, .function, .any]), default: Value.none, help: "a builtin, or its name")],
      returns: "none", summary: "Shows what a builtin does, what it takes, and an example.", example: "help(\"sort\")"
    ) { call in
      let session = try Session.of(call)
      let topic: String?
      switch call["name"] {
      case .none: topic = nil
      case .string(let name): topic = name
      case .function(let function): topic = function.name
      case .object(let object):
        let fields = object.fieldNames.isEmpty ? "" : "\nfields: " + object.fieldNames.map { "." + $0 }.joined(separator: " ")
        call.context.write("a \(object.typeName)\(fields)\n")
        return .none
      default:
        call.context.write("a \(call["name"].typeName): \(call["name"].source)\n")
        return .none
      }
      let options = DisplayOptions(width: session.width(), colour: session.colour)
      call.context.write(try helpText(topic, in: session.table, options: options) + "\n")
      return .none
    },
  ]
}

/// Seconds of a clock that only goes forward.
func seconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

private func isFatal(_ error: any Error) -> Bool { (error as? ZsError)?.kind == "interrupt" }

private func isClose(_ a: Value, _ b: Value, _ relative: Double, _ absolute: Double) -> Bool {
  if let x = a.number, let y = b.number {
    return x == y || (y.isFinite && Swift.abs(x - y) <= absolute + relative * Swift.abs(y))
  }
  switch (a, b) {
  case (.list(let x), .list(let y)): return x.count == y.count && zip(x, y).allSatisfy { isClose($0, $1, relative, absolute) }
  case (.map(let x), .map(let y)):
    return x.count == y.count && x.allSatisfy { key, value in y[key].map { isClose(value, $0, relative, absolute) } ?? false }
  case (.list(let x), _) where b.number != nil: return x.allSatisfy { isClose($0, b, relative, absolute) }
  case (_, .list(let y)) where a.number != nil: return y.allSatisfy { isClose(a, $0, relative, absolute) }
  default: return a == b
  }
}
