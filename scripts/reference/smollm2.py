#!/usr/bin/env python3
"""Writes Tests/ModelsTests/SmolLM2Values.swift: what transformers computes for SmolLM2-135M-Instruct.Q4_1.gguf in float32.

Needs torch, transformers and gguf.  python3 scripts/reference/smollm2.py ~/.cache/zs/models/SmolLM2-135M-Instruct.Q4_1.gguf
"""
import json, os, sys
import torch
from transformers import AutoModelForCausalLM

path = sys.argv[1]
torch.set_num_threads(2)
model = AutoModelForCausalLM.from_pretrained(os.path.dirname(path), gguf_file=os.path.basename(path), dtype=torch.float32,
                                             attn_implementation="eager").eval()
# "Once upon a time, there was a", a chat turn, and a sentence, as SmolLM2's tokenizer has them.
PROMPTS = dict(story=[6403, 2980, 253, 655, 28, 665, 436, 253],
               chat=[1, 9690, 198, 2683, 359, 253, 5356, 5646, 11173, 3365, 3511, 308, 34519, 28, 7018, 411, 407, 19712, 8182, 2, 198, 1, 4093,
                     198, 1780, 314, 260, 3575, 282, 4649, 47, 2, 198, 1, 520, 9531, 198])
SENTENCE = [504, 2365, 6354, 16438, 27003, 690, 260, 23790, 2767, 30, 198, 33, 32, 7018, 2685, 28, 253, 8182]


def numbers(t):
    return [float(f"{x:.8g}") for x in t.double().flatten().tolist()]


values = {}
with torch.no_grad():
    for name, ids in PROMPTS.items():
        logits = model(torch.tensor([ids])).logits[0, -1]
        top = logits.topk(10)
        out = model.generate(torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long), max_new_tokens=32, do_sample=False,
                             eos_token_id=None, pad_token_id=0)
        values[name] = dict(ids=ids, top_ids=top.indices.tolist(), top_logits=numbers(top.values), greedy=out[0, len(ids):].tolist())
    logits = model(torch.tensor([SENTENCE])).logits[0, :-1]
    values["sentence"] = dict(ids=SENTENCE, logprobs=numbers(torch.log_softmax(logits, -1).gather(1, torch.tensor(SENTENCE[1:])[:, None])))
text = json.dumps(values, separators=(", ", ":")).replace("], ", "],\n").replace("}, ", "},\n")
lines = []
for line in text.split("\n"):
    while len(line) > 130:
        cut = line.rfind(",", 0, 130) + 1
        lines.append(line[:cut])
        line = line[cut:].lstrip()
    lines.append(line)
open("Tests/ModelsTests/SmolLM2Values.swift", "w").write(
    "// Written by scripts/reference/smollm2.py; do not edit. What transformers computes for SmolLM2-135M-Instruct.Q4_1.gguf in float32.\n\n"
    'let smolLM2Values = #"""\n' + "\n".join("  " + line for line in lines) + '\n  """#\n')
