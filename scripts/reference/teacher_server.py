#!/usr/bin/env python3
"""Checks zs's teacher over HTTP against a real server: llama-cpp-python's, running the cached SmolLM2.

Needs a Python with llama-cpp-python[server], and a built zs.
  python scripts/reference/teacher_server.py [~/.cache/zs/models/SmolLM2-135M-Instruct.Q4_1.gguf] [.build/release/zs]
"""
import json, os, socket, subprocess, sys, tempfile, time, urllib.request

model = os.path.expanduser(sys.argv[1] if len(sys.argv) > 1 else "~/.cache/zs/models/SmolLM2-135M-Instruct.Q4_1.gguf")
zs = os.path.abspath(sys.argv[2] if len(sys.argv) > 2 else ".build/release/zs")
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
url = f"http://127.0.0.1:{port}/v1"
key = "sk-of-the-check-0123456789"
work = tempfile.mkdtemp()


def ask(path, body):
    request = urllib.request.Request(f"{url}{path}", json.dumps(body).encode(), {"Content-Type": "application/json", "Authorization": f"Bearer {key}"})
    return json.load(urllib.request.urlopen(request, timeout=300))


def run(code, *, fails=False):
    environment = dict(os.environ, ZS_HOME=work, CHECK_KEY=key, ZS_THREADS="1", WRONG_KEY="sk-wrong-0123456789")
    ended = subprocess.run([zs, "-e", code], capture_output=True, text=True, env=environment, timeout=300)
    assert (ended.returncode != 0) == fails, ended
    assert key not in ended.stdout + ended.stderr
    return ended.stdout.strip() if not fails else ended.stderr


def check(name, condition, detail=""):
    print(("ok    " if condition else "FAIL  ") + name + (f"  {detail}" if detail else ""))
    if not condition:
        check.failed = True


check.failed = False
server = subprocess.Popen([sys.executable, "-m", "llama_cpp.server", "--model", model, "--model_alias", "smollm2", "--port", str(port),
                           "--n_ctx", "2048", "--n_threads", "1", "--logits_all", "true", "--api_key", key],
                          stdout=open(work + "/server.log", "w"), stderr=subprocess.STDOUT)
try:
    for _ in range(240):
        try:
            urllib.request.urlopen(urllib.request.Request(url + "/models", headers={"Authorization": f"Bearer {key}"}), timeout=2)
            break
        except OSError:
            assert server.poll() is None, open(work + "/server.log").read()
            time.sleep(0.5)
    make = f't = teacher("{url}", model: "smollm2", key_env: "CHECK_KEY")\n'
    question = "What is the capital of France?"
    body = dict(model="smollm2", messages=[dict(role="user", content=question)], max_tokens=24, temperature=0)
    expected = ask("/chat/completions", body)["choices"][0]["message"]["content"]
    got = run(make + f'print(chat(t, "{question}", max_tokens: 24).text)')
    check("chat equals what the server says to Python", got == expected.strip(), repr(got))
    streamed = run(make.replace(")\n", ", cache: false)\n") + f'chat(t, "{question}", max_tokens: 24)')
    check("a statement streams the same words", streamed == expected.strip(), repr(streamed))
    again = run(make + f'r = chat(t, "{question}", max_tokens: 24)\nprint(r.cached, t.counts.requests, t.counts.cached)')
    check("a re-run asks nothing", again == "true 0 1", again)
    body = dict(model="smollm2", prompt="Once upon a time", max_tokens=16, temperature=0, logprobs=3)
    whole = ask("/completions", body)["choices"][0]
    plain = json.loads(run(make + 'r = generate(t, "Once upon a time", max_tokens: 16, logprobs: 3)\n'
                           'print(to_json({text: r.text, tokens: r.tokens, logprobs: r.logprobs, top: [len(x) for x in r.top]}))'))
    check("a plain completion equals", plain["text"] == whole["text"], repr(plain["text"]))
    close = max(abs(a - b) for a, b in zip(plain["logprobs"], whole["logprobs"]["token_logprobs"]))
    check("its log-probabilities too", plain["tokens"] == whole["logprobs"]["tokens"] and close < 1e-6, f"{len(plain['tokens'])} tokens")
    local = run(f'm = load("{model}")\nprint(generate(m, "Once upon a time", max_tokens: 16).text)')
    # llama.cpp rounds activations to 8 bits for these weights, so that the two part sooner or later.
    check("zs's own greedy words from the same file begin alike", local[:40] == whole["text"].strip()[:40], repr(local))
    counts = run(make + 'r = chat(t, "Name a colour.", max_tokens: 8, n: 2, temperature: 0.8, seed: 1)\nprint(len(r), t.counts.completion_tokens > 0)')
    check("two choices from a server that knows no n", counts == "2 true", counts)
    refused = run(f'chat(teacher("{url}", model: "smollm2", key_env: "WRONG_KEY"), "hi")', fails=True)
    check("a wrong key is refused and not shown", "401" in refused and "wrong-012" not in refused, refused.splitlines()[0])
    stored = "".join(open(os.path.join(folder, name)).read() for folder, _, names in os.walk(work + "/replies") for name in names)
    check("no key is on the disk", key not in stored and len(stored) > 0)
finally:
    server.terminate()
    server.wait(30)
sys.exit(1 if check.failed else 0)
