// A value in every form that a front end may want: plain text always, and a picture or a table for pages.
import Language

/// A shown value, by media type.
public struct DisplayBundle: Equatable, Sendable {
  /// Plain text: no colours, nothing that changes from run to run.
  public var text: String
  /// The text with the escape codes of a terminal; nil where they would change nothing.
  public var terminal: String?
  /// Other forms by media type: `image/svg+xml`, `text/html`; of pictures that are no text, in base 64.
  public var rich: [String: String]

  /// A bundle of forms.
  public init(text: String, terminal: String? = nil, rich: [String: String] = [:]) {
    self.text = text
    self.terminal = terminal
    self.rich = rich
  }

  /// The forms of a value, laid out for a number of columns.
  public init(_ value: Value, width: Int, maxRows: Int = 60) {
    text = value.display(DisplayOptions(width: width, colour: false, plain: true, maxRows: maxRows))
    let coloured = value.display(DisplayOptions(width: width, colour: true, plain: true, maxRows: maxRows))
    terminal = coloured == text ? nil : coloured
    rich = [:]
    if case .object(let object) = value { rich = object.richForms }
    if rich["text/html"] == nil, let table = DisplayBundle.table(value, most: 1000) { rich["text/html"] = table }
  }

  /// The picture, if there is one.
  public var svg: String? { rich["image/svg+xml"] }

  /// A list of maps with the same keys as a table; nil where the value is no such list.
  private static func table(_ value: Value, most: Int) -> String? {
    guard case .list(let rows) = value, rows.count > 1, case .map(let first) = rows[0], !first.isEmpty else { return nil }
    let keys = first.keys
    var lines = ["<table class=\"rows\">", "<tr>" + keys.map { "<th>\(HTMLText.escaped($0))</th>" }.joined() + "</tr>"]
    for row in rows.prefix(most) {
      guard case .map(let map) = row, map.keys == keys else { return nil }
      let cells = map.values.map { value in
        "<td\(value.number == nil ? "" : " class=\"number\"")>\(HTMLText.escaped(value.display(DisplayOptions(width: 200, plain: true, maxRows: 4))))</td>"
      }
      lines.append("<tr>" + cells.joined() + "</tr>")
    }
    if rows.count > most { lines.append("<tr><td colspan=\"\(keys.count)\">… \(rows.count - most) more rows</td></tr>") }
    return (lines + ["</table>"]).joined(separator: "\n")
  }
}
