# %% [markdown]
# Zephyr from top to bottom on this machine: a small model is its own teacher and its own base. It invents instructions from seed tasks
# (Self-Instruct), answers them, learns from its answers (dSFT), has sampled answers scored by a judge (AI feedback), and learns to prefer
# the better ones (dDPO). Held-out prompts and questions say what changed, with intervals.
#
#     zs examples/zephyr.zs                  # quick: some two minutes on two cores
#     zs examples/zephyr.zs full             # two hundred instructions: some twenty minutes
#     zs examples/zephyr.zs full runs/mine   # outputs in a folder of your own
#
# Interrupt it at any point and run it again: what is done is read from the folder, what is not goes on. With a 7B model as `base` and
# `teacher("https://…", model: …, key_env: …)` as `tutor` and `judge` the same script is the article's recipe.
import "zephyr/stages.zs" as zephyr

# %% Settings
mode = if len(args) > 0 { args[0] } else { "quick" }
assert mode in ["quick", "full"], "the mode is quick or full"
sizes = {
  quick: {instructions: 22, held_out: 5, batch: 4, answer_tokens: 64, reply_tokens: 160, instance_tokens: 64, max_length: 320},
  full: {instructions: 200, held_out: 40, batch: 4, answer_tokens: 64, reply_tokens: 200, instance_tokens: 96, max_length: 384},
}
s = sizes[mode]
s.folder = if len(args) > 1 { args[1] } else { "runs/zephyr-\(mode)" }
s.seeds = "examples/data/seed_tasks.jsonl"
s.seed = 42
s.autosave_minutes = 2
s.sft_epochs = 1
s.dpo_epochs = 1
s.sft_rate = 2e-4
s.dpo_rate = 1e-4
beta = 0.1

base = load("smollm2")
tutor = base
judge_model = base

# %% 1 · Instructions
rows = zephyr.instructions(tutor, s)
training, held_out = [rows[:-s.held_out], rows[-s.held_out:]]
print("\(len(rows)) instructions, the last \(len(held_out)) held out")
funnel = read_jsonl(s.folder + "/1-self-instruct/funnel.jsonl")
table(funnel)
rejected = read_jsonl(s.folder + "/1-self-instruct/rejected.jsonl")
counts = {}
for r in rejected { counts[r.reason] = get(counts, r.reason, 0) + 1 }
reasons = [{rejected: count, reason: reason} for reason, count in counts]

# %% 2 · Demonstrations and dSFT
answered = zephyr.demonstrations(tutor, rows, s)
unseen = {}
for r in held_out { unseen[r.instruction] = true }
demonstrations = [c for c in answered if c.messages[0].content not in unseen]
tests = [c for c in answered if c.messages[0].content in unseen]
sft_model = zephyr.tuned(base, demonstrations, s)
sft_history = read_jsonl(s.folder + "/3-dsft/history.jsonl")
print("dSFT on \(len(demonstrations)) conversations: loss", sparkline([r.loss for r in sft_history]))

# %% 3 · AI feedback and pairs
scored = zephyr.scored(sft_model, judge_model, rows, s)
preferred = zephyr.pairs([r for r in scored if r.prompt not in unseen], s)
unseen_pairs = zephyr.pairs([r for r in scored if r.prompt in unseen], s, kind: "-held-out")
margins = [p.score_chosen - p.score_rejected for p in preferred]
print("\(len(preferred)) pairs of \(len(scored) - len(held_out)) prompts, mean margin", format(sum(margins) / len(margins), ".3f"))
print(hist(margins, bins: 8, title: "score margins", height: 6))
pool = []
for name in ["greedy", "card", "warm", "hot"] {
  given = [[c for c in row.completions if c.model == name][0] for row in scored if name in [c.model for c in row.completions]]
  e = zephyr.estimate([c.score for c in given])
  pool = pool + [{answers: name, score: e.mean, low: e.low, high: e.high, characters: sum([len(c.text) for c in given]) / len(given)}]
}
table(pool)

# %% 4 · dDPO
dpo_model = zephyr.aligned(base, sft_model, preferred, s)
dpo_history = read_jsonl(s.folder + "/6-ddpo/history.jsonl")
print("dDPO: loss", sparkline([r.loss for r in dpo_history]), "margins", sparkline([r["rewards/margins"] for r in dpo_history]))

# %% 5 · What changed: how likely the teacher's answers to held-out prompts are
models = [{name: "base", model: base}, {name: "dSFT", model: sft_model}, {name: "dDPO", model: dpo_model}]
found = zephyr.likelihoods(models, tests, s)
fn per_token(name) = [r.per_token for r in found if r.model == name]
likelihood = []
for name in ["base", "dSFT", "dDPO"] {
  e = zephyr.estimate(per_token(name))
  change = zephyr.estimate([b - a for a, b in zip(per_token("base"), per_token(name))])
  likelihood = likelihood + [{model: name, nats_per_token: e.mean, change: change.mean, low: change.low, high: change.high, answers: e.n}]
}
table(likelihood)

# %% What changed: do the rewards rank pairs as the judge does
fn ranked(kind, rows) {
  right = zephyr.share(len([r for r in rows if r.margin > 0]), len(rows))
  margin = zephyr.estimate([r.margin for r in rows])
  {pairs: kind, n: len(rows), accuracy: right.mean, "from": right.low, to: right.high, margin: margin.mean, low: margin.low, high: margin.high}
}
ranking = [
  ranked("trained on", zephyr.margins(dpo_model, sft_model, preferred[:len(unseen_pairs)], beta, s, "trained")),
  ranked("held out", zephyr.margins(dpo_model, sft_model, unseen_pairs, beta, s, "held-out")),
]
table(ranking)

# %% What changed: win rates, and questions with known answers
fn against(a, b, name) = win_rate(a, b, held_out, judge: judge_model, max_tokens: s.answer_tokens, seed: s.seed, folder: s.folder + "/" + name)
wins = against(models[2], models[1], "8-win-rate-ddpo-dsft")
print(wins)
wins_base = against(models[1], models[0], "8-win-rate-dsft-base")
print(wins_base)
choices = [multiple_choice(m.model, "examples/data/choices.jsonl") for m in models]
accuracy = [{model: m.name, acc: c.acc, low: c.acc_interval.low, high: c.acc_interval.high, acc_norm: c.acc_norm, questions: c.count}
  for m, c in zip(models, choices)]
table(accuracy)

# %% 6 · The report
page(s.folder + "/report.html", [
  "Teacher, base and judge: \(base.name). Mode: \(mode). Intervals are 95 %. Every reply, rejection and score is in \(s.folder).",
  "# 1 Self-Instruct", "\(len(rows)) instructions out of \(len(read_jsonl(s.seeds))) seed tasks; the last \(len(held_out)) are held out from all training.",
  bars(funnel, title: "what was left after each step"),
  if len(reasons) > 0 { reasons } else { "Nothing was rejected." },
  "The first of the rejected:", rejected |> take(8), "The first instructions:", [{instruction: r.instruction} for r in rows |> take(8)],
  "# 2 dSFT", "The base learns the teacher's answers, drawn at temperature 0.7.",
  plot(sft_history, "loss", title: "dSFT loss by step"), demonstrations |> take(4),
  "# 3 AI feedback", "Four sampling variants of the dSFT model answer under a principle; the judge's score is its expected value over 1 to 10.",
  pool, bars(pool, title: "mean score by variant"), hist(margins, bins: 12, title: "score of the chosen answer minus that of the rejected one"),
  preferred |> take(4),
  "# 4 dDPO", plot(dpo_history, "loss", title: "dDPO loss by step"),
  plot(dpo_history, "rewards/chosen", "rewards/rejected", "rewards/margins", title: "implicit rewards by step"),
  "# 5 Held out: log-likelihood of the teacher's answers",
  "Nats per token on \(len(tests)) conversations that nothing was trained on; the change is paired with the base, conversation by conversation.",
  likelihood, bars([{model: r.model, change: r.change, low: r.low, high: r.high} for r in likelihood], title: "change of log-likelihood, nats per token"),
  "# 6 Held out: do implicit rewards rank pairs as the judge does",
  "Accuracy is the share of pairs whose chosen answer gained more than the rejected one; chance is one half. On the pairs trained on it says what was learned by heart.",
  ranking,
  "# 7 Held out: win rates", "A judge of this size tells answers apart barely better than chance: an interval around 50 % is no finding.",
  "## dDPO against dSFT", wins, wins.rows |> take(5), "## dSFT against base", wins_base,
  "# 8 Questions with known answers", accuracy,
], title: "Zephyr in one script")
print("report: \(s.folder)/report.html")
