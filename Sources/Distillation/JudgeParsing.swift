// From a judge's words to scores and verdicts, by the rules of the published scripts; nil where the words hold none.

/// Which of two answers is better.
public enum Verdict: String, Sendable {
  case a = "A"
  case b = "B"
  case tie
}

/// The rating in `[[5]]`, or in `[5]` where there is no double bracket.
public func parseRating(_ text: String) -> Double? {
  if let match = text.firstMatch(of: #/\[\[(\d+\.?\d*)\]\]/#) { return Double(match.output.1) }
  if let match = text.firstMatch(of: #/\[(\d+\.?\d*)\]/#) { return Double(match.output.1) }
  return nil
}

/// The verdict in `[[A]]`, `[[B]]` or `[[C]]`: the first of them, in this order, that occurs.
public func parseVerdict(_ text: String) -> Verdict? {
  if text.contains("[[A]]") { return .a }
  if text.contains("[[B]]") { return .b }
  return text.contains("[[C]]") ? .tie : nil
}

/// The critique and the score after `Overall Score: `, which must occur once; digits after a full stop or a slash do not count.
public func parseCritique(_ text: String) -> (critique: String, score: Double)? {
  let parts = pieces(of: "\n" + stripped(text), between: #/\nOverall Score: /#)
  guard parts.count == 2 else { return nil }
  let written = parts[1].prefix { $0 != "." && $0 != "/" && $0 != "\n" }
  guard let score = Double(stripped(written)), (1...10).contains(score) else { return nil }
  return (stripped(parts[0]), score)
}

/// UltraFeedback's overall score **as it was published, with its error**: a score that is not above 1 was multiplied by ten.
///
/// The line meant to save scores given as a share of 1; it made the best of every worst: each 1 became a 10, in 2,628 completions.
/// zs never uses it on scores of its own; it is here so that the published columns can be understood. `mendedOverallScore` undoes it.
/// - Source: OpenBMB/UltraFeedback issue 8.
public func overallScoreTimesTen(_ score: Double) -> Double { score > 1 ? score : 10 * score }

/// What an overall score of UltraFeedback should have been.
public enum MendedScore: Sendable, Equatable {
  /// The score stands, or has been put right.
  case score(Double)
  /// A 10 beside aspects that say neither good nor bad: only the critique can tell.
  case ask
}

/// Undoes the tenfold score by the mean of the aspect ratings: at most 2, it was a 1; above 4, the 10 stands; between, nobody can tell.
///
/// - Source: OpenBMB/UltraFeedback issue 8, the authors' own repair.
public func mendedOverallScore(_ score: Double, aspectMean: Double?) -> MendedScore {
  guard score == 10, let aspectMean else { return .score(score) }
  if aspectMean <= 2 { return .score(1) }
  return aspectMean > 4 ? .score(10) : .ask
}

/// What a judge said of one text under one aspect.
public struct AspectRating: Sendable, Equatable {
  /// 1...5; nil for `N/A`, which honesty allows.
  public var rating: Double?
  /// Why.
  public var rationale: String
  /// The kinds of hallucination or of usefulness, for aspects that ask for them.
  public var type: String

  /// A rating.
  public init(rating: Double?, rationale: String, type: String = "") {
    self.rating = rating
    self.rationale = rationale
    self.type = type
  }
}

/// The ratings of a reply on several texts, in the order the judge saw them; nil where it does not have the asked form.
public func parseAspectRatings(_ text: String, aspect: Aspect, count: Int) -> [AspectRating]? {
  let parts = pieces(of: stripped(text), between: #/\n\n/#)
  guard parts.count == count else { return nil }
  var ratings: [AspectRating] = []
  for part in parts {
    let rating: Substring
    var parsed = AspectRating(rating: nil, rationale: "")
    if aspect.asksType {
      guard let match = part.firstMatch(of: #/(?s)Type: (.+?)\nRationale: (.+?)\nRating: (.+?)\nRationale: (.+)/#) else { return nil }
      (parsed.type, rating, parsed.rationale) = (String(match.output.1), match.output.3, stripped(match.output.4))
    } else {
      guard let match = part.firstMatch(of: #/(?s)Rating: (.+?)\nRationale: (.+)/#) else { return nil }
      (rating, parsed.rationale) = (match.output.1, stripped(match.output.2))
    }
    if rating == "N/A", aspect == .honesty {
      ratings.append(parsed)
      continue
    }
    guard let number = rating.firstMatch(of: #/\b\d+\b/#.wordBoundaryKind(.simple)).flatMap({ Double($0.output) }), (1...5).contains(number)
    else { return nil }
    parsed.rating = number
    ratings.append(parsed)
  }
  return ratings
}
