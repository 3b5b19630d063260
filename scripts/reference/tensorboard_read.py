#!/usr/bin/env python3
"""Reads a run's event files with TensorBoard's own reader and compares them with metrics.jsonl beside them.

Needs tensorboard. Usage: python3 scripts/reference/tensorboard_read.py RUN_FOLDER   (what `log:` or `autosave:` of a trainer named)
"""
import json
import os
import sys

from tensorboard.backend.event_processing import event_accumulator

if len(sys.argv) != 2:
    sys.exit(__doc__)
folder = sys.argv[1]
# Later lines of a step replace earlier ones, as later events do.
expected = {}
for line in open(os.path.join(folder, "metrics.jsonl")):
    row = json.loads(line)
    if "event" in row:
        continue
    for name, value in row.items():
        if name not in ("time", "step") and value is not None:
            tag = "eval/" + name[5:] if name.startswith("eval_") else "train/" + name
            expected.setdefault(tag, {})[row["step"]] = value
found = {}
for name in sorted(os.listdir(folder)):
    if not name.startswith("events.out.tfevents."):
        continue
    reader = event_accumulator.EventAccumulator(os.path.join(folder, name), size_guidance={"scalars": 0})
    reader.Reload()
    print(f"{name}: file version {reader.file_version}, {len(reader.Tags()['scalars'])} tags")
    for tag in reader.Tags()["scalars"]:
        for event in reader.Scalars(tag):
            found.setdefault(tag, {})[event.step] = event.value
wrong = [tag for tag in expected if set(found.get(tag, {})) != set(expected[tag])
         or any(abs(found[tag][step] - value) > 1e-6 * max(1, abs(value)) for step, value in expected[tag].items())]
for tag in sorted(found):
    steps = sorted(found[tag])
    print(f"  {tag}: steps {steps[0]}..{steps[-1]}, last value {found[tag][steps[-1]]:.6g}")
if wrong or set(found) != set(expected):
    sys.exit(f"differ: {wrong or set(found) ^ set(expected)}")
print(f"{len(found)} tags and {sum(map(len, found.values()))} values are those of metrics.jsonl")
