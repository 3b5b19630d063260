#!/usr/bin/env python3
"""Writes Tests/ModelsTests/Fixtures: tiny random models in every format that is read, and the logits transformers gives for them.

Needs torch, transformers, gguf, safetensors; for the K types, which the gguf package cannot quantize, llama-cpp-python's ggml
(measured with transformers 5.24.0, gguf 0.19.0, llama-cpp-python 0.3.36). A quantized model's logits are those of its dequantized weights
in fp32. Run from the root of the repository:  python3 scripts/reference/tiny_models.py
"""
import copy, ctypes, glob, json, os, pathlib, shutil

import gguf, numpy, torch, transformers
from safetensors.torch import load_file, save_file
from transformers import (LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM, Qwen2Config, Qwen2ForCausalLM,
                          SmolLM3Config, SmolLM3ForCausalLM)

torch.set_num_threads(1)
ROOT = pathlib.Path("Tests/ModelsTests/Fixtures")
IDS = [1, 17, 31, 3, 3, 12, 28, 8, 7, 30, 0, 17, 17, 22]
Kind = gguf.GGMLQuantizationType
NARROW = dict(vocab_size=32, hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=4, num_key_value_heads=2, head_dim=8,
              max_position_embeddings=64, rms_norm_eps=1e-5, bos_token_id=1, eos_token_id=2, attn_implementation="eager")
# Rows of 256 where it matters, so that a super-block fits.
WIDE = dict(NARROW, hidden_size=256, num_attention_heads=2, num_key_value_heads=1, head_dim=16)
expected = {}


def model(kind, config, seed, **changes):
    torch.manual_seed(seed)
    made = kind(config(**changes)).float().eval()
    with torch.no_grad():
        for name, p in made.named_parameters():
            p.copy_(1 + 0.2 * torch.randn_like(p) if "norm" in name else torch.randn_like(p) * (0.2 if p.dim() == 1 else 2 / p.shape[-1] ** 0.5))
    return made


def remember(path, made):
    with torch.no_grad():
        logits = made(torch.tensor([IDS])).logits[0]
    expected[path] = [float(f"{x:.7g}") for x in torch.cat([logits[4], logits[-1]]).double().tolist()]


def hugging_face(path, made, dtype=torch.float32, shards=None, edit=None, extra={}):
    """A folder as save_pretrained makes it; `edit` changes config.json."""
    folder = ROOT / path
    rounded = {k: v.to(dtype).float() for k, v in made.state_dict().items()}
    made.load_state_dict(rounded)
    # A copy: `to` would round the rotary frequencies with the weights.
    copy.deepcopy(made).to(dtype).save_pretrained(folder, **({"max_shard_size": shards} if shards else {}))
    config = json.loads((folder / "config.json").read_text())
    if edit:
        edit(config)
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    if extra:
        file = folder / "model.safetensors"
        save_file({**load_file(file), **extra}, file, metadata={"format": "pt"})
    remember(path, made)


NAMES = {"model.embed_tokens": "token_embd", "lm_head": "output", "model.norm": "output_norm", "self_attn.q_proj": "attn_q",
         "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate",
         "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}


def quantized(values, kind):
    """Bytes of the rows, by the gguf package or by ggml itself, and what they stand for."""
    if kind.name.endswith("_K"):
        rows, columns = values.shape
        library = ctypes.CDLL(glob.glob(os.path.join(os.path.dirname(__import__("llama_cpp").__file__), "lib/libggml-base.so"))[0])
        library.ggml_quantize_chunk.restype = ctypes.c_size_t
        block, size = gguf.GGML_QUANT_SIZES[kind]
        out = numpy.zeros((rows, columns // block * size), numpy.uint8)
        library.ggml_quantize_chunk(ctypes.c_int(kind.value), values.ctypes.data_as(ctypes.c_void_p), out.ctypes.data_as(ctypes.c_void_p),
                                    ctypes.c_int64(0), ctypes.c_int64(rows), ctypes.c_int64(columns), None)
    else:
        out = gguf.quants.quantize(values, kind)
    return out, gguf.quants.dequantize(out, kind).astype(numpy.float32)


def gguf_file(path, made, kind, arch="llama", split=0, narrow_kind=Kind.Q4_0, scaling={}):
    """The model as a GGUF file; rows that are no whole blocks of `kind` get `narrow_kind`."""
    config = made.config
    file = ROOT / path
    writer = gguf.GGUFWriter(file, arch, split_max_tensors=split)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_key_length(width)
    writer.add_value_length(width)
    writer.add_rope_dimension_count(width)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    if getattr(config, "sliding_window", None):
        writer.add_sliding_window(config.sliding_window)
    for key, value in scaling.items():
        (writer.add_string if isinstance(value, str) else writer.add_uint32 if isinstance(value, int) else writer.add_float32)(f"{arch}.rope.scaling.{key}", value)
    writer.add_tokenizer_model("none")
    changed = {}
    for name, tensor in made.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        values = tensor.numpy()
        stem, _, suffix = name.rpartition(".")
        if stem.startswith("model.layers."):
            _, _, layer, rest = stem.split(".", 3)
            target = f"blk.{layer}.{NAMES[rest]}.{suffix}"
        else:
            target = f"{NAMES[stem]}.{suffix}"
        heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}.get(target.split(".")[-2])
        if heads and arch != "qwen2":  # halves of a head side by side
            values = values.reshape(heads, 2, width // 2, *values.shape[1:]).swapaxes(1, 2).reshape(values.shape)
        values = numpy.ascontiguousarray(values)
        use = kind if values.ndim == 2 else Kind.F32
        if values.shape[-1] % gguf.GGML_QUANT_SIZES[use][0]:
            use = narrow_kind
        data, back = quantized(values, use)
        if use in (Kind.F32, Kind.F16):
            writer.add_tensor(target, data)
        else:
            writer.add_tensor(target, data, raw_dtype=use)
        if heads and arch != "qwen2":
            back = back.reshape(heads, width // 2, 2, *back.shape[1:]).swapaxes(1, 2).reshape(back.shape)
        changed[name] = torch.from_numpy(back.copy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    if config.tie_word_embeddings:
        changed["lm_head.weight"] = changed["model.embed_tokens.weight"]
    original = {k: v.clone() for k, v in made.state_dict().items()}
    made.load_state_dict({**original, **changed})
    found = sorted(ROOT.glob(path.replace(".gguf", "*-of-*.gguf")))
    for part in found:
        remember(str(part.relative_to(ROOT)), made)
    if not found:
        remember(path, made)
    made.load_state_dict(original)


def main():
    shutil.rmtree(ROOT, ignore_errors=True)
    ROOT.mkdir(parents=True)
    window = dict(NARROW, sliding_window=5, tie_word_embeddings=False)
    mistral = model(MistralForCausalLM, MistralConfig, 1, **window)
    buffers = {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(4), "model.layers.0.self_attn.masked_bias": torch.tensor(-1e9),
               "model.layers.0.self_attn.bias": torch.ones(4, 4, dtype=torch.bool), "model.position_ids": torch.arange(8),
               "model.attention_mask": torch.ones(8, dtype=torch.uint8)}
    hugging_face("mistral-f32", mistral, extra=buffers)
    for kind in ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"]:
        gguf_file(f"mistral-{kind}.gguf", mistral, Kind[kind])
    gguf_file("parts.gguf", mistral, Kind.F16, split=5)
    hugging_face("mistral-f16-sharded", mistral, torch.float16, shards="9KB")
    hugging_face("mistral-bf16", mistral, torch.bfloat16)
    wide = model(MistralForCausalLM, MistralConfig, 2, **dict(WIDE, sliding_window=6, tie_word_embeddings=False))
    for kind in ["Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"]:
        gguf_file(f"mistral-{kind}.gguf", wide, Kind[kind])

    llama3 = dict(rope_type="llama3", rope_theta=500.0, factor=4.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=16)
    biased = model(LlamaForCausalLM, LlamaConfig, 3, **dict(NARROW, rope_parameters=llama3, tie_word_embeddings=True, attention_bias=True, mlp_bias=True))
    hugging_face("llama-llama3-biased-tied-bf16", biased, torch.bfloat16)
    plain = model(LlamaForCausalLM, LlamaConfig, 4, **dict(NARROW, attention_bias=True, tie_word_embeddings=True))
    gguf_file("llama-biased-tied-Q8_0.gguf", plain, Kind.Q8_0)
    yarn = dict(rope_type="yarn", rope_theta=100.0, factor=4.0, original_max_position_embeddings=16, beta_fast=4.0, beta_slow=0.5)
    stretched = model(LlamaForCausalLM, LlamaConfig, 5, **dict(NARROW, rope_parameters=yarn, tie_word_embeddings=False))
    hugging_face("llama-yarn-bf16", stretched, torch.bfloat16)
    gguf_file("llama-yarn-Q8_0.gguf", stretched, Kind.Q8_0, scaling={"type": "yarn", "factor": 4.0, "original_context_length": 16,
                                                                    "yarn_beta_fast": 4.0, "yarn_beta_slow": 0.5})
    other = dict(yarn, attention_factor=1.3, truncate=False)
    hugging_face("mistral-yarn-factor-bf16", model(MistralForCausalLM, MistralConfig, 6, **dict(window, rope_parameters=other)), torch.bfloat16)

    def older(config):  # the style before transformers 5
        rope = config.pop("rope_parameters")
        config.update(rope_theta=rope["rope_theta"], rope_scaling={"type": "linear", "factor": rope["factor"]})
    linear = dict(rope_type="linear", rope_theta=300.0, factor=2.5)
    hugging_face("llama-linear-bf16", model(LlamaForCausalLM, LlamaConfig, 7, **dict(NARROW, rope_parameters=linear)), torch.bfloat16, edit=older)

    qwen = model(Qwen2ForCausalLM, Qwen2Config, 8, **{k: v for k, v in NARROW.items() if k != "head_dim"}, tie_word_embeddings=True)
    hugging_face("qwen2-bf16", qwen, torch.bfloat16)
    gguf_file("qwen2-Q8_0.gguf", qwen, Kind.Q8_0, arch="qwen2")
    smol = model(SmolLM3ForCausalLM, SmolLM3Config, 9, **{**{k: v for k, v in NARROW.items() if k != "head_dim"}, "num_hidden_layers": 4, "pad_token_id": 0,
                                                         "tie_word_embeddings": True})
    hugging_face("smollm3-bf16", smol, torch.bfloat16)
    gguf_file("smollm3-Q4_0.gguf", smol, Kind.Q4_0, arch="smollm3")
    for folder in ROOT.iterdir():  # what says which version wrote it would change with every run
        if folder.is_dir():
            for extra in ["generation_config.json"]:
                (folder / extra).unlink(missing_ok=True)
    text = json.dumps(dict(ids=IDS, positions=[4, len(IDS) - 1], logits=expected), separators=(",", ":")).replace('],"', '],\n"')
    (ROOT / "expected.json").write_text(text + "\n")
    total = sum(f.stat().st_size for f in ROOT.rglob("*") if f.is_file())
    print(f"{len(expected)} models, {total} bytes; transformers {transformers.__version__}")


if __name__ == "__main__":
    main()
