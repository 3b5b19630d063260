// `hf://` addresses: `hf://owner/name`, `hf://owner/name@revision`, `hf://owner/name/file.gguf`, `hf://datasets/owner/name`.

/// A repository of the Hub, a revision of it, and perhaps one file.
public struct HubSource: Sendable, Equatable {
  /// What a repository holds.
  public enum Kind: String, Sendable {
    case model
    case dataset
  }

  /// What the repository holds.
  public var kind: Kind
  /// Its name, `owner/name`.
  public var repository: String
  /// A branch, tag or commit.
  public var revision: String
  /// One file of it; nil: what a model needs.
  public var file: String?

  /// Reads an address.
  ///
  /// - Throws: `HubError` that says what is wrong with it.
  public init(_ address: String) throws {
    func wrong(_ reason: String) -> HubError {
      HubError(
        "'\(address)' is no address of the Hub: \(reason)",
        hint: "hf://owner/name, with @revision behind the name or /file.gguf at the end; data sets: hf://datasets/owner/name")
    }
    guard address.hasPrefix("hf://") else { throw wrong("it does not begin with hf://") }
    var parts = address.dropFirst(5).split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    if parts.last == "" { parts.removeLast() }
    kind = .model
    if parts.first == "datasets" { kind = .dataset }
    if parts.count > 1, parts[0] == "datasets" || parts[0] == "models" { parts.removeFirst() }
    guard !parts.isEmpty, !parts.contains("") else { throw wrong("a name is empty") }
    // The revision may stand behind the name, or at the very end; that of a pull request has blanks of its own: refs/pr/7.
    var revision = "main"
    if let place = parts.firstIndex(where: { $0.contains("@") }), let at = parts[place].firstIndex(of: "@") {
      var found = [String(parts[place][parts[place].index(after: at)...])]
      parts[place] = String(parts[place][..<at])
      if found[0] == "refs", parts.count > place + 2 {
        found += parts[place + 1...place + 2]
        parts.removeSubrange(place + 1...place + 2)
      }
      revision = found.joined(separator: "/")
    }
    let isNameOnly = parts.count == 1
    repository = parts.prefix(2).joined(separator: "/")
    self.revision = revision
    file = parts.count > 2 ? parts[2...].joined(separator: "/") : nil
    guard parts.prefix(2).allSatisfy(HubSource.isName) else {
      throw wrong("a name has letters, digits, '-', '_' and '.', and no two '-' or '.' in a row")
    }
    guard !revision.isEmpty, revision.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != 0x3F && $0 != 0x23 }),
      !revision.split(separator: "/", omittingEmptySubsequences: false).contains(where: { ["", ".", ".."].contains($0) })
    else { throw wrong("the revision '\(revision)' is none") }
    guard !parts.dropFirst(2).contains(where: { [".", ".."].contains($0) }) else { throw wrong("its path leads outside") }
    if isNameOnly, kind == .dataset || repository.hasSuffix(".gguf") { throw wrong("the owner is missing") }
  }

  private static func isName(_ text: String) -> Bool {
    let odd: Set<Character> = ["-", "_", "."]
    let isPlain = text.utf8.count <= 96 && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || odd.contains($0)) }
    return isPlain && !text.isEmpty && !text.contains("--") && !text.contains("..") && text.first != "-" && text.first != "."
      && text.last != "-" && text.last != "."
  }

  /// The last part of the repository's name, or the file's name without its ending.
  public var shortName: String {
    let last = (file ?? repository).split(separator: "/").last.map(String.init) ?? repository
    return last.hasSuffix(".gguf") ? String(last.dropLast(5)) : last
  }

  /// Whether the revision is a commit, which never changes.
  var isCommit: Bool { revision.utf8.count == 40 && revision.allSatisfy(\.isHexDigit) }

  /// The path of the repository in addresses of the Hub.
  var prefix: String { kind == .dataset ? "datasets/" + repository : repository }

  /// The address as one would write it.
  public var address: String {
    "hf://" + prefix + (revision == "main" ? "" : "@" + revision) + (file.map { "/" + $0 } ?? "")
  }
}
