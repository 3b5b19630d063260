// Log-probs under a reference on disk: one file of JSON lines per reference, named by a checksum of its weights; a line holds the
// checksum of a pair's ids and the log-probs of both answers. Lines are only ever appended, and one that is torn is as if it were not there.

import Formats
import Models

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

/// The log-probs of one reference, kept from run to run.
public final class ReferenceFile {
  /// Where they are kept.
  public let path: String
  private var rows: [String: ReferenceScores] = [:]
  /// Whether the file ends within a line, as after a power cut.
  private var isTorn = false

  /// Opens the file of a reference, or prepares for one that is not there yet.
  ///
  /// - Parameters:
  ///   - folder: Made if it is not there.
  ///   - fingerprint: The checksum of the reference's weights.
  public init(folder: String, fingerprint: String) throws {
    path = (folder.hasSuffix("/") ? folder : folder + "/") + "reference-\(fingerprint).jsonl"
    if mkdir(folder, 0o777) != 0, errno != EEXIST { throw FormatError.system("make the folder", folder, code: errno) }
    guard access(path, F_OK) == 0 else { return }
    let bytes = try FileContents.read(path)
    isTorn = bytes.last.map { $0 != UInt8(ascii: "\n") } ?? false
    for row in bytes.withUnsafeBytes({ JSONLines($0, path: path) }).rows {
      guard let pair = row.value["pair"]?.string, let chosen = row.value["chosen"]?.array, let rejected = row.value["rejected"]?.array
      else {
        continue
      }
      rows[pair] = ReferenceScores(chosen: chosen.map { Float($0.double ?? .nan) }, rejected: rejected.map { Float($0.double ?? .nan) })
    }
  }

  /// The number of pairs in it.
  public var count: Int { rows.count }

  /// What is known of a pair, if its log-probs fit its answers.
  func scores(of pair: PreferenceExample) -> ReferenceScores? {
    guard let found = rows[ReferenceFile.key(pair)] else { return nil }
    let shift = pair.scoredFrom - pair.prompt.count
    guard found.chosen.count == pair.chosen.count - shift, found.rejected.count == pair.rejected.count - shift,
      (found.chosen + found.rejected).allSatisfy(\.isFinite)
    else { return nil }
    return found
  }

  /// Adds a pair, in one write.
  func append(_ scores: ReferenceScores, of pair: PreferenceExample) throws {
    let key = ReferenceFile.key(pair)
    let numbers = { (values: [Float]) in JSON.array(values.map { .double(Double("\($0)") ?? Double($0)) }) }
    let line: JSON = ["pair": .string(key), "chosen": numbers(scores.chosen), "rejected": numbers(scores.rejected)]
    let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw FormatError.system("write", path, code: errno) }
    defer { close(descriptor) }
    let bytes = Array(((isTorn ? "\n" : "") + line.serialized() + "\n").utf8)
    guard write(descriptor, bytes, bytes.count) == bytes.count else {
      isTorn = true
      throw FormatError.system("write", path, code: errno)
    }
    isTorn = false
    rows[key] = scores
  }

  /// Forgets everything: the file was found to be of another reference after all.
  func discard() throws {
    if unlink(path) != 0, errno != ENOENT { throw FormatError.system("remove", path, code: errno) }
    rows = [:]
    isTorn = false
  }

  private static func key(_ pair: PreferenceExample) -> String {
    var result = Fingerprint()
    for ids in [pair.prompt, pair.chosen, pair.rejected] { result.add(ids) }
    return result.hexadecimal
  }
}
