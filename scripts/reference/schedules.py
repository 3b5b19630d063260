"""Makes Tests/TrainingTests/Fixtures/schedules.json: the learning rates of transformers' get_scheduler, two steps past the end.

Needs transformers and torch. Usage: python3 scripts/reference/schedules.py
"""
import json
import os

import torch
from transformers import get_scheduler

rows = []
for name in ("constant", "constant_with_warmup", "linear", "cosine", "cosine_with_min_lr"):
    for total, warmup in ((10, 0), (10, 3), (7, 7), (25, 1)):
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=2e-5)
        extra = {"min_lr": 5e-6} if name == "cosine_with_min_lr" else {}
        scheduler = get_scheduler(name, optimizer, warmup, total, scheduler_specific_kwargs=extra)
        rates = []
        for _ in range(total + 2):
            rates.append(scheduler.get_last_lr()[0])
            optimizer.step()
            scheduler.step()
        rows.append({"name": name, "total": total, "warmup": warmup, "base": 2e-5, "min": extra.get("min_lr", 0), "rates": rates})
path = os.path.join(os.path.dirname(__file__), "../../Tests/TrainingTests/Fixtures/schedules.json")
with open(path, "w") as file:
    json.dump(rows, file, separators=(",", ":"))
    file.write("\n")
