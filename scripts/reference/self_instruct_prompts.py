#!/usr/bin/env python3
"""Checks Self-Instruct on a published seed_tasks.jsonl: every seed is read, and every request has the published text and settings.

    python3 scripts/reference/self_instruct_prompts.py seed_tasks.jsonl [.build/release/zs]

A server on this machine stands for the model and writes down what it is asked; each prompt is then rebuilt here from the seeds and the
server's own replies by the rules of the published scripts, which share no code with zs. Needs a built zs and Python's own library.
"""
import http.server, json, os, re, subprocess, sys, tempfile, threading

seeds_path = os.path.abspath(sys.argv[1])
zs = os.path.abspath(sys.argv[2] if len(sys.argv) > 2 else ".build/release/zs")
seeds = [json.loads(line) for line in open(seeds_path, encoding="utf-8")]
count = 320
work = tempfile.mkdtemp()
asked, invented, lock = [], [], threading.Lock()


class Model(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompt = body["prompt"]
        with lock:
            asked.append(body)
            if prompt.startswith("Come up with"):
                n = len(invented)
                invented.append(f"Tell about w{n}a w{n}b w{n}c w{n}d w{n}e")
                text = f" {invented[-1]}\n10. Draw it now, please do.\n"
            elif prompt.endswith("Is it classification?"):
                text = " Yes" if int(re.search(r"w(\d+)a ", prompt).group(1)) % 7 == 0 else " No"
            elif "Class label:" in prompt:
                text = "Class label: yes\nMail: It is so.\n\nTruly.\nClass label: no\nMail: It is not.\n"
            else:
                text = "Example 1\nNote: a\n\nb\nOutput: c\nExample 2\nOutput: d\n"
        answer = json.dumps({"choices": [{"text": text, "index": 0, "finish_reason": "stop"}]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model)
threading.Thread(target=server.serve_forever, daemon=True).start()


def run(options, folder):
    asked.clear()
    invented.clear()
    code = (f't = teacher("http://127.0.0.1:{server.server_port}/v1", model: "none", cache: false)\n'
            f'd = self_instruct(t, seeds: "{seeds_path}", folder: "{work}/{folder}", {options})\nprint(len(d.instructions), d.funnel[0].count)')
    ended = subprocess.run([zs, "-e", code], capture_output=True, text=True, timeout=600, env=dict(os.environ, ZS_HOME=work, ZS_THREADS="1"))
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.split()


def check(name, problems):
    problems = list(problems)
    print(("ok    " if not problems else "FAIL  ") + name + ("" if not problems else f": {len(problems)} wrong, such as {problems[0]!r}"))
    check.failed |= bool(problems)


check.failed = False


def shown(prompt, head):
    """The tasks of a prompt for instructions; None where its text is not the published one."""
    if not prompt.startswith(head):
        return None
    tasks = re.findall(r"(\d+)\. (.*)\n", prompt[len(head):])
    rebuilt = head + "".join(f"{i + 1}. {task}\n" for i, (_, task) in enumerate(tasks)) + f"{len(tasks) + 1}."
    return [task for _, task in tasks] if rebuilt == prompt and len(tasks) == 8 else None


def written(instruction):
    return re.sub(r"\s+", " ", instruction).strip().rstrip(":")


def examine(head, pool, name):
    plain = {written(seed["instruction"]) for seed in pool}
    own = set(invented)
    requests = [body for body in asked if body["prompt"].startswith("Come up with")]
    lists = [shown(body["prompt"], head) for body in requests]
    check(f"{name}: {len(requests)} prompts have the published text with eight tasks", (b["prompt"] for b, l in zip(requests, lists) if l is None))
    lists = [tasks for tasks in lists if tasks]
    check(f"{name}: every task shown is a seed or an instruction made before", (t for tasks in lists for t in tasks if t not in plain | own))
    mix = [sum(task in own for task in tasks) for tasks in lists]
    check(f"{name}: none of the machine's in the first round of five, two in every later prompt", (m for i, m in enumerate(mix) if m != (0 if i < 5 else 2)))
    check(f"{name}: no task twice in a prompt", (tasks for tasks in lists if len(set(tasks)) < 8))
    missing = plain - {task for tasks in lists for task in tasks}
    check(f"{name}: all {len(pool)} seeds are read and shown", missing)
    wanted = dict(max_tokens=1024, temperature=0.7, top_p=0.5, presence_penalty=2, stop=["\n\n", "\n16", "16.", "16 ."])
    check(f"{name}: settings of the published script", ((key, b.get(key)) for b in requests for key, value in wanted.items() if b.get(key) != value))
    check(f"{name}: n is 1 and frequency_penalty 0", (b for b in requests if b.get("n", 1) != 1 or b.get("frequency_penalty", 0) != 0))


check(f"the file has 175 seeds, 26 of them classification, 50 without input", [] if (
    len(seeds), sum(s["is_classification"] for s in seeds), sum(not s["instances"][0]["input"] for s in seeds)) == (175, 26, 50) else [len(seeds)])
got = run(f"count: {count}", "all")
examine("Come up with a series of tasks:\n", seeds, "tasks")

kinds = [body for body in asked if body["prompt"].endswith("Is it classification?")]
check(f"kinds: {len(kinds)} prompts, one per instruction, that end as published",
      {f"Task: {i}\nIs it classification?" for i in map(str.capitalize, invented[:count])} ^ {"Task: " + b["prompt"].rsplit("Task: ", 1)[1] for b in kinds})
check("kinds: 12 tasks with Yes and 19 with No are shown", (b for b in kinds if (
    len(re.findall(r"classification\? Yes\n", b["prompt"])), len(re.findall(r"classification\? No\n", b["prompt"]))) != (12, 19)))
check("kinds: settings", (b for b in kinds if (b["max_tokens"], b["temperature"], b["stop"]) != (3, 0, ["\n", "Task"])))

instances = [b for b in asked if not b["prompt"].startswith("Come up") and b not in kinds]
rounds = [invented[i:i + 5] for i in range(0, count, 5)]
classes = {i.capitalize() for i in invented if int(re.search(r"w(\d+)a", i).group(1)) % 7 == 0}
limit = {i.capitalize(): 300 if any(j.capitalize() in classes for j in r) else 350 for r in rounds for i in r}
task_of = lambda b: b["prompt"].rsplit("Task: ", 1)[1].rstrip("\n")
check(f"instances: {len(instances)} prompts, one per instruction", set(limit) ^ {task_of(b) for b in instances})
check("instances: labels first for classification alone", (b for b in instances if ("Class label:" in b["prompt"]) != (task_of(b) in classes)))
check("instances: 300 tokens beside a classification task, else 350", (b for b in instances if b["max_tokens"] != limit[task_of(b)]))
check("instances: settings", (b for b in instances if (b["temperature"], b["presence_penalty"], b["stop"]) != (0, 1.5, ["Example 6", "Task:"])))

# The texts for tuning, by every form that the published script may draw.
WITH = [("{i}\nInput: {x}\nOutput:", " "), ("{i}\n\nInput: {x}\n\nOutput:", " "), ("Task: {i}\nInput: {x}\nOutput:", " "),
        ("{i}\n\n{x}\n\nOutput:", " "), ("{i}\n\n{x}\n\n", ""), ("{i}\n{x}\n\n", ""), ("Task: {i}\n\n{x}\n\n", "")]
WITHOUT = [("{i} Output:", " "), ("{i}\nOutput:", " "), ("{i}\n\nOutput:", " "), ("{i}\n\n", ""), ("{i}\n", ""), ("Task: {i}\n\n", "")]
possible = set()
for line in open(f"{work}/all/tasks.jsonl", encoding="utf-8"):
    task = json.loads(line)
    for instance in task["instances"]:
        bare = instance["input"].split(":", 1)[1] if len(set(re.findall(r"(\w+):", instance["input"]))) == 1 else instance["input"]
        for x in {instance["input"].strip(), bare.strip().replace("\n\n", "\n")}:
            for prompt, space in WITH if x else WITHOUT:
                possible.add((prompt.format(i=task["instruction"], x=x), space + instance["output"].strip() + "<|endoftext|>"))
examples = [json.loads(line) for line in open(f"{work}/all/finetune.jsonl", encoding="utf-8")]
check(f"texts: {len(examples)} prompts and completions in the published forms", (e for e in examples if (e["prompt"], e["completion"]) not in possible))
check("texts: each once", [] if len({(e["prompt"], e["completion"]) for e in examples}) == len(examples) else ["twice"])

run("count: 60, classification_only: true", "classes")
examine("Come up with a series of classification tasks. Try to specify the possible output labels when possible.\n",
        [seed for seed in seeds if seed["is_classification"]], "classification only")
server.shutdown()
sys.exit(1 if check.failed else 0)
