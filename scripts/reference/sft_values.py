#!/usr/bin/env python3
"""Makes Tests/TrainingTests/Fixtures/tiny: a small random Mistral, and what torch computes when it is fine-tuned.

Loss and every parameter's gradient norm for two sequences with label masks of their own, the loss a mean over all labels of the
update; parameters after three AdamW updates without and with decay and clipping, norm weights spared as transformers does.
Needs torch and transformers (made with 5.23.0). Usage: python3 scripts/reference/sft_values.py
"""
import copy
import json
import os

import torch
from safetensors.torch import save_file
from transformers import MistralConfig, MistralForCausalLM

torch.manual_seed(11)
torch.set_num_threads(1)
FOLDER = os.path.join(os.path.dirname(__file__), "../../Tests/TrainingTests/Fixtures/tiny")
SEQUENCES = [
    {"input_ids": [1, 17, 95, 3, 3, 42, 60, 8, 77, 31, 2], "labels": [-100, -100, -100, -100, 3, 42, 60, -100, 77, 31, 2]},
    {"input_ids": [1, 50, 24, 9, 13, 70, 2], "labels": [-100, -100, 24, 9, 13, 70, 2]},
]


def make():
    config = MistralConfig(
        vocab_size=96, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        head_dim=8, max_position_embeddings=64, rms_norm_eps=1e-5, bos_token_id=1, eos_token_id=2, sliding_window=5,
        attn_implementation="eager", tie_word_embeddings=False)
    model = MistralForCausalLM(config)
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(1 + 0.1 * torch.randn_like(p) if p.dim() == 1 else 0.2 * torch.randn_like(p))
    return model.eval()


def loss_of(model):
    total, count = 0.0, 0
    for row in SEQUENCES:
        logits = model(torch.tensor([row["input_ids"]])).logits[0, :-1]
        labels = torch.tensor(row["labels"][1:])
        total = total + torch.nn.functional.cross_entropy(logits, labels, ignore_index=-100, reduction="sum")
        count += int((labels >= 0).sum())
    return total / count


def spared(name):
    return "norm" in name


def train(model, decay, clip):
    groups = [
        {"params": [p for n, p in model.named_parameters() if not spared(n)], "weight_decay": decay},
        {"params": [p for n, p in model.named_parameters() if spared(n)], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, foreach=False)
    losses, norms = [], []
    for _ in range(3):
        optimizer.zero_grad()
        loss = loss_of(model)
        loss.backward()
        losses.append(loss.item())
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), clip or float("inf")).item())
        optimizer.step()
    losses.append(loss_of(model).item())
    after = {n: {"sum": p.double().sum().item(), "abs_sum": p.double().abs().sum().item(), "first": p.flatten()[:8].tolist()}
             for n, p in model.named_parameters()}
    return {"decay": decay, "clip": clip, "losses": losses, "norms": norms, "after": after}


model = make()
os.makedirs(FOLDER, exist_ok=True)
save_file({n: p.detach().clone() for n, p in model.named_parameters()}, os.path.join(FOLDER, "model.safetensors"), metadata={"format": "pt"})
config = {
    "architectures": ["MistralForCausalLM"], "model_type": "mistral", "vocab_size": 96, "hidden_size": 32, "intermediate_size": 64,
    "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 64,
    "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "sliding_window": 5, "tie_word_embeddings": False, "bos_token_id": 1,
    "eos_token_id": 2, "hidden_act": "silu", "torch_dtype": "float32"}
with open(os.path.join(FOLDER, "config.json"), "w") as file:
    json.dump(config, file, indent=2)
    file.write("\n")
loss_of(model).backward()
values = {
    "rows": SEQUENCES, "loss": loss_of(model).item(),
    "gradient_norms": {n: p.grad.norm().item() for n, p in model.named_parameters()},
    "adamw": train(copy.deepcopy(model), 0.0, None), "adamw_decay_clip": train(copy.deepcopy(model), 0.1, 1.0)}
with open(os.path.join(FOLDER, "values.json"), "w") as file:
    json.dump(json.loads(json.dumps(values), parse_float=lambda x: float(f"{float(x):.8g}")), file, separators=(",", ":"))
    file.write("\n")
