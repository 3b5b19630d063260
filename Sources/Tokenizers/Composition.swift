// Unicode composition (NFC), which Qwen's tokenizers ask for: the standard library has it, behind a name of its own.

@_spi(_Unicode) import Swift

extension String {
  /// The text in canonical composition (NFC).
  var composed: String {
    var scalars = UnicodeScalarView()
    for scalar in _nfc { scalars.append(scalar) }
    return String(scalars)
  }
}
