// The recipes that zephyr-7b-beta was made by, frozen: as the article has them, as alignment-handbook had them when it appeared in
// November 2023, and as it has them in July 2025 (925acdf), where the numbers had moved: the labels of the data were mended, and the
// packing that ended runs early had gone. Each number names its source.

import Formats
import OrderedCollections

extension Recipe {
  /// The names of the frozen recipes.
  public static let names = frozen.map(\.name)

  /// A frozen recipe by its name; nil where there is none.
  public static func named(_ name: String) throws -> Recipe? {
    guard let recipe = frozen.first(where: { $0.name == name }) else { return nil }
    let sources = recipe.settings.mapValues(\.source)
    return try Recipe(name: name, method: recipe.method, settings: recipe.settings.mapValues(\.value)) { sources[$0] }
  }

  private typealias Sourced = OrderedDictionary<String, (value: JSON, source: String)>

  private static let article = "arXiv:2310.16944, §4"
  private static let launch = "alignment-handbook, November 2023, recipes/zephyr-7b-beta"
  private static let current = "alignment-handbook@925acdf, recipes/zephyr-7b-beta"
  private static let library = "transformers TrainingArguments, default"

  private static let mistral: Sourced = ["model_name_or_path": ("mistralai/Mistral-7B-v0.1", article)]
  private static func whole(_ source: String) -> Sourced {
    [
      "bf16": (true, source), "optim": ("adamw_torch", source), "weight_decay": (0, source), "max_grad_norm": (1, library),
      "seed": (42, library),
    ]
  }

  private static func sourced(_ source: String, _ settings: OrderedDictionary<String, JSON>) -> Sourced {
    settings.mapValues { ($0, source) }
  }

  private static let allLinear: JSON = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]

  private static var frozen: [(name: String, method: Method, settings: Sourced)] {
    [
      (
        "zephyr-7b-beta/sft/paper", .sft,
        joined(
          mistral,
          sourced(article, ["dataset_name": "ultrachat_200k", "learning_rate": 2e-5, "lr_scheduler_type": "cosine", "warmup_ratio": 0.1]),
          sourced(
            article,
            ["total_train_batch_size": 512, "num_train_epochs": 1, "max_length": 2048, "packing": true, "packing_strategy": "wrapped"]),
          whole(article), sourced("TRL at that time trained every token", ["assistant_only_loss": false]))
      ),
      (
        "zephyr-7b-beta/sft/launch", .sft,
        joined(
          mistral,
          sourced(
            "\(launch)/sft/config_full.yaml",
            ["dataset_name": "HuggingFaceH4/ultrachat_200k", "learning_rate": 2e-5, "lr_scheduler_type": "cosine"]),
          sourced("no warm-up key there; \(library)", ["warmup_steps": 0]),
          sourced(
            "\(launch)/sft/config_full.yaml",
            [
              "per_device_train_batch_size": 32, "gradient_accumulation_steps": 2, "num_devices": 8, "num_train_epochs": 1,
              "max_seq_length": 2048,
              "gradient_checkpointing": true, "logging_steps": 5,
            ]),
          sourced("alignment-handbook, November 2023, scripts/run_sft.py", ["packing": true, "packing_strategy": "wrapped"]),
          whole("\(launch)/sft/config_full.yaml"), sourced("TRL at that time trained every token", ["assistant_only_loss": false]))
      ),
      (
        "zephyr-7b-beta/sft/current", .sft,
        joined(
          mistral,
          sourced(
            "\(current)/sft/config_full.yaml",
            [
              "dataset_name": "HuggingFaceH4/ultrachat_200k", "learning_rate": 2e-5, "lr_scheduler_type": "cosine", "warmup_ratio": 0.1,
              "per_device_train_batch_size": 16, "gradient_accumulation_steps": 1, "num_devices": 8, "num_train_epochs": 1,
              "max_seq_length": 2048,
              "gradient_checkpointing": true, "logging_steps": 5,
            ]),
          sourced("no key there; TRL SFTConfig, default", ["packing": false, "assistant_only_loss": false]),
          whole("\(current)/sft/config_full.yaml"))
      ),
      (
        "zephyr-7b-beta/sft/qlora", .sft,
        joined(
          mistral,
          sourced(
            "\(current)/sft/config_qlora.yaml",
            [
              "dataset_name": "HuggingFaceH4/ultrachat_200k", "load_in_4bit": true, "use_peft": true, "lora_r": 16, "lora_alpha": 16,
              "lora_dropout": 0.05, "lora_target_modules": allLinear, "learning_rate": 2e-4, "lr_scheduler_type": "cosine",
              "warmup_ratio": 0.1,
              "per_device_train_batch_size": 4, "gradient_accumulation_steps": 2, "num_devices": 1, "num_train_epochs": 1,
              "max_seq_length": 2048,
              "gradient_checkpointing": true, "logging_steps": 5,
            ]),
          sourced("no key there; TRL SFTConfig, default", ["packing": false, "assistant_only_loss": false]),
          whole("\(current)/sft/config_qlora.yaml"))
      ),
      (
        "zephyr-7b-beta/dpo/paper", .dpo,
        joined(
          sourced(
            article,
            ["model_name_or_path": "the dSFT model", "dataset_name": "ultrafeedback_binarized", "beta": 0.1, "loss_type": "sigmoid"]),
          sourced(article, ["learning_rate": 5e-7, "lr_scheduler_type": "linear", "warmup_ratio": 0.1, "num_train_epochs": 3]),
          sourced(
            "zephyr-7b-beta, model card: 16 devices × 2",
            ["per_device_train_batch_size": 2, "gradient_accumulation_steps": 1, "num_devices": 16]),
          sourced("\(launch)/dpo/config_full.yaml; the article has no lengths", ["max_length": 1024, "max_prompt_length": 512]),
          whole(article))
      ),
      (
        "zephyr-7b-beta/dpo/launch", .dpo,
        joined(
          sourced(
            "\(launch)/dpo/config_full.yaml",
            [
              "model_name_or_path": "alignment-handbook/zephyr-7b-sft-full", "dataset_name": "HuggingFaceH4/ultrafeedback_binarized",
              "beta": 0.1,
              "learning_rate": 5e-7, "lr_scheduler_type": "linear", "warmup_ratio": 0.1, "per_device_train_batch_size": 8,
              "gradient_accumulation_steps": 1, "num_devices": 8, "num_train_epochs": 3, "max_length": 1024, "max_prompt_length": 512,
              "gradient_checkpointing": true, "logging_steps": 10,
            ]),
          sourced("TRL DPOConfig, default", ["loss_type": "sigmoid"]),
          sourced("\(launch)/dpo/config_full.yaml", ["bf16": true, "optim": "rmsprop", "seed": 42]),
          sourced(library, ["weight_decay": 0, "max_grad_norm": 1]))
      ),
      (
        "zephyr-7b-beta/dpo/current", .dpo,
        joined(
          sourced(
            "\(current)/dpo/config_full.yaml",
            [
              "model_name_or_path": "alignment-handbook/zephyr-7b-sft-full", "dataset_name": "HuggingFaceH4/ultrafeedback_binarized",
              "beta": 0.01,
              "learning_rate": 5e-7, "lr_scheduler_type": "cosine", "warmup_ratio": 0.1, "per_device_train_batch_size": 8,
              "gradient_accumulation_steps": 2, "num_devices": 8, "num_train_epochs": 1, "max_length": 1024, "max_prompt_length": 512,
              "gradient_checkpointing": true, "logging_steps": 10, "bf16": true, "optim": "adamw_torch", "seed": 42,
            ]),
          sourced("TRL DPOConfig, default", ["loss_type": "sigmoid"]), sourced(library, ["weight_decay": 0, "max_grad_norm": 1]))
      ),
      (
        "zephyr-7b-beta/dpo/qlora", .dpo,
        joined(
          sourced(
            "\(current)/dpo/config_qlora.yaml",
            [
              "model_name_or_path": "alignment-handbook/zephyr-7b-sft-qlora", "dataset_name": "HuggingFaceH4/ultrafeedback_binarized",
              "load_in_4bit": true, "use_peft": true, "lora_r": 128, "lora_alpha": 128, "lora_dropout": 0.05,
              "lora_target_modules": allLinear,
              "beta": 0.01, "learning_rate": 5e-6, "lr_scheduler_type": "cosine", "warmup_ratio": 0.1, "per_device_train_batch_size": 4,
              "gradient_accumulation_steps": 4, "num_devices": 1, "num_train_epochs": 1, "max_length": 1024, "max_prompt_length": 512,
              "gradient_checkpointing": true, "logging_steps": 10, "bf16": true, "optim": "paged_adamw_32bit", "seed": 42,
            ]),
          sourced("TRL DPOConfig, default", ["loss_type": "sigmoid"]), sourced(library, ["weight_decay": 0, "max_grad_norm": 1]))
      ),
    ]
  }

  private static func joined(_ parts: Sourced...) -> Sourced { parts.reduce(into: [:]) { $0.merge($1) { $1 } } }
}
