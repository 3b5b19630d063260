"""Makes Tests/TrainingTests/Fixtures/optimizers.json: torch.optim's AdamW, RMSprop and SGD over four updates with given gradients.

Two parameters, the second without weight decay, as transformers groups them. Usage: python3 scripts/reference/optimizers.py
"""
import json
import os

import torch

torch.manual_seed(3)
start = [torch.randn(5), torch.randn(3)]
gradients = [[torch.randn(5), torch.randn(3)] for _ in range(4)]
rates = [0.0, 1e-2, 2e-2, 5e-3]
rows = []
for name, decay in (("adamw", 0.0), ("adamw", 0.1), ("rmsprop", 0.0), ("rmsprop", 0.1), ("sgd", 0.0), ("sgd", 0.1)):
    parameters = [x.clone().requires_grad_() for x in start]
    groups = [{"params": parameters[:1], "weight_decay": decay}, {"params": parameters[1:], "weight_decay": 0.0}]
    kind = {"adamw": torch.optim.AdamW, "rmsprop": torch.optim.RMSprop, "sgd": torch.optim.SGD}[name]
    extra = {"betas": (0.9, 0.95), "eps": 1e-6} if name == "adamw" else {}
    optimizer = kind(groups, lr=1e-2, foreach=False, **extra)
    after = []
    for rate, gradient in zip(rates, gradients):
        for group in optimizer.param_groups:
            group["lr"] = rate
        for parameter, g in zip(parameters, gradient):
            parameter.grad = g.clone()
        optimizer.step()
        after.append([p.detach().tolist() for p in parameters])
    rows.append({"name": name, "decay": decay, "after": after})
result = {"start": [x.tolist() for x in start], "gradients": [[g.tolist() for g in row] for row in gradients], "rates": rates, "rows": rows}
path = os.path.join(os.path.dirname(__file__), "../../Tests/TrainingTests/Fixtures/optimizers.json")
with open(path, "w") as file:
    json.dump(json.loads(json.dumps(result), parse_float=lambda x: float(f"{float(x):.9g}")), file, separators=(",", ":"))
    file.write("\n")
