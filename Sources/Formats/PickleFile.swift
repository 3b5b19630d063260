// Weights as PyTorch pickles them. Reading a pickle can run any program its author liked, so none is read here; the message says
// how to convert one.

/// PyTorch's pickle files, which are recognised and refused.
public enum PickleFile {
  /// Whether a file begins like one: a zip archive of a current PyTorch, or a bare pickle of an older one.
  public static func isPickle(_ start: some Sequence<UInt8>) -> Bool {
    let bytes = Array(start.prefix(4))
    return bytes == [0x50, 0x4B, 0x03, 0x04] || (bytes.count >= 2 && bytes[0] == 0x80 && (2...5).contains(bytes[1]))
  }

  /// The error that refuses one.
  public static func refusal(_ path: String) -> FormatError {
    let shown = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
    return FormatError(
      "\(path) is in PyTorch's pickle format, which can hold programs and is not read",
      hint: "convert it where you trust it: python -c \"from transformers import AutoModelForCausalLM as M; "
        + "M.from_pretrained('\(shown)').save_pretrained('\(shown)')\" writes safetensors beside it")
  }
}
