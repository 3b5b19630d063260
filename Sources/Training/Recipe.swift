// Recipes of alignment-handbook and TRL: what each setting is called here, what it becomes on this machine and why the two differ.
// Nothing of a recipe is dropped: a key without an effect says why, an obsolete one what replaced it, an unknown one that it is.

import Formats
import OrderedCollections

/// One setting of a recipe and what becomes of it.
public struct RecipeSetting: Sendable, Equatable {
  /// What became of a key.
  public enum State: String, Sendable {
    /// It is an option here.
    case used
    /// It is an option here, at another value.
    case changed
    /// It has no effect here; the note says why.
    case noted
    /// Later versions of the library have another key for it, or none.
    case obsolete
    /// Not in the file; the library's default, where it differs from that of zs.
    case implied
    /// Nobody knows it.
    case unknown
  }

  /// The key as the recipe has it.
  public var key: String
  /// Its value there.
  public var value: JSON
  /// Where the number is from; nil for a file of one's own.
  public var source: String?
  /// The options it sets here; none where it sets none.
  public var options: OrderedDictionary<String, JSON> = [:]
  /// What became of it.
  public var state = State.used
  /// Why the two differ, or what replaced the key.
  public var note = ""
}

/// A recipe, read and translated.
public struct Recipe: Sendable, Equatable {
  /// What a recipe is for.
  public enum Method: String, Sendable {
    case sft, dpo
  }

  /// Its name, or its file's path.
  public let name: String
  /// Which trainer it is for.
  public let method: Method
  /// Every setting, in the recipe's order; what the library would have filled in follows.
  public private(set) var settings: [RecipeSetting] = []
  /// The options of `sft` or `dpo`.
  public private(set) var options: OrderedDictionary<String, JSON> = [:]
  /// The options of adapters, under the names of `lora`; nil where the whole model learns.
  public private(set) var lora: OrderedDictionary<String, JSON>?
  /// The model that the recipe starts from.
  public private(set) var model: String?
  /// The data sets it names.
  public private(set) var datasets: [String] = []

  /// Translates settings.
  ///
  /// - Parameter source: Where each number is from, by key.
  public init(name: String, method: Method, settings given: OrderedDictionary<String, JSON>, source: (String) -> String? = { _ in nil })
    throws
  {
    self.name = name
    self.method = method
    var reader = RecipeReader(method: method, given: given)
    for (key, value) in given {
      var setting = try reader.read(key, value, recipe: name)
      setting.source = source(key)
      settings.append(setting)
    }
    settings += reader.implied()
    for setting in settings where setting.state != .unknown {
      for (option, value) in setting.options where options[option] == nil || setting.state != .implied { options[option] = value }
    }
    lora = reader.usesAdapters ? reader.lora : nil
    model = given["model_name_or_path"]?.string
    datasets = reader.datasets
  }

  /// Examples per update: the product of batch, accumulation and devices.
  public var globalBatch: Int {
    (options["batch_size"]?.int ?? 1) * (options["gradient_accumulation"]?.int ?? 1)
  }
}

/// Translates key by key.
private struct RecipeReader {
  let method: Recipe.Method
  let given: OrderedDictionary<String, JSON>
  var lora: OrderedDictionary<String, JSON> = [:]
  var usesAdapters = false
  var datasets: [String] = []

  init(method: Recipe.Method, given: OrderedDictionary<String, JSON>) {
    self.method = method
    self.given = given
  }

  mutating func read(_ key: String, _ value: JSON, recipe: String) throws -> RecipeSetting {
    var setting = RecipeSetting(key: key, value: value)
    func wrong(_ expected: String) -> TrainingError {
      TrainingError("\(recipe): '\(key)' is \(value.serialized()), it must be \(expected)")
    }
    func number() throws -> Double {
      // PyYAML reads 5e-7 without a point as text.
      guard let number = value.double ?? value.string.flatMap({ Double($0) }) else { throw wrong("a number") }
      return number
    }
    func whole() throws -> JSON {
      guard let whole = Int64(exactly: try number()) else { throw wrong("a whole number") }
      return .int(whole)
    }
    func flag() throws -> Bool {
      guard let flag = value.bool else { throw wrong("true or false") }
      return flag
    }
    if let option = RecipeKeys.numbers[key] {
      if value.isNull { setting.note = "not set" } else { setting.options[option] = .double(try number()) }
    } else if let option = RecipeKeys.wholes[key] {
      if value.isNull, key == "max_length" {
        setting.state = .changed
        setting.note = "no limit there; here the default, unless max_length is given"
      } else if value.isNull {
        setting.note = "not set"
      } else {
        setting.options[option] = try whole()
      }
    } else if let option = RecipeKeys.flags[key] {
      if value.isNull { setting.note = "not set" } else { setting.options[option] = .bool(try flag()) }
    } else if let option = RecipeKeys.adapters[key] {
      lora[option] =
        key == "lora_target_modules"
        ? value : key == "use_rslora" ? .bool(try flag()) : key == "lora_r" ? try whole() : .double(try number())
      setting.note = "lora(m, \(option): \(lora[option]?.serialized() ?? ""))"
    } else if let note = RecipeKeys.noted[key] {
      setting.state = .noted
      setting.note = note
    } else if let replaced = RecipeKeys.obsolete[key] {
      setting.state = .obsolete
      setting.note = replaced.note
      if let option = replaced.option, !value.isNull {
        setting.options[option] = option == "warmup_ratio" ? .double(try number()) : try whole()
      }
    } else {
      try readSpecial(&setting, number, whole, flag, wrong)
    }
    return setting
  }

  private mutating func readSpecial(
    _ setting: inout RecipeSetting, _ number: () throws -> Double, _ whole: () throws -> JSON, _ flag: () throws -> Bool,
    _ wrong: (String) -> TrainingError
  ) throws {
    let value = setting.value
    switch setting.key {
    case "per_device_train_batch_size", "gradient_accumulation_steps", "num_devices", "total_train_batch_size":
      guard let count = try whole().int, (1...1_000_000).contains(count) else { throw wrong("a whole number from 1 to 1000000") }
      setting = batch(setting)
    case "max_steps":
      if try number() > 0 { setting.options["max_steps"] = try whole() } else { setting.note = "no limit: the epochs count" }
    case "warmup_steps":
      // transformers 5 reads a fraction as a share of the run.
      let steps = try number()
      setting.options[steps < 1 && steps > 0 ? "warmup_ratio" : "warmup_steps"] = steps < 1 && steps > 0 ? .double(steps) : try whole()
      if steps == 0 { setting.options = ["warmup_ratio": 0] }
    case "lr_scheduler_type":
      let names = [
        "cosine": "cosine", "linear": "linear", "constant": "constant", "constant_with_warmup": "constant_with_warmup",
        "cosine_with_min_lr": "cosine",
      ]
      guard let schedule = names[value.string ?? ""] else { throw wrong("one of " + names.keys.sorted().joined(separator: ", ")) }
      setting.options["schedule"] = .string(schedule)
      if schedule == "constant" { setting.options["warmup_ratio"] = 0 }
    case "lr_scheduler_kwargs":
      if let least = value["min_lr"]?.double { setting.options["min_learning_rate"] = .double(least) }
      if let rate = value["min_lr_rate"]?.double, let base = given["learning_rate"]?.double {
        setting.options["min_learning_rate"] = .double(rate * base)
      }
      if setting.options.isEmpty, !value.isNull, value.object?.isEmpty != true {
        setting.state = .unknown
        setting.note = "of these only min_lr and min_lr_rate are known"
      }
    case "optim":
      let name = value.string ?? ""
      let kinds = ["adamw": "adamw", "rmsprop": "rmsprop", "sgd": "sgd"]
      guard let kind = kinds.keys.first(where: { name.contains($0) }) else { throw wrong("a kind of adamw, rmsprop or sgd") }
      setting.options["optimizer"] = .string(kinds[kind] ?? "")
      if name.contains("paged") || name.contains("8bit") {
        setting.state = .changed
        setting.note = "moments are fp32 in memory; pages and 8 bits save memory of a GPU"
      }
    case "packing":
      let strategy = given["packing_strategy"]?.string ?? "bfd"
      setting.options["packing"] = try flag() ? .string(strategy == "wrapped" ? "concat" : "bfd") : .bool(false)
    case "packing_strategy":
      guard ["bfd", "bfd_split", "wrapped", "bfd-requeue"].contains(value.string ?? "") else { throw wrong("bfd, bfd_split or wrapped") }
      setting.note =
        value == "wrapped" ? "\"concat\" here" : value == "bfd" ? "" : "bfd here: what is too long loses its end and is counted"
      if value != "bfd", value != "wrapped" { setting.state = .changed }
    case "bf16", "fp16", "tf32":
      setting.state = .changed
      setting.note = "on the CPU passes run in fp32, weights keep the type the model was loaded in; bf16: true stores learning weights so"
      if try !flag() { setting = RecipeSetting(key: setting.key, value: value, note: "fp32") }
    case "eval_strategy", "evaluation_strategy":
      if setting.key == "evaluation_strategy" {
        setting.state = .obsolete
        setting.note = "eval_strategy today. "
      }
      setting.note += value == "no" ? "no evaluation" : "with eval_data; an epoch unless eval_steps says otherwise"
    case "eval_steps":
      let strategy = given["eval_strategy"]?.string ?? given["evaluation_strategy"]?.string
      if strategy == "steps" { setting.options["eval_every"] = try whole() } else { setting.note = "the strategy is \(strategy ?? "no")" }
    case "loss_type":
      setting.options["loss"] = method == .dpo ? value : nil
      if method == .sft, value != "nll" {
        setting.state = .unknown
        setting.note = "sft knows the loss nll"
      }
    case "use_peft": usesAdapters = try flag()
    case "load_in_4bit", "load_in_8bit":
      usesAdapters = usesAdapters || lora["rank"] != nil
      setting.state = .changed
      setting.note = try flag() ? "load a quantized base: a .gguf file of type Q4_K, or load(…, dtype: \"q4_1\")" : "as the base was loaded"
    case "dataset_mixture", "dataset_mixer", "dataset_name": readDatasets(&setting)
    default:
      setting.state = .unknown
      let near = RecipeKeys.all.min { distance($0, setting.key) < distance($1, setting.key) }.flatMap {
        distance($0, setting.key) < 4 ? $0 : nil
      }
      setting.note = "zs does not know this key" + (near.map { "; is \($0) meant?" } ?? "")
    }
  }

  private mutating func readDatasets(_ setting: inout RecipeSetting) {
    switch setting.key {
    case "dataset_mixture":
      datasets = (setting.value["datasets"]?.array ?? []).compactMap { set in
        set["id"]?.string.map { $0 + (set["split"]?.string.map { " · \($0)" } ?? "") }
      }
    case "dataset_mixer": datasets = setting.value.object.map { Array($0.keys) } ?? []
    default: datasets = [setting.value.string ?? ""]
    }
    setting.state = setting.key == "dataset_mixer" ? .obsolete : .noted
    setting.note =
      (setting.key == "dataset_mixer" ? "dataset_mixture today; " : "") + "the data is the second argument"
  }

  /// The batch: the same examples per update from one device's smaller batches.
  private func batch(_ setting: RecipeSetting) -> RecipeSetting {
    var setting = setting
    // What is out of range is refused when its own key is read.
    func count(_ key: String) -> Int? { given[key]?.int.map { min(max(1, $0), 1_000_000) } }
    let devices = count("num_devices") ?? 1
    let each = count("per_device_train_batch_size")
    let total = count("total_train_batch_size")
    let size = each ?? (total.map { min(4, $0) } ?? 8)
    let accumulation = total.map { ($0 + size - 1) / size } ?? (count("gradient_accumulation_steps") ?? 1) * devices
    switch setting.key {
    case "per_device_train_batch_size": setting.options["batch_size"] = .int(Int64(size))
    case "gradient_accumulation_steps":
      setting.options["gradient_accumulation"] = .int(Int64(accumulation))
      if devices > 1 {
        setting.state = .changed
        setting.note = "× \(devices) devices: \(size) × \(accumulation) = \(size * accumulation) examples per update, as there"
      }
    case "num_devices":
      setting.state = .changed
      setting.note = "one machine: their batches follow one another, the update is the same"
      if given["gradient_accumulation_steps"] == nil { setting.options["gradient_accumulation"] = .int(Int64(accumulation)) }
    default:
      setting.options = ["batch_size": .int(Int64(size)), "gradient_accumulation": .int(Int64(accumulation))]
      setting.state = .changed
      setting.note = "\(size) × \(accumulation): the same update in smaller batches"
    }
    return setting
  }

  /// What the library would have filled in and zs would not.
  func implied() -> [RecipeSetting] {
    var defaults: [(keys: [String], key: String, value: JSON, option: String)] = [
      (["lr_scheduler_type"], "lr_scheduler_type", "linear", "schedule"),
      (["warmup_ratio", "warmup_steps"], "warmup_steps", 0, "warmup_ratio"),
      (["per_device_train_batch_size", "total_train_batch_size"], "per_device_train_batch_size", 8, "batch_size"),
      (["num_train_epochs", "max_steps"], "num_train_epochs", 3, "epochs"),
      (["optim"], "optim", "adamw_torch", "optimizer"),
      (["learning_rate"], "learning_rate", .double(method == .sft ? 2e-5 : 1e-6), "learning_rate"),
    ]
    if method == .sft { defaults.append((["assistant_only_loss"], "assistant_only_loss", false, "assistant_only")) }
    return defaults.compactMap { keys, key, value, option in
      guard keys.allSatisfy({ given[$0] == nil }) else { return nil }
      let used: JSON = key == "optim" ? "adamw" : value
      return RecipeSetting(
        key: key, value: value, options: [option: used], state: .implied, note: "not in the recipe: the library's default")
    }
  }
}

/// Damerau–Levenshtein without transpositions: enough to find a mistyped key.
private func distance(_ a: String, _ b: String) -> Int {
  let (a, b) = (Array(a.utf8), Array(b.utf8))
  var row = Array(0...b.count)
  for i in 0..<a.count {
    var diagonal = row[0]
    row[0] = i + 1
    for j in 0..<b.count {
      let cost = min(row[j], row[j + 1]) + 1
      let substituted = diagonal + (a[i] == b[j] ? 0 : 1)
      diagonal = row[j + 1]
      row[j + 1] = min(cost, substituted)
    }
  }
  return row[b.count]
}
