// The gradient of every tensor builtin, taken through the language, against central differences.
import Builtins
import Language
import XCTest

final class GradientTableTests: XCTestCase {
  /// Programs of x, a tensor of shape (2, 3) whose elements lie apart from each other and from 0; named by the builtin they test.
  private let differentiable: [(name: String, code: String)] = [
    ("reshape", "x.reshape(3, 2)"), ("transpose", "transpose(x)"), ("permute", "x.permute(1, 0)"), ("squeeze", "squeeze(x[:, 0:1])"),
    ("unsqueeze", "unsqueeze(x, 1)"), ("stack", "stack([x, x * 2], axis: 1)"), ("concat", "concat([x, x * x], axis: 1)"),
    ("diag", "diag(x[0])"), ("sum", "x.sum(axis: 0)"), ("sum", "x.sum()"), ("mean", "x.mean(axis: 1, keepdims: true)"),
    ("var", "x.var(axis: 1)"),
    ("var", "x.var(ddof: 1)"), ("std", "x.std(axis: 1)"), ("max", "x.max(axis: 1)"), ("min", "x.min()"),
    ("logsumexp", "logsumexp(x, axis: 1)"),
    ("norm", "x.norm()"), ("norm", "x.norm(axis: 1, ord: 1)"), ("cumsum", "cumsum(x, axis: 1)"), ("exp", "exp(x)"),
    ("log", "log(x * x + 0.5)"),
    ("sqrt", "sqrt(x * x + 0.5)"), ("sin", "sin(x)"), ("cos", "cos(x)"), ("tanh", "tanh(x)"), ("sigmoid", "sigmoid(x)"),
    ("logsigmoid", "logsigmoid(x)"), ("relu", "relu(x)"), ("silu", "silu(x)"), ("gelu", "gelu(x)"),
    ("gelu", "gelu(x, approximate: \"tanh\")"),
    ("abs", "abs(x)"), ("softmax", "softmax(x)"), ("softmax", "softmax(x, axis: 0)"), ("log_softmax", "log_softmax(x)"),
    ("matmul", "matmul(x, x.T)"), ("dot", "dot(x[0], x[1])"), ("cross_entropy", "cross_entropy(x, [2, 0])"),
    ("where", "where(x > 0, x * x, 3 * x)"),
    ("clip", "clip(x, -1, 1)"), ("maximum", "maximum(x, 0.25)"), ("minimum", "minimum(x, x.T.reshape(2, 3))"),
    ("gather", "gather(x, [[0, 2], [1, 1]], axis: 1)"), ("sort", "sort(x, axis: 1)"), ("topk", "topk(x, 2)[0]"),
    ("reverse", "reverse(x, axis: 1)"),
    ("operators", "x + 2 * x - x / (x * x + 1)"), ("operators", "-(x ** 3)"), ("operators", "(x * x + 1) ** x"), ("operators", "x @ x.T"),
    ("operators", "x * tensor([1, 2, 3])"), ("operators", "x % 2"), ("slices", "x[:, 1:]"), ("slices", "x[..., ::-1]"), ("slices", "x[0]"),
    ("slices", "x[[1, 0, 1]]"), ("slices", "x[x > 0]"),
    ("dpo_loss", "dpo_loss(x[0], x[1], zeros(3), ones(3), beta: 0.5)"),
    (
      "dpo_loss",
      "dpo_loss(x[0], x[1], x[0] * x[1], ones(3), beta: 0.7, loss: \"ipo\", lengths_chosen: [2, 3, 4], lengths_rejected: [1, 5, 2])"
    ),
  ]

  /// Tensor builtins that have no gradient to speak of: what they give does not change with small changes, or comes from no tensor.
  private let others: Set = [
    "tensor", "zeros", "ones", "full", "arange", "linspace", "eye", "rand", "randn", "argmax", "argsort", "round", "floor", "isnan", "any",
    "all", "grad", "value_and_grad", "detach",
    // Of a model's text, which is no tensor.
    "logits", "logprobs",
  ]

  func testEveryTensorBuiltinIsInTheTable() {
    let tested = Set(differentiable.map(\.name))
    let names = Set(allBuiltins().filter { $0.category == "Tensors" || $0.returns.contains("tensor") }.map(\.name))
    XCTAssertGreaterThan(names.count, 60)
    XCTAssertEqual(names.subtracting(tested).subtracting(others), [], "put these into the table, or among those without a gradient")
    XCTAssertEqual(others.intersection(tested), [])
  }

  func testGradientsAgreeWithCentralDifferences() throws {
    for (name, code) in differentiable {
      let program = """
        fn f(x) { y = \(code)
          (y * (arange(y.size).reshape(y.shape) * 0.3 + 0.5)).sum() }
        x = tensor([[0.7, -1.3, 0.4], [-0.6, 1.6, -0.35]])
        found = grad(f, x).reshape(6)
        expected = []
        for i in 0..<6 {
          d = tensor([if k == i { 0.005 } else { 0 } for k in 0..<6]).reshape(2, 3)
          expected = expected + [(f(x + d) - f(x - d)).item / 0.01]
        }
        """
      let session = TestSession()
      do {
        try session.run(program)
        let found = try numbers(session.run("found"))
        let expected = try numbers(session.run("expected"))
        for (a, b) in zip(found, expected) where abs(a - b) > 2e-3 + 5e-3 * abs(b) {
          XCTFail("\(name): \(code): gradient \(found), central differences \(expected)")
          break
        }
      } catch {
        XCTFail("\(name): \(code): \((error as? ZsError)?.message ?? "\(error)")")
      }
    }
  }

  private func numbers(_ value: Value) throws -> [Double] {
    guard case .list(let list) = try value.plain() else { return [] }
    return list.compactMap(\.number)
  }
}
