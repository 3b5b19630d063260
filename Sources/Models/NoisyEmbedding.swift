// NEFTune: uniform noise on the embeddings of a training pass, so that answers are learned less by the letter.

import Tensors

/// The embeddings of documents with NEFTune's noise, where a pass of a training asks for it.
///
/// Each document has noise of its own, uniform in ±α/√(L·C) for L tokens of C channels, a function of the pass alone: a step that is
/// taken back and made again is the same.
///
/// - Parameter x: Shape (T, C).
/// - Source: Jain et al. 2023, arXiv:2310.05914, Algorithm 1. Padding has no tokens here, so L is the document's own length.
func noisy(_ x: Tensor, _ documents: [Range<Int>], _ options: ForwardOptions) throws -> Tensor {
  guard let pass = options.dropout, options.neftuneAlpha > 0 else { return x }
  let columns = x.shape[1]
  let noise = try Tensor(shape: x.shape)
  var random = RandomSource(seed: pass.seed).split("neftune \(pass.number)")
  random.fillUniform(noise.pointer, count: noise.count)
  for document in documents {
    let bound = Float(options.neftuneAlpha / Double(document.count * columns).squareRoot())
    for index in document.lowerBound * columns..<document.upperBound * columns {
      noise.pointer[index] = (2 * noise.pointer[index] - 1) * bound
    }
  }
  return try x + noise
}
