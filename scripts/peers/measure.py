"""Measures the peers of zs, one row per request, in one long-lived process.

Reads a row name per line on standard input ("prefill", "gemm:512x1536x576", ...) and answers with one JSON line:
{"value": number, "peer": "name version"} or {"error": "..."}. More is better, except for memory rows (MiB).
Models are made on first use and kept, so that only the work itself is timed. `scripts/bench` starts it.
"""
import json
import os
import resource
import sys
import time

THREADS = int(os.environ.get("ZS_THREADS", "2"))
MODEL = os.environ.get("ZS_BENCH_MODEL", "")
SEQUENCE, PROMPT = 512, 128


def seconds(work, repeat=1):
    start = time.perf_counter()
    for _ in range(repeat):
        work()
    return (time.perf_counter() - start) / repeat


class Torch:
    """SmolLM2-135M's shape in PyTorch, float32, weights random: the work does not depend on their values.

    `lora` wraps the projections of attention with peft at rank 16. The optimizer's state is made by the first step, which is not timed.
    """

    def __init__(self, lora=False):
        import torch
        import transformers

        torch.set_num_threads(THREADS)
        self.torch, self.transformers = torch, transformers
        torch.manual_seed(0)
        configuration = transformers.LlamaConfig(
            hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9, num_key_value_heads=3,
            vocab_size=49152, tie_word_embeddings=True, max_position_embeddings=8192, rms_norm_eps=1e-5)
        self.model = transformers.LlamaForCausalLM(configuration).float()
        self.ids = torch.randint(0, 49152, (2, SEQUENCE))
        self.name = f"torch {torch.__version__.split('+')[0]}"
        if lora:
            import peft

            options = peft.LoraConfig(r=16, lora_alpha=32, target_modules=["q_proj", "k_proj", "v_proj", "o_proj"], task_type="CAUSAL_LM")
            self.model = peft.get_peft_model(self.model, options)
            self.name += f" + peft {peft.__version__}"
        self.optimizer = torch.optim.AdamW([p for p in self.model.parameters() if p.requires_grad], lr=1e-5)
        self.reference = None
        self.warm = set()

    def log_probs(self):
        logits = self.model(input_ids=self.ids).logits[:, PROMPT - 1 : -1]
        return self.torch.log_softmax(logits, -1).gather(2, self.ids[:, PROMPT:, None]).squeeze(2).sum(1)

    def timed(self, name, work):
        if name not in self.warm:
            work()
            self.warm.add(name)
        return seconds(work)

    def forward(self):
        def work():
            with self.torch.no_grad():
                self.model(input_ids=self.ids[:1])

        return SEQUENCE / self.timed("forward", work)

    def update(self, loss):
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def sft(self):
        return 2 * SEQUENCE / self.timed("sft", lambda: self.update(self.model(input_ids=self.ids, labels=self.ids).loss))

    def reference_log_probs(self):
        with self.torch.no_grad():
            return self.log_probs()

    def dpo(self, cached):
        """One pair: the reference's forward pass (or its cached sums), the policy's, the sigmoid loss at beta 0.1, backward, update."""
        if cached and self.reference is None:
            self.reference = self.reference_log_probs()

        def work():
            reference = self.reference if cached else self.reference_log_probs()
            policy = self.log_probs()
            margin = (policy[0] - reference[0]) - (policy[1] - reference[1])
            self.update(-self.torch.nn.functional.logsigmoid(0.1 * margin))

        return 1 / self.timed("dpo", work)


class TorchLoRA(Torch):
    def __init__(self):
        super().__init__(lora=True)


class Llama:
    """llama.cpp on the same GGUF file."""

    def __init__(self):
        import llama_cpp

        self.llama_cpp = llama_cpp
        self.name = f"llama.cpp (llama-cpp-python {llama_cpp.__version__})"
        self.load_seconds = seconds(self.open)

    def open(self, context=1024):
        self.model = self.llama_cpp.Llama(
            model_path=MODEL, n_ctx=context, n_batch=512, n_ubatch=512, n_threads=THREADS, n_threads_batch=THREADS, verbose=False)

    def prefill(self):
        ids = [(i * 7919) % 49000 + 10 for i in range(SEQUENCE)]
        self.model.reset()
        return SEQUENCE / seconds(lambda: self.model.eval(ids))

    def decode(self, tokens=64):
        self.model.reset()
        self.model.eval([(i * 7919) % 49000 + 10 for i in range(16)])

        def work():
            for i in range(tokens):
                self.model.eval([(i * 104729) % 49000 + 10])

        return tokens / seconds(work)


def gemm(shape):
    """The better of OpenBLAS (numpy) and MKL (torch), GFLOP/s."""
    import numpy
    import torch

    m, n, k = (int(x) for x in shape.split("x"))
    a, b = numpy.random.rand(m, k).astype("float32"), numpy.random.rand(k, n).astype("float32")
    ta, tb = torch.from_numpy(a), torch.from_numpy(b)
    repeat = max(1, int(2e10 / (2 * m * n * k)))
    rates = {}
    for name, work in (("OpenBLAS", lambda: a @ b), ("MKL", lambda: ta @ tb)):
        work()
        rates[name] = 2e-9 * m * n * k / seconds(work, repeat)
    best = max(rates, key=rates.get)
    return rates[best], best


def tokenizer():
    """Hugging Face tokenizers, MB/s of English on one thread."""
    import transformers

    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    fast = transformers.AutoTokenizer.from_pretrained(os.path.dirname(MODEL), gguf_file=os.path.basename(MODEL))
    text = english(1 << 20)
    return len(text) / 1e6 / seconds(lambda: fast.backend_tokenizer.encode(text)), "tokenizers"


def english(size):
    """The same text that `zs bench` tokenizes: a paragraph repeated with a running number."""
    paragraph = ("The preference model never sees a score. It sees two answers to one question and learns which of them people liked better, "
                 "and by how much the policy must lean away from its reference to say so.\n")
    return "".join(f"{i}. {paragraph}" for i in range(size // len(paragraph) + 1))[:size]


def measure(name, peers):
    def peer(kind):
        if kind not in peers:
            peers[kind] = kind()
        return peers[kind]

    if name.startswith("gemm:"):
        return gemm(name[5:])
    if name in ("prefill", "decode"):
        llama = peer(Llama)
        return getattr(llama, name)(), llama.name
    if name == "load":
        llama = peer(Llama)
        return 1 / seconds(llama.open), llama.name
    if name == "tokenizer":
        return tokenizer()
    if name.startswith("memory:"):
        _, peer_name = measure(name[7:], peers)
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, peer_name
    if name in ("forward", "sft", "dpo"):
        torch = peer(Torch)
        return (torch.dpo(cached=False) if name == "dpo" else getattr(torch, name)()), torch.name
    if name in ("sft:lora", "dpo:lora"):
        torch = peer(TorchLoRA)
        return (torch.dpo(cached=True) if name == "dpo:lora" else torch.sft()), torch.name
    raise ValueError(f"no row named {name}")


def main():
    peers = {}
    for line in sys.stdin:
        try:
            value, peer = measure(line.strip(), peers)
            print(json.dumps({"value": value, "peer": peer}), flush=True)
        except Exception as error:
            print(json.dumps({"error": f"{type(error).__name__}: {error}"}), flush=True)


if __name__ == "__main__":
    main()
