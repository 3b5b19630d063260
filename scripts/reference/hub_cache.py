#!/usr/bin/env python3
"""Checks that zs and Python's huggingface_hub read each other's cache, against a small Hub served here.

Needs a Python with huggingface_hub, transformers and torch, and a built zs.
  python scripts/reference/hub_cache.py [.build/release/zs]
"""
import hashlib, http.server, json, os, subprocess, sys, tempfile, threading, urllib.parse

zs = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else ".build/release/zs")
work = tempfile.mkdtemp()
commit = "89abcdef0123456789abcdef0123456789abcdef"
import torch
from transformers import LlamaConfig, LlamaForCausalLM

torch.manual_seed(0)
config = LlamaConfig(vocab_size=96, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2)
LlamaForCausalLM(config).save_pretrained(work + "/model", max_shard_size="40KB")
files = {name: open(f"{work}/model/{name}", "rb").read() for name in os.listdir(work + "/model")}
large = {name for name in files if name.endswith(".safetensors")}
etag = {name: hashlib.sha256(data).hexdigest() if name in large else hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        for name, data in files.items()}


class Hub(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments): pass
    def do_HEAD(self): self.do_GET()

    def answer(self, status, headers, body):
        self.send_response(status)
        for name, value in {"Content-Length": len(body), "X-Repo-Commit": commit, **headers}.items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command == "GET": self.wfile.write(body)

    def do_GET(self):
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        entry = lambda name: dict(rfilename=name, size=len(files[name]), blobId=etag[name]) | (
            dict(lfs=dict(sha256=etag[name], size=len(files[name]), pointerSize=134)) if name in large else {})
        if path.startswith("/api/models/owner/name/tree"):
            tree = [dict(type="file", path=name, size=len(files[name]), oid=etag[name]) |
                    (dict(lfs=dict(oid=etag[name], size=len(files[name]), pointerSize=134)) if name in large else {}) for name in files]
            return self.answer(200, {"Content-Type": "application/json"}, json.dumps(tree).encode())
        if path.startswith("/api/models/owner/name"):
            info = dict(_id="1", id="owner/name", modelId="owner/name", sha=commit, siblings=[entry(name) for name in files], private=False,
                        gated=False, tags=[], downloads=0, likes=0)
            return self.answer(200, {"Content-Type": "application/json"}, json.dumps(info).encode())
        name = path.rsplit("/", 1)[-1]
        if name not in files: return self.answer(404, {"X-Error-Code": "EntryNotFound"}, b"")
        if path.startswith("/owner/name/resolve") and name in large:
            return self.answer(302, {"Location": f"/cdn/{name}", "X-Linked-Etag": f'"{etag[name]}"', "X-Linked-Size": len(files[name])}, b"")
        self.answer(200, {"ETag": f'"{etag[name]}"'}, files[name])


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
threading.Thread(target=server.serve_forever, daemon=True).start()
endpoint = f"http://127.0.0.1:{server.server_port}"
code = 'm = load("hf://owner/name")\nprint(to_json(logits(m, [1, 2, 3])[2, :4]))'


def with_zs(home, **more):
    environment = dict(os.environ, HF_HOME=home, HF_ENDPOINT=endpoint, ZS_THREADS="1", **more)
    ended = subprocess.run([zs, "-e", code], capture_output=True, text=True, env=environment, timeout=120)
    assert ended.returncode == 0, ended
    return json.loads(ended.stdout)


def with_python(home, code, **more):
    environment = dict(os.environ, HF_HOME=home, HF_ENDPOINT=endpoint, HF_HUB_DISABLE_XET="1", HF_HUB_DISABLE_PROGRESS_BARS="1", **more)
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=300)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return ended.stdout.strip()


model = LlamaForCausalLM.from_pretrained(work + "/model").eval()
with torch.no_grad():
    expected = model(torch.tensor([[1, 2, 3]])).logits[0, 2, :4].tolist()
close = lambda values: max(abs(a - b) for a, b in zip(values, expected)) < 1e-5
failed = False


def check(name, condition):
    global failed
    print(("ok    " if condition else "FAIL  ") + name)
    failed = failed or not condition


check("zs loads from the Hub what transformers computes", close(with_zs(work + "/ours")))
load = "import torch; from transformers import AutoModelForCausalLM as A; m = A.from_pretrained('owner/name').eval(); " \
       "print(m(torch.tensor([[1, 2, 3]])).logits[0, 2, :4].tolist())"
check("transformers loads zs's cache offline", close(json.loads(with_python(work + "/ours", load, HF_HUB_OFFLINE="1"))))
with_python(work + "/theirs", "import huggingface_hub as h; h.snapshot_download('owner/name')")
check("zs loads huggingface_hub's cache offline", close(with_zs(work + "/theirs", HF_HUB_OFFLINE="1")))
tree = lambda home: sorted((os.path.relpath(os.path.join(folder, name), home), os.path.islink(os.path.join(folder, name)) and
                            os.readlink(os.path.join(folder, name))) for folder, _, names in os.walk(home + "/hub/models--owner--name")
                           for name in names)
ours, theirs = tree(work + "/ours"), tree(work + "/theirs")
check("every file of zs's cache is in huggingface_hub's, links alike", set(ours) <= set(theirs))
if not set(ours) <= set(theirs): print(sorted(set(ours) - set(theirs)), theirs, sep="\n")
server.shutdown()
sys.exit(1 if failed else 0)
