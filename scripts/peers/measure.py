"""Measures the peers of zs, one row per request, in one long-lived process.

Reads a row name per line on standard input ("prefill", "gemm:512x1536x576", ...) and answers with one JSON line:
{"value": number, "peer": "name version"} or {"error": "..."}. More is better, except for memory rows (MiB).
Models are made on first use and kept, so that only the work itself is timed. What is timed is what `zs bench` times, by the same rule:
the best of some runs, at least two, for half a second (a tenth when quick); long steps run once. `scripts/bench` starts it.
"""
import contextlib
import ctypes
import json
import os
import resource
import sys
import time

THREADS = int(os.environ.get("ZS_THREADS", "2"))
MODEL = os.environ.get("ZS_BENCH_MODEL", "")
PATIENCE = 0.1 if os.environ.get("ZS_BENCH_QUICK") else 0.5
SEQUENCE, PROMPT, LONG = 512, 128, 4000


def seconds(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def best(timed, least=2):
    """The best of some runs of `timed`, which gives seconds: what disturbs a run only makes it slower."""
    found, start = [], time.perf_counter()
    while len(found) < least or time.perf_counter() - start < PATIENCE:
        found.append(timed())
    return min(found)


def smollm2_shape(torch, transformers):
    """A model of SmolLM2-135M's shape, float32, weights random."""
    torch.manual_seed(0)
    configuration = transformers.LlamaConfig(
        hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9, num_key_value_heads=3,
        vocab_size=49152, tie_word_embeddings=True, max_position_embeddings=8192, rms_norm_eps=1e-5, attn_implementation="sdpa")
    return transformers.LlamaForCausalLM(configuration).float()


def adapters(peft):
    return peft.LoraConfig(r=16, lora_alpha=32, target_modules=["q_proj", "k_proj", "v_proj", "o_proj"], task_type="CAUSAL_LM")


class Torch:
    """SmolLM2-135M's shape in PyTorch, float32, weights random: the work does not depend on their values.

    `lora` wraps the projections of attention with peft at rank 16. The optimizer's state is made by the first step, which is not timed.
    No cache of keys is kept, and logits are made only where they are scored.
    """

    def __init__(self, lora=False):
        import torch
        import transformers

        torch.set_num_threads(THREADS)
        self.torch = torch
        self.model = smollm2_shape(torch, transformers)
        self.ids = torch.randint(0, 49152, (2, SEQUENCE))
        self.name = f"torch {torch.__version__.split('+')[0]}"
        if lora:
            import peft

            self.model = peft.get_peft_model(self.model, adapters(peft))
            self.name += f" + peft {peft.__version__}"
        self.optimizer = torch.optim.AdamW([p for p in self.model.parameters() if p.requires_grad], lr=1e-5)
        self.reference = None
        self.warm = set()

    def log_probs(self):
        logits = self.model(input_ids=self.ids, use_cache=False, logits_to_keep=SEQUENCE - PROMPT + 1).logits[:, :-1]
        return self.torch.log_softmax(logits, -1).gather(2, self.ids[:, PROMPT:, None]).squeeze(2).sum(1)

    def timed(self, name, work, least=1):
        if name not in self.warm:
            work()
            self.warm.add(name)
        return best(lambda: seconds(work), least)

    def forward(self):
        def work():
            with self.torch.inference_mode():
                self.model(input_ids=self.ids[:1], use_cache=False)

        return SEQUENCE / self.timed("forward", work, least=2)

    def update(self, loss):
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def sft(self):
        def work():
            self.update(self.model(input_ids=self.ids, labels=self.ids, use_cache=False).loss)

        return 2 * SEQUENCE / self.timed("sft", work)

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


class Trl:
    """TRL's trainers as people run them on a CPU, in float32 and without gradient checkpointing: their metrics, clipping and schedule included.

    The data are ids of full length, so nothing is padded. What is timed is a step of the trainer, from its batch to the update; the first
    of a run is not counted.
    """

    def __init__(self, is_sft):
        import datasets
        import tokenizers
        import torch
        import transformers
        import trl

        torch.set_num_threads(THREADS)
        self.is_sft = is_sft
        self.spent = spent = []
        self.name = f"trl {trl.__version__}, torch {torch.__version__.split('+')[0]}"
        model = smollm2_shape(torch, transformers)
        vocabulary = tokenizers.models.WordLevel({"<pad>": 0, "<eos>": 2}, unk_token="<pad>")
        tokenizer = transformers.PreTrainedTokenizerFast(
            tokenizer_object=tokenizers.Tokenizer(vocabulary), pad_token="<pad>", eos_token="<eos>")
        ids = torch.randint(3, 49152, (2, SEQUENCE)).tolist()
        options = dict(
            output_dir="/tmp/zs-bench-trl", max_steps=3, max_length=SEQUENCE, learning_rate=1e-5, bf16=False, gradient_checkpointing=False,
            logging_steps=1, report_to="none", save_strategy="no", use_cpu=True, disable_tqdm=True)

        class Clock(transformers.TrainerCallback):
            def on_step_begin(self, *_, **__):
                self.began = time.perf_counter()

            def on_step_end(self, *_, **__):
                spent.append(time.perf_counter() - self.began)

        if is_sft:
            rows = [{"input_ids": row} for row in ids * 3]
            self.trainer = trl.SFTTrainer(
                model=model, args=trl.SFTConfig(per_device_train_batch_size=2, **options), train_dataset=datasets.Dataset.from_list(rows),
                processing_class=tokenizer, callbacks=[Clock()])
            return
        import peft

        class OfIds(trl.DPOTrainer):
            def _prepare_dataset(self, dataset, *_, **__):
                return dataset

        model = peft.get_peft_model(model, adapters(peft))
        self.name += f", peft {peft.__version__}"
        rows = [{"prompt_ids": ids[0][:PROMPT], "chosen_ids": ids[0][PROMPT:], "rejected_ids": ids[1][PROMPT:]}] * 3
        config = trl.DPOConfig(per_device_train_batch_size=1, precompute_ref_log_probs=True, beta=0.1, **options)
        self.trainer = OfIds(
            model=model, args=config, train_dataset=datasets.Dataset.from_list(rows), processing_class=tokenizer, callbacks=[Clock()])

    def rate(self):
        self.spent.clear()
        # What the trainer logs belongs to nobody's protocol.
        with contextlib.redirect_stdout(sys.stderr):
            self.trainer.train()
        return (2 * SEQUENCE if self.is_sft else 1) / min(self.spent[1:])


class TrlSFT(Trl):
    def __init__(self):
        super().__init__(is_sft=True)


class TrlDPO(Trl):
    def __init__(self):
        super().__init__(is_sft=False)


class Llama:
    """llama.cpp on the same GGUF file through its C interface, with flash attention or without, whichever is faster here.

    Keys and values are half-precision, its default.
    """

    def __init__(self):
        import llama_cpp

        self.c = llama_cpp
        self.quiet = llama_cpp.llama_log_callback(lambda level, text, data: None)
        llama_cpp.llama_log_set(self.quiet, ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()
        self.name = f"llama.cpp (llama-cpp-python {llama_cpp.__version__})"
        self.model = self.load()
        self.vocabulary = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self.model))
        self.contexts = {}
        self.chosen = {}

    def load(self):
        model = self.c.llama_model_load_from_file(MODEL.encode(), self.c.llama_model_default_params())
        if not model:
            raise ValueError(f"llama.cpp cannot load {MODEL}")
        return model

    def context(self, flash, room):
        if (flash, room) not in self.contexts:
            options = self.c.llama_context_default_params()
            options.n_ctx, options.n_batch, options.n_ubatch = room, 512, 512
            options.n_threads = options.n_threads_batch = THREADS
            options.flash_attn_type = flash
            context = self.c.llama_init_from_model(self.model, options)
            if not context:
                raise ValueError("llama.cpp made no context")
            self.contexts[flash, room] = context
        return self.contexts[flash, room]

    def cut(self, context, length):
        """Forgets all tokens from `length` on."""
        self.c.llama_memory_seq_rm(self.c.llama_get_memory(context), 0, length, -1)

    def read(self, context, ids):
        for first in range(0, len(ids), 512):
            part = ids[first : first + 512]
            tokens = (self.c.llama_token * len(part))(*part)
            if self.c.llama_decode(context, self.c.llama_batch_get_one(tokens, len(part))) != 0:
                raise ValueError("llama_decode failed")
        self.c.llama_get_logits(context)  # waits until they are there

    def ids(self, count, factor=7919):
        return [i * factor % self.vocabulary for i in range(count)]

    def fastest(self, row, measure):
        """The rate with the kind of attention that was faster the first time."""
        if row not in self.chosen:
            rates = {flash: measure(flash) for flash in (0, 1)}
            self.chosen[row] = max(rates, key=rates.get)
        return measure(self.chosen[row])

    def prefill(self):
        def measure(flash):
            context, ids = self.context(flash, 1024), self.ids(SEQUENCE)

            def timed():
                self.cut(context, 0)
                return seconds(lambda: self.read(context, ids))

            return SEQUENCE / best(timed)

        return self.fastest("prefill", measure)

    def decode(self, start=16, count=64, least=3):
        def measure(flash):
            context = self.context(flash, 1024 if start < 512 else start + 512)
            self.cut(context, 0)
            self.read(context, self.ids(start))
            ids = self.ids(count, 104729)

            def timed():
                self.cut(context, start)
                return seconds(lambda: [self.read(context, [id]) for id in ids])

            return count / best(timed, least)

        return self.fastest(f"decode {start}", measure)

    def loading(self):
        def timed():
            start = time.perf_counter()
            model = self.load()
            spent = time.perf_counter() - start
            self.c.llama_model_free(model)
            return spent

        return 1 / best(timed)


def gemm(shape):
    """The better of OpenBLAS (numpy) and MKL (torch), GFLOP/s, into memory that is there already."""
    import numpy
    import torch

    torch.set_num_threads(THREADS)
    m, n, k = (int(x) for x in shape.split("x"))
    a, b = numpy.random.rand(m, k).astype("float32"), numpy.random.rand(k, n).astype("float32")
    c = numpy.empty((m, n), "float32")
    ta, tb, tc = torch.from_numpy(a), torch.from_numpy(b), torch.from_numpy(c)
    rates = {}
    for name, work in (("OpenBLAS", lambda: numpy.matmul(a, b, out=c)), ("MKL", lambda: torch.mm(ta, tb, out=tc))):
        work()
        rates[name] = 2e-9 * m * n * k / best(lambda: seconds(work))
    better = max(rates, key=rates.get)
    return rates[better], better


class Tokenizer:
    """Hugging Face tokenizers, on one thread, line by line and without offsets: several times as fast as the whole text at once."""

    def __init__(self):
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        import tokenizers
        import transformers

        self.name = f"tokenizers {tokenizers.__version__}"
        loaded = transformers.AutoTokenizer.from_pretrained(os.path.dirname(MODEL), gguf_file=os.path.basename(MODEL))
        self.fast = loaded.backend_tokenizer
        self.lines = english(1 << 20).splitlines(keepends=True)

    def rate(self):
        return sum(map(len, self.lines)) / 1e6 / best(lambda: seconds(lambda: self.fast.encode_batch_fast(self.lines)))


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
    if name.startswith("memory:"):
        _, peer_name = measure(name[7:], peers)
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, peer_name
    if name == "tokenizer":
        return peer(Tokenizer).rate(), peer(Tokenizer).name
    if name in ("sft:trl", "dpo:lora:trl"):
        kind = TrlSFT if name == "sft:trl" else TrlDPO
        return peer(kind).rate(), peer(kind).name
    llama = {"prefill": lambda p: p.prefill(), "decode": lambda p: p.decode(), "decode:7b": lambda p: p.decode(count=16),
             "decode:long": lambda p: p.decode(start=LONG, count=32, least=2), "load": lambda p: p.loading()}
    if name in llama:
        return llama[name](peer(Llama)), peer(Llama).name
    torch = {"forward": lambda p: p.forward(), "sft": lambda p: p.sft(), "sft:lora": lambda p: p.sft(),
             "dpo": lambda p: p.dpo(cached=False), "dpo:lora": lambda p: p.dpo(cached=True)}
    if name not in torch:
        raise ValueError(f"no row named {name}")
    kind = TorchLoRA if name.endswith(":lora") else Torch
    return torch[name](peer(kind)), peer(kind).name


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
