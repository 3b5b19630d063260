// Errors of the real builtins as people see them: names, options, types, shapes, files, models, data, training, pictures. They are
// golden, as those of the language are: after a change of a message run `ZS_UPDATE_GOLDEN=1 swift test --filter ErrorTests`, read
// the difference aloud, and commit it.
import Builtins
import Foundation
import Language
import XCTest

final class ErrorTests: XCTestCase {
  /// Where the cases are: a program, a line of `→`s, the error; cases stand between lines of `═`s.
  private static let folder = tests.appendingPathComponent("LanguageTests/Programs/builtins")
  private static let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  private var outside = ""

  /// The programs run in a folder with files that have something wrong with them, beside a model and a tokenizer that have not.
  override func setUpWithError() throws {
    let files = FileManager.default
    outside = files.currentDirectoryPath
    let folder = files.temporaryDirectory.appendingPathComponent("zs-errors-\(UUID().uuidString)")
    try files.createDirectory(at: folder.appendingPathComponent("emptydir"), withIntermediateDirectories: true)
    addTeardownBlock { try? files.removeItem(at: folder) }
    for (name, path) in [("tiny", "TrainingTests/Fixtures/tiny"), ("gpt2", "TokenizersTests/Fixtures/gpt2")] {
      try files.createSymbolicLink(
        at: folder.appendingPathComponent(name), withDestinationURL: ErrorTests.tests.appendingPathComponent(path))
    }
    let pairs = (0..<4).map { #"{"prompt": "a\#($0)", "chosen": "good b", "rejected": "c d"}"# }.joined(separator: "\n")
    let turns = #"{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes"}]}"#
    let texts = [
      "empty.jsonl": "", "bad.jsonl": #"{"messages": [{"role": "user", "content": "a"}]}"# + "\n{oops\n", "prefs.jsonl": pairs,
      "nopairs.jsonl": #"{"prompt": "a", "chosen": "b"}"#, "chat.jsonl": turns + "\n" + turns, "not.gguf": "this is no model at all",
      "bad.yaml": "beta: [0.1\n",
    ]
    for (name, text) in texts { try Data(text.utf8).write(to: folder.appendingPathComponent(name)) }
    try Data([0xFF, 0xFE, 0]).write(to: folder.appendingPathComponent("bin.txt"))
    XCTAssertTrue(files.changeCurrentDirectoryPath(folder.path))
  }

  override func tearDown() { XCTAssertTrue(FileManager.default.changeCurrentDirectoryPath(outside)) }

  func testErrors() throws {
    let isUpdating = ProcessInfo.processInfo.environment["ZS_UPDATE_GOLDEN"] == "1"
    let names = try FileManager.default.contentsOfDirectory(atPath: ErrorTests.folder.path).filter { $0.hasSuffix(".cases") }.sorted()
    var count = 0
    for name in names {
      let url = ErrorTests.folder.appendingPathComponent(name)
      let cases = try String(contentsOf: url, encoding: .utf8).split(separator: "═══\n").map { block in
        let parts = block.split(separator: "→→→\n", maxSplits: 1, omittingEmptySubsequences: false)
        return (program: String(parts[0].dropLast()), expected: parts.count > 1 ? String(parts[1].dropLast()) : "")
      }
      let found = cases.map { outcome($0.program) }
      if isUpdating {
        let text = zip(cases, found).map { "\($0.program)\n→→→\n\($1)\n" }.joined(separator: "═══\n")
        try text.write(to: url, atomically: true, encoding: .utf8)
      }
      for ((program, expected), found) in zip(cases, found) {
        XCTAssertTrue(found.hasPrefix("error:"), "\(name): no error:\n\(program)\n\(found)")
        if !isUpdating { XCTAssertEqual(found, expected, "\(name):\n\(program)") }
        count += 1
      }
    }
    XCTAssertGreaterThan(count, 120)
    print("\(count) errors of builtins")
  }

  /// The errors of a program as they are shown, without what depends on the machine.
  private func outcome(_ program: String) -> String {
    let interpreter = TestSession(environment: ["NO_SUCH_KEY": ""]).interpreter
    let result = interpreter.run(program, name: "test.zs") { _ in }
    let text = DiagnosticRenderer(sources: interpreter.sources).render(result.errors)
    return text.replacingOccurrences(of: #"[0-9.]+ [KMGT]iB are free"#, with: "… are free", options: .regularExpression)
  }
}
