// Pictures: what is drawn in the terminal and in SVG, at ordinary and at odd numbers.
import Builtins
import Foundation
import Language
import XCTest

final class PlotTests: XCTestCase {
  private func shown(_ code: String, colour: Bool = false) throws -> String {
    guard case .object(let plot) = try TestSession().run(code) else {
      XCTFail("no plot: \(code)")
      return ""
    }
    return plot.display(DisplayOptions(width: 60, colour: colour, plain: !colour))
  }

  func testCurveInBraille() throws {
    let text = try shown("plot([0, 1, 2, 3, 4], title: \"line\", height: 4, width: 24)")
    let lines = text.split(separator: "\n").map(String.init)
    XCTAssertEqual(lines.first, "line")
    XCTAssertEqual(lines.count, 1 + 4 + 2)
    XCTAssertTrue(text.unicodeScalars.contains { (0x2801...0x28FF).contains($0.value) })
    XCTAssertFalse(text.contains("\u{1B}"))
    XCTAssertTrue(lines.allSatisfy { TextWidth.of($0) <= 24 + 8 }, text)
  }

  func testColourOnlyWhereAsked() throws {
    XCTAssertTrue(try shown("plot([1, 2, 3])", colour: true).contains("\u{1B}[38;5;"))
    XCTAssertTrue(try shown("heatmap([[1, 2], [3, 4]])", colour: true).contains("▀"))
    XCTAssertFalse(try shown("heatmap([[1, 2], [3, 4]])").contains("\u{1B}"))
  }

  func testRowsByName() throws {
    let text = try shown("plot([{step: 1, loss: 0.69}, {step: 2, loss: 0.5, extra: none}], \"loss\")")
    XCTAssertTrue(text.contains("loss"))
    assertErrors([
      ("plot([{loss: 1}], \"lost\")", "did you mean 'loss'"), ("plot([])", "at least one"), ("plot([1], [1, 2])", "as many"),
      ("plot([0, -1], log: true)", "above 0"), ("heatmap([[1], [1, 2]])", "one length"), ("hist([])", "finite"),
      ("plot(\"abc\")", "numbers"),
    ])
  }

  func testOddNumbersDraw() throws {
    for code in [
      "plot([1])", "plot([5, 5, 5])", "plot([1e-300, 2e-300])", "plot([1e300, -1e300])", "plot([1, none, 3])", "plot([0, 0])",
      "plot([1, 10, 1000], log: true)",
      "hist([1, 1, 1])", "hist([1e308, -1e308])", "plot([0, 5e-324])", "hist([0, 5e-324])", "heatmap([[0, 5e-324]])",
      "plot([1e-320, 1], log: true)", "hist(randn(1000))", "heatmap([[5]])", "heatmap(randn(100, 300))", "plot(arange(5000))",
      "plot(0..<3, [1, 4, 9])",
    ] {
      XCTAssertFalse(try shown(code).isEmpty, code)
      XCTAssertTrue(try TestSession().source("\(code).svg").contains("<svg"), code)
    }
  }

  func testSVGIsWellFormed() throws {
    guard case .string(let svg) = try TestSession().run("plot([3, 1, 2], title: \"a < b & c\").svg") else { return XCTFail("no text") }
    let parser = XMLCheck(svg)
    XCTAssertTrue(parser.isBalanced, svg)
    XCTAssertTrue(svg.contains("a &lt; b &amp; c"))
  }

  func testPNGIsWellFormed() throws {
    let folder = NSTemporaryDirectory() + "zs-plot-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { XCTAssertNoThrow(try FileManager.default.removeItem(atPath: folder)) }
    let plots = [
      "plot(arange(100) ** 2, title: \"squares é…\")", "hist(randn(500))", "heatmap(randn(20, 30))",
      "scatter(randn(50), randn(50), randn(50))",
      "plot([1])",
    ]
    for (index, plot) in plots.enumerated() {
      let path = "\(folder)/\(index).png"
      try TestSession().run("save(\(plot), \"\(path)\")")
      let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
      XCTAssertEqual(Array(bytes.prefix(8)), [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A])
      XCTAssertLessThan(bytes.count, 400_000, "compressed")
      // Another program's inflation has the last word.
      let check = """
        import struct, zlib
        b = open("\(path)", "rb").read(); place = 8; data = b""; kinds = []
        while place < len(b):
            n, = struct.unpack(">I", b[place:place + 4]); kind = b[place + 4:place + 8]; body = b[place + 8:place + 8 + n]
            assert zlib.crc32(kind + body) == struct.unpack(">I", b[place + 8 + n:place + 12 + n])[0]
            kinds.append(kind); data += body if kind == b"IDAT" else b""; place += 12 + n
        w, h, depth, colour = struct.unpack(">IIBB", b[16:26])
        raw = zlib.decompress(data)
        assert kinds == [b"IHDR", b"IDAT", b"IEND"] and (w, h, depth, colour) == (1280, 720, 8, 2) and len(raw) == h * (w * 3 + 1), (w, h, len(raw))
        assert len(set(raw)) > 2
        """
      let process = Process()
      process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
      process.arguments = ["python3", "-c", check]
      try process.run()
      process.waitUntilExit()
      if process.terminationStatus == 127 { throw XCTSkip("python3 is not installed") }
      XCTAssertEqual(process.terminationStatus, 0, plot)
    }
    assertErrors([("save(plot([1]), \"x.gif\")", ".png")])
  }

  func testScatter() throws {
    let text = try shown("scatter([0, 1, 2], [0, 2, 1], height: 4, width: 24)")
    XCTAssertEqual(text.unicodeScalars.filter { (0x2801...0x28FF).contains($0.value) }.count, 3, text)
    XCTAssertEqual(try TestSession().source("scatter([0, 1, 2], [0, 2, 1]).svg.split(\"<circle\") |> len"), "4")
    assertErrors([("scatter([1, 2])", "y as well"), ("scatter([1, 2], [1])", "as many")])
  }

  func testSparkline() throws {
    assertPrograms([
      ("sparkline([0, 1, 2, 3, 4, 5, 6, 7])", "\"▁▂▃▄▅▆▇█\""), ("sparkline([1, 1])", "\"▄▄\""), ("sparkline([1, none, 2])", "\"▁ █\""),
      ("sparkline([])", "\"\""),
    ])
  }
}

/// Whether every tag of a document is closed.
private struct XMLCheck {
  let isBalanced: Bool

  init(_ text: String) {
    var open: [Substring] = []
    var isGood = true
    for piece in text.split(separator: "<").dropFirst(text.hasPrefix("<") ? 0 : 1) {
      guard let end = piece.firstIndex(of: ">") else {
        isGood = false
        break
      }
      let tag = piece[..<end]
      if tag.hasPrefix("/") {
        isGood = isGood && open.popLast() == tag.dropFirst()
      } else if !tag.hasSuffix("/") {
        open.append(tag.prefix { $0 != " " })
      }
    }
    isBalanced = isGood && open.isEmpty
  }
}
