"""Writes Tests/TokenizersTests/Fixtures: tiny tokenizers of every kind that zs reads, and what their makers' own
libraries (tokenizers, sentencepiece) make of odd texts.

Run with an interpreter that has tokenizers, sentencepiece and gguf:  python scripts/reference/tokenizer_fixtures.py
"""
import json
import pathlib
import random
import shutil
import tempfile

import gguf
import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

FIXTURES = pathlib.Path(__file__).parents[2] / "Tests/TokenizersTests/Fixtures"

CORPUS = """The quick brown fox doesn't jump over the lazy dog; it's resting, they'll say, we've seen it and I'm sure you'd agree.
In 2024 there were 1234567 foxes, 3.14 of them in São Paulo, and 12,000 in Zürich (naïve café).
def main(argv):
\tfor i in range(10):
        print("hello world", i * 2)
    return 0
Привет, как дела? 你好世界 今天天气 こんにちは 안녕하세요 😀😀🚀 नमस्ते مرحبا
Large language models are trained on the web; small ones are trained on what large ones write.
The answer to the question is the question itself. The the the of of and and in in to to a a is is that that for for it it
""" * 4

TEXTS = [
    "", " ", "  ", "   ", "\n", "\n\n", " \n", "\n ", " \n \n  x", "\t", "\t\ta", "a\tb", "hello", " hello", "  hello", "hello ", "hello  ", "hello  world",
    "hello\nworld", "hello\n\nworld", "hello \n world", "hello  \n\n  world", "a\r\nb\r\n", "a\r\r\nb", "x\u00a0y", "x\u3000y\u2009z", "\u2028a", "a\u0085b",
    "it's", "IT'S", "it'S we'RE they'Ve I'M you'd we'Ll", "'s", "''s", "'", "''", "a'", "don't'", "'tis 'twas", "x'sy", "'\u017f a'\u017f", "'re're", "l'l 'l 'r 'v", "'ſ",
    "1", "12", "123", "1234", "12345678", " 1", "a1b2", "1a", "x 12 y", "3.14", "1,000", "½ ⅷ ٣٤٥ ४५ ⑦ x²", "²³¹", "1\u00b2 3", "10%", "$3.50", "1st 2nd",
    "!?", " !?", "a!b", "!!!\n", "!!!\n\n\nx", " ...\r\nx", "(a) [b] {c}", "a_b__c", "__init__", "<|x|>", "--flag=1", "a-b - c", "#hash @at", "...", "…", "“a”", "«b»",
    "café", "cafe\u0301", "\u0301a", "a\u0301\u0302", "Z\u0351\u036b", "naïve São", "Привет, мир", "你好,世界", "今天天气 很好", "안녕 하세요", "नमस्ते", "สวัสดี", "مرحبا بك", "שלום",
    "😀", "😀 😀", "a😀b", "👨\u200d👩\u200d👧", "🇫🇷", "1️⃣", "𝔸𝕝𝕡", "𐌰𐌱", "\U0001F600\U0010FFFF", "\ufeffx", "a\u200bb", "\x00\x01", "\x7f", "\x1ca\x1d", "\ue000",
    "the the the", "The answer to the question is the question itself." * 3, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "supercalifragilisticexpialidocious" * 3, "    def f(x):\n        return x  # ok\n", "a▁b", "▁a", "▁▁", " ▁", "<0x41>", "ﬁ ﬂ", "K Å ①",
]
SPECIALS = ["<|end|>", "a<|end|>b", " <|end|> ", "<|end|><|start|>", "<|end", "x<|end|>\n<|start|>user\nhi<|end|>\n", "<tool>x</tool>", "a<tool> b", "<<|end|>", "<|end|>  x"]

LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")


def byte_level(name):
    tokenizer = Tokenizer(models.BPE())
    if name in ("gpt2", "prefixed"):
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=name == "prefixed")
    elif name == "smollm":
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    else:
        pattern = LLAMA3 if name == "llama3" else QWEN2
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    if name == "qwen2":
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=560, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator([CORPUS], trainer)
    if name == "llama3":
        data = json.loads(tokenizer.to_str())
        data["model"]["ignore_merges"] = True
        data["model"]["vocab"]["Ġlazydog"] = len(data["model"]["vocab"])  # merging never makes it: only ignore_merges finds it
        tokenizer = Tokenizer.from_str(json.dumps(data))
    tokenizer.add_special_tokens(["<|start|>", "<|end|>"])
    tokenizer.add_tokens(["<tool>"])
    if name == "llama3":
        data = json.loads(tokenizer.to_str())
        start = tokenizer.token_to_id("<|start|>")
        data["post_processor"] = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<|start|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<|start|>": {"id": "<|start|>", "ids": [start], "tokens": ["<|start|>"]}}}
        tokenizer = Tokenizer.from_str(json.dumps(data))
    return tokenizer


def encode(tokenizer, text):
    return tokenizer.encode(text, add_special_tokens=False).ids


def save(name, tokenizer, texts, config=None):
    folder = FIXTURES / name
    folder.mkdir(parents=True)
    data = json.loads(tokenizer.to_str())
    (folder / "tokenizer.json").write_text(json.dumps(data, ensure_ascii=False, separators=(",", ":")))
    if config:
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
    rows = [{"text": text, "ids": encode(tokenizer, text), "decoded": tokenizer.decode(encode(tokenizer, text), skip_special_tokens=False)} for text in texts + SPECIALS]
    return rows


def random_decodes(tokenizer, count, size):
    random.seed(11)
    rows = []
    for _ in range(count):
        ids = [random.randrange(size) for _ in range(12)]
        rows.append({"ids": ids, "decoded": tokenizer.decode(ids, skip_special_tokens=False), "skipped": tokenizer.decode(ids, skip_special_tokens=True)})
    return rows


def train_sentencepiece(folder, prefix, **options):
    corpus = folder / "corpus.txt"
    corpus.write_text(CORPUS)
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus), model_prefix=str(folder / prefix), model_type="bpe", vocab_size=620, byte_fallback=True, character_coverage=0.98,
        split_digits=True, add_dummy_prefix=True, allow_whitespace_only_pieces=True, pad_id=-1, minloglevel=2, **options)
    return folder / f"{prefix}.model"


def sentencepiece_values(path):
    model = sentencepiece.SentencePieceProcessor(model_file=str(path))
    random.seed(12)
    rows = [{"text": text, "ids": model.encode(text), "decoded": model.decode(model.encode(text))} for text in TEXTS]
    decodes = []
    for _ in range(30):
        ids = [random.randrange(3, model.vocab_size()) if random.random() < 0.4 else random.randrange(3, 259) for _ in range(10)]
        decodes.append({"ids": ids, "decoded": model.decode(ids)})
    return {"strings": rows, "decode": decodes}, model


def hugging_face(model, legacy_prefix):
    """The tokenizer.json of a SentencePiece BPE model, as transformers converts Llama's and Mistral's."""
    size = model.vocab_size()
    vocab = {model.id_to_piece(i): i for i in range(size)}
    ranks = []
    for i in range(259, size):
        piece = model.id_to_piece(i)
        for cut in range(1, len(piece)):
            left, right = piece[:cut], piece[cut:]
            if left in vocab and right in vocab:
                ranks.append((model.get_score(i), vocab[left], vocab[right], left, right))
    ranks.sort(key=lambda r: (-r[0], r[1], r[2]))
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[(r[3], r[4]) for r in ranks], unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    if legacy_prefix:
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=False)
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in ("<unk>", "<s>", "</s>", "<|start|>", "<|end|>")])
    tokenizer.add_tokens([AddedToken("<tool>", normalized=False)])
    return tokenizer


def write_gguf(name, kind, pre, tokens, types, merges=None, scores=None, bos=None, eos=None):
    writer = gguf.GGUFWriter(str(FIXTURES / f"{name}.gguf"), "llama")
    writer.add_tokenizer_model(kind)
    if pre:
        writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    if merges is not None:
        writer.add_token_merges(merges)
    if scores is not None:
        writer.add_token_scores(scores)
    if bos is not None:
        writer.add_bos_token_id(bos)
    if eos is not None:
        writer.add_eos_token_id(eos)
    writer.add_chat_template([{"name": "default", "template": "{{ 'd' }}"}, {"name": "tool_use", "template": "{{ 't' }}"}])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    for path in FIXTURES.glob("*"):
        if path.name != "jinja.json":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    values = {}
    for name in ("gpt2", "prefixed", "smollm", "llama3", "qwen2"):
        tokenizer = byte_level(name)
        texts = TEXTS + ["lazydog lazydog", " lazydog"]
        values[name] = {"strings": save(name, tokenizer, texts), "decode": random_decodes(tokenizer, 30, 500), "vocab_size": tokenizer.get_vocab_size()}
        if name == "smollm":
            data = json.loads(tokenizer.to_str())
            size = tokenizer.get_vocab_size()
            added = {t["id"]: t["special"] for t in data["added_tokens"]}
            write_gguf("smollm", "gpt2", "smollm", [tokenizer.id_to_token(i) for i in range(size)],
                [(3 if added[i] else 4) if i in added else 1 for i in range(size)],
                [" ".join(m) if isinstance(m, list) else m for m in data["model"]["merges"]], bos=tokenizer.token_to_id("<|start|>"), eos=tokenizer.token_to_id("<|end|>"))
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        path = train_sentencepiece(folder, "plain", normalization_rule_name="identity", remove_extra_whitespaces=False)
        values["sentencepiece"], model = sentencepiece_values(path)
        target = FIXTURES / "sentencepiece"
        target.mkdir()
        shutil.copy(path, target / "tokenizer.model")
        size = model.vocab_size()
        types = [2 if model.is_unknown(i) else 3 if model.is_control(i) else 6 if model.is_byte(i) else 5 if model.is_unused(i) else 1 for i in range(size)]
        write_gguf("sentencepiece", "llama", "default", [model.id_to_piece(i) for i in range(size)], types, scores=[model.get_score(i) for i in range(size)], bos=1, eos=2)
        for name, legacy in (("legacy", True), ("metaspace", False)):
            tokenizer = hugging_face(model, legacy)
            config = {"bos_token": "<s>", "eos_token": {"content": "</s>"}, "unk_token": "<unk>", "add_bos_token": True,
                "chat_template": [{"name": "default", "template": "{{ 'from config' }}"}, {"name": "rag", "template": "{{ 'rag' }}"}]}
            values[name] = {"strings": save(name, tokenizer, TEXTS, config), "vocab_size": tokenizer.get_vocab_size()}
        path = train_sentencepiece(folder, "other", normalization_rule_name="identity", remove_extra_whitespaces=True, user_defined_symbols=["<tool>", "the"])
        values["sentencepiece_other"], _ = sentencepiece_values(path)
        (FIXTURES / "sentencepiece_other").mkdir()
        shutil.copy(path, FIXTURES / "sentencepiece_other" / "tokenizer.model")
    (FIXTURES / "metaspace" / "chat_template.jinja").write_text("{{ 'from file' }}")
    (FIXTURES / "metaspace" / "additional_chat_templates").mkdir()
    (FIXTURES / "metaspace" / "additional_chat_templates" / "tool_use.jinja").write_text("{{ 'tools' }}")
    (FIXTURES / "values.json").write_text(json.dumps(values, ensure_ascii=True, separators=(",", ":")).replace('{"text"', '\n{"text"') + "\n")


if __name__ == "__main__":
    main()
