// Curves for a page: colours come from the page's style, so that they fit light and dark; every point tells its numbers when pointed at.

import Language

private let width = 460.0
private let height = 220.0
private let frame = (left: 52.0, top: 10.0, right: 448.0, bottom: 190.0)

/// Curves over the steps of a run as a figure of a page; nil where no curve has a finite number.
func curveFigure(_ title: String, steps: [Double], _ curves: [(name: String, values: [Double])], marks: [Double] = []) -> String? {
  let curves = curves.filter { $0.values.contains(where: \.isFinite) }
  if curves.isEmpty { return nil }
  let x = Ticks(steps, count: 6)
  let y = Ticks(curves.flatMap(\.values) + marks, count: 5)
  func across(_ value: Double) -> String { fixed(frame.left + x.place(value) * (frame.right - frame.left), 1) }
  func up(_ value: Double) -> String { fixed(frame.bottom - y.place(value) * (frame.bottom - frame.top), 1) }
  var body: [String] = []
  for (mark, label) in zip(y.marks, y.labels) where (-1e-9...1 + 1e-9).contains(y.place(mark)) {
    body.append("<path class=\"grid\" d=\"M\(frame.left) \(up(mark))H\(frame.right)\"/>")
    body.append("<text x=\"\(frame.left - 6)\" y=\"\(up(mark))\" text-anchor=\"end\" dominant-baseline=\"middle\">\(label)</text>")
  }
  for (mark, label) in zip(x.marks, x.labels) where (-1e-9...1 + 1e-9).contains(x.place(mark)) && mark == mark.rounded() {
    body.append("<text x=\"\(across(mark))\" y=\"\(frame.bottom + 16)\" text-anchor=\"middle\">\(label)</text>")
  }
  for (index, curve) in curves.enumerated() {
    let points = zip(steps, curve.values).filter { $0.1.isFinite }
    let style = "k\(index % 4)"
    if points.count > 1 {
      body.append("<polyline class=\"curve \(style)\" points=\"\(points.map { "\(across($0.0)),\(up($0.1))" }.joined(separator: " "))\"/>")
    }
    // Beyond some hundred points the marks would only make the page large.
    for point in points.count <= 400 ? points : [] {
      let shape = "M\(across(point.0)) \(up(point.1))h0"
      if points.count <= 30 { body.append("<path class=\"dot \(style)\" d=\"\(shape)\"/>") }
      let says = "\(curve.name) · step \(Int(point.0)): \(compact(point.1))"
      body.append("<path class=\"point \(style)\" d=\"\(shape)\"><title>\(escapedMarkup(says))</title></path>")
    }
  }
  let names = curves.enumerated().map { index, curve -> String in
    let last = curve.values.last { $0.isFinite } ?? .nan
    return "<b class=\"k\(index % 4)\">\(escapedMarkup(curve.name))</b> \(compact(last))"
  }
  return """
    <figure><figcaption><strong>\(escapedMarkup(title))</strong> · \(names.joined(separator: " · "))</figcaption>
    <svg viewBox="0 0 \(Int(width)) \(Int(height))" role="img" aria-label="\(escapedMarkup(title))">
    \(body.joined(separator: "\n"))
    </svg></figure>
    """
}
