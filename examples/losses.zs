# %% [markdown]
# Every preference loss against the margin, and its gradient: what each one asks of a policy. Needs no model; runs in seconds.
# Run it with `scripts/zs examples/losses.zs [FOLDER]`; with a folder the pictures are saved there as SVG.

# %% A loss is a function of four log-probabilities
# β·h, the margin, is how much more than its reference the policy prefers the chosen answer: h = log π(chosen)/π_ref − log π(rejected)/π_ref.
# Here β is 1 and only log π(chosen) moves, so that it is the margin.
loss_at = (name, margins) => dpo_loss(margins, 0, 0, 0, loss: name, beta: 1, label_smoothing: if name in ["robust", "exo_pair"] { 0.1 } else { 0 },
  lengths_chosen: 1, lengths_rejected: 1)
slope_at = (name, margins) => grad(m => loss_at(name, m).sum(), margins)

# One line at the prompt is enough: a loss and its gradient.
margins = linspace(-6, 6, 121)
print(plot(margins, loss_at("sigmoid", margins), slope_at("sigmoid", margins), title: "DPO: −log σ(margin), and its slope −σ(−margin)", height: 10))

# %% All losses that depend on the margin alone
names = ["sigmoid", "robust", "hinge", "ipo_sum", "exo_pair", "discopop", "sigmoid_norm"]
losses = [{step: margins[i].item} for i in 0..<len(margins)]
slopes = [{step: margins[i].item} for i in 0..<len(margins)]
for name in names {
  value, slope = [loss_at(name, margins), slope_at(name, margins)]
  for i in 0..<len(margins) {
    losses[i][name] = min(value[i].item, 8.0)
    slopes[i][name] = max(min(slope[i].item, 1.0), -3.0)
  }
}
print(plot(losses, "sigmoid", "robust", "hinge", "ipo_sum", "exo_pair", "discopop", title: "loss against the margin (cut at 8)", height: 16))
print(plot(slopes, "sigmoid", "robust", "hinge", "ipo_sum", "exo_pair", "discopop", title: "slope against the margin (cut at −3 and 1)", height: 16))

# %% Losses that treat the two answers apart
# The same number as the chosen answer's log-ratio, or as the rejected answer's fall: what happens if only one of them moves.
apart = ["nca_pair", "bco_pair", "sppo_hard", "apo_zero", "apo_down", "kto"]
chosen_moves = [{step: margins[i].item} for i in 0..<len(margins)]
rejected_falls = [{step: margins[i].item} for i in 0..<len(margins)]
for name in apart {
  up = dpo_loss(margins, 0, 0, 0, loss: name, beta: 1)
  down = dpo_loss(0, -margins, 0, 0, loss: name, beta: 1)
  for i in 0..<len(margins) {
    chosen_moves[i][name] = min(up[i].item, 8.0)
    rejected_falls[i][name] = min(down[i].item, 8.0)
  }
}
print(plot(chosen_moves, "nca_pair", "bco_pair", "sppo_hard", "apo_zero", "apo_down", "kto", title: "only the chosen answer rises by x", height: 12))
print(plot(rejected_falls, "nca_pair", "bco_pair", "sppo_hard", "apo_zero", "apo_down", "kto", title: "only the rejected answer falls by x", height: 12))

# %% Losses without a reference look at log-probs themselves
# SimPO wants the chosen answer's mean log-prob ahead by a target; CPO and ORPO add the likelihood of the chosen answer.
for name in ["simpo", "cpo", "orpo"] {
  behind = dpo_loss(-24, -12, 0, 0, loss: name, beta: 1, lengths_chosen: 12, lengths_rejected: 12).item
  ahead = dpo_loss(-12, -24, 0, 0, loss: name, beta: 1, lengths_chosen: 12, lengths_rejected: 12).item
  print("\(name): chosen behind \(behind, ".4f"), chosen ahead \(ahead, ".4f")")
  assert ahead < behind
}

# %% In numbers: the gradient is the derivative, and nothing overflows
rows = []
for name in names + apart + ["aot", "aot_unpaired"] {
  h = 1e-2
  at = tensor([0.7])
  exact = slope_at(name, at).item
  difference = ((loss_at(name, at + h) - loss_at(name, at - h)) / (2 * h)).item
  assert close(exact, difference, rtol: 2e-3, atol: 2e-4), "\(name): \(exact) against \(difference)"
  far = loss_at(name, tensor([-1e4, 1e4]))
  assert abs(far[0].item) < 1e9 and abs(far[1].item) < 1e9, name
  rows = rows + [{loss: name, at_minus_4: loss_at(name, tensor([-4.0])).item, at_0: loss_at(name, tensor([0.0])).item, at_4: loss_at(name, tensor([4.0])).item,
    slope_at_0: slope_at(name, tensor([0.0])).item}]
}
table(rows)

# %% A sum of losses
# DPO with a share of the chosen answers' likelihood holds the chosen answer up, where plain DPO only cares about the difference.
mixed = dpo_loss(tensor([-40.0]), tensor([-60.0]), tensor([-30.0]), tensor([-40.0]), loss: ["sigmoid", "sft"], loss_weights: [1, 0.2], lengths_chosen: 20)
print("sigmoid + 0.2 sft:", format(mixed.item, ".4f"))

if len(args) > 0 {
  save(plot(losses, "sigmoid", "robust", "hinge", "ipo_sum", "exo_pair", "discopop", title: "loss against the margin"), args[0] + "/losses.svg")
  save(plot(slopes, "sigmoid", "robust", "hinge", "ipo_sum", "exo_pair", "discopop", title: "slope against the margin"), args[0] + "/slopes.svg")
}
