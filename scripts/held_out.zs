# %% [markdown]
# Held-out truth: DPO of SmolLM2 with LoRA on real pairs, and what it does on pairs it has not seen. Takes tens of minutes on two cores.
# Usage: .build/release/zs scripts/held_out.zs PAIRS.jsonl [TRAIN [TEST [MAX_LENGTH [SEED]]]]

# %% Data
fn number(i, otherwise) = if len(args) > i { int(args[i]) } else { otherwise }
if len(args) == 0 { fail "give a file of preference pairs: held_out.zs PAIRS.jsonl [TRAIN [TEST [MAX_LENGTH [SEED]]]]" }
train_count, test_count, limit, seed_number = [number(1, 500), number(2, 100), number(3, 256), number(4, 42)]
pairs = preferences(args[0]) |> shuffle(seed: seed_number)
train = pairs |> take(train_count)
test_pairs = pairs |> skip(train_count) |> take(test_count)
print("\(len(train)) pairs to train on, \(len(test_pairs)) held out, max_length \(limit), seed \(seed_number)")

# %% Before
m = load("smollm2")
policy = lora(m, rank: 16, seed: seed_number)
t = dpo(policy, train, beta: 0.1, learning_rate: 5e-5, batch_size: 4, epochs: 1, max_length: limit, seed: seed_number, snapshot_megabytes: 0)
print(t)
began = now()
# The reference stays as it is: what it says of the held-out pairs is computed once and goes with them as columns.
test_pairs = precompute(dpo(policy, test_pairs, max_length: limit))
before = evaluate(t, test_pairs)
likelier = sum([if p.logp_chosen > p.logp_rejected { 1 } else { 0 } for p in before.pairs]) / len(before.pairs)
print("before: loss \(before.loss, ".4f"), reward accuracy \(before.accuracy, ".3f") (all margins are 0), chosen likelier than rejected \(likelier, ".3f")")

# %% Training, with a look at the held-out pairs four times
quarter = t.total_steps // 4
for part in 1...4 {
  run(t, steps: if part < 4 { quarter } else { t.total_steps - t.step_count })
  later = evaluate(t, test_pairs)
  recent = t.history[-quarter:]
  seen = sum([r.accuracy for r in recent]) / len(recent)
  print("step \(t.step_count)/\(t.total_steps): training accuracy \(seen, ".3f") over the last \(len(recent)) steps · held out: loss \(later.loss, ".4f"), accuracy \(later.accuracy, ".3f"), margin \(later.margin, "+.4f") · \((now() - began) / 60, ".0f") min")
}

# %% After
print(compare(before, later).text)
likelier = sum([if p.logp_chosen > p.logp_rejected { 1 } else { 0 } for p in later.pairs]) / len(later.pairs)
print("after: chosen likelier than rejected \(likelier, ".3f"); chosen \(later["rewards/chosen"], "+.4f"), rejected \(later["rewards/rejected"], "+.4f")")
