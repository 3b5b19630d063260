// Models split over several GGUF files: `name-00001-of-00003.gguf`, with `split.no`, `split.count` and `split.tensors.count` in
// the metadata of each. All parts are opened and must agree.

extension GGUFPart {
  /// The file at `path`, or all parts of the model that it is a part of, the first one first.
  static func all(_ path: String) throws -> [GGUFPart] {
    let opened = try GGUFPart(path: path)
    guard let count = opened.metadata["split.count"]?.int, count > 1 else { return [opened] }
    guard count <= 99_999, let number = opened.metadata["split.no"]?.int, number >= 0, number < count else {
      throw FormatError("\(path) is damaged: it says it is part \(opened.number) of \(count)", hint: "get the file again")
    }
    let suffix = partSuffix(number, count)
    guard path.hasSuffix(suffix) else {
      throw FormatError(
        "\(path) is part \(number + 1) of \(count) of a model, but its name does not end in \(suffix)",
        hint: "give the parts the names they came with: the others are found by them")
    }
    let stem = path.dropLast(suffix.count)
    var parts: [GGUFPart] = []
    for index in 0..<count {
      let part = index == number ? opened : try sibling("\(stem)\(partSuffix(index, count))", of: path)
      guard part.metadata["split.count"]?.int == count, part.metadata["split.no"]?.int == index else {
        throw FormatError("\(part.file.path) is not part \(index + 1) of \(count) of the model of \(path)", hint: "get all parts again")
      }
      parts.append(part)
    }
    let found = parts.reduce(0) { $0 + $1.tensors.count }
    if let expected = parts[0].metadata["split.tensors.count"]?.int, expected != found {
      throw FormatError("the \(count) parts of \(path) hold \(found) tensors instead of \(expected)", hint: "get all parts again")
    }
    return parts
  }

  private var number: String { metadata["split.no"]?.int.map { "\($0 + 1)" } ?? "?" }

  private static func sibling(_ path: String, of opened: String) throws -> GGUFPart {
    do {
      return try GGUFPart(path: path)
    } catch let error as FormatError where error.message.hasPrefix("cannot open") {
      throw FormatError("\(opened) is one part of a model; the part \(path) is missing", hint: "put all parts into one folder")
    }
  }

  private static func partSuffix(_ index: Int, _ count: Int) -> String { "-\(fiveDigits(index + 1))-of-\(fiveDigits(count)).gguf" }
}

/// A number as the names of parts have it.
public func fiveDigits(_ number: Int) -> String {
  let text = String(number)
  return String(repeating: "0", count: max(0, 5 - text.count)) + text
}
