// Finds the name that was meant: optimal string alignment distance (Damerau–Levenshtein without
// overlapping edits) of at most max(1, length / 3).

/// The candidate nearest to `name`, nil where none is near enough.
public func nearest(to name: String, among candidates: [String]) -> String? {
  nearestNames(to: name, among: candidates).first
}

/// The candidates near enough to `name`, nearest first, earlier candidates first among equals.
public func nearestNames(to name: String, among candidates: [String]) -> [String] {
  let wanted = Array(name.lowercased().utf8.prefix(64))
  let limit = max(1, wanted.count / 3)
  var seen = Set<String>()
  var found: [(distance: Int, order: Int, name: String)] = []
  for candidate in candidates where candidate != name && seen.insert(candidate).inserted {
    let other = Array(candidate.lowercased().utf8.prefix(64))
    guard abs(other.count - wanted.count) <= limit else { continue }
    let distance = editDistance(wanted, other)
    // A name of one letter is near to every other one: only a different case counts.
    if distance <= limit && distance < max(wanted.count, 1) { found.append((distance, found.count, candidate)) }
  }
  return found.sorted { ($0.distance, $0.order) < ($1.distance, $1.order) }.map(\.name)
}

/// Whether two names differ by one letter, or by two that changed places.
func isOneEdit(from name: String, to other: String) -> Bool {
  abs(name.utf8.count - other.utf8.count) <= 1 && name.utf8.count <= 64 && editDistance(Array(name.utf8), Array(other.utf8)) == 1
}

func editDistance(_ a: [UInt8], _ b: [UInt8]) -> Int {
  if a.isEmpty || b.isEmpty { return max(a.count, b.count) }
  var beforeLast = Array(repeating: 0, count: b.count + 1)
  var last = Array(0...b.count)
  for i in 1...a.count {
    var row = Array(repeating: i, count: b.count + 1)
    for j in 1...b.count {
      let substitution = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)
      row[j] = min(substitution, last[j] + 1, row[j - 1] + 1)
      if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] { row[j] = min(row[j], beforeLast[j - 2] + 1) }
    }
    (beforeLast, last) = (last, row)
  }
  return last[b.count]
}
