// Notebook files: what is read is written back, formats agree with one another, pages can be read again.
import Formats
import Notebooks
import XCTest

final class FormatTests: XCTestCase {
  private let programs = [
    "", "x = 1", "x = 1\n", "x = 1\n\n\n", "\n\n# %% One\nx = 1\n", "# %% One\nx = 1\n\n# %%\n\n\ny = 2\n",
    "#%% odd marker  \nx = 1\n# %% [markdown] Prose here\n# Some *text*.\n#\n# - a list\n# %% [raw]\n# as it is\n",
    "# %% [md] short\n#no blank\n#  two blanks\ncode = 1\n# %%%\n", "# %% [markdown]\n# \\%% no marker\n# \\\\%% nor this\n# \\frac\n",
    "x = 1\n# \\%% no marker\n#  \\\\%% nor this\n# \\frac %%\ns = \"\"\"\n# \\%% text\n\"\"\"\n# %% two\n",
    "a = 1\n# %% two\nb = \"\"\"\n# %% no cell\n\"\"\"", "# %%\n# %%\n# %%",
    "# %% a\r\nx = 1\r\n\r\n# %% [markdown] b\r\n# one\r\n# two\r\n", "x\r\n\r\n", "# %% title [markdown] after\n# é日本🙂\n", "# %%",
  ]

  func testProgramsAreWrittenBackByteForByte() throws {
    for program in programs {
      XCTAssertEqual(PercentFile.write(PercentFile.read(program)), program)
      let notebook = IpynbFile.write(PercentFile.read(program))
      XCTAssertEqual(PercentFile.write(try IpynbFile.read(notebook)), program, notebook)
    }
  }

  func testNotebooksKeepCellsProseAndTitles() throws {
    var markdown = NotebookCell(.markdown, "# Heading\n\n%% looks like a marker\n\\%% and this", title: "Prose")
    markdown.metadata = ["tags": ["a"]]
    markdown.attachments = ["a.png": ["image/png": "iVBORw0KGgo="]]
    // Lines that look like markers, in code and in a string.
    let marked = NotebookCell(.code, "a = 1\n# %% part two\n#%%\n# \\%% three\ns = \"\"\"\n# %% text\n# \\%% text\n\"\"\"", title: "Marked")
    let cells = [
      NotebookCell(.code, "x = 1\n\ny = 2", title: "First"), markdown, marked, NotebookCell(.raw, "raw", title: ""),
      NotebookCell(.code, ""),
    ]
    let document = NotebookDocument(cells, metadata: ["authors": [["name": "é"]]])
    let back = try IpynbFile.read(IpynbFile.write(document))
    XCTAssertEqual(back.metadata, document.metadata)
    XCTAssertEqual(back.cells.map(\.metadata), document.cells.map(\.metadata))
    XCTAssertEqual(back.cells.map(\.attachments), document.cells.map(\.attachments))
    let again = PercentFile.read(PercentFile.write(back))
    for (old, new) in zip(document.cells, again.cells) {
      XCTAssertEqual(old.kind, new.kind)
      XCTAssertEqual(old.title, new.title)
      XCTAssertEqual(old.text, new.text)
    }
    XCTAssertEqual(again.cells.count, cells.count)
  }

  func testTheStructureThatNbformatWants() throws {
    let json = try JSON.parse(IpynbFile.write(recorded()))
    XCTAssertEqual(json["nbformat"]?.int, 4)
    XCTAssertEqual(json["nbformat_minor"]?.int, 5)
    var identifiers = Set<String>()
    for cell in json["cells"]?.array ?? [] {
      let id = try XCTUnwrap(cell["id"]?.string)
      XCTAssertTrue(identifiers.insert(id).inserted)
      XCTAssertTrue((1...64).contains(id.count) && id.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_") })
      XCTAssertNotNil(cell["metadata"]?.object)
      XCTAssertNotNil(cell["source"]?.array)
      let isCode = cell["cell_type"]?.string == "code"
      XCTAssertEqual(cell["outputs"]?.array != nil, isCode)
      XCTAssertEqual(cell["execution_count"] != nil, isCode)
      for output in cell["outputs"]?.array ?? [] {
        let members = Set(try XCTUnwrap(output.object).keys)
        switch output["output_type"]?.string {
        case "stream": XCTAssertEqual(members, ["output_type", "name", "text"])
        case "execute_result": XCTAssertEqual(members, ["output_type", "execution_count", "data", "metadata"])
        case "display_data": XCTAssertEqual(members, ["output_type", "data", "metadata"])
        case "error": XCTAssertEqual(members, ["output_type", "ename", "evalue", "traceback"])
        default: XCTFail("\(output)")
        }
      }
    }
  }

  func testPagesAreReadBack() throws {
    let document = recorded()
    for format in NotebookFile.allCases where format != .zs {
      let back = try format.read(format.write(document))
      XCTAssertEqual(back.cells.map(\.text), document.cells.map(\.text), "\(format)")
      XCTAssertEqual(back.cells.map(\.title), document.cells.map(\.title), "\(format)")
      XCTAssertEqual(back.cells.map(\.number), document.cells.map(\.number), "\(format)")
      XCTAssertEqual(back.cells.map(\.ending), document.cells.map(\.ending), "\(format)")
      XCTAssertEqual(back.cells.map(\.randomPosition), document.cells.map(\.randomPosition), "\(format)")
      XCTAssertEqual(back.about.seed, document.about.seed, "\(format)")
      XCTAssertEqual(back.about.width, document.about.width, "\(format)")
      XCTAssertEqual(back.cells.map { $0.outputs.map(words) }, document.cells.map { $0.outputs.map(words) }, "\(format)")
    }
    let back = try MarkdownFile.read(MarkdownFile.write(document))
    guard case .result(let bundle)? = back.cells[1].outputs.last else { return XCTFail("no result") }
    XCTAssertEqual(bundle.svg, "<svg><text>é & &lt;</text></svg>")
  }

  func testPagesStandAlone() {
    let page = HTMLPage.write(recorded())
    for text in ["http://", "https://", "src=", "href=", "@import", "url("] { XCTAssertFalse(page.contains(text), text) }
    XCTAssertTrue(page.contains("<svg><text>é & &lt;</text></svg>"))
    XCTAssertTrue(page.contains("<span class=\"n\">1</span> &lt; "))
    XCTAssertTrue(page.contains("color:rgb(255,0,0)"))
    XCTAssertFalse(page.contains("\u{1B}"))
    XCTAssertEqual(page.components(separatedBy: "</script>").count, 2, "what is recorded cannot end the element early")
  }

  func testAnyMarkdownIsProseAndFences() throws {
    let document = try MarkdownFile.read("# Title\n\nSome text.\n\n```zs\nx = 1\n```\n\n```python\npass\n```\nmore\n")
    XCTAssertEqual(document.cells.map(\.kind), [.markdown, .code, .markdown])
    XCTAssertEqual(document.cells[1].text, "x = 1")
    XCTAssertEqual(document.cells[2].text, "```python\npass\n```\nmore")
  }

  func testWhatIsNoNotebook() {
    for text in ["", "{", "[]", "{\"nbformat\": 3}", "{\"nbformat\": 4, \"cells\": [{\"cell_type\": \"x\"}]}", "{\"nbformat\": 4}"] {
      XCTAssertThrowsError(try IpynbFile.read(text), text) { XCTAssertTrue($0 is NotebookError, "\($0)") }
    }
    XCTAssertThrowsError(try HTMLPage.read("<html></html>"))
    XCTAssertThrowsError(try NotebookFile.format(of: "a.b/c"))
  }

  /// Outputs as words: escape codes and how a text ends are no matter.
  private func words(_ output: CellOutput) -> String {
    switch output {
    case .stream(let text): "stream " + HTMLText.withoutEscapes(text).split(separator: "\n").joined(separator: "|")
    case .result(let bundle): "result " + bundle.text
    case .error(let kind, let message, let text): "error \(kind) \(message) \(text)"
    }
  }

  private func recorded() -> NotebookDocument {
    var first = NotebookCell(.code, "print(\"```\")\n1 < 2", title: "Setting up")
    (first.number, first.ending, first.seconds, first.randomPosition) = (1, .finished, 0.25, 3)
    first.outputs = [.stream("\u{1B}[38;2;255;0;0m````\u{1B}[0m\n</script> -->\n"), .result(DisplayBundle(text: "true"))]
    var second = NotebookCell(.code, "plot([1, 2])")
    (second.number, second.ending, second.seconds) = (2, .finished, 0.001)
    second.outputs = [
      .result(DisplayBundle(text: "1 < 2", rich: ["text/html": "<table class=\"rows\"></table>"])),
      .result(DisplayBundle(text: "⠉⠒", rich: ["image/svg+xml": "<svg><text>é & &lt;</text></svg>"])),
    ]
    var third = NotebookCell(.code, "1 // 0")
    (third.number, third.ending, third.seconds) = (3, .failed, 0)
    third.outputs = [.error(kind: "arithmetic", message: "1 -- 0", text: "error: 1 -- 0\n  In[3]:1:0")]
    let cells = [
      first, NotebookCell(.markdown, "Some *prose*, **bold**.\n\n- one\n- two\n\n```text\nfence\n```", title: "Why"), second, third,
    ]
    return NotebookDocument([cells[0], cells[2], cells[1], cells[3]], about: .init(title: "A < title", seed: .max, width: 90))
  }
}
