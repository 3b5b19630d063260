"""Loads what the stages of examples/zephyr.zs wrote with `datasets` and puts it through TRL's own checks of formats.

    python3 scripts/reference/stage_outputs.py FOLDER

FOLDER is the one that `zs examples/zephyr.zs quick FOLDER` made. Needs datasets, transformers and trl.
"""
import os
import sys

from datasets import load_dataset
from trl.data_utils import apply_chat_template, is_conversational, maybe_extract_prompt

TEMPLATE = "{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}</s>\n{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}"


class Template:
    """A tokenizer's chat template alone, so that nothing has to be fetched."""

    chat_template = TEMPLATE

    def apply_chat_template(self, messages, add_generation_prompt=False, continue_final_message=False, tokenize=False, **_):
        import jinja2

        text = jinja2.Template(TEMPLATE).render(messages=messages, add_generation_prompt=add_generation_prompt)
        return text[: text.rindex(messages[-1]["content"]) + len(messages[-1]["content"])] if continue_final_message else text


def rows(folder, name):
    path = os.path.join(folder, name)
    data = load_dataset("json", data_files=path, split="train", cache_dir=os.path.join(folder, ".datasets"))
    print(f"{name}: {len(data)} rows, {', '.join(data.column_names)}")
    assert len(data) > 0, f"{name} is empty"
    return data


def conversations(folder, name):
    for row in rows(folder, name):
        assert is_conversational({"messages": row["messages"]}), row
        roles = [m["role"] for m in row["messages"]]
        assert roles[-1] == "assistant" and "user" in roles, roles
        assert apply_chat_template({"messages": row["messages"]}, Template())["text"]


def pairs(folder, name):
    for row in rows(folder, name):
        assert row["score_chosen"] > row["score_rejected"], row
        pair = maybe_extract_prompt({key: row[key] for key in ("prompt", "chosen", "rejected") if key != "prompt" or isinstance(row[key], list)})
        assert is_conversational(pair), pair
        assert [m["role"] for m in pair["prompt"]] == ["user"], pair
        assert [m["role"] for m in pair["chosen"]] == ["assistant"] == [m["role"] for m in pair["rejected"]], pair
        texts = apply_chat_template(pair, Template())
        # Two models may give the same short answer and get different scores for it, so the texts may be equal.
        assert texts["prompt"].endswith("<|assistant|>\n") and texts["chosen"] and texts["rejected"], texts


def main(folder):
    for row in rows(folder, "1-self-instruct/finetune.jsonl"):
        assert row["completion"].endswith("<|endoftext|>") and not is_conversational(row)
    rows(folder, "1-self-instruct/tasks.jsonl")
    conversations(folder, "1-self-instruct/conversations.jsonl")
    conversations(folder, "2-demonstrations/conversations.jsonl")
    for row in rows(folder, "4-feedback/ultrafeedback.jsonl"):
        assert {"instruction", "models", "completions"} <= set(row) and all("overall_score" in c for c in row["completions"])
    pairs(folder, "5-pairs.jsonl")
    pairs(folder, "5-ultrafeedback_binarized.jsonl")
    print("all stages load, and TRL takes them as they are")


if __name__ == "__main__":
    main(sys.argv[1])
