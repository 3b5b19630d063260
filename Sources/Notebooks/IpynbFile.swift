// Notebooks as Jupyter writes them (nbformat 4.5). What zs needs beyond that stands under `zs` in the metadata; what others
// put there is kept.
import Formats

/// Reads and writes `.ipynb`.
public enum IpynbFile {
  /// The notebook in a file's text.
  public static func read(_ text: String) throws -> NotebookDocument {
    let json: JSON
    do {
      json = try JSON.parse(text)
    } catch {
      throw NotebookError("this is no notebook: \((error as? FormatError)?.message ?? "\(error)")")
    }
    guard let major = json["nbformat"]?.int else {
      throw NotebookError("this is no notebook: it has no 'nbformat'", hint: "a notebook is what Jupyter saves as .ipynb")
    }
    guard major == 4, let cells = json["cells"]?.array else {
      throw NotebookError("notebooks of nbformat \(major) are not read", hint: "jupyter nbconvert --to notebook brings one to version 4")
    }
    var document = NotebookDocument(try cells.map(cell))
    let own = json["metadata"]?["zs"]
    document.about.title = own?["title"]?.string ?? ""
    document.about.seed = own?["seed"]?.string.flatMap { UInt64($0) }
    document.about.width = own?["width"]?.int
    document.about.lacksFinalNewline = own?["final_newline"]?.bool == false
    document.metadata = without(json["metadata"], ["zs", "kernelspec", "language_info"])
    return document
  }

  private static func cell(_ json: JSON) throws -> NotebookCell {
    guard let name = json["cell_type"]?.string, let kind = NotebookCell.Kind(rawValue: name) else {
      throw NotebookError("a cell of the notebook is of no known type", hint: "there are code, markdown and raw")
    }
    let metadata = json["metadata"]
    let own = metadata?["zs"]
    var cell = NotebookCell(kind, joined(json["source"]), title: metadata?["title"]?.string ?? "")
    while cell.text.hasSuffix("\n") { cell.text.removeLast() }
    cell.identifier = json["id"]?.string
    cell.number = json["execution_count"]?.int
    cell.outputs = (json["outputs"]?.array ?? []).compactMap(output)
    cell.seconds = own?["seconds"]?.double
    cell.ending = own?["ending"]?.string.flatMap { NotebookCell.Ending(rawValue: $0) }
    cell.randomPosition = own?["random"]?.string.flatMap { UInt64($0) }
    cell.marker = own?["marker"]?.string
    cell.source = own?["source"]?.string
    cell.newlines = own?["newlines"]?.int
    cell.metadata = without(metadata, ["zs", "title"])
    cell.attachments = json["attachments"]
    return cell
  }

  private static func output(_ json: JSON) -> CellOutput? {
    switch json["output_type"]?.string {
    case "stream": return .stream(joined(json["text"]))
    case "execute_result", "display_data":
      var rich: [String: String] = [:]
      for (type, value) in json["data"]?.object ?? [:] where type.hasPrefix("text/") || type.hasPrefix("image/") {
        rich[type] = joined(value)
      }
      let text = rich.removeValue(forKey: "text/plain") ?? ""
      return .result(DisplayBundle(text: text, terminal: nil, rich: rich))
    case "error":
      return .error(
        kind: json["ename"]?.string ?? "", message: json["evalue"]?.string ?? "",
        text: (json["traceback"]?.array ?? []).compactMap(\.string).joined(separator: "\n"))
    default: return nil
    }
  }

  /// The text of a notebook file.
  public static func write(_ document: NotebookDocument) -> String {
    var own: [String: JSON] = [:]
    if !document.about.title.isEmpty { own["title"] = .string(document.about.title) }
    if let seed = document.about.seed { own["seed"] = .string("\(seed)") }
    if let width = document.about.width { own["width"] = .int(Int64(width)) }
    if document.about.lacksFinalNewline { own["final_newline"] = false }
    var metadata: JSON = [
      "kernelspec": ["display_name": "zs", "language": "zs", "name": "zs"],
      "language_info": ["file_extension": ".zs", "mimetype": "text/x-zs", "name": "zs"],
    ]
    metadata = merged(document.metadata, metadata)
    if !own.isEmpty { metadata = merged(metadata, ["zs": object(own)]) }
    var used = Set<String>()
    let cells = document.cells.enumerated().map { index, cell in json(cell, identifier: identifier(cell, index, &used)) }
    let notebook: JSON = ["cells": .array(cells), "metadata": metadata, "nbformat": 4, "nbformat_minor": 5]
    return notebook.serialized(pretty: true) + "\n"
  }

  private static func json(_ cell: NotebookCell, identifier: String) -> JSON {
    var own: [String: JSON] = [:]
    if let seconds = cell.seconds { own["seconds"] = .double((seconds * 1e6).rounded() / 1e6) }
    if let ending = cell.ending { own["ending"] = .string(ending.rawValue) }
    if let position = cell.randomPosition { own["random"] = .string("\(position)") }
    if let marker = cell.marker { own["marker"] = .string(marker) }
    if let source = cell.source { own["source"] = .string(source) }
    if let newlines = cell.newlines { own["newlines"] = .int(Int64(newlines)) }
    var metadata = cell.metadata
    if !cell.title.isEmpty { metadata = merged(metadata, ["title": .string(cell.title)]) }
    if !own.isEmpty { metadata = merged(metadata, ["zs": object(own)]) }
    let source = split(cell.text)
    guard cell.kind == .code else {
      let prose: JSON = ["cell_type": .string(cell.kind.rawValue), "id": .string(identifier), "metadata": metadata, "source": source]
      return cell.attachments.map { merged(prose, ["attachments": $0]) } ?? prose
    }
    let lastResult = cell.outputs.lastIndex { if case .result = $0 { true } else { false } }
    let outputs = cell.outputs.enumerated().map { index, output in
      json(output, number: cell.number, isLast: index == lastResult)
    }
    let number = cell.number.map { JSON.int(Int64($0)) } ?? .null
    return [
      "cell_type": "code", "execution_count": number, "id": .string(identifier), "metadata": metadata, "outputs": .array(outputs),
      "source": source,
    ]
  }

  private static func json(_ output: CellOutput, number: Int?, isLast: Bool) -> JSON {
    switch output {
    case .stream(let text): return ["name": "stdout", "output_type": "stream", "text": split(text)]
    case .error(let kind, let message, let text):
      let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { JSON.string(String($0)) }
      return ["ename": .string(kind), "evalue": .string(message), "output_type": "error", "traceback": .array(lines)]
    case .result(let bundle):
      var data: JSON = [:]
      for (type, text) in bundle.rich.sorted(by: { $0.key < $1.key }) { data = merged(data, object([type: split(text)])) }
      data = merged(data, ["text/plain": split(bundle.text)])
      if isLast, let number {
        return ["data": data, "execution_count": .int(Int64(number)), "metadata": [:], "output_type": "execute_result"]
      }
      return ["data": data, "metadata": [:], "output_type": "display_data"]
    }
  }

  /// The identifier that a cell had, else one by its place; none occurs twice.
  private static func identifier(_ cell: NotebookCell, _ index: Int, _ used: inout Set<String>) -> String {
    var name = cell.identifier ?? "zs-\(index + 1)"
    var attempt = 1
    while !used.insert(name).inserted {
      attempt += 1
      name = "zs-\(index + 1)-\(attempt)"
    }
    return name
  }

  /// Lines with their newlines, as Jupyter keeps text.
  private static func split(_ text: String) -> JSON {
    var lines: [JSON] = []
    var rest = text[...]
    while let end = rest.firstIndex(of: "\n") {
      lines.append(.string(String(rest[...end])))
      rest = rest[rest.index(after: end)...]
    }
    if !rest.isEmpty { lines.append(.string(String(rest))) }
    return .array(lines)
  }

  private static func joined(_ json: JSON?) -> String {
    if let text = json?.string { return text }
    return (json?.array ?? []).compactMap(\.string).joined()
  }

  private static func object(_ members: [String: JSON]) -> JSON {
    merged([:], .object(.init(uniqueKeysWithValues: members.sorted { $0.key < $1.key }.map { ($0.key, $0.value) })))
  }

  private static func merged(_ left: JSON, _ right: JSON) -> JSON {
    .object((left.object ?? [:]).merging(right.object ?? [:]) { $1 })
  }

  private static func without(_ json: JSON?, _ names: [String]) -> JSON {
    .object((json?.object ?? [:]).filter { !names.contains($0.key) })
  }
}
