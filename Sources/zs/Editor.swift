// The person's own editor on a piece of text: $VISUAL, $EDITOR, or vi.
import Formats
import Glibc
import Language

enum Editor {
  /// The text as it was left; nil where it was not changed, or emptied.
  static func edit(_ text: String, environment: [String: String]) throws -> String? {
    let folder = environment["TMPDIR"].flatMap { $0.isEmpty ? nil : $0 } ?? "/tmp"
    let path = "\(folder)/zs-cell-\(getpid()).zs"
    try AtomicFile.write(text + "\n", to: path)
    defer { unlink(path) }
    let chosen = ["VISUAL", "EDITOR"].compactMap { environment[$0] }.first { !$0.isEmpty } ?? "vi"
    // The editor's name may carry arguments, so the shell reads it; the path is quoted.
    let status = system("\(chosen) '\(path.replacing("'", with: "'\\''"))'")
    guard status == 0 else {
      throw ZsError(kind: "file", message: "the editor '\(chosen)' failed", hint: "set EDITOR to one that is installed")
    }
    guard let edited = try FileContents.text(path) else {
      throw ZsError(kind: "file", message: "what the editor left is not UTF-8 text")
    }
    let result = edited.trimmed()
    return result.isEmpty || result == text.trimmed() ? nil : result
  }
}
