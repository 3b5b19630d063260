// Short names for models of the Hub that people ask for. Sizes follow from the parameters that the configurations give, two
// bytes each as the files store them.

/// A model of the Hub with a short name.
public struct KnownRepository: Sendable, Equatable {
  /// The short name.
  public let name: String
  /// The address.
  public let source: String
  /// What it is.
  public let summary: String
  /// How many parameters it has.
  public let parameters: Int
  /// The format of its conversations: `chatml`, `zephyr`, or nothing for a base model.
  public let template: String

  /// The bytes of its weights in bf16.
  public var bytes: Int { 2 * parameters }

  /// All of them.
  public static let all = [
    KnownRepository(
      name: "smollm2-135m", source: "hf://HuggingFaceTB/SmolLM2-135M-Instruct", summary: "SmolLM2 135M Instruct, bf16",
      parameters: 134_515_008, template: "chatml"),
    KnownRepository(
      name: "smollm2-360m", source: "hf://HuggingFaceTB/SmolLM2-360M-Instruct", summary: "SmolLM2 360M Instruct, bf16",
      parameters: 361_821_120, template: "chatml"),
    KnownRepository(
      name: "smollm2-1.7b", source: "hf://HuggingFaceTB/SmolLM2-1.7B-Instruct", summary: "SmolLM2 1.7B Instruct, bf16",
      parameters: 1_711_376_384, template: "chatml"),
    KnownRepository(
      name: "tinyllama", source: "hf://TinyLlama/TinyLlama-1.1B-Chat-v1.0", summary: "TinyLlama 1.1B Chat, bf16",
      parameters: 1_100_048_384, template: "zephyr"),
    KnownRepository(
      name: "mistral-7b", source: "hf://mistralai/Mistral-7B-v0.1", summary: "Mistral 7B, the base of Zephyr, bf16",
      parameters: 7_241_732_096, template: ""),
    KnownRepository(
      name: "zephyr-7b-sft-full", source: "hf://alignment-handbook/zephyr-7b-sft-full",
      summary: "Mistral 7B after dSFT, where dDPO begins, bf16",
      parameters: 7_241_732_096, template: "zephyr"),
    KnownRepository(
      name: "zephyr-7b-beta", source: "hf://HuggingFaceH4/zephyr-7b-beta", summary: "Zephyr 7B beta, dSFT and dDPO, bf16",
      parameters: 7_241_732_096, template: "zephyr"),
  ]

  /// The model of a short name, nil where the name is none.
  public static func named(_ name: String) -> KnownRepository? { all.first { $0.name == name.lowercased() } }
}
