# The stages of Zephyr (Tunstall et al. 2023, arXiv:2310.16944) as functions. Each keeps its outputs in a folder of its own and reads
# them where they are there already, so a run that was interrupted anywhere goes on where it stood.

# The rows of a file, made and written whole if it is not there.
fn kept(path, make) {
  if not exists(path) { write_jsonl(path, make()) }
  read_jsonl(path)
}

# A folder's adapters on the base, trained first if they are not there. The mark comes last; before it there are checkpoints to go on from.
fn trained(base, folder, make, again) {
  if not exists(folder + "/whole.json") {
    saves = folder + "/checkpoints"
    t = if exists(saves) and len(list_files(saves, "step-*")) > 0 { again(saves) } else { make(saves) }
    run(t)
    save(t.policy, folder)
    write_jsonl(folder + "/history.jsonl", t.history)
    write(folder + "/whole.json", "{}\n")
  }
  load_adapter(base, folder)
}

# Instructions by Self-Instruct: the rows of its funnel, its rejections and its tasks are in the folder.
fn instructions(teacher, s) {
  folder = s.folder + "/1-self-instruct"
  kept(folder + "/stage.jsonl", () => {
    d = self_instruct(teacher, seeds: s.seeds, count: s.instructions, max_tokens: s.reply_tokens, instance_tokens: s.instance_tokens,
      seed: s.seed, folder: folder, patience: 40)
    [{instruction: r.instruction} for r in d.instructions]
  })
}

# Answers of the teacher to the instructions.
fn demonstrations(teacher, rows, s) {
  folder = s.folder + "/2-demonstrations"
  kept(folder + "/stage.jsonl", () => [{messages: r.messages} for r in respond(teacher, rows, max_tokens: s.answer_tokens, temperature: 0.7,
    top_p: 0.95, top_k: 50, seed: s.seed, folder: folder, keep_cut: true)])
}

# dSFT: the base learns to answer as its teacher does.
fn tuned(base, rows, s) = trained(base, s.folder + "/3-dsft",
  saves => sft(lora(base, rank: 16, seed: s.seed), rows, learning_rate: s.sft_rate, batch_size: s.batch, epochs: s.sft_epochs,
    max_length: s.max_length, seed: s.seed, autosave: saves, autosave_minutes: s.autosave_minutes),
  saves => resume(saves, model: base))

# AIF: four sampling variants of the tuned model answer, a judge scores.
fn scored(model, judge, rows, s) {
  folder = s.folder + "/4-feedback"
  pool = [
    {name: "greedy", model: model, temperature: 0},
    {name: "card", model: model, temperature: 0.7, top_k: 50, top_p: 0.95},
    {name: "warm", model: model, temperature: 1.0},
    {name: "hot", model: model, temperature: 1.3, top_p: 0.98},
  ]
  kept(folder + "/stage.jsonl", () => feedback(rows, models: pool, judge: judge, max_tokens: s.answer_tokens, seed: s.seed, folder: folder))
}

# The best answer against a random worse one; the kind is part of the files' names.
fn pairs(rows, s, kind = "") = kept(s.folder + "/5-pairs\(kind).jsonl", () => binarize(rows, rejected: "random", seed: s.seed,
  messages: true, path: s.folder + "/5-ultrafeedback_binarized\(kind).jsonl"))

# dDPO: the tuned model learns to prefer, with itself as it was as the reference.
fn aligned(base, reference, rows, s) = trained(base, s.folder + "/6-ddpo",
  saves => dpo(load_adapter(base, s.folder + "/3-dsft"), rows, reference: reference, beta: 0.1, learning_rate: s.dpo_rate,
    batch_size: s.batch, epochs: s.dpo_epochs, max_length: s.max_length, seed: s.seed, autosave: saves,
    autosave_minutes: s.autosave_minutes),
  saves => resume(saves, model: base, reference: reference))

# How likely each model finds the teacher's answers to held-out prompts: a row per model and conversation, nats per token.
fn likelihoods(models, conversations, s) = kept(s.folder + "/7-likelihoods.jsonl", () => {
  rows = []
  for m in models {
    for place, c in enumerate(conversations) {
      lp = logprobs(m.model, c.messages[:-1], c.messages[-1].content)
      rows = rows + [{model: m.name, conversation: place, tokens: lp.size, logprob: lp.sum().item, per_token: lp.sum().item / lp.size}]
    }
  }
  rows
})

# What the policy learned of pairs: the reward of both answers, beta (log π − log π_ref), and the margin between them.
fn margins(policy, reference, pairs, beta, s, kind) = kept(s.folder + "/7-margins-\(kind).jsonl", () => {
  fn gained(prompt, answer) = beta * (logprobs(policy, prompt, answer).sum().item - logprobs(reference, prompt, answer).sum().item)
  rows = []
  for p in pairs {
    chosen, rejected = [gained(p.prompt, p.chosen[0].content), gained(p.prompt, p.rejected[0].content)]
    rows = rows + [{prompt: p.prompt[0].content, reward_chosen: chosen, reward_rejected: rejected, margin: chosen - rejected,
      score_margin: p.score_chosen - p.score_rejected}]
  }
  rows
})

# The mean of numbers, and where it lies with 95 % confidence: the normal approximation for independent numbers.
fn estimate(xs) {
  mean = sum(xs) / len(xs)
  deviation = if len(xs) > 1 { (sum([(x - mean) ** 2 for x in xs]) / (len(xs) - 1)) ** 0.5 } else { 0 }
  half = 1.96 * deviation / len(xs) ** 0.5
  {mean: mean, low: mean - half, high: mean + half, n: len(xs)}
}

# A share of successes in Wilson's interval: it stays within 0 and 1 and is honest about few cases.
fn share(successes, n) {
  p, z = [successes / n, 1.96]
  middle = (p + z * z / (2 * n)) / (1 + z * z / n)
  half = z / (1 + z * z / n) * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
  {mean: p, low: middle - half, high: middle + half, n: n}
}
