// Judges and feedback by scripted teachers: every form of score, the re-asking, the published error and its repair, both orders, intervals.

import Distillation
import Formats
import Foundation
import Tokenizers
import XCTest

final class JudgeTests: XCTestCase {
  func testRatings() {
    XCTAssertEqual(parseRating("Good. Rating: [[7]]"), 7)
    XCTAssertEqual(parseRating("[[7.5]] or [[3]]"), 7.5)
    XCTAssertEqual(parseRating("Rating: [4]"), 4, "a single bracket is the fallback")
    XCTAssertEqual(parseRating("[1] then [[9]]"), 9)
    XCTAssertNil(parseRating("Rating: 7"))
    XCTAssertEqual(parseVerdict("so [[B]]"), .b)
    XCTAssertEqual(parseVerdict("[[C]] I mean [[A]]"), .a)
    XCTAssertEqual(parseVerdict("[[C]]"), .tie)
    XCTAssertNil(parseVerdict("A"))
  }

  func testCritiques() {
    XCTAssertEqual(parseCritique("Be brief.\nOverall Score: 8")?.score, 8)
    XCTAssertEqual(parseCritique("Be brief.\nOverall Score: 8.5/10")?.score, 8, "what follows a full stop is cut")
    XCTAssertEqual(parseCritique("Be brief.\nOverall Score: 7/10\nBye")?.critique, "Be brief.")
    XCTAssertEqual(parseCritique("Overall Score: 3")?.score, 3)
    for bad in ["none", "a\nOverall Score: 1\nOverall Score: 2", "a\nOverall Score: ten", "a\nOverall Score: 0", "a\nOverall Score: 11"] {
      XCTAssertNil(parseCritique(bad), bad)
    }
  }

  func testTheTenfoldScoreAndItsRepair() {
    XCTAssertEqual([1, 2, 0.8, 10].map(overallScoreTimesTen), [10, 2, 8, 10], "every 1 became a 10")
    XCTAssertEqual(mendedOverallScore(10, aspectMean: 2), .score(1))
    XCTAssertEqual(mendedOverallScore(10, aspectMean: 4.25), .score(10))
    XCTAssertEqual(mendedOverallScore(10, aspectMean: 3), .ask)
    XCTAssertEqual(mendedOverallScore(9, aspectMean: 1), .score(9))
    XCTAssertEqual(mendedOverallScore(10, aspectMean: nil), .score(10))
  }

  func testAspectRatings() {
    let plain = "#### Output for Text 1\nRating: 4 (good)\nRationale: a\nb\n\n#### Output for Text 2\nRating: N/A\nRationale: c"
    XCTAssertEqual(parseAspectRatings(plain, aspect: .honesty, count: 2)?.map(\.rating), [4, nil])
    XCTAssertEqual(parseAspectRatings(plain, aspect: .honesty, count: 2)?[0].rationale, "a\nb")
    XCTAssertNil(parseAspectRatings(plain, aspect: .instructionFollowing, count: 2), "N/A is for honesty alone")
    XCTAssertNil(parseAspectRatings(plain, aspect: .honesty, count: 3), "one part per text")
    XCTAssertNil(parseAspectRatings("Rating: 6\nRationale: a", aspect: .honesty, count: 1))
    XCTAssertNil(parseAspectRatings("Rating: 4th\nRationale: a", aspect: .honesty, count: 1), "4th is no number")
    let typed = "Type: 1, 3\nRationale: t\nRating: 2\nRationale: r"
    XCTAssertEqual(parseAspectRatings(typed, aspect: .truthfulness, count: 1), [AspectRating(rating: 2, rationale: "r", type: "1, 3")])
    XCTAssertNil(parseAspectRatings("Rating: 2\nRationale: r", aspect: .helpfulness, count: 1))
  }

  func testPromptsCarryTheMarks() {
    let single = ratingMessages(JudgedConversation(questions: ["Q?"], answers: ["A!"]))
    XCTAssertEqual(single[0].content, "You are a helpful assistant.")
    XCTAssertTrue(single[1].content.contains("Rating: [[5]]"))
    XCTAssertTrue(single[1].content.contains("[Question]\nQ?\n"))
    XCTAssertTrue(single[1].content.hasSuffix("[The Start of Assistant's Answer]\nA!\n[The End of Assistant's Answer]"))
    XCTAssertFalse(single[1].content.contains("Reference"))
    let math = ratingMessages(JudgedConversation(questions: ["Q?"], answers: ["A!"], references: ["R"]))
    XCTAssertTrue(math[1].content.contains("[The Start of Reference Answer]\nR\n[The End of Reference Answer]"))
    let turns = JudgedConversation(questions: ["Q1", "Q2"], answers: ["A1", "A2"], references: ["R1", "R2"])
    let multi = ratingMessages(turns)
    XCTAssertTrue(multi[0].content.contains("[[rating]]"), "the instruction moves into the system message")
    XCTAssertTrue(
      multi[1].content.contains("<|The Start of Assistant A's Conversation with User|>\n\n### User:\nQ1\n\n### Assistant A:\nA1\n"))
    XCTAssertTrue(multi[1].content.contains("<|The Start of Reference Answer|>"))
    let pair = comparisonMessages(
      JudgedConversation(questions: ["Q"], answers: ["x"]), JudgedConversation(questions: ["Q"], answers: ["y"]))
    XCTAssertTrue(pair[0].content.contains("\"[[A]]\"") && pair[0].content.contains("\"[[C]]\""))
    XCTAssertTrue(pair[1].content.contains("[The Start of Assistant B's Answer]\ny\n[The End of Assistant B's Answer]"))
  }

  func testAJudgeIsAskedAgainUntilItsWordsHoldAScore() throws {
    let teacher = FakeTeacher { request, _ in
      request.text.contains("stubborn") ? "I will not say." : request.seed == 2 ? "Rating: [[6]]" : "Hm."
    }
    let judge = try Judge(teacher)
    judge.attempts = 4
    let ratings = try judge.rate(["fine", "stubborn"].map { JudgedConversation(questions: ["Q"], answers: [$0]) })
    XCTAssertEqual(ratings.map(\.score), [6, nil])
    XCTAssertEqual(ratings.map(\.attempts), [3, 4])
    XCTAssertEqual(ratings[1].words, "I will not say.", "the words are kept")
    XCTAssertEqual(teacher.asked.map(\.temperature), [0, 0, 0.7, 0.7, 0.7, 0.7, 0.7], "greedy first, then by chance")
    XCTAssertThrowsError(try Judge(teacher, method: .expected), "words only: no probabilities")
  }

  func testFeedback() throws {
    let pool = (0..<5).map { index in
      var model = PoolModel(
        FakeTeacher("m\(index)") { request, _ in request.text.contains("empty") && index == 0 ? " " : "answer of m\(index)" })
      model.system = index == 1 ? "Own system." : nil
      return model
    }
    let scorer = FakeTeacher("judge") { request, _ in
      let digit = request.text.firstMatch(of: #/answer of m(\d)/#).map { Int($0.output.1) ?? 0 } ?? 0
      return digit == 4 ? "No score." : "Critique.\nOverall Score: \(digit + 1)"
    }
    let judge = try Judge(scorer)
    judge.attempts = 2
    var options = FeedbackOptions()
    var collector = try FeedbackCollector(pool: pool, judge: judge, options: options)
    let prompts =
      (0..<20).map { FeedbackPrompt("p\($0)", source: $0 % 2 == 0 ? "evol_instruct" : "truthful_qa") } + [FeedbackPrompt("empty")]
    let (rows, rejections) = try collector.collect(prompts)
    XCTAssertEqual(rows.count, 21)
    for row in rows {
      XCTAssertEqual(Set(row.answers.map(\.model)).count, row.answers.count, "without replacement")
      for answer in row.answers {
        XCTAssertEqual(answer.score, Double(answer.model.dropFirst()).map { $0 + 1 })
        XCTAssertTrue(answer.system.hasSuffix(answer.principle?.prompts.first { answer.system.hasSuffix($0) } ?? "none"))
        if row.prompt.source == "evol_instruct" { XCTAssertEqual(answer.principle, .helpfulness) }
        if row.prompt.source == "truthful_qa" { XCTAssertNotEqual(answer.principle, .helpfulness) }
        if answer.model == "m1" { XCTAssertTrue(answer.system.hasPrefix("Own system. ")) }
      }
      let lost = rejections.filter { prompts[$0.request].prompt == row.prompt.prompt }.count
      XCTAssertEqual(row.answers.count + lost, 4, "each of the four is kept or rejected with a reason")
    }
    XCTAssertEqual(Set(rejections.map(\.reason)).subtracting(["an empty answer"]), ["the judge's words hold no score"])
    for principle in Principle.allCases { XCTAssertEqual(Set(principle.prompts).count, 11) }

    options.score = .aspects
    options.principles = false
    options.perPrompt = 3
    let orders = FakeTeacher("judge") { request, _ in
      let texts = request.text.matches(of: #/<text \d> answer of m(\d)/#).map { Int($0.output.1) ?? 0 }
      let type = request.text.contains("Type: [") ? "Type: 1\nRationale: t\n" : ""
      return texts.map { "\(type)Rating: \($0 + 1)\nRationale: r" }.joined(separator: "\n\n")
    }
    collector = try FeedbackCollector(pool: pool, judge: Judge(orders), options: options)
    for answer in try collector.collect(Array(prompts.prefix(6))).rows.flatMap(\.answers) {
      XCTAssertEqual(answer.score, Double(answer.model.dropFirst()).map { $0 + 1 }, "shuffled texts find their own ratings again")
      XCTAssertEqual(answer.aspects.count, 4)
    }
  }

  func testDialogues() throws {
    let user = PoolModel(FakeTeacher("u") { request, _ in request.text.contains("bores") ? " " : "what about item \(request.text.count)?" })
    let assistant = PoolModel(
      FakeTeacher("a") { request, _ in
        request.text.contains("feelings") ? "As a model I don’t have emotions." : "it is 3.5 m high. i think so."
      })
    var options = DialogueOptions()
    options.turns = 2
    let made = try dialogues(
      ["trees", "bores", "feelings"], user: user, assistant: assistant, opensWithTopic: false, options: options, watch: PipelineWatch())
    XCTAssertEqual(made.dialogues.map(\.topic), ["trees", "feelings"])
    XCTAssertEqual(made.dialogues[0].messages.map(\.role), ["user", "assistant", "user", "assistant"])
    XCTAssertTrue(made.dialogues[0].messages[0].content.hasPrefix("What about item"))
    XCTAssertEqual(made.dialogues[0].messages[1].content, "It is 3.5 m high. I think so.")
    let opened = try dialogues(
      ["trees", "feelings"], user: user, assistant: assistant, opensWithTopic: true, options: options, watch: PipelineWatch())
    XCTAssertEqual(opened.rejections.map(\.reason), ["the assistant speaks of its lack of emotions or opinions"])
    XCTAssertEqual(truecased("hello. how are you? e.g. i. `print i`"), "Hello. How are you? E.g. i. `print i`")
  }

  func testIntervals() {
    let share = wilson(successes: 8, of: 10)
    XCTAssertEqual(share.low, 0.49016, accuracy: 1e-5)
    XCTAssertEqual(share.high, 0.94331, accuracy: 1e-5)
    XCTAssertEqual(wilson(successes: 0, of: 5).low, 0)
    let mean = bootstrapMean(groups: (0..<100).map { [Double($0 % 10)] }, seed: 1)
    XCTAssertEqual(mean.value, 4.5)
    // Deviation 2.872 over root 100 times 1.96 is 0.563.
    XCTAssertEqual(mean.high - mean.low, 2 * 0.563, accuracy: 0.12)
    XCTAssertEqual(mean, bootstrapMean(groups: (0..<100).map { [Double($0 % 10)] }, seed: 1))
    XCTAssertEqual(standardError([1, 2, 3, 4]), 0.645497, accuracy: 1e-6)
  }

  func testLengthControlTakesOutWhatLengthExplains() {
    // The judge likes length alone: at equal length nobody wins, though the longer side wins 80 %.
    var rows: [LengthObservation] = []
    for index in 0..<400 {
      let longer = index % 5 != 0
      rows.append(LengthObservation(preference: longer ? 0.9 : 0.1, lengthDifference: longer ? 300 : -300))
    }
    let lengthOnly = LengthControl(rows)
    XCTAssertEqual(lengthOnly.winRate, 0.5, accuracy: 0.03)
    XCTAssertGreaterThan(lengthOnly.length, 1)
    let mixed = (0..<400).map { (index: Int) -> LengthObservation in
      let difference = Double((index * 37) % 101 - 50)
      return LengthObservation(preference: index % 4 == 0 ? 0.2 : 0.8, lengthDifference: difference)
    }
    let better = LengthControl(mixed)
    XCTAssertEqual(better.winRate, 0.65, accuracy: 0.03)
  }

  func testWinRateUndoesTheDrawnOrder() throws {
    let items = (0..<40).map { (prompt: "p\($0)", output: "good \($0)", baseline: "bad \($0)") }
    // Prefers the good one wherever it stands.
    let fair = FakeTeacher { request, _ in
      let text = request.text
      let first = text.firstRange(of: "### m\n\ngood") != nil
      return first ? "m" : "M"
    }
    let result = try WinRate(items, judge: Judge(fair), pairwise: false, seed: 1)
    XCTAssertEqual([result.wins, result.losses, result.draws], [40, 0, 0])
    XCTAssertEqual(result.rate.value, 100)
    XCTAssertEqual(Set(result.rows.map(\.isSwapped)), [true, false])
    let leaning = try WinRate(items, judge: Judge(FakeTeacher { _, _ in "M" }), pairwise: false, seed: 1)
    XCTAssertEqual(leaning.rate.value, 50, accuracy: 25, "a judge that always takes the second one gains nobody much")
    let both = try WinRate(items, judge: Judge(FakeTeacher { _, _ in "[[A]]" }), pairwise: true, seed: 1)
    XCTAssertEqual(both.draws, 40, "both orders cancel what a place alone wins")
    let silent = try WinRate(items, judge: Judge(FakeTeacher { _, _ in "?" }), pairwise: false, seed: 1)
    XCTAssertTrue(silent.rows.allSatisfy { $0.preference == nil && $0.words == "?" })
  }

  func testBench() throws {
    let questions = [
      try BenchQuestion(row: ["question_id": 1, "category": "writing", "turns": ["w1", "w2"]], line: 1),
      try BenchQuestion(row: ["question_id": 2, "category": "math", "turns": ["m1", "m2"], "reference": ["r1", "r2"]], line: 2),
    ]
    let teacher = FakeTeacher { request, _ in "answer to \(request.text.suffix(2))" }
    let answers = try benchAnswers(PoolModel(teacher), questions, maxTokens: 9, seed: 1, watch: PipelineWatch())
    XCTAssertEqual(answers, [["answer to w1", "answer to w2"], ["answer to m1", "answer to m2"]])
    XCTAssertEqual(teacher.asked.map(\.temperature), [0.7, 0, 0.7, 0], "the category's temperature")
    let judge = FakeTeacher { request, _ in
      XCTAssertEqual(request.text.contains("r1"), request.text.contains("m1"), "right answers for math alone")
      return request.text.contains("w2") ? "no" : "[[\(request.text.contains("m2") ? 4 : 8)]]"
    }
    let once = try Judge(judge)
    once.attempts = 1
    let turns = try benchRatings(questions, answers, judge: once)
    XCTAssertEqual(turns.map(\.score), [8, nil, 8, 4])
    let summary = benchSummary(questions, turns, seed: 1)
    XCTAssertEqual(summary.map(\.name), ["all", "turn 1", "turn 2", "writing", "math"])
    XCTAssertEqual(summary.map(\.mean.value), [20.0 / 3, 8, 4, 8, 6])
    XCTAssertEqual(summary[0].failed, 1)
  }

  func testShapesOfChoices() throws {
    let arc = try ChoiceQuestion(row: ["question": "Q?", "choices": ["text": ["x", "y"], "label": ["A", "B"]], "answerKey": "B"])
    XCTAssertEqual([arc.context, arc.choices[1], arc.shape], ["Question: Q?\nAnswer:", " y", "arc"])
    XCTAssertEqual(arc.right, [1])
    let mmlu = try ChoiceQuestion(row: ["question": " Q? ", "choices": ["x", "y"], "answer": 0, "subject": "law"])
    XCTAssertEqual([mmlu.context, mmlu.choices[1], mmlu.category], ["Q?\nA. x\nB. y\nAnswer:", " B", "law"])
    let swag = try ChoiceQuestion(row: [
      "activity_label": "Run", "ctx_a": "He  runs [title] fast [x].", "ctx_b": "then he", "endings": ["stops.", "[sub] flies."],
      "label": "0",
    ])
    XCTAssertEqual(swag.context, "Run: He runs. fast . Then he")
    XCTAssertEqual(swag.choices, [" stops.", "  flies."])
    let truth = try ChoiceQuestion(row: ["question": "Q?", "mc2_targets": ["choices": ["a", "b", "c"], "labels": [1, 0, 1]]])
    XCTAssertEqual(truth.right, [0, 2])
    XCTAssertEqual(truth.context, "Q: Q?\nA:")
    for bad: JSON in [
      ["question": "Q"], ["question": "Q", "choices": ["x", "y"], "answer": 2], ["endings": ["a"], "ctx": "c", "label": "x"],
    ] {
      XCTAssertThrowsError(try ChoiceQuestion(row: bad))
    }
  }
}
