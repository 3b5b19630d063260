// How the prompt shows a tensor: type[shape] and statistics on one line, then at most eight rows and columns around the corners.

import Language
import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Text of a tensor for the prompt.
func tensorText(_ value: TensorValue, _ options: DisplayOptions) -> String {
  let tensor = value.tensor
  let head = "\(value.dtype)[\(tensor.shape.map(String.init).joined(separator: ", "))]"
  let values = tensor.values
  if tensor.rank == 0 { return "\(head) \(shortNumber(values[0]))" }
  let lines = [head + statistics(values, isMask: tensor.isMask)] + body(tensor, values, width: options.width)
  return lines.joined(separator: "\n")
}

/// Smallest, largest, mean and standard deviation of the numbers that are finite or infinite, and how many are neither.
private func statistics(_ values: [Float], isMask: Bool) -> String {
  if values.isEmpty { return " empty" }
  if isMask { return " \(values.count { $0 != 0 }) of \(values.count) true" }
  let numbers = values.lazy.filter { !$0.isNaN }
  let missing = values.count - numbers.count
  guard missing < values.count, let smallest = numbers.min(), let largest = numbers.max() else { return " nan \(missing)" }
  let count = Double(values.count - missing)
  let mean = numbers.reduce(0.0) { $0 + Double($1) } / count
  let variance = numbers.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / count
  return " min \(shortNumber(smallest)) max \(shortNumber(largest)) mean \(shortNumber(Float(mean)))"
    + " std \(shortNumber(Float(variance.squareRoot())))" + (missing > 0 ? " nan \(missing)" : "")
}

private func body(_ tensor: Tensor, _ values: [Float], width: Int) -> [String] {
  if values.isEmpty { return [] }
  let columns = tensor.shape[tensor.rank - 1]
  let rows = tensor.rank == 1 ? 1 : tensor.shape[tensor.rank - 2]
  let matrices = values.count / (rows * columns)
  if tensor.rank <= 2 { return grid(values[...], rows: rows, columns: columns, isMask: tensor.isMask, width: width) }
  // The first and the last matrix stand for all.
  var lines: [String] = []
  for matrix in matrices == 1 ? [0] : [0, matrices - 1] {
    if matrix > 1 { lines.append("… \(matrices - 2) more") }
    var remaining = matrix
    var place: [String] = []
    for extent in tensor.shape.dropLast(2).reversed() {
      place.insert(String(remaining % extent), at: 0)
      remaining /= extent
    }
    lines.append("[\(place.joined(separator: ", ")), :, :]")
    let part = values[matrix * rows * columns..<(matrix + 1) * rows * columns]
    lines += grid(part, rows: rows, columns: columns, isMask: tensor.isMask, width: width)
  }
  return lines
}

/// The corners of a matrix, in columns aligned to the right.
private func grid(_ values: ArraySlice<Float>, rows: Int, columns: Int, isMask: Bool, width: Int) -> [String] {
  let shownRows = corner(rows, 8)
  var limit = 8
  while true {
    let shownColumns = corner(columns, limit)
    let shown = shownRows.compactMap { $0 }.flatMap { row in
      shownColumns.compactMap { $0 }.map { values[values.startIndex + row * columns + $0] }
    }
    let format = isMask ? { String($0 != 0) } : numberFormat(shown)
    let texts = shownRows.map { row in
      row.map { row in shownColumns.map { $0.map { format(values[values.startIndex + row * columns + $0]) } ?? "…" } }
        ?? shownColumns.map { $0 == nil ? "" : "⋮" }
    }
    let widths = shownColumns.indices.map { column in texts.map { $0[column].count }.max() ?? 0 }
    let lines = texts.map { row in
      "  " + zip(row, widths).map { String(repeating: " ", count: $1 - $0.count) + $0 }.joined(separator: "  ")
    }
    if limit <= 2 || (lines.map(\.count).max() ?? 0) <= width { return lines.map { trimmed($0) } }
    limit -= 2
  }
}

private func trimmed(_ line: String) -> String {
  String(line.reversed().drop { $0 == " " }.reversed())
}

/// The first and last indices, with nil for those left out between them.
private func corner(_ count: Int, _ limit: Int) -> [Int?] {
  if count <= limit { return Array(0..<count) }
  return Array(0..<(limit / 2)) + [nil] + Array((count - limit / 2)..<count)
}

/// One way to write all the numbers shown: whole, with four decimals, or with an exponent.
private func numberFormat(_ values: [Float]) -> (Float) -> String {
  let finite = values.filter(\.isFinite).map(abs)
  let largest = finite.max() ?? 0
  let smallest = finite.filter { $0 > 0 }.min() ?? 1
  if finite.allSatisfy({ $0 == $0.rounded() }), largest < 1e7 { return { special($0) ?? String(Int($0)) } }
  if largest >= 1e5 || largest < 1e-2 || smallest < 1e-4 && largest / smallest > 1e6 { return { special($0) ?? formatted("%.3e", $0) } }
  return { special($0) ?? formatted("%.4f", $0) }
}

private func special(_ value: Float) -> String? {
  value.isNaN ? "nan" : value.isInfinite ? (value < 0 ? "-inf" : "inf") : nil
}

/// A number with up to six significant digits.
func shortNumber(_ value: Float) -> String { special(value) ?? formatted("%.6g", value) }

private func formatted(_ format: String, _ value: Float) -> String {
  var buffer = [CChar](repeating: 0, count: 64)
  let length = withVaList([Double(value)]) { vsnprintf(&buffer, buffer.count, format, $0) }
  return String(decoding: buffer.prefix(max(0, Int(length))).map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
