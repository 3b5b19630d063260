// The parsers that read what other people wrote, each with small valid inputs, its words, and how it is run on bytes.

import Formats
import Language
import Tokenizers

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

/// A parser under test.
public enum FuzzTarget: String, CaseIterable, Sendable {
  case gguf
  case safetensors
  case tokenizerJSON = "tokenizer.json"
  case tokenizerModel = "tokenizer.model"
  case jinja
  case json
  case jsonLines = "jsonl"
  case language
}

/// Runs one parser; parsers of files get a file of their own in `folder`.
public final class FuzzRunner {
  /// The parser.
  public let target: FuzzTarget
  private let path: String
  private var interpreter: Interpreter
  private var runs = 0
  private let messages: [JSON] = [
    ["role": "system", "content": "S"], ["role": "user", "content": "U1"],
    ["role": "assistant", "content": "A1", "tool_calls": [["function": ["name": "f", "arguments": ["x": 1]]]]],
    ["role": "user", "content": "U2 two", "parts": [["type": "text", "text": "U3"]]],
  ]

  /// A runner.
  public init(_ target: FuzzTarget, folder: String) {
    self.target = target
    let suffix = [.gguf: "gguf", .safetensors: "safetensors", .tokenizerJSON: "json", .tokenizerModel: "model"][target] ?? "txt"
    path = "\(folder)/zs-fuzz-\(getpid())-\(target.rawValue.split(separator: ".").joined(separator: "-")).\(suffix)"
    interpreter = FuzzRunner.freshInterpreter()
  }

  deinit { unlink(path) }

  private final class Nothing {}

  private static func freshInterpreter() -> Interpreter { Interpreter(table: BuiltinTable([]), host: Nothing(), output: { _ in }) }

  /// Feeds the parser; whatever it thinks of the bytes, it must come back with a result or an error that says something.
  ///
  /// - Returns: Whether the bytes were accepted.
  public func run(_ bytes: [UInt8]) -> Bool {
    do {
      switch target {
      case .gguf:
        try write(bytes)
        let file = try GGUFFile(path: path)
        use(try Tokenizer(gguf: file))
      case .safetensors:
        try write(bytes)
        var sum = 0
        let file = try SafetensorsFile(path: path)
        defer { withExtendedLifetime(file) {} }
        for tensor in file.tensors.values {
          // What a header promises must be there: the first and the last byte of each tensor.
          guard tensor.bytes > 0 else { continue }
          sum &+= Int(tensor.data.load(as: UInt8.self)) &+ Int(tensor.data.load(fromByteOffset: tensor.bytes - 1, as: UInt8.self))
        }
        return sum >= 0
      case .tokenizerJSON, .tokenizerModel:
        try write(bytes)
        use(try Tokenizer(path: path))
      case .jinja:
        let template = try ChatTemplate(String(decoding: bytes, as: UTF8.self))
        let variables: [String: JSON] = [
          "messages": .array(messages), "add_generation_prompt": true, "bos_token": "<s>", "eos_token": "</s>", "tools": .null,
        ]
        _ = try template.rendering(variables: variables, now: 1_700_000_000, stepLimit: 5_000)
      case .json:
        let value = try JSON.parse(bytes)
        return try JSON.parse(value.serialized()) == value
      case .jsonLines:
        return bytes.withUnsafeBytes { JSONLines($0, path: "fuzz") }.problems.allSatisfy { !$0.reason.isEmpty }
      case .language:
        // An interpreter keeps the texts it has seen, for its messages.
        runs += 1
        if runs % 256 == 0 { interpreter = FuzzRunner.freshInterpreter() }
        let text = String(decoding: bytes, as: UTF8.self)
        _ = interpreter.isComplete(text)
        return interpreter.check(text, name: "fuzz").allSatisfy { !$0.message.isEmpty }
      }
      return true
    } catch {
      precondition(!"\(error)".isEmpty, "an error that says nothing")
      return false
    }
  }

  /// A tokenizer that was accepted must also work.
  private func use(_ tokenizer: Tokenizer) {
    let text = "The quick é😀 <|end|></s>\n  fox1234"
    for special in [false, true] {
      let ids = tokenizer.encode(text, special: special)
      precondition(ids.allSatisfy { $0 >= 0 && $0 < tokenizer.vocabularySize }, "ids outside the vocabulary")
      _ = tokenizer.decode(ids)
    }
  }

  private func write(_ bytes: [UInt8]) throws {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    guard descriptor >= 0 else { throw FormatError("cannot write \(path)") }
    defer { close(descriptor) }
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes { systemWrite(descriptor, $0.baseAddress.map { $0 + done }, bytes.count - done) }
      guard count > 0 else { throw FormatError("cannot write \(path)") }
      done += count
    }
  }
}

/// The system's `write`, whose name a method hides.
private func systemWrite(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int { write(descriptor, bytes, count) }
