// The keys of alignment-handbook, TRL and transformers, and what they are called here.

/// What is known of the keys of recipes.
enum RecipeKeys {
  /// Numbers that are options here.
  static let numbers = [
    "learning_rate": "learning_rate", "warmup_ratio": "warmup_ratio", "num_train_epochs": "epochs", "weight_decay": "weight_decay",
    "max_grad_norm": "max_grad_norm", "adam_beta1": "adam_beta1", "adam_beta2": "adam_beta2", "adam_epsilon": "adam_epsilon",
    "neftune_noise_alpha": "neftune_alpha", "beta": "beta", "label_smoothing": "label_smoothing", "ld_alpha": "ld_alpha",
    "f_alpha_divergence_coef": "f_alpha", "discopop_tau": "discopop_tau",
  ]
  /// Whole numbers that are options here; null leaves them alone.
  static let wholes = ["max_length": "max_length", "seed": "seed", "logging_steps": "log_every"]
  /// Flags that are options here.
  static let flags = [
    "gradient_checkpointing": "gradient_checkpointing", "assistant_only_loss": "assistant_only", "completion_only_loss": "completion_only",
  ]
  /// Options of adapters, under the names of `lora`.
  static let adapters = [
    "lora_r": "rank", "lora_alpha": "alpha", "lora_dropout": "dropout", "lora_target_modules": "targets", "use_rslora": "rslora",
  ]

  /// Keys that later versions replaced: the option they mean here, and what is said today.
  static let obsolete: [String: (option: String?, note: String)] = [
    "max_seq_length": ("max_length", "max_length since TRL 0.20"),
    "max_prompt_length": (nil, "removed in TRL 1.0: a prompt is kept whole, the answer loses its end at max_length"),
    "overwrite_output_dir": (nil, "removed in transformers 5; save replaces a folder when the new one is whole"),
    "dataset_splits": (nil, "part of dataset_mixture today; the data is the second argument"),
    "preprocessing_num_workers": (nil, "dataset_num_proc today; rows are read in one pass here"),
    "torch_dtype": (nil, "dtype since transformers 4.56; the model keeps the type it was loaded in: load(…, dtype: \"bf16\")"),
    "use_flash_attention_2": (nil, "attn_implementation today; zs has one attention, tiled and exact"),
    "use_4bit": (nil, "load_in_4bit today; load a quantized base here"),
    "logging_dir": (nil, "removed in transformers 5 (TENSORBOARD_LOGGING_DIR); log: \"folder\" here"),
    "group_by_length": (nil, "train_sampling_strategy since transformers 5; without padding the order costs nothing here"),
    "no_cuda": (nil, "use_cpu today; zs always does"),
  ]

  /// Keys without an effect here, and why.
  static let noted: [String: String] = {
    let hub = "nothing is uploaded"
    let saving = "autosave: \"folder\" keeps the newest two checkpoints by time"
    let rows = "rows are read in one pass"
    let kernels = "zs has its own kernels; the result is the same"
    return [
      "model_name_or_path": "the model is the first argument", "model_revision": "the model is the first argument",
      "dtype": "the model keeps the type it was loaded in: load(…, dtype: \"bf16\")", "attn_implementation": kernels,
      "trust_remote_code": "no code of a model is run", "use_liger_kernel": kernels, "use_cpu": "always", "torch_compile": kernels,
      "chat_template": "the model's own template is used; m.template shows it", "eos_token": "the tokenizer's own",
      "pad_token": "there is no padding", "padding_free": "always: there is no padding", "pad_to_multiple_of": "there is no padding",
      "dataset_config": "the data is the second argument", "dataset_train_split": "the data is the second argument",
      "dataset_test_split": "eval_data: is for unseen rows", "dataset_num_proc": rows, "dataset_kwargs": rows, "dataset_text_field": "text",
      "remove_unused_columns": "other columns are kept with their rows", "dataloader_num_workers": rows, "dataloader_pin_memory": "no GPU",
      "do_train": "run(t) trains", "do_eval": "with eval_data", "per_device_eval_batch_size": "memory does not grow with the batch",
      "gradient_checkpointing_kwargs": "blocks are recomputed, with equal bits",
      "hub_model_id": hub, "hub_strategy": hub, "hub_model_revision": hub, "hub_private_repo": hub, "push_to_hub": hub, "hub_token": hub,
      "log_level": "progress and warnings go to standard error", "logging_strategy": "every update is in t.history",
      "logging_first_step": "every update is in t.history", "report_to": "log: \"folder\" writes JSON lines, CSV and TensorBoard events",
      "run_name": "t.name", "output_dir": saving, "save_strategy": saving, "save_steps": saving, "save_total_limit": saving,
      "save_only_model": saving, "load_best_model_at_end": "go to any step: goto(t, n)", "resume_from_checkpoint": "resume(folder)",
      "ddp_timeout": "one process", "deepspeed": "one process", "fsdp": "one process", "tee": "one process",
      "truncation_mode": "what is longer than max_length loses its end (keep_start)", "bnb_4bit_quant_type": "see load_in_4bit",
      "use_bnb_nested_quant": "see load_in_4bit", "bnb_4bit_compute_dtype": "see load_in_4bit", "lora_task_type": "CAUSAL_LM",
      "lora_bias": "none", "precompute_ref_log_probs": "each reference is computed once per pair and kept",
      "precompute_ref_batch_size": "each reference is computed once per pair and kept", "disable_dropout": "dpo runs without dropout",
      "trackio_space_id": hub, "activation_offloading": "memory of a GPU",
    ]
  }()

  /// Keys that need a rule of their own.
  static let special = [
    "per_device_train_batch_size", "gradient_accumulation_steps", "num_devices", "total_train_batch_size", "max_steps", "warmup_steps",
    "lr_scheduler_type", "lr_scheduler_kwargs", "optim", "packing", "packing_strategy", "bf16", "fp16", "tf32", "eval_strategy",
    "evaluation_strategy", "eval_steps", "loss_type", "use_peft", "load_in_4bit", "load_in_8bit", "dataset_mixture", "dataset_mixer",
    "dataset_name",
  ]

  /// All of them, for the question which one was meant.
  static let all: [String] =
    (Array(numbers.keys) + Array(wholes.keys) + Array(flags.keys) + Array(adapters.keys) + Array(obsolete.keys) + Array(noted.keys)
    + special).sorted()
}
