// A row → ids, as TRL 1.16 does it: prompt and answer are rendered and tokenized together, the answer begins where the tokens of
// the prompt alone and those of prompt and answer part ways, and what is longer than the limit loses its end.

import Formats

extension ExampleEncoder {
  /// The pair of a row.
  ///
  /// - Throws: `RowProblem` where the row cannot be used, `TrainingError` where no such row could be.
  func pair(_ row: DatasetRow, index: Int) throws -> (example: PreferenceExample, isCut: Bool) {
    let fields = row.fields
    var prompt: [Int]
    var chosen: [Int]
    var rejected: [Int]
    if let ids = fields["prompt_ids"] {
      prompt = try known(ids)
      chosen = try known(fields["chosen_ids"] ?? .null)
      rejected = try known(fields["rejected_ids"] ?? .null)
      if isLabelled(fields) { (chosen, rejected) = sides(of: try known(fields["completion_ids"] ?? .null), fields) }
    } else if isLabelled(fields) {
      let (alone, whole) = (try encode(fields["prompt"] ?? .null, nil), try encode(fields["prompt"] ?? .null, fields["completion"]))
      let length = commonPrefix(alone, whole)
      prompt = Array(alone[..<length])
      (chosen, rejected) = sides(of: Array(whole[length...]), fields)
    } else {
      let alone = try encode(fields["prompt"] ?? .null, nil)
      let withChosen = try encode(fields["prompt"] ?? .null, fields["chosen"])
      let withRejected = try encode(fields["prompt"] ?? .null, fields["rejected"])
      let length = min(commonPrefix(alone, withChosen), commonPrefix(alone, withRejected))
      prompt = Array(alone[..<length])
      chosen = Array(withChosen[length...])
      rejected = Array(withRejected[length...])
    }
    let whole = prompt.count + max(chosen.count, rejected.count)
    if let maxLength { try cut(&prompt, &chosen, &rejected, to: maxLength) }
    let answers = isLabelled(fields) ? [("completion", chosen + rejected)] : [("chosen", chosen), ("rejected", rejected)]
    for (name, answer) in answers where prompt.count + answer.count < 2 || answer.isEmpty {
      throw RowProblem("'\(name)' has no token that could be scored")
    }
    var example = PreferenceExample(prompt: prompt, chosen: chosen, rejected: rejected, row: index)
    if !isLabelled(fields) {
      example.referenceChosen = fields["ref_chosen_logps"]?.double
      example.referenceRejected = fields["ref_rejected_logps"]?.double
    }
    return (example, maxLength.map { whole > $0 } ?? false)
  }

  /// A labelled answer on its side of a pair.
  private func sides(of answer: [Int], _ fields: Fields) -> (chosen: [Int], rejected: [Int]) {
    fields["label"] == true ? (answer, []) : ([], answer)
  }

  private func cut(_ prompt: inout [Int], _ chosen: inout [Int], _ rejected: inout [Int], to maxLength: Int) throws {
    switch truncation {
    case .keepStart:
      guard prompt.count < maxLength else {
        throw RowProblem("the prompt has \(prompt.count) tokens, which leaves no room for an answer in max_length \(maxLength)")
      }
      chosen = Array(chosen.prefix(maxLength - prompt.count))
      rejected = Array(rejected.prefix(maxLength - prompt.count))
    case .legacy(let maxPromptLength):
      let longer = max(chosen.count, rejected.count)
      if prompt.count + longer > maxLength { prompt = Array(prompt.suffix(maxPromptLength)) }
      if prompt.count + longer > maxLength {
        chosen = Array(chosen.prefix(maxLength - maxPromptLength))
        rejected = Array(rejected.prefix(maxLength - maxPromptLength))
      }
    }
  }

  /// The document of a row, with the tokens that are trained.
  ///
  /// - Parameters:
  ///   - assistantOnly: In messages, only what the assistant says is trained.
  ///   - completionOnly: After a prompt, only the completion is trained.
  func document(
    _ row: DatasetRow, index: Int, assistantOnly: Bool, completionOnly: Bool
  ) throws -> (example: SFTExample, isCut: Bool) {
    let fields = row.fields
    var ids: [Int]
    var trained: [Bool]
    if let given = fields["input_ids"] {
      ids = try known(given)
      trained = fields["labels"]?.array.map { $0.map { ($0.int ?? -100) >= 0 } } ?? Array(repeating: true, count: ids.count)
    } else if let messages = fields["messages"]?.array {
      ids = try encode(.array(messages), nil, generationPrompt: false)
      trained = assistantOnly ? try assistantMask(messages, ids) : Array(repeating: true, count: ids.count)
    } else if let completion = fields["completion"] {
      let prompt = fields["prompt"] ?? .null
      ids = try encode(prompt, completion)
      let start = completionOnly ? commonPrefix(try encode(prompt, nil), ids) : 0
      trained = ids.indices.map { $0 >= start }
      if assistantOnly, let head = prompt.array, let tail = completion.array {
        trained = zip(trained, try assistantMask(head + tail, ids)).map { $0 && $1 }
      }
    } else {
      ids = try encode("", fields["text"])
      trained = Array(repeating: true, count: ids.count)
    }
    let isCut = maxLength.map { ids.count > $0 } ?? false
    if let maxLength {
      ids = Array(ids.prefix(maxLength))
      trained = Array(trained.prefix(maxLength))
    }
    let example = SFTExample(ids: ids, trained: trained, row: index)
    guard example.trainedTokens > 0 else {
      throw RowProblem(isCut ? "all that could be trained lies beyond max_length \(maxLength ?? 0)" : "no token of it is trained")
    }
    return (example, isCut)
  }

  /// Which tokens the assistant says.
  ///
  /// For each of its turns, those after the tokens of what comes before it and the opening of an answer, up to the end of the turn
  /// as the template closes it.
  ///
  /// Where the template marks them by {% generation %}, the marks decide, as in TRL.
  private func assistantMask(_ messages: [JSON], _ ids: [Int]) throws -> [Bool] {
    if let marked, let encoder = text, let mask = try marked(messages).generationMask(ids, encode: encoder.encode) { return mask }
    var trained = [Bool](repeating: false, count: ids.count)
    for (i, message) in messages.enumerated() where message["role"] == "assistant" {
      let before = try encode(.array(Array(messages[..<i])), nil)
      let after = i + 1 == messages.count ? ids : try encode(.array(Array(messages[...i])), nil, generationPrompt: false)
      let (start, end) = (commonPrefix(before, ids), commonPrefix(after, ids))
      for position in start..<max(start, end) { trained[position] = true }
    }
    return trained
  }
}
