"""Renders the chat templates that TRL ships, by transformers and by zs, over conversations of every kind, and compares.

    python scripts/reference/trl_templates.py            # compares; needs trl, transformers and a release build of zs
    python scripts/reference/trl_templates.py --write    # also writes the hashes of what transformers renders

The templates are not part of this project; the fixture holds hashes of them and of what they render to.
"""
import hashlib, json, pathlib, re, subprocess, sys, tempfile
import jinja_environment  # freezes the clock of strftime_now
import trl
from transformers.utils import chat_template_utils as utils

ROOT = pathlib.Path(__file__).resolve().parents[2]
FIXTURE = ROOT / "Tests/TokenizersTests/Fixtures/trl_templates.json"
DATE = re.compile(r"\d{1,4}[- ](\d{2}|[A-Z][a-z]{2,8})[- ]\d{2,4}|[A-Z][a-z]{2,8} \d{1,2},? \d{4}")
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}


def user(content): return {"role": "user", "content": content}
def assistant(content, **more): return {"role": "assistant", "content": content, **more}
def system(content): return {"role": "system", "content": content}


WEATHER = {"type": "function", "function": {
    "name": "weather", "description": "The weather <now> & \"here\"",
    "parameters": {"type": "object", "required": ["city"], "properties": {
        "city": {"type": "string", "description": "a city"}, "days": {"type": "integer", "default": 3, "enum": [1, 3, 7]},
        "units": {"type": ["string", "null"]}, "where": {"type": "object", "properties": {"lat": {"type": "number"}}}}},
    "return": {"type": "string", "description": "text"}}}
CLOCK = {"type": "function", "function": {"name": "clock", "description": "Tells the time", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "call00001", "type": "function", "function": {"name": "weather", "arguments": {"city": "Zürich", "days": 3, "ok": True, "f": 1.0, "n": None}}}
SECOND = {"id": "call00002", "type": "function", "function": {"name": "clock", "arguments": {}}}


def text(value): return {"type": "text", "text": value}


CONVERSATIONS = {
    "one": [user("Hi")],
    "spaces": [user("  Hi there \n"), assistant(" Hello \n\n")],
    "turns": [user("U1"), assistant("A1"), user("U2"), assistant("A2"), user("U3")],
    "system": [system("Be brief."), user("é 😀 <b>\"you\"</b>"), assistant("Aye.")],
    "braces": [system("{{ 1 }}"), user("{% if x %} </s> <|im_end|>"), assistant("`a`\tb")],
    "empty content": [user(""), assistant("")],
    "none": [],
    "assistant first": [assistant("A0"), user("U1")],
    "two users": [user("U1"), user("U2")],
    "unknown role": [{"role": "critic", "content": "No."}, user("U")],
    "developer": [{"role": "developer", "content": "D"}, user("U"), assistant("A")],
    "think tags": [user("U1"), assistant("<think>\nhm\n</think>\n\nA1"), user("U2"), assistant("<think>so</think>A2")],
    "reasoning": [user("U1"), assistant("A1", reasoning_content="because"), user("U2"), assistant("A2", reasoning_content="\nand\n")],
    "thinking": [user("U1"), assistant("A1", thinking="T1"), user("U2"), assistant("A2", reasoning="R2")],
    "thinking switch": [user("U /no_think"), assistant("A"), user("V /think")],
    "parts": [user([text("a"), text("b")]), assistant([text("c")]), user([text("d")])],
    "image": [user([{"type": "image"}, text("What is it?")]), assistant([text("A cat.")]), user([text("Sure? "), {"type": "image", "image": "x.png"}])],
    "video": [system([text("S")]), user([{"type": "video", "video": "v"}, text("And?")])],
    "tool call": [user("Weather?"), assistant("", tool_calls=[CALL]), {"role": "tool", "name": "weather", "content": "12 °C", "tool_call_id": "call00001"}, assistant("Cool.")],
    "tool call none": [system("S"), user("Weather?"), assistant(None, tool_calls=[CALL])],
    "two calls": [user("W?"), assistant("Let me see.", tool_calls=[CALL, SECOND]), {"role": "tool", "name": "weather", "content": "12", "tool_call_id": "call00001"},
                  {"role": "tool", "name": "clock", "content": "{\"t\": 1}", "tool_call_id": "call00002"}, assistant("Done.", reasoning_content="r"), user("Thanks")],
    "tool response map": [user("W?"), assistant("", tool_calls=[CALL]), {"role": "tool", "name": "weather", "content": [text("12")], "tool_call_id": "call00001"}],
    "ipython": [user("W?"), assistant("", tool_calls=[SECOND]), {"role": "ipython", "content": "ok"}],
    "string arguments": [user("W?"), assistant("", tool_calls=[{"type": "function", "function": {"name": "clock", "arguments": "{\"a\": 1}"}}])],
}
TOOLED = ["one", "system", "turns", "tool call", "two calls", "tool call none", "reasoning", "none"]
VARIABLES = {
    "plain": {}, "no thinking": {"enable_thinking": False}, "thinking": {"enable_thinking": True, "thinking": True},
    "switches": {"reasoning_effort": "high", "preserve_thinking": True, "date_string": "1 Jan 2025", "model_identity": "You are zs.",
                 "keep_past_thinking": True, "builtin_tools": ["browser"], "documents": [{"title": "t", "text": "d"}], "truncate_history_thinking": False},
}


def cases():
    for name, messages in CONVERSATIONS.items():
        for prompt in (False, True):
            for label, variables in VARIABLES.items():
                yield f"{name}, {label}, prompt {prompt}", dict(messages=messages, prompt=prompt, tools=None, variables=variables, continued=False)
                if name in TOOLED and label in ("plain", "switches"):
                    yield f"{name}, tools, {label}, prompt {prompt}", dict(messages=messages, prompt=prompt, tools=[WEATHER, CLOCK], variables=variables, continued=False)
        yield f"{name}, continued", dict(messages=messages, prompt=False, tools=None, variables={}, continued=True)


def expected(template, case):
    try:
        variables = dict(case["variables"])
        documents = variables.pop("documents", None)
        rendered, _ = utils.render_jinja_template(
            conversations=[json.loads(json.dumps(case["messages"]))], tools=case["tools"], documents=documents, chat_template=template,
            continue_final_message=case["continued"], add_generation_prompt=case["prompt"], **{**TOKENS, **variables})
        return {"text": rendered[0]}
    except Exception as e:
        return {"error": f"{type(e).__name__}: {e}"}


PROGRAM = """
jobs = from_json(read(args[0]))
fn one(job) = try {
  {text: render(none, job.messages, template: job.template, generation_prompt: job.prompt, continue_final_message: job.continued,
    tools: job.tools, options: job.variables, bos_token: "<s>", eos_token: "</s>")}
} catch e { {error: e.message} }
write(args[1], to_json([one(job) for job in jobs]))
"""


def rendered_by_zs(jobs):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "jobs.json").write_text(json.dumps(jobs))
        (folder / "render.zs").write_text(PROGRAM)
        subprocess.run([ROOT / ".build/release/zs", folder / "render.zs", folder / "jobs.json", folder / "out.json"], check=True)
        return json.loads((folder / "out.json").read_text())


def sha(value): return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]


def main():
    folder = pathlib.Path(trl.__file__).parent / "chat_templates"
    templates = {p.name: p.read_text() for p in sorted(folder.glob("*.jinja"))}
    everything = list(cases())
    fixture, different, total, failures = {}, [], 0, 0
    for name, template in templates.items():
        want = [expected(template, case) for _, case in everything]
        # zs has the real clock, so dates are taken out of both.
        dated = "strftime_now" in template
        fixture[name] = {"template": sha(template), "renders": sha(want)}
        got = rendered_by_zs([{"template": template, **case} for _, case in everything])
        for (label, _), w, g in zip(everything, want, got):
            total += 1
            failures += "error" in w
            if dated and "text" in w and "text" in g:
                w, g = {"text": DATE.sub("DATE", w["text"])}, {"text": DATE.sub("DATE", g["text"])}
            if ("error" in w) != ("error" in g) or w.get("text") != g.get("text"):
                different.append((name, label, w, g))
    for name, label, w, g in different[:40]:
        print(f"--- {name}: {label}\n  transformers: {w}\n  zs:           {g}")
    print(f"{len(templates)} templates of trl {trl.__version__}, {total} renders ({failures} of them refused by the template): {total - len(different)} equal")
    if "--write" in sys.argv:
        FIXTURE.write_text(json.dumps({"trl": trl.__version__, "cases": sha([c for c in everything]), "templates": fixture}, indent=1) + "\n")
    elif FIXTURE.exists():
        kept = json.loads(FIXTURE.read_text())
        if kept["trl"] == trl.__version__ and kept["templates"] != fixture: print("what transformers renders is not what it rendered when the fixture was written")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
