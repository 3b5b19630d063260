# %% [markdown]
# Teaching a small model a voice. A lighthouse keeper's 205 short conversations, adapters of 4 million parameters, one pass:
# in a few minutes on two cores SmolLM2 answers as the keeper does, to questions that are not in the data too.
# Run the whole file with `scripts/zs examples/sft.zs`.

# %% The data, and what of it is learned
m = load("smollm2")
train, unseen = split(conversations("examples/data/keeper.jsonl"), test: 16, seed: 3)
print(train)

# %% A trainer
policy = lora(m, rank: 16, alpha: 32, targets: ["q_proj", "v_proj", "gate_proj", "up_proj", "down_proj"], seed: 1)
questions = ["What is the capital of Norway?", "How do I fix a flat bicycle tyre?", "I am sad today."]
t = sft(policy, train, learning_rate: 1e-3, epochs: 1, batch_size: 4, max_length: 160, seed: 1, eval_data: unseen,
  samples: questions, sample_tokens: 40, snapshot_megabytes: 64)
print(t)

# Which tokens are trained: only what the keeper says, and the end of his turn.
table([r for r in mask(t, 0) if r.trained] |> take(6))

# %% Before
for q in questions { print("-", q, "\n ", chat(m, q, max_tokens: 40).text) }
before = evaluate(t, unseen)
print("unseen conversations before: loss", format(before.loss, ".3f"), "token accuracy", format(before["mean_token_accuracy"], ".2f"))

# %% Learning
run(t)
print(plot(t.history, "loss", "eval_loss"))

# %% After
after = evaluate(t, unseen)
print("unseen conversations after: loss", format(after.loss, ".3f"), "token accuracy", format(after["mean_token_accuracy"], ".2f"))
table([{step: s.step, prompt: s.prompt, text: s.text} for s in t.samples if s.step == 0 or s.step == t.total_steps])
assert after.loss < before.loss - 1
voiced = len([s for s in t.samples if s.step == t.total_steps and contains(s.text, "The lamp is lit.")])
print(voiced, "of", len(questions), "answers end as the keeper's do")
assert voiced >= 2

# %% The adapter by itself, for PEFT or load_adapter
save(policy, "/tmp/zs-example-keeper")
print(chat(load_adapter(m, "/tmp/zs-example-keeper"), "What is a lighthouse?", max_tokens: 40).text)
