#!/usr/bin/env python3
"""Fine-tunes SmolLM2 by zs and by TRL's SFTTrainer on the same rows in the same order and compares the loss of every step.

zs renders, tokenizes and masks the rows and saves the model in fp32; TRL gets those weights, ids and labels, and for LoRA the same
initial adapters. TRL runs twice, in float32 as people run it and in float64, so that where two float32 runs part it shows which of them
left the true curve. A step holds where zs is within 1e-3 of TRL, or where TRL itself is not within 1e-3 of its float64 run and zs is.
Needs torch, transformers, trl, peft and datasets, and a built .build/release/zs.

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
parser.add_argument("--work", help=argparse.SUPPRESS)
parser.add_argument("--dtype", help=argparse.SUPPRESS)
arguments = parser.parse_args()
work = arguments.work or tempfile.mkdtemp(prefix="zs-sft-parity-")
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


def compute_in_double():
    """transformers computes norms and the loss in float32 whatever the model's type is; for the float64 run they must not."""
    import torch
    from transformers.loss import loss_utils
    from transformers.models.llama import modeling_llama

    def norm(self, x):
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.variance_epsilon))

    def loss(logits, labels, vocab_size, num_items_in_batch=None, ignore_index=-100, shift_labels=None, **_):
        if shift_labels is None:
            shift_labels = torch.nn.functional.pad(labels, (0, 1), value=ignore_index)[..., 1:]
        total = torch.nn.functional.cross_entropy(
            logits.view(-1, vocab_size), shift_labels.reshape(-1), ignore_index=ignore_index, reduction="sum")
        return total / (num_items_in_batch if num_items_in_batch is not None else (shift_labels != ignore_index).sum())

    modeling_llama.LlamaRMSNorm.forward = norm
    loss_utils.LOSS_MAPPING["ForCausalLM"] = loss


def trl(kind, examples, dtype):
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
    if dtype == "float64":
        compute_in_double()
        model = model.double()
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


def trl_apart(kind, dtype):
    """`trl` in a process of its own, since the float64 run changes transformers."""
    with open(f"{work}/examples-{kind}.json", "w") as file:
        json.dump(examples_of(kind), file)
    command = [sys.executable, os.path.abspath(__file__), "--work", work, "--only", kind, "--dtype", dtype, "--steps", str(arguments.steps),
               "--max-length", str(arguments.max_length), "--batch", str(arguments.batch)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return json.load(open(f"{work}/{kind}-{dtype}.json"))


if arguments.work:
    result = trl(arguments.only, json.load(open(f"{work}/examples-{arguments.only}.json")), arguments.dtype)
    with open(f"{work}/{arguments.only}-{arguments.dtype}.json", "w") as file:
        json.dump(result, file)
    sys.exit()

rows = conversations()
failed = False
for kind in ["full", "lora"] if arguments.only is None else [arguments.only]:
    ours = zs(kind, rows)
    losses, norms = trl_apart(kind, "float32")
    exact, _ = trl_apart(kind, "float64")
    print(f"{kind}: step, loss zs, loss TRL, their relative difference, that of zs and of TRL from float64, gradient norms")
    wrong = []
    for step, (a, b, c) in enumerate(zip(ours["losses"], losses, exact)):
        apart, zs_error, trl_error = abs(a - b) / abs(b), abs(a - c) / abs(c), abs(b - c) / abs(c)
        if apart >= 1e-3 and not zs_error < 1e-3 <= trl_error:
            wrong.append(step + 1)
        print(f"  {step + 1:3d}  {a:.6f}  {b:.6f}  {apart:.1e}  {zs_error:.1e}  {trl_error:.1e}   {ours['norms'][step]:.4f}  {norms[step]:.4f}")
    fits = len(losses) == len(exact) == len(ours["losses"]) == arguments.steps and not wrong
    failed |= not fits
    print(f"{kind}: {len(losses)} steps: " + ("all hold" if fits else f"steps {wrong} do not hold"), flush=True)
sys.exit(1 if failed else 0)
