# %% [markdown]
# A first tour of zs: load a chat model of 135 million parameters, talk to it, look at what it predicts, and teach it
# from pairs of better and worse answers (direct preference optimization). Two cores and 2 GB of memory are enough.
# Run the whole file with `scripts/zs examples/quickstart.zs`, or paste its lines at the prompt one by one.

# %% A model that answers
m = load("smollm2")
print(m)
chat(m, "How many helicopters can a human eat in one sitting?", system: "You are a friendly chatbot who always responds in the style of a pirate",
  max_tokens: 100, temperature: 0.7, top_k: 50, top_p: 0.95, seed: 1)

# %% What comes next, in numbers
table(next_tokens(m, "The capital of France is", top: 5))
print("perplexity of a sentence:", format(perplexity(m, "The cat sat on the mat."), ".1f"))

# %% Tensors and gradients
x = tensor([[1, 2, 3], [4, 5, 6]])
print(x @ x.T)
print(grad(w => ((x @ w) ** 2).sum(), ones(3)))

# %% Learning from preferences
# The policy shares the model's weights; only its small adapters learn. The reference is the same model without them.
policy = lora(m, rank: 16, seed: 1)
pairs = preferences("examples/data/preferences.jsonl")
t = dpo(policy, pairs, beta: 0.1, learning_rate: 1e-4, schedule: "constant", warmup_ratio: 0, batch_size: 4, max_length: 256, seed: 7,
  snapshot_megabytes: 256)

# Before the first step the policy equals the reference: every margin is 0 and the loss is ln 2.
before = inspect(t)
print("step 0: loss", format(before.loss, ".6f"), "margin", before.margin)
assert close(before.loss, 0.6931471805599453, rtol: 0, atol: 1e-6)

# %% Ten steps
for i in 0..<10 {
  r = step(t)
  print("step \(r.step): loss \(r.loss, ".4f")  accuracy \(r.accuracy, ".2f")  margin \(r.margin, ".4f")")
}
losses = [r.loss for r in t.history]
print("loss", sparkline(losses))
assert sum(losses[-3:]) < sum(losses[:3]), "the loss should go down"
print(plot(t.history, "loss", title: "DPO loss", height: 8))

# %% Inside one pair
# Each token of the chosen answer with log-probability under policy and reference; delta is what the steps changed.
r = inspect(t)
table(tokens(r, 0) |> take(12))

# %% What if?
# The same batch under another loss, or a stronger pull to the reference, without a trace in the trainer.
print("as trained: ", format(r.loss, ".4f"))
print("beta 0.5:   ", format(what_if(t, beta: 0.5).loss, ".4f"))
print("IPO:        ", format(what_if(t, loss: "ipo").loss, ".4f"))

# %% And back
# Undo is exact: the same step gives the same bits.
last = t.history[-1].loss
back(t)
again = step(t)
print("step \(again.step) again: \(again.loss == last)")
assert again.loss == last

# %% The learned model answers
chat(policy, "What should I cook tonight?", max_tokens: 60, temperature: 0.7, top_k: 50, top_p: 0.95, seed: 1)
