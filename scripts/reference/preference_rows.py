"""Makes Tests/TrainingTests/Fixtures/preference_rows.json: rows of preference data and what TRL 1.16 makes of them, as prompt, chosen
and rejected text, with and without a template. Characters stand for tokens, so the boundary rule is seen and no vocabulary is needed.

Needs trl and datasets. Usage: python3 scripts/reference/preference_rows.py
"""
import json
import os

from trl.data_utils import common_prefix_length, extract_prompt, is_conversational, maybe_extract_prompt

EOS = "$"
user = lambda text: {"role": "user", "content": text}
bot = lambda text: {"role": "assistant", "content": text}
rows = [
    {"prompt": "2 + 2 = ", "chosen": "4", "rejected": "5"},
    {"prompt": "2 + 2 = ", "chosen": "4$", "rejected": "5"},
    {"chosen": "The sky is blue.", "rejected": "The sky is green."},
    {"chosen": "same", "rejected": "same but longer"},
    {"chosen": "x", "rejected": "y"},
    {"prompt": [user("Hi")], "chosen": [bot("Hello!")], "rejected": [bot("What?")]},
    {"prompt": "Hi", "chosen": [user("Hi"), bot("Hello!")], "rejected": [user("Hi"), bot("What?")]},
    {"chosen": [user("Hi"), bot("A"), user("More"), bot("B")], "rejected": [user("Hi"), bot("A"), user("More"), bot("C")]},
    {"chosen": [user("Hi"), bot("A"), user("More"), bot("B")], "rejected": [user("Hi"), bot("Z")]},
    {"prompt": "café 😀 ", "chosen": "né", "rejected": "ne\u0301"},
]


def render(messages, generation_prompt=False):
    text = "".join(f"<{m['role']}>{m['content'].strip()}{EOS}\n" for m in messages)
    return text + ("<assistant>" if generation_prompt else "")


def tokens(row, max_length):
    """DPOTrainer._prepare_dataset's tokenize_fn and its collator's truncation, with ord for a tokenizer."""
    row = dict(row)
    if is_conversational({"chosen": row["chosen"]}):
        prompt = render(row["prompt"], True)
        chosen, rejected = render(row["prompt"] + row["chosen"]), render(row["prompt"] + row["rejected"])
    else:
        for side in ("chosen", "rejected"):
            if not row[side].endswith(EOS):
                row[side] += EOS
        prompt, chosen, rejected = row["prompt"], row["prompt"] + row["chosen"], row["prompt"] + row["rejected"]
    ids = lambda text: [ord(c) for c in text]
    prompt, chosen, rejected = ids(prompt), ids(chosen), ids(rejected)
    n = min(common_prefix_length(prompt, chosen), common_prefix_length(prompt, rejected))
    if n >= max_length:
        return None
    return {"prompt": prompt[:n], "chosen": chosen[:max_length][n:], "rejected": rejected[:max_length][n:]}


result = []
for row in rows:
    split = maybe_extract_prompt(row) if "prompt" in row else extract_prompt(row)
    result.append({"row": row, "split": split, "tokens": tokens(split, 1000), "short": tokens(split, 14)})
path = os.path.join(os.path.dirname(__file__), "../../Tests/TrainingTests/Fixtures/preference_rows.json")
with open(path, "w") as file:
    json.dump(result, file, separators=(",", ":"))
    file.write("\n")
print(len(result), "rows")
