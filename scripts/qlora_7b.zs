# %% [markdown]
# One step of DPO with adapters over a quantized model of Mistral-7B's size, beside what was forecast: memory and seconds.
# Usage: .build/release/zs scripts/qlora_7b.zs MODEL.gguf [RANK [TOKENS]]      scripts/make-7b writes such a model

# %% A pair that is longer than we keep
if len(args) == 0 { fail "give a GGUF file: qlora_7b.zs MODEL.gguf [RANK [TOKENS]]; scripts/make-7b writes one" }
rank = if len(args) > 1 { int(args[1]) } else { 16 }
tokens = if len(args) > 2 { int(args[2]) } else { 256 }
fn words(seed, count) = join([["sun", "rain", "stone", "river", "bread", "lamp", "road", "tree"][(i * seed + i // 7) % 8] for i in 1...count], " ")
pairs = [{prompt: words(3, 60), chosen: words(5, 2 * tokens), rejected: words(7, 2 * tokens)}]

# %% Model, adapters, trainer
began = now()
m = load(args[0])
loaded = now() - began
print(m)
policy = lora(m, rank: rank, seed: 1)
t = dpo(policy, pairs, beta: 0.1, learning_rate: 1e-4, batch_size: 1, max_length: tokens, gradient_checkpointing: true, snapshot_megabytes: 0)
expected = t.forecast
print(expected)

# %% One step
began = now()
step(t)
seconds = now() - began
row = t.history[0]
print("loaded in \(loaded, ".2f") s; a step of \(row.num_tokens) tokens took \(seconds, ".1f") s, \(row.num_tokens / seconds, ".2f") token/s; loss \(row.loss, ".6f")")
print("the first step, its reference included, was forecast to take \(expected.seconds_per_step, ".1f") s: \(seconds / expected.seconds_per_step, ".3f") of it")
peak = [int(split(line)[1]) * 1024 for line in split(read("/proc/self/status"), "\n") if starts_with(line, "VmHWM")][0]
print("peak memory \(peak / 2**30, ".2f") GiB, forecast \(expected.peak_bytes / 2**30, ".2f") GiB: \(peak / expected.peak_bytes, ".3f") of it")
