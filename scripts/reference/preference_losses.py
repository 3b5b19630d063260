"""Makes Tests/TrainingTests/Fixtures/preference_losses.json: the losses of TRL's own trainers on made-up log-probs, in float64 where TRL can:
of pairs, and of single answers with labels (KTOTrainer).

The trainers are not built: DPOTrainer._compute_loss, KTOTrainer._compute_loss, CPOTrainer.cpo_loss and ORPOTrainer.odds_ratio_loss run
on stand-ins that hold the options, and the "model" returns the log-probs it is given.
Needs trl 1.16 and torch. Usage: python3 scripts/reference/preference_losses.py
"""
import json
import os
from collections import defaultdict
from types import SimpleNamespace

import torch
from trl import DPOTrainer, KTOTrainer
from trl.experimental.cpo import CPOTrainer
from trl.experimental.orpo import ORPOTrainer

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
# What TRL's fused head gives beside log-probs, made up too: log Σp², entropy, mean logit, whether the target is the likeliest token.
squares = (-2 * torch.rand(2 * PAIRS, WIDTH - 1)) * shifted
entropy = 4 * torch.rand(2 * PAIRS, WIDTH - 1) * shifted
mean_logits = torch.randn(2 * PAIRS, WIDTH - 1) * shifted
top1 = (torch.rand(2 * PAIRS, WIDTH - 1) > 0.5) & shifted.bool()
# KTO: each prompt followed by the answers of the next pair, under policy and reference; (2P,) sums.
mismatched = {name: [-scale * torch.rand(n) for n in lengths] for name, scale in (("policy", 2), ("reference", 3))}


def outputs(log_probs):
    return SimpleNamespace(log_probs=log_probs, entropy=entropy, mean_logits=mean_logits, is_top1=top1, log_sum_sq_probs=squares)


class Scores(torch.nn.Module):
    """A model whose log-probs are known."""

    is_gradient_checkpointing = False

    def __init__(self, log_probs):
        super().__init__()
        self.log_probs = [log_probs]  # in a list, so that it is no parameter

    def forward(self, **_):
        return outputs(self.log_probs[0])


def case(losses, weights=None, beta=0.1, label_smoothing=0.0, divergence="reverse_kl", alpha=0.5, tau=0.05, ld_alpha=None, weighting=False):
    dtype = torch.float32 if divergence == "alpha_divergence" else torch.float64  # TRL knows no double there
    logps, ref_logps = policy.to(dtype).requires_grad_(), reference.to(dtype)
    trainer = SimpleNamespace(
        model=Scores(logps), accelerator=SimpleNamespace(device="cpu", gather_for_metrics=lambda x: x, gather=lambda x: x),
        aux_loss_enabled=False, ld_alpha=ld_alpha, precompute_ref_logps=False, f_divergence_type=divergence, f_alpha_divergence_coef=alpha,
        loss_types=losses, loss_weights=weights or [1.0] * len(losses), beta=beta, label_smoothing=label_smoothing, use_weighting=weighting,
        args=SimpleNamespace(discopop_tau=tau, gradient_checkpointing_kwargs=None), _metrics={"train": defaultdict(list)},
        _total_train_tokens=0, _tp_size=1, ref_model=Scores(ref_logps),
    )
    inputs = {"input_ids": torch.zeros_like(mask), "attention_mask": torch.ones_like(mask), "completion_mask": mask}
    loss = DPOTrainer._compute_loss(trainer, trainer.model, inputs, False)
    (gradient,) = torch.autograd.grad(loss, logps)
    metrics = {k: v[0] for k, v in trainer._metrics["train"].items() if k.startswith(("rewards/", "logps/", "logits/", "entropy", "mean_token"))}
    return {
        "losses": losses, "weights": trainer.loss_weights, "beta": beta, "label_smoothing": label_smoothing, "divergence": divergence,
        "alpha": alpha, "tau": tau, "ld_alpha": ld_alpha, "weighting": weighting, "loss": loss.item(), "metrics": metrics,
        "gradient": [gradient[row, PROMPT - 1 : PROMPT - 1 + n].tolist() for row, n in enumerate(lengths)],
    }


def neighbour(name, beta, label_smoothing=0.0, **options):
    """A loss of another trainer of TRL's on the same log-probs: ORPO, CPO, SimPO (CPO's loss_type without its likelihood term), KTO."""
    logps = policy.clone().requires_grad_()
    sums = logps.sum(1)
    means = sums / torch.tensor(lengths)
    likelihood = -sums[:PAIRS].sum() / sum(lengths[:PAIRS])  # cross-entropy of the chosen answers' tokens
    device = SimpleNamespace(device="cpu", gather_for_metrics=lambda x: x)
    metrics = {}
    if name == "orpo":
        losses, chosen, rejected, _, _ = ORPOTrainer.odds_ratio_loss(
            SimpleNamespace(beta=beta, accelerator=device), Double(means[:PAIRS]), Double(means[PAIRS:]))
        loss = likelihood - losses.mean()
    elif name in ("cpo", "simpo"):
        values = means if name == "simpo" else sums
        trainer = SimpleNamespace(
            beta=beta, alpha=0.0, loss_type={"cpo": "sigmoid"}.get(name, name), label_smoothing=label_smoothing,
            simpo_gamma=options.get("simpo_gamma", 0.5), accelerator=device)
        losses, chosen, rejected = CPOTrainer.cpo_loss(trainer, values[:PAIRS], values[PAIRS:])
        loss = losses.mean() + (options.get("cpo_alpha", 1.0) * likelihood if name == "cpo" else 0)
    else:
        kl = {k: torch.stack([row.sum() for row in rows]) for k, rows in mismatched.items()}
        trainer = SimpleNamespace(
            model=Scores(logps), ref_model=Scores(reference), accelerator=device, calculate_KL=True, aux_loss_enabled=False, beta=beta,
            precompute_ref_logps=False, loss_type="kto", _metrics={"train": defaultdict(list)}, _total_train_tokens=0, _tp_size=1,
            desirable_weight=options.get("desirable_weight", 1.0), undesirable_weight=options.get("undesirable_weight", 1.0),
            args=SimpleNamespace(gradient_checkpointing_kwargs=None))
        trainer._compute_kl_logps = lambda model, batch: kl["policy" if model is trainer.model else "reference"]
        labels = torch.tensor([True] * PAIRS + [False] * PAIRS)
        batch = {"input_ids": torch.zeros_like(mask), "attention_mask": torch.ones_like(mask), "completion_mask": mask, "label": labels}
        loss = KTOTrainer._compute_loss(trainer, trainer.model, batch, False)
        ratios = (sums - reference.sum(1)).detach()
        chosen, rejected = beta * ratios[:PAIRS], beta * ratios[PAIRS:]
        metrics = {"kl": trainer._metrics["train"]["kl"][0]}
    (gradient,) = torch.autograd.grad(loss, logps)
    metrics |= {"rewards/chosen": chosen.mean().item(), "rewards/rejected": rejected.mean().item(),
                "rewards/accuracies": (chosen > rejected).double().mean().item(), "rewards/margins": (chosen - rejected).mean().item()}
    return {
        "losses": [name], "weights": [1.0], "beta": beta, "label_smoothing": label_smoothing, "divergence": "reverse_kl", "alpha": 0.5,
        "tau": 0.05, "ld_alpha": None, "weighting": False, **options, "loss": loss.item(), "metrics": metrics,
        "gradient": [gradient[row, PROMPT - 1 : PROMPT - 1 + n].tolist() for row, n in enumerate(lengths)],
    }


class Rows(Scores):
    """Scores of some of the sequences."""

    def __init__(self, log_probs, rows):
        super().__init__(log_probs)
        self.rows = rows

    def forward(self, **_):
        chosen = {k: v[self.rows] for k, v in vars(outputs(None)).items() if v is not None}
        return SimpleNamespace(**{**chosen, "log_probs": self.log_probs[0]})


def unpaired():
    """KTOTrainer on single answers with labels; each prompt's KL completion is the answer before it, the first one's the last."""
    labels = [True, False, True, True, False]
    rows = [i if good else PAIRS + i for i, good in enumerate(labels)]
    counts = [lengths[row] for row in rows]
    before = [counts[-1]] + counts[:-1]
    turned = {name: [-scale * torch.rand(n) for n in before] for name, scale in (("policy", 2), ("reference", 3))}

    def case(loss, beta, **weights):
        logps = policy[rows].clone().requires_grad_()
        kl = {k: torch.stack([row.sum() for row in values]) for k, values in turned.items()}
        trainer = SimpleNamespace(
            model=Rows(logps, rows), ref_model=Rows(reference[rows], rows), calculate_KL=loss == "kto", aux_loss_enabled=False, beta=beta,
            accelerator=SimpleNamespace(device="cpu", gather_for_metrics=lambda x: x), precompute_ref_logps=False, loss_type=loss,
            _metrics={"train": defaultdict(list)}, _total_train_tokens=0, _tp_size=1,
            desirable_weight=weights.get("desirable_weight", 1.0), undesirable_weight=weights.get("undesirable_weight", 1.0),
            args=SimpleNamespace(gradient_checkpointing_kwargs=None))
        trainer._compute_kl_logps = lambda model, batch: kl["policy" if model is trainer.model else "reference"]
        batch = {"input_ids": torch.zeros_like(mask[rows]), "attention_mask": torch.ones_like(mask[rows]),
                 "completion_mask": mask[rows], "label": torch.tensor(labels)}
        value = KTOTrainer._compute_loss(trainer, trainer.model, batch, False)
        (gradient,) = torch.autograd.grad(value, logps)
        names = ["rewards/chosen", "rewards/rejected", "rewards/margins", "logps/chosen", "logps/rejected", "entropy", "logits/chosen",
                 "logits/rejected"] + (["kl"] if loss == "kto" else [])
        return {"loss": loss, "beta": beta, **weights, "value": value.item(), "metrics": {n: float(trainer._metrics["train"][n][0]) for n in names},
                "gradient": [gradient[i, PROMPT - 1 : PROMPT - 1 + n].tolist() for i, n in enumerate(counts)]}

    return {
        "labels": labels, "rows": rows, "turned_policy": [row.tolist() for row in turned["policy"]],
        "turned_reference": [row.tolist() for row in turned["reference"]],
        "cases": [case("kto", 0.1), case("kto", 2.0), case("kto", 0.5, desirable_weight=1.33, undesirable_weight=0.7),
                  case("apo_zero_unpaired", 0.1), case("apo_zero_unpaired", 0.7)],
    }


class Double(torch.Tensor):
    """A tensor that stays in float64 where TRL asks for .float()."""

    def float(self):
        return self


names = ["sigmoid", "hinge", "ipo", "nca_pair", "robust", "bco_pair", "sppo_hard", "aot", "aot_unpaired", "apo_zero", "apo_down", "discopop",
         "sigmoid_norm", "sft"]
cases = [case([n], beta=b) for n in names for b in (0.1, 0.7)]
cases += [case([n], label_smoothing=0.1) for n in ("robust", "exo_pair", "aot", "aot_unpaired")]
cases += [case([n], divergence=d, beta=0.3) for n in ("sigmoid", "ipo", "discopop") for d in ("forward_kl", "js_divergence", "alpha_divergence")]
cases += [case(["sigmoid"], divergence="alpha_divergence", alpha=a) for a in (0.2, 1.0, 1.5)]
cases += [case(["sigmoid"], ld_alpha=0.5), case(["sigmoid", "sft"], [1.0, 0.2], ld_alpha=0.3), case(["discopop"], tau=0.5)]
cases += [case(["sigmoid", "bco_pair", "sft"], [0.8, 0.2, 1.0])]
cases += [case([n], beta=b, weighting=True) for n in ("sigmoid", "robust", "ipo") for b in (0.1, 0.7)]  # TRL 1.16 cannot weigh hinge: it changes relu's output in place
cases += [neighbour(n, b) for n in ("orpo", "simpo", "cpo", "kto") for b in (0.1, 2.0)]
cases += [neighbour("simpo", 2.5, label_smoothing=0.1, simpo_gamma=1.4), neighbour("cpo", 0.3, label_smoothing=0.1, cpo_alpha=0.5),
          neighbour("kto", 0.3, desirable_weight=1.33, undesirable_weight=0.7)]


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
    "squares": [squares[row, PROMPT - 1 : PROMPT - 1 + n].tolist() for row, n in enumerate(lengths)],
    "entropy": [entropy[row, PROMPT - 1 : PROMPT - 1 + n].tolist() for row, n in enumerate(lengths)],
    "mean_logits": [mean_logits[row, PROMPT - 1 : PROMPT - 1 + n].tolist() for row, n in enumerate(lengths)],
    "top1": [top1[row, PROMPT - 1 : PROMPT - 1 + n].tolist() for row, n in enumerate(lengths)],
    "mismatched_policy": [row.tolist() for row in mismatched["policy"]],
    "mismatched_reference": [row.tolist() for row in mismatched["reference"]],
    "cases": cases, "unpaired": unpaired(),
}
path = os.path.join(os.path.dirname(__file__), "../../Tests/TrainingTests/Fixtures/preference_losses.json")
with open(path, "w") as file:
    json.dump(rounded(rows), file, separators=(",", ":"))
    file.write("\n")
print(len(cases), "cases of pairs,", len(rows["unpaired"]["cases"]), "of single answers")
