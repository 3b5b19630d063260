// Self-Instruct by a scripted teacher: prompts to the letter, every rule, the funnel, and a run that is cut anywhere.

import Distillation
import Foundation
import Tensors
import XCTest

final class SelfInstructTests: XCTestCase {
  func testPromptShowsTasksCollapsedAndNumbered() {
    let shown = ["Sort  the\nlist:", "Is it so::", "c"]
    XCTAssertEqual(
      instructionPrompt(shown, classification: false), "Come up with a series of tasks:\n1. Sort the list\n2. Is it so\n3. c\n4.")
    XCTAssertEqual(
      instructionPrompt(["a"], classification: true),
      "Come up with a series of classification tasks. Try to specify the possible output labels when possible.\n1. a\n2.")
  }

  func testFewShotPromptsCarryTheMarks() {
    let clf = classificationPrompt(" Name it. ")
    XCTAssertTrue(clf.hasSuffix("\n\nTask: Name it.\nIs it classification?"))
    XCTAssertEqual(clf.components(separatedBy: "Is it classification? Yes").count - 1, 12)
    XCTAssertEqual(clf.components(separatedBy: "Is it classification? No").count - 1, 19)
    XCTAssertTrue(inputFirstPrompt("Do.").hasSuffix("\n\nTask: Do.\n"))
    XCTAssertTrue(inputFirstPrompt("Do.").contains("Example 2\n") && inputFirstPrompt("Do.").contains("\nOutput: "))
    XCTAssertTrue(outputFirstPrompt("Do.").contains("\nClass label: ") && !outputFirstPrompt("Do.").contains("Example"))
  }

  func testEveryRuleOfInstructions() {
    let long = "Do " + String(repeating: "word ", count: 150)
    let reply = """
       Name the USA  and
      its neighbours.
      10. Say it.
      11. \(long)
      12. Look at the Image and describe it
      13. Where should I GO TO when it rains?
      14. Write a program that sorts numbers
      15. "Quote" a line of the poem
      16 . Étudiez la phrase et répondez
      17.
      18. Describe an imagery that maps nothing to graphics
      """
    let parsed = parseInstructions(reply, finishReason: "stop")
    XCTAssertEqual(
      parsed.map(\.fault), [nil, .short, .long, .unsuitable, .unsuitable, .program, .punctuation, .notASCII, .unsuitable])
    XCTAssertEqual(parsed[0].text, "Name the usa and its neighbours.", "capitalize lower-cases the rest")
    XCTAssertEqual(parsed[3].detail, "image")
    XCTAssertEqual(parsed[4].detail, "go to")
    XCTAssertEqual(parsed[8].detail, "maps", "imagery and graphics are other words than image and graph")
    XCTAssertEqual(parseInstructions("x\n\n10. ", finishReason: "stop").map(\.fault), [.short, .empty])
    XCTAssertEqual(parseInstructions("Name a good book.", finishReason: "length").map(\.fault), [.cut])
    let chat = parseInstructions("Sure!\n\n9. Name a good old book.\n10. Tell me a joke please.", finishReason: "stop", opensItem: false)
    XCTAssertEqual(chat.map(\.text), ["Name a good old book.", "Tell me a joke please."])
  }

  func testInstancesInputFirst() {
    func parse(_ text: String, _ reason: String = "stop") -> ParsedInstances {
      parseInstances(text, finishReason: reason, classification: false)
    }
    func pairs(_ parsed: ParsedInstances) -> [[String]] { parsed.kept.map { [$0.input, $0.output] } }
    XCTAssertEqual(
      pairs(parse("Example 1\nList: [2, 1]\nOutput: [1, 2]\nExample 2\nInput 2 : x\nOutput 2: y\n")),
      [["List: [2, 1]", "[1, 2]"], ["x", "y"]])
    XCTAssertEqual(pairs(parse("Output: forty-two")), [["", "forty-two"]])
    XCTAssertEqual(pairs(parse("Input: a\nOutput: b\nInput: c\nOutput: d")), [["a", "b"]], "text after a second input is cut")
    XCTAssertEqual(parse("no marks").dropped.map(\.fault), [.noOutput])
    let cut = parse("Example 1\nOutput: a\nExample 2\nOutput: b", "length")
    XCTAssertEqual(pairs(cut), [["", "a"]])
    XCTAssertEqual(cut.dropped.map(\.fault), [.cut])
    let faults = parse(
      "Example 1\nsame\nOutput: same\nExample 2\nx\nOutput:\nExample 3\nx:\nOutput: y\nExample 4\nx\nOutput: z:\nExample 5\nx\nOutput: good"
    )
    XCTAssertEqual(faults.dropped.map(\.fault), [.echo, .empty, .colon, .colon])
    XCTAssertEqual(pairs(faults), [["x", "good"]])
    let conflict = parse("Example 1\nx\nOutput: a\nExample 2\nx\nOutput: b\nExample 3\ny\nOutput: c")
    XCTAssertEqual(conflict.kept, [])
    XCTAssertEqual(conflict.dropped.map(\.fault), [.conflict, .conflict, .conflict], "the whole task goes")
    let again = parse("Example 1\nx\nOutput: a\nExample 2\nx\nOutput: a\nExample 3\nOutput: p\nExample 4\nOutput: q")
    XCTAssertEqual(pairs(again), [["x", "a"], ["", "p"], ["", "q"]], "different outputs without an input are no conflict")
    XCTAssertEqual(again.dropped.map(\.fault), [.duplicate])
  }

  func testInstancesOutputFirst() {
    let parsed = parseInstances(
      "Class label: yes\nYear: 1996\nMonth: May\nClass label: no\nYear: 1900\nClass label: maybe", finishReason: "stop",
      classification: true)
    XCTAssertEqual(parsed.kept.map { [$0.output, $0.input] }, [["yes", "Year: 1996\nMonth: May"], ["no", "Year: 1900"], ["maybe", ""]])
    XCTAssertEqual(parseInstances("Output: a", finishReason: "stop", classification: true).dropped.map(\.fault), [.noLabel])
  }

  func testTextsUseEveryPublishedForm() {
    var (with, without): (Set<String>, Set<String>) = ([], [])
    for seed in 0..<400 {
      var random = RandomSource(seed: UInt64(seed))
      let a = fineTuneExample(instruction: "Do.", instance: .init(input: "Mail: x\n\ny", output: " z "), random: &random)
      XCTAssertTrue(a.completion == " z<|endoftext|>" || a.completion == "z<|endoftext|>")
      with.insert(a.prompt)
      without.insert(fineTuneExample(instruction: "Do {input}.", instance: .init(input: "", output: "z"), random: &random).prompt)
    }
    XCTAssertEqual(with.count, 2 * fineTuneTemplateCounts.withInput, "each form with the field's name and without it")
    XCTAssertTrue(with.contains("Do.\n\nInput: Mail: x\n\ny\n\nOutput:") && with.contains("Task: Do.\nInput: x\ny\nOutput:"), "\(with)")
    XCTAssertEqual(without.count, fineTuneTemplateCounts.withoutInput)
    XCTAssertTrue(without.contains("Task: Do {input}.\n\n"), "braces of a text are text")
  }

  private let seeds = (0..<10).map { place in
    SeedTask(
      id: "s\(place)", name: "", instruction: "Seed number w\(place)a w\(place)b w\(place)c", instances: [], isClassification: place < 2)
  }

  /// Three instructions per reply: a new one, one like a seed, a short one; every third new one is classification.
  private func scripted() -> FakeTeacher {
    FakeTeacher { request, _ in
      let text = request.text
      if text.hasPrefix("Come up with") {
        let n = (request.seed ?? 0) % 1000
        return " Tell about n\(n)a n\(n)b n\(n)c n\(n)d\n10. Seed number w3a w3b w3c\n11. Too short"
      }
      if text.hasSuffix("Is it classification?") { return text.contains("0a n") ? " Yes" : " No" }
      if text.hasPrefix("For each classification") { return "Class label: a\nIn: 1\nClass label: b\nIn: 2" }
      return "Example 1\nA: \(text.count)\nOutput: B\nExample 2\nC\nOutput: C"
    }
  }

  private func run(_ teacher: any Teacher, count: Int = 7) throws -> SelfInstructResult {
    var run = try SelfInstruct(teacher, seeds: seeds, options: SelfInstructOptions(count: count))
    return try run.run()
  }

  func testRunKeepsEveryRejectionAndTheFunnelAddsUp() throws {
    let teacher = scripted()
    let result = try run(teacher)
    XCTAssertEqual(result.instructions.count, 7)
    XCTAssertNil(result.endedEarly)
    let count = { (reason: String) in result.rejections.count { $0.reason == reason } }
    XCTAssertEqual(count(InstructionFault.short.rawValue), 6, "the last reply is read to the instruction that was still wanted")
    XCTAssertEqual(count(InstructionFault.similar.rawValue), 6)
    XCTAssertTrue(result.rejections.contains { $0.detail == "1.0: Seed number w3a w3b w3c" })
    XCTAssertEqual(
      result.funnel.map(\.count),
      [7, 19, 13, 7, 7, result.instructions.reduce(0) { $0 + $1.instances.count }, result.examples.count])
    XCTAssertEqual(result.instructions[0].mostSimilar.count, 10)
    // Two rounds of five prompts, then a question about each kind, then one for each task's instances.
    XCTAssertEqual(teacher.asked.count, 10 + 7 + 7)
    let shown = teacher.asked[5].text.components(separatedBy: "\n").filter { $0.contains("Tell about") }
    XCTAssertEqual(shown.count, 2, "two of the machine's own once it has some")
    XCTAssertEqual(teacher.asked[5].text.components(separatedBy: "\n").count, 10)
    XCTAssertEqual(teacher.asked[0].stop, ["\n\n", "\n16", "16.", "16 ."])
    XCTAssertEqual([teacher.asked[0].temperature, teacher.asked[0].topP, teacher.asked[0].presencePenalty], [0.7, 0.5, 2])
    XCTAssertEqual(teacher.asked[10].stop, ["\n", "Task"])
    XCTAssertEqual(teacher.asked[10].maxTokens, 3)
    XCTAssertEqual(teacher.asked[17].stop, ["Example 6", "Task:"])
  }

  func testWeakTeachersEndTheRun() throws {
    let result = try run(FakeTeacher { _, _ in " No" })
    XCTAssertEqual(result.instructions, [])
    XCTAssertNotNil(result.endedEarly)
    let failing = try run(FakeTeacher { _, _ in throw TeacherError("overloaded") })
    XCTAssertEqual(Set(failing.rejections.map(\.detail)), ["overloaded"])
    XCTAssertThrowsError(try SelfInstruct(scripted(), seeds: Array(seeds.prefix(3)), options: SelfInstructOptions(count: 1)))
  }

  func testARunCutAnywhereGoesOnAsIfItHadNotBeen() throws {
    let whole = try run(scripted())
    for cut in [0, 3, 5, 11, 16, 20, 23] {
      let path = NSTemporaryDirectory() + "zs-replies-\(UUID().uuidString).jsonl"
      defer { try? FileManager.default.removeItem(atPath: path) }
      let dying = scripted()
      dying.dies = cut
      XCTAssertThrowsError(try run(RememberingTeacher(dying, log: ReplyLog(path: path))))
      // A line that the kill left unfinished.
      let handle = try XCTUnwrap(FileHandle(forWritingAtPath: path))
      try handle.seekToEnd()
      try handle.write(contentsOf: Data("{\"key\": \"ab".utf8))
      try handle.close()
      let alive = scripted()
      let resumed = try run(RememberingTeacher(alive, log: ReplyLog(path: path)))
      XCTAssertEqual(alive.asked.count, 24 - cut, "nothing is asked twice")
      XCTAssertEqual(resumed.instructions, whole.instructions)
      XCTAssertEqual(resumed.examples, whole.examples)
      XCTAssertEqual(resumed.rejections, whole.rejections)
    }
  }

  func testSeedsOfTheForm() throws {
    let seeds = try SeedTasks(rows: ["Name it.", ["instruction": "Do it."], ["name": "x"], 3])
    XCTAssertEqual(seeds.tasks.map(\.instruction), ["Name it.", "Do it."])
    XCTAssertEqual(seeds.skipped.map(\.line), [3, 4])
    XCTAssertThrowsError(try SeedTasks(rows: []))
  }
}
