// Plots as PNG: the scene drawn into pixels, two for each of the page's in both directions, with soft edges and a small font.
import Formats

extension PlotValue {
  /// The plot as the bytes of a PNG file.
  func png() -> [UInt8] {
    let scene = Scene(self)
    var canvas = PixelCanvas(width: Int(scene.width) * PixelCanvas.scale, height: Int(scene.height) * PixelCanvas.scale)
    for item in scene.items { canvas.draw(item) }
    return PNG.encode(rgb: canvas.pixels, width: canvas.width, height: canvas.height)
  }
}

/// Pixels that are drawn on, white at first.
private struct PixelCanvas {
  static let scale = 2
  let width: Int
  let height: Int
  private(set) var pixels: [UInt8]

  init(width: Int, height: Int) {
    (self.width, self.height) = (width, height)
    pixels = Array(repeating: 255, count: width * height * 3)
  }

  mutating func draw(_ item: SceneItem) {
    let scale = Double(PixelCanvas.scale)
    switch item {
    case .line(let points, let ink, let width):
      for (from, to) in zip(points, points.dropFirst()) {
        stroke((from.x * scale, from.y * scale), (to.x * scale, to.y * scale), radius: width * scale / 2, ink)
      }
    case .bar(let corner, let width, let height, let ink):
      fill(corner.x * scale, corner.y * scale, (corner.x + width) * scale, (corner.y + height) * scale, ink)
    case .dot(let place, let radius, let ink):
      stroke((place.x * scale, place.y * scale), (place.x * scale, place.y * scale), radius: radius * scale, ink)
    case .text(let text, let place, let anchor, let isBold):
      let advance = Double(BitmapFont.advance * PixelCanvas.scale)
      let length = advance * Double(text.count)
      let start = place.x * scale - (anchor == .start ? 0 : anchor == .middle ? length / 2 : length)
      write(text, x: Int(start.rounded()), y: Int((place.y * scale).rounded()) - BitmapFont.height * PixelCanvas.scale / 2, isBold: isBold)
    }
  }

  private mutating func blend(_ x: Int, _ y: Int, _ ink: Ink, _ cover: Double) {
    guard x >= 0, y >= 0, x < width, y < height, cover > 0 else { return }
    let place = (y * width + x) * 3
    mix(place, ink.red, cover)
    mix(place + 1, ink.green, cover)
    mix(place + 2, ink.blue, cover)
  }

  private mutating func mix(_ place: Int, _ value: UInt8, _ cover: Double) {
    let old = Double(pixels[place])
    pixels[place] = cover >= 1 ? value : UInt8((old + (Double(value) - old) * cover).rounded())
  }

  /// A line with round ends: a pixel is covered as far as it lies within the radius.
  private mutating func stroke(_ a: (x: Double, y: Double), _ b: (x: Double, y: Double), radius: Double, _ ink: Ink) {
    let (dx, dy) = (b.x - a.x, b.y - a.y)
    let length = dx * dx + dy * dy
    let (top, bottom) = (Int(min(a.y, b.y) - radius - 1), Int(max(a.y, b.y) + radius + 1))
    let (left, right) = (Int(min(a.x, b.x) - radius - 1), Int(max(a.x, b.x) + radius + 1))
    for y in stride(from: max(0, top), through: min(height - 1, bottom), by: 1) {
      for x in stride(from: max(0, left), through: min(width - 1, right), by: 1) {
        let (px, py) = (Double(x) + 0.5 - a.x, Double(y) + 0.5 - a.y)
        let along = length == 0 ? 0 : min(max((px * dx + py * dy) / length, 0), 1)
        let (ox, oy) = (px - along * dx, py - along * dy)
        blend(x, y, ink, radius + 0.5 - (ox * ox + oy * oy).squareRoot())
      }
    }
  }

  /// A bar; edges of one that is wide enough fall between pixels, so that neighbours meet without a seam.
  private mutating func fill(_ left: Double, _ top: Double, _ right: Double, _ bottom: Double, _ ink: Ink) {
    let (left, right) = right - left >= 1.5 ? (left.rounded(), right.rounded()) : (left, right)
    let (top, bottom) = bottom - top >= 1.5 ? (top.rounded(), bottom.rounded()) : (top, bottom)
    guard right > left, bottom > top else { return }
    for y in Int(top)..<Int(bottom.rounded(.up)) {
      let down = min(Double(y + 1), bottom) - max(Double(y), top)
      for x in Int(left)..<Int(right.rounded(.up)) {
        blend(x, y, ink, (min(Double(x + 1), right) - max(Double(x), left)) * down)
      }
    }
  }

  private mutating func write(_ text: String, x: Int, y: Int, isBold: Bool) {
    let scale = PixelCanvas.scale
    for (index, character) in text.enumerated() {
      let start = x + index * BitmapFont.advance * scale
      for (row, bits) in BitmapFont.rows(of: character).enumerated() {
        for column in 0..<BitmapFont.width where bits & (1 << UInt8(BitmapFont.width - 1 - column)) != 0 {
          for dy in 0..<scale {
            for dx in 0..<scale + (isBold ? 1 : 0) { blend(start + column * scale + dx, y + row * scale + dy, .black, 1) }
          }
        }
      }
    }
  }
}
