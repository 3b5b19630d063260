// The operations a decoder is made of, each one kernel with its gradient beside it: linear, embedding, RMSNorm, SwiGLU and
// rotary embedding. Shapes are checked here; kernels check nothing.

import Kernels

/// x · weightᵀ over the last axis: (…, columns) → (…, rows).
///
/// No gradient is computed for a frozen weight. One row that is not recorded takes the path of decoding.
public func linear(_ x: Tensor, _ weight: Weight) throws -> Tensor {
  guard x.rank >= 1, x.shape[x.rank - 1] == weight.columns else {
    throw TensorError(
      "linear: the input has the shape \(Shape.text(x.shape)), the weight (\(weight.rows), \(weight.columns))",
      hint: "the last axis of the input must be the weight's second: \(weight.columns)")
  }
  let tokens = weight.columns == 0 ? 0 : x.count / weight.columns
  let output = try Tensor(shape: x.shape.dropLast() + [weight.rows])
  let isRecorded = Tensor.isRecording && (x.requiresGradient || weight.tensor?.requiresGradient == true)
  if tokens == 1 && !isRecorded {
    matVec(weight: weight.view, interleaved: weight.interleaved, x: x.pointer, y: output.pointer)
  } else if tokens > 0 {
    gemmTransposed(
      m: tokens, a: x.pointer, lda: weight.columns, weight: weight.view, c: output.pointer, ldc: weight.rows, accumulate: false)
  }
  return Tensor.record("linear", output: output, inputs: weight.inputs(with: x)) { pass in
    let dout = pass.dout
    if pass.needs(0) {
      let (dx, holdsTerms) = try pass.gradientToCompute(0)
      gemmPlain(
        m: tokens, a: dout.pointer, lda: weight.rows, weight: weight.view, c: dx.pointer, ldc: weight.columns, accumulate: holdsTerms)
    }
    if weight.tensor != nil, pass.needs(1) {
      let (dweight, holdsTerms) = try pass.gradientToCompute(1)
      gemm(
        transposeA: true, transposeB: false, m: weight.rows, n: weight.columns, k: tokens, a: dout.pointer, lda: weight.rows,
        b: x.pointer, ldb: weight.columns, c: dweight.pointer, ldc: weight.columns, accumulate: holdsTerms)
    }
  }
}

/// The rows `ids` of a weight as floats: (count,) → (count, columns).
///
/// - Parameter paddingID: A token whose row gets no gradient from here, as PyTorch's `Embedding` has it for its `padding_idx`.
public func embedding(_ weight: Weight, _ ids: [Int32], paddingID: Int32? = nil) throws -> Tensor {
  if let wrong = ids.first(where: { $0 < 0 || $0 >= weight.rows }) {
    throw TensorError("embedding: token \(wrong) is not in a vocabulary of \(weight.rows)", hint: "ids go from 0 to \(weight.rows - 1)")
  }
  let output = try Tensor(shape: [ids.count, weight.columns])
  embeddingForward(table: weight.view, ids: ids, count: ids.count, out: output.pointer)
  guard let table = weight.tensor else { return output }
  let learning = ids.map { $0 == paddingID ? -1 : $0 }
  return Tensor.record("embedding", output: output, inputs: [table]) { pass in
    let dtable = try pass.gradient(0)
    embeddingBackward(dout: pass.dout.pointer, ids: learning, count: ids.count, columns: weight.columns, dtable: dtable.pointer)
  }
}

/// x · weight / √(mean(x²) + epsilon) over the last axis.
public func rmsNorm(_ x: Tensor, _ weight: Tensor, epsilon: Float) throws -> Tensor {
  guard x.rank >= 1, weight.rank == 1, x.shape[x.rank - 1] == weight.count else {
    throw TensorError(
      "rms_norm: the input has the shape \(Shape.text(x.shape)), the weight \(Shape.text(weight.shape))",
      hint: "the weight is a vector as long as the last axis of the input")
  }
  let columns = weight.count
  let rows = columns == 0 ? 0 : x.count / columns
  let output = try Tensor(shape: x.shape)
  let inverseRMS = try Tensor(shape: [rows])
  rmsNormForward(
    x: x.pointer, weight: weight.pointer, out: output.pointer, inverseRMS: inverseRMS.pointer, rows: rows, columns: columns,
    epsilon: epsilon)
  return Tensor.record("rms_norm", output: output, inputs: [x, weight]) { pass in
    let dx = pass.needs(0) ? try pass.gradient(0) : nil
    let dweight = pass.needs(1) ? try pass.gradient(1) : nil
    rmsNormBackward(
      dout: pass.dout.pointer, x: x.pointer, weight: weight.pointer, inverseRMS: inverseRMS.pointer, dx: dx?.pointer,
      dweight: dweight?.pointer, rows: rows, columns: columns)
  }
}

/// SiLU(gate) · up, element by element.
public func swiglu(_ gate: Tensor, _ up: Tensor) throws -> Tensor {
  guard gate.shape == up.shape else {
    throw TensorError("swiglu: gate and up must have the same shape; they have \(Shape.text(gate.shape)) and \(Shape.text(up.shape))")
  }
  let output = try Tensor(shape: gate.shape)
  swigluForward(gate: gate.pointer, up: up.pointer, out: output.pointer, count: gate.count)
  return Tensor.record("swiglu", output: output, inputs: [gate, up]) { pass in
    // Where only one of the two is wanted the other's gradient goes to memory that nobody reads.
    let (dgate, addsToGate) = try pass.gradientToCompute(0)
    // The second may be the first: gate and up one tensor.
    let (dup, addsToUp) = try pass.gradientToCompute(1)
    swigluBackward(
      dout: pass.dout.pointer, gate: gate.pointer, up: up.pointer, dgate: dgate.pointer, dup: dup.pointer, count: gate.count,
      addsToGate: addsToGate, addsToUp: addsToUp)
  }
}

/// Rotary position embedding of (tokens, heads · headDimension), token i at `positions[i]` of the table.
///
/// - Parameter inPlace: Whether the result takes the memory of `x`, whose own values are then lost: for one that no gradient needs.
public func rotary(
  _ x: Tensor, heads: Int, headDimension: Int, positions: [Int32], table: RotaryTable, layout: RotaryLayout, inPlace: Bool = false
) throws -> Tensor {
  guard headDimension == table.headDimension, heads > 0, x.rank == 2, x.shape[1] == heads * headDimension else {
    throw TensorError(
      "rotary: the input has the shape \(Shape.text(x.shape)); \(heads) heads of \(headDimension) over a table for heads of "
        + "\(table.headDimension) need (tokens, \(heads) · \(table.headDimension))")
  }
  guard positions.count == x.shape[0] else {
    throw TensorError("rotary: \(positions.count) positions for \(x.shape[0]) tokens", hint: "give one position for each token")
  }
  if let wrong = positions.first(where: { $0 < 0 || $0 >= table.positions }) {
    throw TensorError("rotary: position \(wrong) is outside the table of \(table.positions)", hint: "the context may be too long")
  }
  let shape = RotaryShape(rows: x.shape[0], heads: heads, headDimension: headDimension)
  let output = inPlace ? x.detached() : try Tensor(shape: x.shape)
  rotaryForward(x: x.pointer, out: output.pointer, positions: positions, shape: shape, table: table, layout: layout)
  return Tensor.record("rotary", output: output, inputs: [x]) { pass in
    let (dx, holdsTerms) = try pass.gradientToCompute(0)
    rotaryBackward(
      dout: pass.dout.pointer, dx: dx.pointer, positions: positions, shape: shape, table: table, layout: layout, adds: holdsTerms)
  }
}
