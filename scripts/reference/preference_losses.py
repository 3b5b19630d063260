"""Makes Tests/TrainingTests/Fixtures/preference_losses.json: TRL's own DPOTrainer._compute_loss on made-up log-probs, in float64 where TRL can.

The trainer is not built: its method runs on a stand-in that holds the options, and the "model" returns the log-probs it is given.
Needs trl 1.16 and torch. Usage: python3 scripts/reference/preference_losses.py
"""
import json
import os
from collections import defaultdict
from types import SimpleNamespace

import torch
from trl import DPOTrainer

torch.set_default_dtype(torch.float64)
torch.manual_seed(7)
LENGTHS = [(3, 5), (4, 4), (6, 2), (1, 7), (5, 3)]  # answer tokens, chosen and rejected
PROMPT, PAIRS = 2, len(LENGTHS)
WIDTH = PROMPT + max(max(pair) for pair in LENGTHS)
lengths = [c for c, _ in LENGTHS] + [r for _, r in LENGTHS]
mask = torch.zeros(2 * PAIRS, WIDTH, dtype=torch.long)
for row, n in enumerate(lengths):
    mask[row, PROMPT : PROMPT + n] = 1
shifted = mask[:, 1:].double()
policy = -3 * torch.rand(2 * PAIRS, WIDTH - 1) * shifted
reference = -3 * torch.rand(2 * PAIRS, WIDTH - 1) * shifted


def outputs(log_probs):
    zero = torch.zeros_like(log_probs)
    return SimpleNamespace(log_probs=log_probs, entropy=zero, mean_logits=zero, is_top1=zero.bool(), log_sum_sq_probs=zero)


class Scores(torch.nn.Module):
    """A model whose log-probs are known."""

    is_gradient_checkpointing = False

    def __init__(self, log_probs):
        super().__init__()
        self.log_probs = [log_probs]  # in a list, so that it is no parameter

    def forward(self, **_):
        return outputs(self.log_probs[0])


def case(losses, weights=None, beta=0.1, label_smoothing=0.0, divergence="reverse_kl", alpha=0.5, tau=0.05, ld_alpha=None):
    dtype = torch.float32 if divergence == "alpha_divergence" else torch.float64  # TRL knows no double there
    logps, ref_logps = policy.to(dtype).requires_grad_(), reference.to(dtype)
    trainer = SimpleNamespace(
        model=Scores(logps), accelerator=SimpleNamespace(device="cpu", gather_for_metrics=lambda x: x, gather=lambda x: x),
        aux_loss_enabled=False, ld_alpha=ld_alpha, precompute_ref_logps=False, f_divergence_type=divergence, f_alpha_divergence_coef=alpha,
        loss_types=losses, loss_weights=weights or [1.0] * len(losses), beta=beta, label_smoothing=label_smoothing, use_weighting=False,
        args=SimpleNamespace(discopop_tau=tau, gradient_checkpointing_kwargs=None), _metrics={"train": defaultdict(list)},
        _total_train_tokens=0, _tp_size=1, ref_model=Scores(ref_logps),
    )
    inputs = {"input_ids": torch.zeros_like(mask), "attention_mask": torch.ones_like(mask), "completion_mask": mask}
    loss = DPOTrainer._compute_loss(trainer, trainer.model, inputs, False)
    (gradient,) = torch.autograd.grad(loss, logps)
    metrics = {k: v[0] for k, v in trainer._metrics["train"].items() if k.startswith(("rewards/", "logps/"))}
    return {
        "losses": losses, "weights": trainer.loss_weights, "beta": beta, "label_smoothing": label_smoothing, "divergence": divergence,
        "alpha": alpha, "tau": tau, "ld_alpha": ld_alpha, "loss": loss.item(), "metrics": metrics,
        "gradient": [gradient[row, PROMPT - 1 : PROMPT - 1 + n].tolist() for row, n in enumerate(lengths)],
    }


names = ["sigmoid", "hinge", "ipo", "nca_pair", "robust", "bco_pair", "sppo_hard", "aot", "aot_unpaired", "apo_zero", "apo_down", "discopop",
         "sigmoid_norm", "sft"]
cases = [case([n], beta=b) for n in names for b in (0.1, 0.7)]
cases += [case([n], label_smoothing=0.1) for n in ("robust", "exo_pair", "aot", "aot_unpaired")]
cases += [case([n], divergence=d, beta=0.3) for n in ("sigmoid", "ipo", "discopop") for d in ("forward_kl", "js_divergence", "alpha_divergence")]
cases += [case(["sigmoid"], divergence="alpha_divergence", alpha=a) for a in (0.2, 1.0, 1.5)]
cases += [case(["sigmoid"], ld_alpha=0.5), case(["sigmoid", "sft"], [1.0, 0.2], ld_alpha=0.3), case(["discopop"], tau=0.5)]
cases += [case(["sigmoid", "bco_pair", "sft"], [0.8, 0.2, 1.0])]


def rounded(x):
    if isinstance(x, float):
        return float(f"{x:.12g}")
    if isinstance(x, list):
        return [rounded(v) for v in x]
    return {k: rounded(v) for k, v in x.items()} if isinstance(x, dict) else x


rows = {
    "prompt": PROMPT, "lengths": LENGTHS,
    "policy": [policy[row, PROMPT - 1 : PROMPT - 1 + n].tolist() for row, n in enumerate(lengths)],
    "reference": [reference[row, PROMPT - 1 : PROMPT - 1 + n].tolist() for row, n in enumerate(lengths)],
    "cases": cases,
}
path = os.path.join(os.path.dirname(__file__), "../../Tests/TrainingTests/Fixtures/preference_losses.json")
with open(path, "w") as file:
    json.dump(rounded(rows), file, separators=(",", ":"))
    file.write("\n")
print(len(cases), "cases")
