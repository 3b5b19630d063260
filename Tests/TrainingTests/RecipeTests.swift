// Recipes: every key of a file is accounted for, and the frozen ones say where each number is from.

import Formats
import Foundation
import OrderedCollections
import Training
import XCTest

final class RecipeTests: XCTestCase {
  private func recipe(_ yaml: String, name: String = "config.yaml") throws -> Recipe {
    let path = try temporaryFolder(self) + "/" + name
    try yaml.write(toFile: path, atomically: true, encoding: .utf8)
    return try Recipe(path: path)
  }

  func testKnownObsoleteAndUnknownKeysAreAllThere() throws {
    let yaml = """
      # Model arguments
      model_name_or_path: mistralai/Mistral-7B-v0.1
      torch_dtype: bfloat16
      dataset_mixer:
        HuggingFaceH4/ultrachat_200k: 1.0
      bf16: true
      gradient_accumulation_steps: 2
      learning_rate: 5e-5
      lr_scheduler_type: cosine_with_min_lr
      lr_scheduler_kwargs: {min_lr_rate: 0.1}
      max_seq_length: 2048
      max_steps: -1
      learning_rat: 3
      num_train_epochs: 2
      per_device_train_batch_size: 16
      save_strategy: "no"
      seed: 42
      warmup_ratio: 0.1
      packing: true
      packing_strategy: wrapped
      overwrite_output_dir: true
      """
    let recipe = try recipe(yaml)
    XCTAssertEqual(recipe.method, .sft)
    let keys = yaml.split(separator: "\n").filter { !$0.hasPrefix("#") && !$0.hasPrefix(" ") }.map { String($0.split(separator: ":")[0]) }
    XCTAssertEqual(recipe.settings.filter { $0.state != .implied }.map(\.key), keys, "no key is dropped")
    XCTAssertEqual(
      recipe.options,
      [
        "gradient_accumulation": 2, "learning_rate": .double(5e-5), "schedule": "cosine", "min_learning_rate": .double(5e-6),
        "max_length": 2048, "epochs": .double(2), "batch_size": 16, "seed": 42, "warmup_ratio": .double(0.1), "packing": "concat",
        "optimizer": "adamw", "assistant_only": false,
      ])
    let states = Dictionary(uniqueKeysWithValues: recipe.settings.map { ($0.key, $0) })
    XCTAssertEqual(states["learning_rat"]?.state, .unknown)
    XCTAssertTrue(states["learning_rat"]?.note.contains("learning_rate") ?? false)
    for key in ["max_seq_length", "overwrite_output_dir", "dataset_mixer", "torch_dtype"] {
      XCTAssertEqual(states[key]?.state, .obsolete, key)
      XCTAssertNotEqual(states[key]?.note, "", key)
    }
    XCTAssertEqual(states["bf16"]?.state, .changed)
    XCTAssertEqual(states["assistant_only_loss"]?.state, .implied, "TRL trains every token unless told otherwise")
    XCTAssertEqual(recipe.datasets, ["HuggingFaceH4/ultrachat_200k"])
    XCTAssertNil(recipe.lora)
  }

  func testAdaptersAndPreferenceOptions() throws {
    let recipe = try recipe(
      """
      use_peft: true
      load_in_4bit: true
      lora_r: 16
      lora_alpha: 32
      lora_dropout: 0.05
      lora_target_modules:
      - q_proj
      - v_proj
      beta: 0.01
      loss_type: ipo
      optim: paged_adamw_32bit
      evaluation_strategy: steps
      eval_steps: 100
      num_devices: 8
      per_device_train_batch_size: 4
      gradient_accumulation_steps: 4
      """, name: "config_qlora.yaml")
    XCTAssertEqual(recipe.method, .dpo)
    XCTAssertEqual(recipe.lora, ["rank": 16, "alpha": .double(32), "dropout": .double(0.05), "targets": ["q_proj", "v_proj"]])
    XCTAssertEqual(recipe.globalBatch, 128, "what eight devices did at once")
    XCTAssertEqual(recipe.options["eval_every"], 100)
    XCTAssertEqual(recipe.options["loss"], "ipo")
    XCTAssertEqual(recipe.options["optimizer"], "adamw")
    XCTAssertEqual(recipe.options["learning_rate"], .double(1e-6), "the library's default, where the file has none")
  }

  func testWrongValuesAndFilesAreRefusedByName() throws {
    for (yaml, words) in [
      ("learning_rate: fast", ["learning_rate", "a number"]), ("max_length: 1.5", ["max_length", "whole"]),
      ("packing: maybe", ["packing", "true or false"]), ("lr_scheduler_type: polynomial", ["lr_scheduler_type", "cosine"]),
      ("optim: lion_32bit", ["optim", "adamw"]), ("- a\n- b", ["no settings"]), ("a: [1", ["no YAML"]), ("", ["no settings"]),
    ] {
      XCTAssertThrowsError(try recipe(yaml), yaml) { error in
        for word in words { XCTAssertTrue("\(error)".contains(word), "\(yaml): \(error)") }
      }
    }
  }

  func testFrozenRecipesAreWhatTheyWere() throws {
    XCTAssertEqual(Recipe.names.count, 8)
    for name in Recipe.names {
      let recipe = try XCTUnwrap(Recipe.named(name))
      XCTAssertTrue(name.contains("/\(recipe.method.rawValue)/"), name)
      for setting in recipe.settings {
        XCTAssertNotEqual(setting.state, .unknown, "\(name): \(setting.key)")
        XCTAssertNotEqual(setting.state, .implied, "\(name): \(setting.key) has no source")
        XCTAssertFalse(setting.source?.isEmpty ?? true, "\(name): \(setting.key)")
      }
    }
    let numbers: [(String, Int, Double, String, Double, Double)] = [
      ("sft/paper", 512, 2e-5, "cosine", 0.1, 1), ("sft/launch", 512, 2e-5, "cosine", 0, 1), ("sft/current", 128, 2e-5, "cosine", 0.1, 1),
      ("sft/qlora", 8, 2e-4, "cosine", 0.1, 1), ("dpo/paper", 32, 5e-7, "linear", 0.1, 3), ("dpo/launch", 64, 5e-7, "linear", 0.1, 3),
      ("dpo/current", 128, 5e-7, "cosine", 0.1, 1), ("dpo/qlora", 16, 5e-6, "cosine", 0.1, 1),
    ]
    for (name, batch, rate, schedule, warmup, epochs) in numbers {
      let recipe = try XCTUnwrap(Recipe.named("zephyr-7b-beta/\(name)"))
      XCTAssertEqual(recipe.globalBatch, batch, name)
      XCTAssertEqual(recipe.options["learning_rate"]?.double, rate, name)
      XCTAssertEqual(recipe.options["schedule"]?.string, schedule, name)
      XCTAssertEqual(recipe.options["warmup_ratio"]?.double, warmup, name)
      XCTAssertEqual(recipe.options["epochs"]?.double, epochs, name)
    }
    XCTAssertEqual(try Recipe.named("zephyr-7b-beta/dpo/launch")?.options["optimizer"], "rmsprop")
    XCTAssertEqual(try Recipe.named("zephyr-7b-beta/dpo/qlora")?.lora?["rank"], 128)
    XCTAssertEqual(try Recipe.named("zephyr-7b-beta/sft/launch")?.options["packing"], "concat")
    XCTAssertNil(try Recipe.named("zephyr-7b-beta/sft/other"))
  }
}
