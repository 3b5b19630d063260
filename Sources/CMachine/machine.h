// The few facts about the processor that Swift cannot ask for: the width of its vectors under the -march that
// Kernels is compiled with and the features they need, a spin-loop pause and a cache prefetch. Facts and hints only,
// no arithmetic.
#ifndef ZS_MACHINE_H
#define ZS_MACHINE_H

// A function rather than a macro, so that the code for other widths compiles, unwarned, and vanishes.
static inline long zs_floats_per_vector(void) {
#if defined(__AVX512F__) && defined(__AVX512BW__)
  return 16;
#elif defined(__AVX__)
  return 8;
#else
  return 4;
#endif
}

// What the processor must have for code compiled under this -march to run, in the words of /proc/cpuinfo.
static inline const char *zs_required_features(void) {
  return ""
#if defined(__AVX__)
         " avx"
#endif
#if defined(__AVX2__)
         " avx2"
#endif
#if defined(__FMA__)
         " fma"
#endif
#if defined(__F16C__)
         " f16c"
#endif
#if defined(__BMI2__)
         " bmi2"
#endif
#if defined(__AVX512F__)
         " avx512f"
#endif
#if defined(__AVX512BW__)
         " avx512bw"
#endif
#if defined(__AVX512DQ__)
         " avx512dq"
#endif
#if defined(__AVX512VL__)
         " avx512vl"
#endif
#if defined(__AVX512VNNI__)
         " avx512_vnni"
#endif
#if defined(__AVX512BF16__)
         " avx512_bf16"
#endif
#if defined(__AVX512FP16__)
         " avx512_fp16"
#endif
#if defined(__AVXVNNI__)
         " avx_vnni"
#endif
#if defined(__ARM_FEATURE_DOTPROD)
         " asimddp"
#endif
#if defined(__ARM_FEATURE_SVE)
         " sve"
#endif
      ;
}

#if defined(__x86_64__)
static inline void zs_pause(void) { __builtin_ia32_pause(); }
#elif defined(__aarch64__)
static inline void zs_pause(void) { __asm__ volatile("isb"); }
#else
static inline void zs_pause(void) {}
#endif

#if defined(__linux__)
// The C library hides this one unless _GNU_SOURCE is set, which Swift's import of it does not do.
int zs_sched_getaffinity(int process, unsigned long bytes, void *set) __asm__("sched_getaffinity");
#endif

static inline void zs_prefetch(const void *address) { __builtin_prefetch(address, 0, 3); }

// Into the second-level cache only.
static inline void zs_prefetch_far(const void *address) { __builtin_prefetch(address, 0, 2); }

#endif
