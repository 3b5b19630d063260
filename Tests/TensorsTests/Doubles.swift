// The oracle: arrays of Double and the plainest version of every operation, written from the definitions and from nothing in
// Sources. Gradients are checked against central differences of these.

import Foundation

struct Doubles {
  var shape: [Int]
  var values: [Double]

  init(_ shape: [Int], _ values: [Double]) {
    precondition(shape.reduce(1, *) == values.count)
    self.shape = shape
    self.values = values
  }

  var rank: Int { shape.count }

  /// All index lists of a shape, in row-major order.
  static func places(_ shape: [Int]) -> [[Int]] {
    shape.reduce([[]]) { lists, extent in lists.flatMap { list in (0..<extent).map { list + [$0] } } }
  }

  subscript(_ place: [Int]) -> Double {
    get { values[Doubles.offset(place, shape)] }
    set { values[Doubles.offset(place, shape)] = newValue }
  }

  static func offset(_ place: [Int], _ shape: [Int]) -> Int { Swift.zip(place, shape).reduce(0) { $0 * $1.1 + $1.0 } }

  /// A new array of a shape from a function of the place.
  static func make(_ shape: [Int], _ body: ([Int]) -> Double) -> Doubles { Doubles(shape, places(shape).map(body)) }

  func map(_ body: (Double) -> Double) -> Doubles { Doubles(shape, values.map(body)) }

  func zip(_ other: Doubles, _ body: (Double, Double) -> Double) -> Doubles {
    let rank = Swift.max(self.rank, other.rank)
    let left = Array(repeating: 1, count: rank - self.rank) + shape
    let right = Array(repeating: 1, count: rank - other.rank) + other.shape
    let wide = (0..<rank).map { left[$0] == 1 ? right[$0] : left[$0] }
    let (a, b) = (Doubles(left, values), Doubles(right, other.values))
    return Doubles.make(wide) { place in
      body(a[(0..<rank).map { left[$0] == 1 ? 0 : place[$0] }], b[(0..<rank).map { right[$0] == 1 ? 0 : place[$0] }])
    }
  }

  /// Brings the elements along `axes` together and reduces each group.
  func reduce(_ axes: [Int]?, keep: Bool = false, _ body: ([Double]) -> Double) -> Doubles {
    let axes = (axes ?? Array(shape.indices)).map { $0 < 0 ? $0 + rank : $0 }
    let kept = shape.indices.map { axes.contains($0) ? 1 : shape[$0] }
    var groups: [[Int]: [Double]] = [:]
    for place in Doubles.places(shape) {
      groups[place.indices.map { axes.contains($0) ? 0 : place[$0] }, default: []].append(self[place])
    }
    let result = Doubles.make(kept) { body(groups[$0] ?? []) }
    return keep ? result : Doubles(shape.indices.filter { !axes.contains($0) }.map { shape[$0] }, result.values)
  }

  func permuted(_ order: [Int]) -> Doubles {
    Doubles.make(order.map { shape[$0] }) { place in
      var source = place
      for (axis, from) in order.enumerated() { source[from] = place[axis] }
      return self[source]
    }
  }

  func matmul(_ other: Doubles) -> Doubles {
    let a = rank == 1 ? Doubles([1] + shape, values) : self
    let b = other.rank == 1 ? Doubles(other.shape + [1], other.values) : other
    let (m, k, n) = (a.shape[a.rank - 2], a.shape[a.rank - 1], b.shape[b.rank - 1])
    let leading = Doubles([Int](a.shape.dropLast(2)), Array(repeating: 0, count: a.shape.dropLast(2).reduce(1, *)))
      .zip(Doubles([Int](b.shape.dropLast(2)), Array(repeating: 0, count: b.shape.dropLast(2).reduce(1, *)))) { $0 + $1 }.shape
    func place(_ wide: [Int], in matrix: Doubles) -> [Int] {
      let own = matrix.rank - 2
      return (0..<own).map { matrix.shape[$0] == 1 ? 0 : wide[wide.count - own + $0] }
    }
    let result = Doubles.make(leading + [m, n]) { at in
      let wide = Array(at.dropLast(2))
      return (0..<k).reduce(0.0) { sum, inner in
        sum + a[place(wide, in: a) + [at[at.count - 2], inner]] * b[place(wide, in: b) + [inner, at[at.count - 1]]]
      }
    }
    return Doubles(leading + (rank == 1 ? [] : [m]) + (other.rank == 1 ? [] : [n]), result.values)
  }

  func softmax(_ axis: Int) -> Doubles {
    let axis = axis < 0 ? axis + rank : axis
    let powers = zip(reduce([axis], keep: true) { $0.max() ?? 0 }) { exp($0 - $1) }
    return powers.zip(powers.reduce([axis], keep: true) { $0.reduce(0, +) }) { $0 / $1 }
  }

  func cumulative(_ axis: Int) -> Doubles {
    var result = self
    for place in Doubles.places(shape) where place[axis] > 0 {
      var previous = place
      previous[axis] -= 1
      result[place] = result[previous] + self[place]
    }
    return result
  }

  /// Elements by offset.
  func taking(_ offsets: [Int], _ shape: [Int]) -> Doubles { Doubles(shape, offsets.map { values[$0] }) }

  static func concatenated(_ parts: [Doubles], _ axis: Int) -> Doubles {
    var shape = parts[0].shape
    shape[axis] = parts.reduce(0) { $0 + $1.shape[axis] }
    return make(shape) { place in
      var place = place
      for part in parts {
        if place[axis] < part.shape[axis] { return part[place] }
        place[axis] -= part.shape[axis]
      }
      preconditionFailure("beyond the parts")
    }
  }
}
