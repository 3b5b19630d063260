#!/usr/bin/env python3
"""Twenty LoRA steps of DPO on SmolLM2 by zs and by TRL's DPOTrainer: the same pairs in the same order, the same first adapters.

zs tokenizes the pairs, draws the adapters and saves them before its first step; both sides then train on the same ids. Each step's loss,
rewards and margin must agree within 1e-3 (absolute, and relative where a number is above 1); --loss takes any loss of DPOTrainer's, or
kto: then every second row is a chosen answer with the label true, the others are rejected ones with false, and the other side is KTOTrainer.
The losses of other trainers (ORPO, SimPO, CPO) are compared with their code in preference_losses.py.

Needs torch, transformers, peft, trl 1.16, datasets and gguf, and the model in zs's cache (zs -e 'load("smollm2")').
Usage: python3 scripts/reference/dpo_parity.py PAIRS.jsonl [--steps 20] [--batch 2] [--max-length 192] [--loss sigmoid] [--rank 8]
       [--learning-rate 1e-4] [--seed 1] [--threads 2] [--zs BINARY]
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

parser = argparse.ArgumentParser(description="DPO by zs and by TRL, step by step.")
parser.add_argument("pairs")
parser.add_argument("--steps", type=int, default=20)
parser.add_argument("--batch", type=int, default=2)
parser.add_argument("--max-length", type=int, default=192)
parser.add_argument("--loss", default="sigmoid")
parser.add_argument("--rank", type=int, default=8)
parser.add_argument("--learning-rate", type=float, default=1e-4)
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--zs", help="the binary; else .build/release/zs")
arguments = parser.parse_args()
root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
binary = arguments.zs or os.path.join(root, ".build/release/zs")
folder = tempfile.mkdtemp(prefix="zs-dpo-parity-")


def zs(code):
    path = os.path.join(folder, "program.zs")
    with open(path, "w") as file:
        file.write(code)
    environment = {**os.environ, "ZS_THREADS": str(arguments.threads)}
    done = subprocess.run([binary, "--json", path], capture_output=True, text=True, env=environment)
    if done.returncode:
        sys.exit(f"zs failed:\n{done.stderr}")
    return json.loads(done.stdout)


def prefix(a, b):
    return next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))


# 1. The first pairs that fit, as ids: prompt, prompt with chosen, prompt with rejected, each rendered and tokenized as a whole.
wanted = arguments.steps * arguments.batch
tokenized = zs(f"""
m = load("smollm2")
data = preferences({json.dumps(os.path.abspath(arguments.pairs))}) |> take({4 * wanted})
fn messages(x, role) = if type(x) == "str" {{ [{{role: role, content: x}}] }} else {{ x }}
fn ids(messages, opening) = tokenize(m, render(m, messages, generation_prompt: opening), special: true)
fn both(row) {{
  prompt = messages(row.prompt, "user")
  [ids(prompt, true), ids(prompt + messages(row.chosen, "assistant"), false), ids(prompt + messages(row.rejected, "assistant"), false)]
}}
[both(row) for row in data]
""")
rows = []
for prompt, chosen, rejected in tokenized:
    start = min(prefix(prompt, chosen), prefix(prompt, rejected))
    if start < arguments.max_length - 16 and chosen[start:] != rejected[start:] and len(rows) < wanted:
        rows.append({"prompt_ids": prompt[:start], "chosen_ids": chosen[start : arguments.max_length],
                     "rejected_ids": rejected[start : arguments.max_length]})
if arguments.loss == "kto":
    rows = [{"prompt_ids": row["prompt_ids"], "completion_ids": row["rejected_ids" if i % 2 else "chosen_ids"], "label": i % 2 == 0}
            for i, row in enumerate(rows)]
if len(rows) < wanted:
    sys.exit(f"only {len(rows)} of {wanted} pairs fit into {arguments.max_length} tokens")

# 2. zs: the run, its first adapters saved.
begun = time.time()
history = zs(f"""
rows = from_json({json.dumps(json.dumps(rows))})
policy = lora(load("smollm2"), rank: {arguments.rank}, alpha: {2 * arguments.rank}, seed: {arguments.seed})
save(policy, {json.dumps(folder + "/adapter")})
t = dpo(policy, rows, loss: {json.dumps(arguments.loss)}, beta: 0.1, learning_rate: {arguments.learning_rate}, schedule: "linear",
  warmup_steps: 2, batch_size: {arguments.batch}, max_steps: {arguments.steps}, max_length: {arguments.max_length}, shuffle: false,
  snapshot_megabytes: 0)
for i in 0..<{arguments.steps} {{ step(t) }}
t.history
""")
zs_seconds = time.time() - begun

# 3. TRL on the same ids and adapters.
import torch
from datasets import Dataset
from peft import PeftModel
from torch.utils.data import SequentialSampler
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import DPOConfig, DPOTrainer

torch.set_num_threads(arguments.threads)
cache = os.environ.get("ZS_HOME", os.path.expanduser("~/.cache/zs"))
gguf = dict(pretrained_model_name_or_path=f"{cache}/models", gguf_file="SmolLM2-135M-Instruct.Q4_1.gguf")
model = AutoModelForCausalLM.from_pretrained(**gguf, dtype=torch.float32, attn_implementation="eager")
# The weights are fp32 by now; transformers would still refuse to train what came out of a quantized file.
model.is_quantized, model.hf_quantizer = False, None
for name in ("quantization_method", "_is_quantized_training_enabled"):
    if hasattr(model, name):
        setattr(model, name, None)
if hasattr(model.config, "quantization_config"):
    del model.config.quantization_config
tokenizer = AutoTokenizer.from_pretrained(**gguf)
model = PeftModel.from_pretrained(model, f"{folder}/adapter", is_trainable=True)


if arguments.loss == "kto":
    from trl import KTOConfig, KTOTrainer

    # As KTOTrainer's own preparation, which begins with text, does it: completions go round by one within each batch.
    for start in range(0, len(rows), arguments.batch):
        block = rows[start : start + arguments.batch]
        for row, before in zip(block, block[-1:] + block[:-1]):
            row["KL_completion_ids"] = before["completion_ids"]
trainer_class, config_class = (KTOTrainer, KTOConfig) if arguments.loss == "kto" else (DPOTrainer, DPOConfig)


class InOrder(trainer_class):
    """A trainer that takes the rows as they come, in ids."""

    def _prepare_dataset(self, dataset, processing_class, args, dataset_name):
        return dataset

    def _get_train_sampler(self, dataset=None):
        return SequentialSampler(dataset if dataset is not None else self.train_dataset)


trainer = InOrder(
    model=model, processing_class=tokenizer, train_dataset=Dataset.from_list(rows),
    args=config_class(
        output_dir=folder + "/trl", loss_type="kto" if arguments.loss == "kto" else [arguments.loss], beta=0.1, learning_rate=arguments.learning_rate, lr_scheduler_type="linear",
        warmup_steps=2, per_device_train_batch_size=arguments.batch, gradient_accumulation_steps=1, max_steps=arguments.steps,
        max_length=arguments.max_length, logging_steps=1, save_strategy="no", report_to="none", bf16=False, gradient_checkpointing=False,
        use_cpu=True, optim="adamw_torch", weight_decay=0.0, max_grad_norm=1.0, disable_tqdm=True, seed=42))
begun = time.time()
trainer.train()
trl_seconds = time.time() - begun
log = [entry for entry in trainer.state.log_history if "loss" in entry]

# 4. Side by side. Transformers logs the loss with few digits where it averages; the rest comes as computed.
names = ["loss", "rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies", "logps/chosen", "logps/rejected", "grad_norm",
         "entropy", "mean_token_accuracy", "logits/chosen", "logits/rejected", "num_tokens", "learning_rate", "kl"]
worst = {name: 0.0 for name in names}
print(f"{'step':>4} {'loss zs':>10} {'loss TRL':>10} {'margin zs':>10} {'margin TRL':>10} {'norm zs':>9} {'norm TRL':>9}")
for mine, theirs in zip(history, log):
    print(f"{mine['step']:>4} {mine['loss']:>10.6f} {theirs['loss']:>10.6f} {mine['rewards/margins']:>10.6f} {theirs['rewards/margins']:>10.6f} "
          f"{mine['grad_norm']:>9.4f} {theirs['grad_norm']:>9.4f}")
    for name in names:
        if name in theirs and name in mine:
            worst[name] = max(worst[name], abs(mine[name] - theirs[name]) / max(1.0, abs(theirs[name])))
print("\nlargest difference (relative where above 1):")
for name, value in worst.items():
    print(f"  {name:<22} {value:.2e}")
print(f"zs {zs_seconds:.0f} s, TRL {trl_seconds:.0f} s for {arguments.steps} steps of {arguments.batch} pairs, {arguments.threads} threads")
checked = ["loss", "rewards/chosen", "rewards/rejected", "rewards/margins"]
failed = [name for name in checked if not worst[name] <= 1e-3] + ([] if len(log) == len(history) == arguments.steps else ["steps"])
print("differs: " + ", ".join(failed) if failed else "loss, rewards and margins agree within 1e-3 at each step")
sys.exit(bool(failed))
