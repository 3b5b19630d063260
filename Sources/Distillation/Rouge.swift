// ROUGE-L between two texts, and the index that finds near-duplicates among many texts without comparing with all of them.
// Words are runs of a-z and 0-9 of the lower-cased text, as the package rouge_score splits them without a stemmer: everything else separates,
// so text in other scripts has no words and scores 0.

/// Precision, recall and F-measure of the longest common subsequence of words, each in 0...1.
public struct RougeScore: Equatable, Sendable {
  /// Length of the common subsequence over the words of the prediction.
  public let precision: Double
  /// Length of the common subsequence over the words of the target.
  public let recall: Double
  /// Harmonic mean of precision and recall.
  public let fMeasure: Double

  /// The score of a common subsequence of `common` words.
  ///
  /// - Source: Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries", Eq. 2-4 with beta 1.
  init(common: Int, predictionWords: Int, targetWords: Int) {
    guard common > 0 else {
      (precision, recall, fMeasure) = (0, 0, 0)
      return
    }
    precision = Double(common) / Double(predictionWords)
    recall = Double(common) / Double(targetWords)
    fMeasure = 2 * precision * recall / (precision + recall)
  }
}

/// ROUGE-L of a prediction against a target.
public func rougeL(prediction: String, target: String) -> RougeScore {
  let predictionWords = rougeWords(prediction)
  let targetWords = rougeWords(target)
  var numbers = WordNumbers()
  let common = longestCommonSubsequence(numbers.numbers(of: predictionWords), numbers.numbers(of: targetWords))
  return RougeScore(common: common, predictionWords: predictionWords.count, targetWords: targetWords.count)
}

/// The words that ROUGE counts: runs of a-z and 0-9 of the lower-cased text.
public func rougeWords(_ text: String) -> [Substring] {
  let letters = UInt8(ascii: "a")...UInt8(ascii: "z")
  let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
  return text.lowercased().utf8.split { !letters.contains($0) && !digits.contains($0) }.map { Substring($0) }
}

/// Gives each distinct word a number, the same for the same word.
struct WordNumbers {
  private var known: [Substring: Int] = [:]

  mutating func numbers(of words: [Substring]) -> [Int] {
    words.map { word in
      if let number = known[word] { return number }
      known[word] = known.count
      return known.count - 1
    }
  }
}

/// Length of the longest common subsequence, 64 columns of the table at a time.
///
/// - Complexity: O(a.count * b.count / 64) time, O(a.count) space.
/// - Source: Hyyrö 2004, "Bit-Parallel LCS-length Computation Revisited", Fig. 2.
package func longestCommonSubsequence(_ a: [Int], _ b: [Int]) -> Int {
  guard !a.isEmpty, !b.isEmpty else { return 0 }
  let wordCount = (a.count + 63) / 64
  var positions: [Int: [UInt64]] = [:]
  for (index, word) in a.enumerated() {
    positions[word, default: [UInt64](repeating: 0, count: wordCount)][index / 64] |= 1 << UInt64(index % 64)
  }
  // A zero bit at position i: the subsequence of the first i+1 words grew there.
  var column = [UInt64](repeating: .max, count: wordCount)
  for word in b {
    guard let matches = positions[word] else { continue }
    var carry = false
    for i in 0..<wordCount {
      let update = column[i] & matches[i]
      let (partial, overflow) = column[i].addingReportingOverflow(update)
      let (sum, carried) = partial.addingReportingOverflow(carry ? 1 : 0)
      column[i] = sum | (column[i] & ~matches[i])
      carry = overflow || carried
    }
  }
  var length = 0
  for i in 0..<wordCount {
    let used = min(64, a.count - i * 64)
    let mask = used == 64 ? UInt64.max : (1 << UInt64(used)) - 1
    length += (~column[i] & mask).nonzeroBitCount
  }
  return length
}

/// The plain table that the bit-parallel length is tested against.
package func naiveLongestCommonSubsequence(_ a: [Int], _ b: [Int]) -> Int {
  var previous = [Int](repeating: 0, count: b.count + 1)
  for x in a {
    var current = [0]
    for (j, y) in b.enumerated() {
      current.append(x == y ? previous[j] + 1 : max(previous[j + 1], current[j]))
    }
    previous = current
  }
  return previous.last ?? 0
}

/// Texts accepted so far, answering whether a new one is too close to any of them.
///
/// The F-measure of two texts is at most 2·(words in common, counted with repetition)/(words of both); only texts that this bound lets pass are
/// compared word by word, so the answer equals that of the plain scan.
public struct RougeIndex: Sendable {
  private var numbers = WordNumbers()
  private var texts: [[Int]] = []
  /// For each word: the texts that hold it, and how often.
  private var holders: [Int: [(text: Int, count: Int)]] = [:]

  /// An index of no texts.
  public init() {}

  /// How many texts have been added.
  public var count: Int { texts.count }

  /// Adds a text.
  public mutating func add(_ text: String) {
    let words = numbers.numbers(of: rougeWords(text))
    for (word, count) in counts(words) { holders[word, default: []].append((texts.count, count)) }
    texts.append(words)
  }

  /// The added texts whose F-measure with `text` is above `threshold`, closest first, ties in order of adding.
  public mutating func matches(_ text: String, above threshold: Double) -> [(text: Int, fMeasure: Double)] {
    let words = numbers.numbers(of: rougeWords(text))
    var shared = [Int: Int]()
    for (word, count) in counts(words) {
      for holder in holders[word] ?? [] { shared[holder.text, default: 0] += min(count, holder.count) }
    }
    var found: [(text: Int, fMeasure: Double)] = []
    // The bound and the score are rounded differently, hence the slack.
    for (other, overlap) in shared where 2 * Double(overlap) / Double(words.count + texts[other].count) > threshold - 1e-9 {
      let common = longestCommonSubsequence(texts[other], words)
      let score = RougeScore(common: common, predictionWords: words.count, targetWords: texts[other].count).fMeasure
      if score > threshold { found.append((other, score)) }
    }
    return found.sorted { ($1.fMeasure, $0.text) < ($0.fMeasure, $1.text) }
  }

  /// The F-measure of every added text with `text`, in order of adding; only texts that share a word are compared.
  public mutating func scores(_ text: String) -> [Double] {
    let words = numbers.numbers(of: rougeWords(text))
    var scores = [Double](repeating: 0, count: texts.count)
    var sharing: Set<Int> = []
    for word in Set(words) { for holder in holders[word] ?? [] { sharing.insert(holder.text) } }
    for other in sharing {
      let common = longestCommonSubsequence(texts[other], words)
      scores[other] = RougeScore(common: common, predictionWords: words.count, targetWords: texts[other].count).fMeasure
    }
    return scores
  }

  private func counts(_ words: [Int]) -> [Int: Int] {
    words.reduce(into: [:]) { $0[$1, default: 0] += 1 }
  }
}
