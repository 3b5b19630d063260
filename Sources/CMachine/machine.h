// The few facts about the processor that Swift cannot ask for: the width of its vectors under the -march that
// Kernels is compiled with and the features they need, a spin-loop pause and a cache prefetch; and the one instruction
// of arithmetic that Swift has no word for. Every algorithm is in Swift.
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

// Sixteen 32-bit words: Swift's SIMD16<Int32>.
typedef int zs_words __attribute__((ext_vector_type(16)));

// sums + Σ quant · x over the four bytes of each word, quants unsigned and x signed: the instruction VPDPBUSD, which Swift has no
// word for. Only called where `zs_has_byte_dots`; the loop is what it computes.
static inline zs_words zs_byte_dots(zs_words sums, zs_words quants, zs_words x) {
#if defined(__AVX512VNNI__)
  return (zs_words)__builtin_ia32_vpdpbusd512(sums, quants, x);
#else
  for (int word = 0; word < 16; word++)
    for (int shift = 0; shift < 32; shift += 8)
      sums[word] += (int)((unsigned)quants[word] >> shift & 0xff) * (signed char)((unsigned)x[word] >> shift);
  return sums;
#endif
}

// The same words: tells the compiler to compute them as one vector, where it might take each lane's way apart from the others'.
static inline zs_words zs_whole(zs_words words) {
#if defined(__AVX512F__)
  __asm__("" : "+v"(words));
#endif
  return words;
}

// Sixteen bytes: SIMD16<UInt8>.
typedef unsigned char zs_bytes __attribute__((ext_vector_type(16)));

static inline zs_bytes zs_whole_bytes(zs_bytes bytes) {
#if defined(__AVX512F__)
  __asm__("" : "+v"(bytes));
#endif
  return bytes;
}

// The same address: tells the compiler to take it as it comes, where it might compute several steps of a loop at once and, for want of
// registers, keep sums in memory meanwhile.
static inline const float *zs_one_step(const float *address) {
#if defined(__x86_64__) || defined(__aarch64__)
  __asm__("" : "+r"(address));
#endif
  return address;
}

static inline _Bool zs_has_byte_dots(void) {
#if defined(__AVX512VNNI__)
  return 1;
#else
  return 0;
#endif
}

static inline void zs_prefetch(const void *address) { __builtin_prefetch(address, 0, 3); }

// Into the second-level cache only.
static inline void zs_prefetch_far(const void *address) { __builtin_prefetch(address, 0, 2); }

#endif
