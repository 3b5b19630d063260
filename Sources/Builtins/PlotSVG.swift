// Plots as SVG: the scene in a file of its own that any browser shows.
import Language

extension PlotValue {
  /// The plot as an SVG document.
  func svg() -> String {
    let scene = Scene(self)
    let (width, height) = (Int(scene.width), Int(scene.height))
    return """
      <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(width) \(height)" width="\(width)" height="\(height)" \
      font-family="sans-serif" font-size="12" fill="#222">
      <rect width="100%" height="100%" fill="#fff"/>
      \(scene.items.map(element).joined(separator: "\n"))
      </svg>

      """
  }

  private func element(_ item: SceneItem) -> String {
    switch item {
    case .line(let points, let ink, let width):
      let places = points.map { "\(fixed($0.x, 1)),\(fixed($0.y, 1))" }.joined(separator: " ")
      return "<polyline fill=\"none\" stroke=\"\(hex(ink))\" stroke-width=\"\(fixed(width, 1))\" points=\"\(places)\"/>"
    case .bar(let corner, let width, let height, let ink):
      let size = "width=\"\(fixed(width, 2))\" height=\"\(fixed(height, 2))\""
      return "<rect x=\"\(fixed(corner.x, 2))\" y=\"\(fixed(corner.y, 2))\" \(size) fill=\"\(hex(ink))\"/>"
    case .dot(let place, let radius, let ink):
      return "<circle cx=\"\(fixed(place.x, 1))\" cy=\"\(fixed(place.y, 1))\" r=\"\(fixed(radius, 1))\" fill=\"\(hex(ink))\"/>"
    case .text(let text, let place, let anchor, let isBold):
      let weight = isBold ? " font-weight=\"bold\"" : ""
      let at = "x=\"\(fixed(place.x, 1))\" y=\"\(fixed(place.y, 1))\""
      return "<text \(at) text-anchor=\"\(anchor.rawValue)\" dominant-baseline=\"middle\"\(weight)>\(escapedMarkup(text))</text>"
    }
  }

  private func hex(_ ink: Ink) -> String {
    "#" + [ink.red, ink.green, ink.blue].map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }
}
