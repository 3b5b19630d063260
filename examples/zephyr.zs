# %% [markdown]
# Zephyr from top to bottom on this machine: a small model is its own teacher and its own base. It invents instructions from seed tasks
# (Self-Instruct), answers them, learns from its answers (dSFT), has sampled answers scored by a judge (AI feedback), and learns to prefer
# the better ones (dDPO). Held-out prompts and questions say what changed.
#
#     zs examples/zephyr.zs                  # quick: some minutes on two cores
#     zs examples/zephyr.zs full             # a few hundred instructions: most of an hour
#     zs examples/zephyr.zs full runs/mine   # outputs in a folder of your own
#
# Interrupt it at any point and run it again: what is done is read from the folder, what is not goes on. With a 7B model as `base` and
# `teacher("https://…", model: …, key_env: …)` as `tutor` and `judge` the same script is the article's recipe.
import "zephyr/stages.zs" as zephyr

# %% Settings
mode = if len(args) > 0 { args[0] } else { "quick" }
assert mode in ["quick", "full"], "the mode is quick or full"
sizes = {
  quick: {instructions: 22, held_out: 5, sft_epochs: 1, dpo_epochs: 1, batch: 4, answer_tokens: 64, reply_tokens: 160, instance_tokens: 64, max_length: 320},
  full: {instructions: 240, held_out: 40, sft_epochs: 2, dpo_epochs: 2, batch: 8, answer_tokens: 160, reply_tokens: 300, instance_tokens: 150, max_length: 512},
}
s = sizes[mode]
s.folder = if len(args) > 1 { args[1] } else { "runs/zephyr-\(mode)" }
s.seeds = "examples/data/seed_tasks.jsonl"
s.seed = 42
s.autosave_minutes = 2
s.sft_rate = 2e-4
s.dpo_rate = 5e-5

base = load("smollm2")
tutor = base
judge_model = base

# %% 1 · Instructions
rows = zephyr.instructions(tutor, s)
held_out = rows[-s.held_out:]
training = rows[:-s.held_out]
print("\(len(rows)) instructions, the last \(len(held_out)) held out")
table(read_jsonl(s.folder + "/1-self-instruct/funnel.jsonl"))

# %% 2 · Demonstrations and dSFT
demonstrations = zephyr.demonstrations(tutor, training, s)
sft_model = zephyr.tuned(base, demonstrations, s)
sft_history = read_jsonl(s.folder + "/3-dsft/history.jsonl")
print("dSFT on \(len(demonstrations)) conversations: loss", sparkline([r.loss for r in sft_history]))

# %% 3 · AI feedback and pairs
scored = zephyr.scored(sft_model, judge_model, training, s)
preferred = zephyr.pairs(scored, s)
margins = [p.score_chosen - p.score_rejected for p in preferred]
print("\(len(preferred)) pairs of \(len(scored)) prompts, mean margin", format(sum(margins) / len(margins), ".3f"))
print(hist(margins, bins: 8, title: "score margins", height: 6))

# %% 4 · dDPO
dpo_model = zephyr.aligned(base, sft_model, preferred, s)
dpo_history = read_jsonl(s.folder + "/6-ddpo/history.jsonl")
print("dDPO: loss", sparkline([r.loss for r in dpo_history]))

# %% 5 · What changed
options = {max_tokens: s.answer_tokens, seed: s.seed}
wins = win_rate({name: "dDPO", model: dpo_model}, {name: "dSFT", model: sft_model}, held_out, judge: judge_model, max_tokens: s.answer_tokens,
  folder: s.folder + "/7-win-rate")
print(wins)
choices = [multiple_choice(m, "examples/data/choices.jsonl") for m in [base, sft_model, dpo_model]]
accuracy = [{model: name, acc: c.acc, low: c.acc_interval.low, high: c.acc_interval.high, acc_norm: c.acc_norm}
  for name, c in zip(["base", "dSFT", "dDPO"], choices)]
table(accuracy)

# %% 6 · The report
page(s.folder + "/report.html", [
  "Teacher, base and judge: \(base.name). Mode: \(mode). Every rejection and every reply is in \(s.folder).",
  "# 1 Self-Instruct", bars(read_jsonl(s.folder + "/1-self-instruct/funnel.jsonl"), title: "what was left after each step"),
  read_jsonl(s.folder + "/1-self-instruct/rejected.jsonl") |> take(12),
  "# 2 dSFT", plot(sft_history, "loss", title: "dSFT loss"), demonstrations |> take(4),
  "# 3 AI feedback", hist(margins, bins: 12, title: "score of the chosen answer minus that of the rejected one"), preferred |> take(4),
  "# 4 dDPO", plot(dpo_history, "loss", title: "dDPO loss"),
  "# 5 Held-out prompts: dDPO against dSFT", wins, wins.rows |> take(5),
  "# 6 Log-likelihood tests", accuracy,
], title: "Zephyr in one script")
print("report: \(s.folder)/report.html")
