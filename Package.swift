// swift-tools-version: 6.2
import PackageDescription

/// The CPU that the kernels are compiled for: `native` unless ZS_MARCH names a level such as `x86-64-v3`.
let march = Context.environment["ZS_MARCH"] ?? "native"

let strict: [SwiftSetting] = [.treatAllWarnings(as: .error)]

/// Kernels check nothing: what enters them was validated above.
///
/// The flags hold in debug builds too, so tests run at full speed. Without errno a square root is one vector instruction.
let fast: [SwiftSetting] = strict + [.unsafeFlags(["-Ounchecked", "-Xcc", "-march=\(march)", "-Xcc", "-fno-math-errno"])]

let package = Package(
  name: "zs",
  products: [.executable(name: "zs", targets: ["zs"])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
  ],
  targets: [
    // The machine-learning library, in the order data passes through it.
    .systemLibrary(name: "CMachine"),
    .target(name: "Kernels", dependencies: ["CMachine"], swiftSettings: fast),
    .target(name: "Tensors", dependencies: ["Kernels"], swiftSettings: strict),
    .target(
      name: "Formats",
      dependencies: [.product(name: "OrderedCollections", package: "swift-collections")],
      swiftSettings: strict),
    .target(
      name: "Tokenizers",
      dependencies: ["Formats", .product(name: "OrderedCollections", package: "swift-collections")],
      swiftSettings: strict),
    .target(
      name: "Models",
      dependencies: ["Tensors", "Tokenizers", "Formats", "Kernels", .product(name: "OrderedCollections", package: "swift-collections")],
      swiftSettings: strict),
    .target(
      name: "Training",
      dependencies: ["Models", .product(name: "Crypto", package: "swift-crypto"), "Yams"],
      swiftSettings: strict),
    .systemLibrary(name: "CCurl"),
    .target(name: "Network", dependencies: ["CCurl"], swiftSettings: strict),
    .target(
      name: "Distillation",
      dependencies: ["Training", "Network", .product(name: "Crypto", package: "swift-crypto")],
      swiftSettings: strict),
    .target(
      name: "Hub",
      dependencies: ["Formats", "Network", .product(name: "Crypto", package: "swift-crypto")],
      swiftSettings: strict),

    // The language: it knows no tensor.
    .target(
      name: "Language",
      dependencies: [.product(name: "OrderedCollections", package: "swift-collections")],
      swiftSettings: strict),

    // The bridge and the process.
    .target(name: "Builtins", dependencies: ["Language", "Training", "Distillation", "Hub", "Network"], swiftSettings: strict),
    .target(
      name: "Notebooks", dependencies: ["Builtins", "Language", "Formats", "Tensors"], swiftSettings: strict),
    .systemLibrary(name: "CLibedit", pkgConfig: "libedit", providers: [.apt(["libedit-dev"])]),
    .executableTarget(
      name: "zs",
      dependencies: [
        "Notebooks", "Builtins", "Language", "Hub", "Training", "Models", "Tokenizers", "Formats", "Tensors", "Kernels", "CLibedit",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ], swiftSettings: strict),

    // Tests.
    .target(name: "LoopbackServer", path: "Tests/LoopbackServer", swiftSettings: strict),
    .testTarget(name: "KernelsTests", dependencies: ["Kernels"], swiftSettings: strict),
    .testTarget(name: "TensorsTests", dependencies: ["Tensors"], exclude: ["Fixtures"], swiftSettings: strict),
    .testTarget(name: "FormatsTests", dependencies: ["Formats"], swiftSettings: strict),
    .testTarget(name: "TokenizersTests", dependencies: ["Tokenizers"], exclude: ["Fixtures"], swiftSettings: strict),
    .testTarget(name: "ModelsTests", dependencies: ["Models"], exclude: ["Fixtures"], swiftSettings: strict),
    .testTarget(name: "TrainingTests", dependencies: ["Training"], exclude: ["Fixtures"], swiftSettings: strict),
    .testTarget(name: "NetworkTests", dependencies: ["Network", "LoopbackServer"], swiftSettings: strict),
    .testTarget(name: "DistillationTests", dependencies: ["Distillation", "Network", "LoopbackServer"], swiftSettings: strict),
    .testTarget(name: "HubTests", dependencies: ["Hub", "Network", "LoopbackServer"], swiftSettings: strict),
    .testTarget(name: "LanguageTests", dependencies: ["Language"], exclude: ["Programs"], swiftSettings: strict),
    .testTarget(name: "BuiltinsTests", dependencies: ["Builtins", "LoopbackServer"], swiftSettings: strict),
    .testTarget(name: "NotebooksTests", dependencies: ["Notebooks"], swiftSettings: strict),
    .testTarget(name: "zsTests", dependencies: ["zs"], swiftSettings: strict),

    // Damaged inputs for every parser: a library, a short run in the tests, and the executable of the long one.
    .target(name: "Fuzzing", dependencies: ["Formats", "Tokenizers", "Language"], path: "Tests/Fuzzing", swiftSettings: strict),
    .executableTarget(name: "Fuzzer", dependencies: ["Fuzzing", "Formats"], path: "Tests/Fuzzer", swiftSettings: strict),
    .testTarget(name: "FuzzingTests", dependencies: ["Fuzzing"], swiftSettings: strict),
  ],
  swiftLanguageModes: [.v6]
)
