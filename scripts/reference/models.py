#!/usr/bin/env python3
"""Writes Tests/ModelsTests/ReferenceValues.swift: what transformers and PEFT compute for a tiny decoder.

Needs torch, transformers and peft (measured with 5.23.0 and peft 0.21.2). The weights are a formula that the tests repeat,
so that no weight file is kept. Run from the root of the repository:  python3 scripts/reference/models.py
"""
import json, struct, zlib
import numpy, torch, transformers
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM
from transformers.generation import logits_process as lp

torch.set_num_threads(1)
SIZES = dict(vocab_size=96, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=64, rms_norm_eps=1e-5, bos_token_id=1, eos_token_id=2)
IDS = [1, 17, 95, 3, 3, 42, 60, 8, 77, 31, 0, 17, 17, 64]


def formula(name, shape, scale, offset=0.0):
    """Pseudo-random numbers in offset ± scale, exact in float32: the test's `formula`."""
    index = numpy.arange(int(numpy.prod(shape)), dtype=numpy.uint64)
    bits = (index * numpy.uint64(2654435761) + numpy.uint64(zlib.crc32(name.encode()))) & numpy.uint64(0xFFFFFFFF)
    bits = (bits ^ (bits >> numpy.uint64(15))) * numpy.uint64(2246822519) & numpy.uint64(0xFFFFFFFF)
    unit = ((bits ^ (bits >> numpy.uint64(13))) >> numpy.uint64(8)).astype(numpy.float32) * numpy.float32(2.0**-23) - numpy.float32(1)
    return torch.from_numpy((unit * numpy.float32(scale) + numpy.float32(offset)).reshape(shape))


def fill(model):
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(formula(name, tuple(p.shape), 0.2, 1.0) if p.dim() == 1 else formula(name, tuple(p.shape), 0.4))
    return model.eval()


def make(**changes):
    config = dict(SIZES, sliding_window=5, attn_implementation="eager", tie_word_embeddings=False) | changes
    return fill(MistralForCausalLM(MistralConfig(**config)))


def numbers(t):
    return [float(f"{x:.8g}") for x in t.detach().double().flatten().tolist()]


def logprobs(logits, ids):
    return torch.log_softmax(logits[0, :-1], -1).gather(1, torch.tensor(ids[1:])[:, None])[:, 0]


def gradients(model, names=lambda n: True):
    out = {}
    for name, p in model.named_parameters():
        if p.grad is not None and names(name):
            out[name] = dict(norm=float(f"{p.grad.norm().item():.8g}"), first=numbers(p.grad.flatten()[:4]))
    return out


def base():
    model = make()
    logits = model(torch.tensor([IDS])).logits
    loss = -logprobs(logits, IDS).mean()
    loss.backward()
    with torch.no_grad():
        greedy = model.generate(torch.tensor([IDS[:5]]), max_new_tokens=10, do_sample=False, eos_token_id=None, pad_token_id=0)
        penalized = model.generate(torch.tensor([IDS[:5]]), max_new_tokens=10, do_sample=False, repetition_penalty=1.7, eos_token_id=None, pad_token_id=0)
    return dict(ids=IDS, logits=numbers(logits), logprobs=numbers(logprobs(logits, IDS)), loss=float(loss.detach()), gradients=gradients(model),
                greedy=greedy[0, 5:].tolist(), penalized=penalized[0, 5:].tolist())


def variants():
    def last(model):
        with torch.no_grad():
            return numbers(model(torch.tensor([IDS])).logits[0, -1])
    llama3 = dict(rope_type="llama3", rope_theta=500.0, factor=4.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=16)
    llama = fill(LlamaForCausalLM(LlamaConfig(**SIZES, rope_parameters=llama3, attn_implementation="eager", tie_word_embeddings=True)))
    return dict(no_window=last(make(sliding_window=None)), tied=last(make(tie_word_embeddings=True)), llama3_tied=last(llama),
                wide_head=last(make(head_dim=16, rope_parameters=dict(rope_type="default", rope_theta=777.0))))


def lora(rslora):
    model = make()
    targets = ["q_proj", "v_proj", "down_proj"]
    peft = get_peft_model(model, LoraConfig(r=3, lora_alpha=6, target_modules=targets, use_rslora=rslora, task_type="CAUSAL_LM"))
    with torch.no_grad():
        for name, p in peft.named_parameters():
            if "lora_" in name:
                p.copy_(formula(name.replace(".default", "").removeprefix("base_model.model."), tuple(p.shape), 0.3))
    logits = peft(torch.tensor([IDS])).logits
    loss = -logprobs(logits, IDS)[8:].mean()
    loss.backward()
    slopes = gradients(peft, lambda n: "lora_" in n)
    with torch.no_grad():
        merged = peft.merge_and_unload()(torch.tensor([IDS])).logits[0, -1]
    return dict(logprobs=numbers(logprobs(logits, IDS)), loss_from_9=float(loss.detach()), last_merged=numbers(merged),
                gradients={k.replace(".default", "").removeprefix("base_model.model."): v for k, v in slopes.items()})


def sampling():
    logits = formula("sampling", (60,), 4.0)
    logits[11] = logits[30]
    previous = [4, 9, 9, 33, 59]
    cases = [dict(), dict(temperature=0.7), dict(temperature=1.9), dict(top_k=1), dict(top_k=7), dict(top_k=500), dict(top_p=0.05), dict(top_p=0.5),
             dict(top_p=0.95), dict(top_p=0.9999), dict(min_p=0.1), dict(min_p=1.0), dict(repetition_penalty=1.3), dict(repetition_penalty=0.7),
             dict(temperature=0.7, top_k=50, top_p=0.95), dict(temperature=0.8, top_k=12, top_p=0.6, min_p=0.02, repetition_penalty=1.2)]
    rank = (logits > logits[11]).sum().item() + 1  # cuts between the two equal logits: both stay
    cases.append(dict(top_k=rank))
    out = []
    for case in cases:
        chain = []
        if "repetition_penalty" in case: chain.append(lp.RepetitionPenaltyLogitsProcessor(case["repetition_penalty"]))
        if "temperature" in case: chain.append(lp.TemperatureLogitsWarper(case["temperature"]))
        if "top_k" in case: chain.append(lp.TopKLogitsWarper(case["top_k"]))
        if "top_p" in case: chain.append(lp.TopPLogitsWarper(case["top_p"]))
        if "min_p" in case: chain.append(lp.MinPLogitsWarper(case["min_p"]))
        scores = logits[None].clone()
        for processor in chain:
            scores = processor(torch.tensor([previous]), scores)
        out.append(dict(case, probabilities=numbers(torch.softmax(scores[0], -1))))
    return dict(previous=previous, tied=[11, 30], cases=out)


values = dict(versions=dict(torch=torch.__version__, transformers=transformers.__version__), base=base(), variants=variants(),
              lora=lora(False), rslora=lora(True), sampling=sampling())
text = json.dumps(values, separators=(",", ":")).replace('},"', '},\n"').replace('],"', '],\n"')
lines = []
for line in text.split("\n"):
    while len(line) > 130:
        cut = line.rfind(",", 0, 130) + 1
        lines.append(line[:cut])
        line = line[cut:]
    lines.append(line)
body = "\n".join("  " + line for line in lines)
open("Tests/ModelsTests/ReferenceValues.swift", "w").write(
    "// Written by scripts/reference/models.py; do not edit. What transformers computes for the tiny decoder of TinyModel.swift.\n\n"
    'let referenceValues = #"""\n' + body + '\n  """#\n')
