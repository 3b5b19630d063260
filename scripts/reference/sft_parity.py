#!/usr/bin/env python3
"""Fine-tunes SmolLM2 by zs and by TRL's SFTTrainer on the same rows in the same order and compares the loss of every step.

zs renders, tokenizes and masks the rows and saves the model in fp32; TRL gets those weights, ids and labels, and for LoRA the same
initial adapters. Needs torch, transformers, trl, peft and datasets, and a built .build/release/zs.

Usage: python3 scripts/reference/sft_parity.py [--rows FILE.jsonl] [--steps 20] [--max-length 192] [--batch 2] [--only full|lora]
FILE.jsonl has rows of messages, or of preferences, whose chosen answers are taken; without it examples/data/keeper.jsonl is used.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

root = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
parser = argparse.ArgumentParser()
parser.add_argument("--rows", default=os.path.join(root, "examples/data/keeper.jsonl"))
parser.add_argument("--steps", type=int, default=20)
parser.add_argument("--max-length", type=int, default=192)
parser.add_argument("--batch", type=int, default=2)
parser.add_argument("--only", choices=["full", "lora"])
arguments = parser.parse_args()
work = tempfile.mkdtemp(prefix="zs-sft-parity-")
RATES = {"full": 2e-5, "lora": 2e-4}


def conversations():
    rows = []
    for line in open(arguments.rows):
        row = json.loads(line)
        messages = row.get("messages") or row.get("chosen")
        if isinstance(messages, list):
            rows.append({"messages": [{"role": m["role"], "content": m["content"]} for m in messages]})
        if len(rows) == 4 * arguments.steps * arguments.batch:
            break  # some rows may have a prompt beyond max_length
    path = os.path.join(work, "rows.jsonl")
    with open(path, "w") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    return path


def zs(kind, rows):
    """The losses of zs; leaves the model, the examples and for LoRA the initial adapters in the work folder."""
    policy = 'lora(m, rank: 8, alpha: 16, seed: 1)' if kind == "lora" else "m"
    program = f"""
m = load("smollm2", dtype: "f32")
save(m, "{work}/model")
p = {policy}
{f'save(p, "{work}/adapter")' if kind == "lora" else ""}
t = sft(p, "{rows}", learning_rate: {RATES[kind]}, schedule: "cosine", warmup_ratio: 0.1, batch_size: {arguments.batch},
  max_steps: {arguments.steps}, max_length: {arguments.max_length}, shuffle: false, max_grad_norm: 1.0, snapshot_megabytes: 0)
save(t, "{work}/run-{kind}")
losses = []
for i in 0..<{arguments.steps} {{ losses = losses + [step(t).loss] }}
{{losses: losses, norms: [r.grad_norm for r in t.history]}}
"""
    path = os.path.join(work, f"{kind}.zs")
    open(path, "w").write(program)
    done = subprocess.run([os.environ.get("ZS", os.path.join(root, ".build/release/zs")), "--json", path], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.strip().splitlines()[-1])


def examples_of(kind):
    """The examples that zs trained on, in order, from its checkpoint: ids, and labels of -100 where nothing is trained."""
    lines = [json.loads(line) for line in open(f"{work}/run-{kind}/data.jsonl")]
    examples = []
    for (document,) in lines[1 + lines[0]["rows"]:][:arguments.steps * arguments.batch]:
        labels = [-100] * len(document["ids"])
        for first, end in document["trained"]:
            labels[first:end] = document["ids"][first:end]
        examples.append({"input_ids": document["ids"], "labels": labels})
    return examples


def trl(kind, examples):
    """The losses of TRL over the same weights, ids and labels."""
    import torch
    from datasets import Dataset
    from peft import PeftModel
    from tokenizers import Tokenizer, models
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast
    from trl import SFTConfig, SFTTrainer

    class InOrder(SFTTrainer):
        def _get_train_sampler(self, dataset=None):
            return torch.utils.data.SequentialSampler(self.train_dataset)

    model = AutoModelForCausalLM.from_pretrained(f"{work}/model", dtype=torch.float32)
    if kind == "lora":
        model = PeftModel.from_pretrained(model, f"{work}/adapter", is_trainable=True)
    # The rows are ids already; the tokenizer only tells how to pad.
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"<pad>": 0, "<eos>": 2}, unk_token="<pad>")),
                                        pad_token="<pad>", eos_token="<eos>")
    config = SFTConfig(
        output_dir=f"{work}/trl", learning_rate=RATES[kind], lr_scheduler_type="cosine", warmup_steps=-(-arguments.steps // 10),
        per_device_train_batch_size=arguments.batch, max_steps=arguments.steps, max_length=arguments.max_length, max_grad_norm=1.0,
        bf16=False, gradient_checkpointing=False, logging_steps=1, report_to="none", save_strategy="no", use_cpu=True, seed=42,
        optim="adamw_torch", weight_decay=0.0)
    trainer = InOrder(model=model, args=config, train_dataset=Dataset.from_list(examples), processing_class=tokenizer)
    trainer.train()
    logs = [log for log in trainer.state.log_history if "loss" in log]
    return [log["loss"] for log in logs], [log["grad_norm"] for log in logs]


rows = conversations()
failed = False
for kind in ["full", "lora"] if arguments.only is None else [arguments.only]:
    ours = zs(kind, rows)
    losses, norms = trl(kind, examples_of(kind))
    print(f"{kind}: step, loss zs, loss TRL, relative difference, gradient norms")
    worst = 0.0
    for step, (a, b) in enumerate(zip(ours["losses"], losses)):
        worst = max(worst, abs(a - b) / abs(b))
        print(f"  {step + 1:3d}  {a:.6f}  {b:.6f}  {abs(a - b) / abs(b):.1e}   {ours['norms'][step]:.4f}  {norms[step]:.4f}")
    fits = len(losses) == len(ours["losses"]) == arguments.steps and worst < 1e-3
    failed |= not fits
    print(f"{kind}: {len(losses)} steps, largest relative difference {worst:.1e}: {'within' if fits else 'NOT within'} 1e-3")
sys.exit(1 if failed else 0)
