// Low-rank adapters (LoRA): y = W·x + (α/r)·B·(A·dropout(x)), as one operation on the tape. Base and adapter share their passes
// over x and y, and with B = 0 the result has the very bits of the base.

import Kernels
import Tensors

/// How adapters are made.
public struct LoRAOptions: Sendable, Equatable {
  /// Width of the bottleneck.
  public var rank = 16
  /// Numerator of the scale.
  public var alpha: Double = 32
  /// The projections that get one.
  public var targets: [Projection] = Projection.allCases
  /// Share of inputs that are zeroed in training.
  public var dropout: Double = 0
  /// Whether the scale is α/√r instead of α/r (Kalajdzievski 2023, arXiv:2312.03732).
  public var rsLoRA = false
  /// What the initial A are drawn from.
  public var seed: UInt64 = 0

  /// PEFT's layout with rank 16, α 32 on all seven projections.
  public init(
    rank: Int = 16, alpha: Double = 32, targets: [Projection] = Projection.allCases, dropout: Double = 0, rsLoRA: Bool = false,
    seed: UInt64 = 0
  ) {
    self.rank = rank
    self.alpha = alpha
    self.targets = targets
    self.dropout = dropout
    self.rsLoRA = rsLoRA
    self.seed = seed
  }

  /// What the product of B and A is multiplied by.
  public var scale: Double { alpha / (rsLoRA ? Double(rank).squareRoot() : Double(rank)) }

  /// Projections by name; "all-linear" is all seven.
  public static func targets(named names: [String]) throws -> [Projection] {
    var targets: [Projection] = []
    for name in names {
      if name == "all-linear" { return Projection.allCases }
      guard let projection = Projection(rawValue: name) else {
        let known = Projection.allCases.map(\.rawValue).joined(separator: ", ")
        throw ModelError("no projection is called '\(name)'", hint: "\"all-linear\", or some of \(known)")
      }
      if !targets.contains(projection) { targets.append(projection) }
    }
    guard !targets.isEmpty else { throw ModelError("an adapter needs at least one projection to sit on", hint: "targets: \"all-linear\"") }
    return Projection.allCases.filter { targets.contains($0) }
  }

  func validate() throws {
    guard rank >= 1, rank <= 65_536 else { throw ModelError("the rank of an adapter must be from 1 to 65536, not \(rank)") }
    guard alpha.isFinite else { throw ModelError("alpha must be a number, not \(alpha)") }
    guard dropout >= 0, dropout < 1 else { throw ModelError("dropout must be at least 0 and below 1, not \(dropout)") }
    guard !targets.isEmpty else { throw ModelError("an adapter needs at least one projection to sit on") }
  }
}

/// The low-rank adapter of one matrix.
public final class Adapter: Sendable {
  /// Which block it is in.
  public let layer: Int
  /// Which matrix it sits on.
  public let projection: Projection
  /// The way down, shape (rank, inputs).
  public let a: Tensor
  /// The way back up, shape (outputs, rank).
  public let b: Tensor
  /// α/r, or α/√r.
  public let scale: Float
  /// Share of inputs zeroed in training.
  public let dropout: Double

  init(
    layer: Int, projection: Projection, a: Tensor, b: Tensor, scale: Float, dropout: Double, trains: (a: Bool, b: Bool) = (true, true)
  ) {
    self.layer = layer
    self.projection = projection
    self.a = a
    self.b = b
    self.scale = scale
    self.dropout = dropout
    a.requiresGradient = trains.a
    b.requiresGradient = trains.b
  }

  /// The path of the matrix in a Hugging Face checkpoint.
  public var path: String { projection.path(layer: layer) }

  /// A fresh adapter as PEFT makes it: A uniform in ±1/√inputs (Kaiming with a = √5), B zero.
  static func fresh(layer: Int, projection: Projection, _ configuration: Configuration, _ options: LoRAOptions) throws -> Adapter {
    let (rows, columns) = projection.shape(configuration)
    let a = try Tensor(shape: [options.rank, columns])
    var random = RandomSource(seed: options.seed).split(projection.path(layer: layer))
    random.fillUniform(a.pointer, count: a.count)
    let bound = 1 / Float(columns).squareRoot()
    for index in 0..<a.count { a.pointer[index] = (2 * a.pointer[index] - 1) * bound }
    return Adapter(
      layer: layer, projection: projection, a: a, b: try .zeros([rows, options.rank]), scale: Float(options.scale), dropout: options.dropout
    )
  }

  /// The mask of one pass: 0 for dropped inputs, 1/(1 − p) for kept ones; nil where nothing is dropped.
  func dropoutMask(_ pass: DropoutPass?, shape: [Int]) throws -> Tensor? {
    guard let pass, dropout > 0 else { return nil }
    let mask = try Tensor(shape: shape)
    var random = RandomSource(seed: pass.seed).split("\(path) \(pass.number)")
    random.fillUniform(mask.pointer, count: mask.count)
    let kept = 1 / Float(1 - dropout)
    let limit = Float(dropout)
    for index in 0..<mask.count { mask.pointer[index] = mask.pointer[index] < limit ? 0 : kept }
    return mask
  }
}

/// Which forward pass of a training this is.
///
/// Masks are a function of it, so that a checkpointed block recomputes them and a step that is taken back and made again is the same.
public struct DropoutPass: Sendable, Equatable {
  /// The training's seed.
  public var seed: UInt64
  /// A number for each forward pass.
  public var number: Int

  /// The pass of that number under that seed.
  public init(seed: UInt64, number: Int) {
    self.seed = seed
    self.number = number
  }
}

/// W·x + scale·B·(A·x) for each row of `x`.
///
/// - Parameters:
///   - x: Shape (T, inputs).
///   - mask: What the adapter's input is multiplied by, or nil. Shape (T, inputs).
/// - Returns: Shape (T, outputs).
/// - Source: Hu et al. 2021, arXiv:2106.09685, Eq. 3.
func linear(_ x: Tensor, _ weight: Weight, _ adapter: Adapter, mask: Tensor?) throws -> Tensor {
  // T rows, I inputs, O outputs, R rank
  let (T, I, O, R) = (x.shape[0], weight.columns, weight.rows, adapter.a.shape[0])
  let (a, b, scale) = (adapter.a, adapter.b, adapter.scale)
  let dropped = try mask.map { try product(x, $0) } ?? x
  let down = try Tensor(shape: [T, R])  // scale · A·x
  lowRankDown(dropped.pointer, a.pointer, isTransposed: true, scale: scale, rows: T, columns: I, rank: R, out: down.pointer)
  let y = try Tensor(shape: [T, O])
  gemmTransposed(m: T, a: x.pointer, lda: I, weight: weight.view, c: y.pointer, ldc: O, accumulate: false)
  lowRankUp(down.pointer, b.pointer, isTransposed: true, rows: T, columns: O, rank: R, addingTo: y.pointer)
  return Tensor.record("lora", output: y, inputs: [x, a, b] + (weight.tensor.map { [$0] } ?? [])) { pass in
    let dy = pass.dout
    if pass.needs(2) {  // dB = scale · dyᵀ·(A·x)
      let (db, holdsTerms) = try pass.gradientToCompute(2)
      lowRankGradient(
        down.pointer, dy.pointer, isTransposed: true, rows: T, columns: O, rank: R, out: db.pointer, accumulate: holdsTerms)
    }
    let ddown = try Tensor(shape: [T, R])  // scale · dy·B
    lowRankDown(dy.pointer, b.pointer, isTransposed: false, scale: scale, rows: T, columns: O, rank: R, out: ddown.pointer)
    if pass.needs(1) {  // dA = ddownᵀ·x
      let (da, holdsTerms) = try pass.gradientToCompute(1)
      lowRankGradient(
        ddown.pointer, dropped.pointer, isTransposed: false, rows: T, columns: I, rank: R, out: da.pointer, accumulate: holdsTerms)
    }
    if pass.needs(0) {  // dx = dy·W + ddown·A
      let (dx, holdsTerms) = try pass.gradientToCompute(0)
      gemmPlain(m: T, a: dy.pointer, lda: O, weight: weight.view, c: dx.pointer, ldc: I, accumulate: holdsTerms)
      lowRankUp(
        ddown.pointer, a.pointer, isTransposed: false, mask: mask?.pointer, rows: T, columns: I, rank: R, addingTo: dx.pointer)
    }
    if weight.tensor != nil, pass.needs(3) {
      let (dweight, holdsTerms) = try pass.gradientToCompute(3)
      gemm(
        transposeA: true, transposeB: false, m: O, n: I, k: T, a: dy.pointer, lda: O, b: x.pointer, ldb: I,
        c: dweight.pointer, ldc: I, accumulate: holdsTerms)
    }
  }
}

/// An fp32 matrix as the kernels see weights.
func matrixView(_ matrix: Tensor) -> WeightView {
  WeightView(type: .f32, base: UnsafeRawPointer(matrix.pointer), rows: matrix.shape[0], columns: matrix.shape[1])
}

private func product(_ x: Tensor, _ mask: Tensor) throws -> Tensor {
  let result = try Tensor(shape: x.shape)
  for index in 0..<result.count { result.pointer[index] = x.pointer[index] * mask.pointer[index] }
  return result
}
