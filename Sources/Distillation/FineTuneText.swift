// The last stage of Self-Instruct: an instruction with an instance as the prompt and completion that a model is tuned on.

import Tensors

/// A prompt with its completion.
public struct FineTuneExample: Sendable, Hashable {
  /// What the model reads.
  public var prompt: String
  /// What it is to write, `<|endoftext|>` at the end.
  public var completion: String
}

private let templatesWithInput = [
  ("{instruction}\nInput: {input}\nOutput:", " {output}<|endoftext|>"),
  ("{instruction}\n\nInput: {input}\n\nOutput:", " {output}<|endoftext|>"),
  ("Task: {instruction}\nInput: {input}\nOutput:", " {output}<|endoftext|>"),
  ("{instruction}\n\n{input}\n\nOutput:", " {output}<|endoftext|>"),
  ("{instruction}\n\n{input}\n\n", "{output}<|endoftext|>"),
  ("{instruction}\n{input}\n\n", "{output}<|endoftext|>"),
  ("Task: {instruction}\n\n{input}\n\n", "{output}<|endoftext|>"),
]

private let templatesWithoutInput = [
  ("{instruction} Output:", " {output}<|endoftext|>"),
  ("{instruction}\nOutput:", " {output}<|endoftext|>"),
  ("{instruction}\n\nOutput:", " {output}<|endoftext|>"),
  ("{instruction}\n\n", "{output}<|endoftext|>"),
  ("{instruction}\n", "{output}<|endoftext|>"),
  ("Task: {instruction}\n\n", "{output}<|endoftext|>"),
]

/// How many forms there are for an instance with an input, and for one without.
public let fineTuneTemplateCounts = (withInput: templatesWithInput.count, withoutInput: templatesWithoutInput.count)

/// The text of one instance in one of the published forms, chosen at random.
///
/// Half of the inputs lose the name of their only field (`Email: …`) and their blank lines.
public func fineTuneExample(instruction: String, instance: SeedTask.Instance, random: inout RandomSource) -> FineTuneExample {
  var input = instance.input
  if random.uniform() < 0.5 {
    let names = Set(input.matches(of: /(\w+):/.matchingSemantics(.unicodeScalar)).map { String($0.output.1) })
    if names.count == 1, let colon = input.firstIndex(of: ":") { input = String(input[input.index(after: colon)...]) }
    input = pieces(of: stripped(input), between: /\n\n/).joined(separator: "\n")
  }
  input = stripped(input)
  let templates = input.isEmpty ? templatesWithoutInput : templatesWithInput
  let (prompt, completion) = templates[Int.random(in: 0..<templates.count, using: &random)]
  return FineTuneExample(
    prompt: filled(prompt, ["instruction": stripped(instruction), "input": input]),
    completion: filled(completion, ["output": stripped(instance.output)]))
}

/// A template with its names in braces replaced, the values not searched again.
func filled(_ template: String, _ values: [String: String]) -> String {
  var result = ""
  var rest = template[...]
  while let open = rest.firstIndex(of: "{") {
    result += rest[..<open]
    guard let close = rest[open...].firstIndex(of: "}"), let value = values[String(rest[rest.index(after: open)..<close])] else {
      result.append("{")
      rest = rest[rest.index(after: open)...]
      continue
    }
    result += value
    rest = rest[rest.index(after: close)...]
  }
  return result + rest
}
