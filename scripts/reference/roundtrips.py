#!/usr/bin/env python3
"""Takes models through zs and the programs it exchanges files with, and compares: llama.cpp, transformers, peft.

Needs a built zs, torch, transformers, peft, gguf and llama-cpp-python (measured with transformers 5.24.0, peft 0.21.2, gguf 0.19.0,
llama-cpp-python 0.3.36). Run from the root of the repository after `scripts/zs -e "load(\\"smollm2\\")"`:  python3 scripts/reference/roundtrips.py
"""
import copy, ctypes, json, os, subprocess, sys, tempfile

import gguf, llama_cpp, numpy, torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM
from transformers.models.llama import modeling_llama

torch.set_num_threads(2)
without_log = llama_cpp.llama_log_callback(lambda *_: None)
llama_cpp.llama_log_set(without_log, ctypes.c_void_p(0))
PROMPTS = ["The capital of France is", "Once upon a time", "def fibonacci(n):", "Zoë paid 3.50 €:"]
failures = 0


def check(name, holds, detail=""):
    global failures
    failures += not holds
    print(("ok    " if holds else "FAILS ") + name + (f": {detail}" if detail else ""), flush=True)


def zs(code):
    done = subprocess.run([".build/release/zs", "--json", "-e", code], capture_output=True, text=True)
    if done.returncode:
        print(f"zs failed:\n{code}\n{done.stderr}", flush=True)
        sys.exit(1)
    return json.loads(done.stdout)


def quote(text):
    return json.dumps(text, ensure_ascii=False)


def llama(path, **options):
    return llama_cpp.Llama(path, n_ctx=256, n_threads=2, verbose=False, **options)


def greedy(model, ids, count):
    """Greedy tokens of llama.cpp from its logits, its samplers left out."""
    model.reset()
    model.eval(ids)
    found = []
    for _ in range(count):
        logits = numpy.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(model.ctx, -1), (model.n_vocab(),))
        found.append(int(logits.argmax()))
        model.eval([found[-1]])
    return found


def export_to_llama(folder):
    """F16: the same tokens. Prompts also tokenized by both."""
    path = f"{folder}/f16.gguf"
    zs(f'export(load("smollm2"), {quote(path)}, type: "f16"); none')
    peer = llama(path)
    for prompt in PROMPTS:
        ids = peer.tokenize(prompt.encode(), add_bos=False, special=False)
        ours = zs(f'm = load({quote(path)}); c = generate(m, {quote(prompt)}, max_tokens: 24); {{ids: tokenize(m, {quote(prompt)}), tokens: c.tokens}}')
        check(f"ids of {prompt!r}", ids == ours["ids"])
        theirs = greedy(peer, ids, len(ours["tokens"]))
        check(f"greedy tokens after {prompt!r}", theirs == ours["tokens"], f"{len(theirs)} tokens")
    template = zs(f'load({quote(path)}).template')
    check("template", peer.metadata.get("tokenizer.chat_template") == template)
    return path


def quantizers(f16, folder):
    """Types and bytes against llama.cpp's own quantizer, for a real model and for one whose rows hold super-blocks."""
    wide = f"{folder}/wide"
    torch.manual_seed(1)
    config = LlamaConfig(vocab_size=512, hidden_size=512, intermediate_size=768, num_hidden_layers=16, num_attention_heads=8, num_key_value_heads=2,
                         max_position_embeddings=128, bos_token_id=1, eos_token_id=2)
    LlamaForCausalLM(config).to(torch.float16).save_pretrained(wide)
    zs(f'export(load({quote(wide)}), {quote(wide + ".gguf")}, type: "f16"); none')
    kinds = {"q8_0": 7, "q4_0": 2, "q4_1": 3, "q5_0": 8, "q5_1": 9, "q2_K": 10, "q3_K_S": 11, "q3_K_M": 12, "q3_K_L": 13, "q4_K_S": 14, "q4_K_M": 15,
             "q5_K_S": 16, "q5_K_M": 17, "q6_K": 18}
    for source, names in [(f16, ["q8_0", "q4_0", "q4_K_S", "q4_K_M", "q5_K_M", "q6_K"]), (wide + ".gguf", list(kinds))]:
        for name in names:
            ours, theirs = f"{folder}/ours.gguf", f"{folder}/theirs.gguf"
            zs(f'export(load({quote(source)}), {quote(ours)}, type: "{name}"); none')
            options = llama_cpp.llama_model_quantize_default_params()
            options.nthread, options.ftype = 2, kinds[name]
            llama_cpp.llama_model_quantize(source.encode(), theirs.encode(), ctypes.byref(options))
            a, b = ({t.name: t for t in gguf.GGUFReader(path).tensors} for path in (ours, theirs))
            types = [n for n in b if a[n].tensor_type != b[n].tensor_type]
            data = [n for n in b if n not in types and not numpy.array_equal(a[n].data, b[n].data)]
            detail = f"{len(b)} tensors" + (f", other types: {types[:3]}" if types else "") + (f", other bytes: {data[:3]}" if data else "")
            check(f"{name} of {os.path.basename(source)} equals llama.cpp's", a.keys() == b.keys() and not types and not data, detail)


def values(f16, folder):
    """Blocks that zs packs, unpacked by gguf-py and by zs: the same bits."""
    for name in ["q2_K", "q3_K_S", "q4_K_S", "q5_K_S", "q6_K", "q5_0", "q5_1"]:
        path = f"{folder}/values.gguf"
        zs(f'export(load({quote(folder + "/wide")}), {quote(path)}, type: "{name}"); save(load({quote(path)}), {quote(folder + "/values")}); none')
        from safetensors.torch import load_file
        ours = load_file(f"{folder}/values/model.safetensors")
        tensor = next(t for t in gguf.GGUFReader(path).tensors if t.name == "blk.5.ffn_up.weight")
        theirs = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        check(f"{tensor.tensor_type.name} blocks unpacked by gguf-py", numpy.array_equal(theirs, ours["model.layers.5.mlp.up_proj.weight"].numpy()))


def norm_in_the_models_type(self, x):
    """transformers' RMSNorm without its detour through float32, which would spoil a float64 run."""
    return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.variance_epsilon))


def save_to_transformers(f16, folder):
    """Logits within 1e-4, ids, template; then PEFT with an adapter."""
    path = f"{folder}/saved"
    zs(f'save(load("smollm2"), {quote(path)}); none')
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(path)
    for prompt in PROMPTS:
        ids = tokenizer(prompt, add_special_tokens=True)["input_ids"]
        ours = zs(f'm = load({quote(path)}); {{ids: tokenize(m, {quote(prompt)}), logits: logits(m, {quote(prompt)})}}')
        check(f"transformers' ids of {prompt!r}", ids == ours["ids"], str(ids) if ids != ours["ids"] else "")
        tokens = torch.tensor([ours["ids"]])
        with torch.no_grad():
            single = model(tokens).logits[0].numpy()
            plain, modeling_llama.LlamaRMSNorm.forward = modeling_llama.LlamaRMSNorm.forward, norm_in_the_models_type
            theirs = copy.deepcopy(model).double()(tokens).logits[0].numpy()
            modeling_llama.LlamaRMSNorm.forward = plain
        mine = numpy.array(ours["logits"])
        worst, size = float(numpy.abs(theirs - mine).max()), float(numpy.abs(theirs).max())
        detail = f"{worst:.2e} from float64, {float(numpy.abs(single - mine).max()):.2e} from float32 (itself {float(numpy.abs(theirs - single).max()):.2e} off), of at most {size:.1f}"
        check(f"transformers' logits after {prompt!r}", worst <= 1e-4, detail)
    chat = [{"role": "user", "content": "Ahoy?"}]
    theirs = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    check("transformers' template", theirs == zs(f'render(load({quote(path)}), [{{role: "user", content: "Ahoy?"}}])'))

    adapter = f"{folder}/adapter"
    rows = [{"messages": [{"role": "user", "content": "Ahoy?"}, {"role": "assistant", "content": "Arr, me hearty!"}]}] * 2
    data = f"{folder}/rows.jsonl"
    open(data, "w").write("".join(json.dumps(r) + "\n" for r in rows))
    ours = zs(f"""p = lora(load({quote(path)}), rank: 4, targets: ["q_proj", "k_proj", "v_proj", "down_proj"], seed: 1)
t = sft(p, {quote(data)}, learning_rate: 1e-2, batch_size: 2, schedule: "constant", warmup_ratio: 0, epochs: 2)
step(t); step(t);
save(p, {quote(adapter)})
{{ids: tokenize(p, "Ahoy there"), logits: logits(p, "Ahoy there"), plain: logits(load({quote(path)}), "Ahoy there"), gguf: logits(load_adapter(load("smollm2"), {quote(adapter)}), "Ahoy there")}}""")
    peft = PeftModel.from_pretrained(model, adapter).eval()
    with torch.no_grad():
        theirs = peft(torch.tensor([ours["ids"]])).logits[0].numpy()
    moved = float(numpy.abs(numpy.array(ours["plain"]) - numpy.array(ours["logits"])).max())
    worst = float(numpy.abs(theirs - numpy.array(ours["logits"])).max())
    check("peft's logits with our adapter", worst <= 1e-4 * max(1, moved) and moved > 0.1, f"{worst:.2e}, where the adapter moves them by {moved:.2g}")
    worst = float(numpy.abs(numpy.array(ours["gguf"]) - numpy.array(ours["logits"])).max())
    check("the adapter on the GGUF of the model", worst <= 1e-3 * max(1, moved), f"{worst:.2e}")


def variants(folder):
    """Families and scalings beyond the plain Llama, exported, in llama.cpp."""
    fixtures = "Tests/ModelsTests/Fixtures"
    ids = json.load(open(f"{fixtures}/expected.json"))["ids"]
    for name in ["llama-llama3-biased-tied-bf16", "llama-yarn-bf16", "llama-linear-bf16", "qwen2-bf16", "smollm3-bf16"]:
        path = f"{folder}/{name}.gguf"
        ours = zs(f'export(load("{fixtures}/{name}"), {quote(path)}, type: "f32"); logits(load({quote(path)}), {ids})')
        # Type, factor and original context are taken from the file; the package replaces the borders of YaRN by its own unless they are given.
        borders = dict(yarn_beta_fast=4.0, yarn_beta_slow=0.5) if "yarn" in name else {}
        peer = llama(path, logits_all=True, **borders)
        peer.eval(ids)
        theirs = numpy.array(peer.scores[: len(ids)])
        worst = float(numpy.abs(theirs - numpy.array(ours)).max())
        check(f"{name} in llama.cpp", worst <= 0.05, f"{worst:.2e}")  # its KV cache is F16


with tempfile.TemporaryDirectory() as folder:
    parts = sys.argv[1:] or ["llama", "quantizers", "values", "transformers", "variants"]
    f16 = f"{folder}/f16.gguf"
    if "llama" in parts: export_to_llama(folder)
    else: zs(f'export(load("smollm2"), {quote(f16)}, type: "f16"); none')
    if "quantizers" in parts: quantizers(f16, folder)
    if "values" in parts: values(f16, folder)
    if "transformers" in parts: save_to_transformers(f16, folder)
    if "variants" in parts: variants(folder)
print("all hold" if not failures else f"{failures} fail")
sys.exit(failures > 0)
