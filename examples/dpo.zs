# %% [markdown]
# The lab tour: direct preference optimization opened up. A model learns to prefer better answers, and at every step we look at
# pairs, tokens and weights: before the first update, between updates, under other options, and back again.
# Run it with `scripts/zs examples/dpo.zs`; the page it writes at the end is named by the first argument.

# %% The data, looked over before anything is trained on it
data = preferences("examples/data/preferences.jsonl")
train, unseen = split(data, test: 10, seed: 7)
print("\(len(data)) pairs, \(len(train)) to learn from and \(len(unseen)) unseen.")
checked = lint(train, test: unseen)
print(checked)
assert checked.ok, "pairs with errors should not be trained on"
print("Better answers are often longer ones. We keep an eye on that.\n")

# %% A policy that still equals its reference
m = load("smollm2")
policy = lora(m, rank: 8, seed: 1)
t = dpo(policy, train, beta: 0.1, learning_rate: 2e-4, schedule: "constant", warmup_ratio: 0, batch_size: 2, max_length: 160, seed: 3)
r = inspect(t)
print(r)
print("The loss is ln 2 = \(r.loss, ".6f") and every margin is 0: adapters start at zero, so policy and reference are one model.")
assert close(r.loss, 0.6931471805599453, atol: 1e-6) and r.margin == 0
print("Every pair pulls with weight \(r.pairs[0].weight): sigma of minus its margin.\n")

# %% What if? The same batch under other options, without a trace
for options in [{beta: 0.5}, {loss: "ipo"}, {loss: "hinge"}] {
  name = keys(options)[0]
  other = if name == "beta" { what_if(t, beta: options.beta) } else { what_if(t, loss: options.loss) }
  print("  \(name) \(options[name]): loss \(other.loss, ".4f"), gradient norm \(other.grad_norm, ".2f")")
}
print()

# %% One step, and what it did to the same pairs
step(t)
back(t)
before = inspect(t)
step(t)
print("One update, taken, undone and taken again. The first loss, again: \(t.history[0].loss == before.loss).")
assert t.history[0].loss == before.loss

# %% Ten more steps
run(t, steps: 9)
print("\nTen steps: loss", sparkline([h.loss for h in t.history]), " margin", sparkline([h.margin for h in t.history]))
r = inspect(t)
print(r)

# %% Inside a pair
# Which tokens did the updates make likelier, and which less? With colours at the prompt; here with marks.
print("\nPair 0: \(r.pairs[0].prompt)")
print(strip(r, 0))
print(explain(r, 0))

# The deltas of an answer's tokens add up to its log-ratio; times beta that is its reward.
deltas = [x.delta for x in tokens(r, 0) if x.side == "chosen"]
print("\nSum of the chosen answer's deltas \(sum(deltas), ".4f"), times beta \(0.1 * sum(deltas), ".4f"); its reward is \(r.pairs[0].reward_chosen, ".4f").")
assert close(0.1 * sum(deltas), r.pairs[0].reward_chosen, atol: 1e-4)

# %% A walk: the same by commands, as one would type them at walk(t)
print()
walk(t, ["break margin < -0.5", "step 2", "pairs", "what beta 0.3", "until accuracy > 0.9", "gradient 0", "history 4"])

# %% Did it learn something that it was not shown?
seen = evaluate(t, unseen)
print("\nUnseen pairs: accuracy \(seen.accuracy, ".2f"), margin \(seen.margin, "+.4f"); before the first step both were 0.")
assert seen.margin > 0, "the margin on unseen pairs should rise"

# %% Before and after, the same question and the same seed
question = "A friend forgot my birthday. What should I do?"
for name, model in {before: m, after: policy} {
  print("\n\(name): \(chat(model, question, max_tokens: 48, temperature: 0.7, top_p: 0.95, seed: 4).text)")
}

# %% A page of all this, to open in a browser or to mail
page = if len(args) > 0 { args[0] } else { "/tmp/zs-dpo-lab.html" }
report_html(t, page)
save(r, "/tmp/zs-dpo-pairs.csv")
print("\nThe run as a page: \(page)")
