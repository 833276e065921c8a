/* The arithmetic of samplers that look at nothing but the trace id: thresholds and scores.
 *
 * A threshold T of OpenTelemetry's consistent sampling is what is rejected, in 2^-56: a span is
 * kept if R >= T. See consistent_sampling.h for how tracestate writes it. */
#ifndef TK_SQLEXT_SAMPLING_SAMPLER_MATH_H
#define TK_SQLEXT_SAMPLING_SAMPLER_MATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tracekeep/span.h"

#define TK_THRESHOLD_RANGE (UINT64_C(1) << 56)
/** Keeps nothing; larger than every randomness. */
#define TK_THRESHOLD_NEVER TK_THRESHOLD_RANGE

/** 2^56 - T, in 2^-56. */
double tk_threshold_probability(uint64_t threshold);
/** How many one stands for that was kept; of a threshold below TK_THRESHOLD_NEVER. */
double tk_threshold_count(uint64_t threshold);
/** T of a probability, rounded to `precision` hexadecimal digits behind the leading zeros or `f`s
 * (0: exact). Probabilities below 2^-56 count as 2^-56, above 1 as 1; 0 and NaN never keep. */
uint64_t tk_threshold_of_probability(double probability, int precision);
/** The digits of `th`: at most 14, no trailing zeros, NUL-terminated. */
void tk_threshold_text(uint64_t threshold, char text[15]);

/* ---- probabilistic_sampler, mode hash_seed ---- */

struct tk_seeded_hash {
  uint32_t hash;
  uint32_t bucket;     /**< of 16384 */
  uint64_t randomness; /**< 56 bits, written as rv */
};

void tk_seeded_hash(const uint8_t trace_id[16], uint32_t seed, struct tk_seeded_hash *out);
/** How many of 16384 buckets are kept. In single precision, as the collector computes it. */
uint32_t tk_seeded_buckets(float percentage);

/* ---- tail_sampling, policy probabilistic ---- */

#define TK_TAIL_SALT "default-hash-seed"
uint64_t tk_tail_hash(struct tk_text salt, const uint8_t trace_id[16]);
/** Kept if tk_tail_hash() is not above this. */
uint64_t tk_tail_threshold(double percentage);

/* ---- ratio samplers of SDKs ---- */

enum tk_sdk { TK_SDK_GO, TK_SDK_GO_OLD, TK_SDK_PYTHON, TK_SDK_JAVA, TK_SDK_JS, TK_SDK_COUNT };

/** "go", "go1.11", "python", "java", "js", and those who decide as they do: "rust", "dotnet". */
bool tk_sdk_find(struct tk_text name, enum tk_sdk *sdk_out);
const char *tk_sdk_name(enum tk_sdk sdk);
/** What is compared with the ratio, in [0, 1). */
double tk_sdk_score(enum tk_sdk sdk, const uint8_t trace_id[16]);
bool tk_sdk_keeps(enum tk_sdk sdk, const uint8_t trace_id[16], double ratio);

/* ---- others ---- */

bool tk_jaeger_keeps(const uint8_t trace_id[16], double probability);
bool tk_datadog_keeps(const uint8_t trace_id[16], double rate);
#define TK_REFINERY_SALT "5VQ8l2jE5aJLPVqk"
/** `head`: of the SHA-1 of trace id text and salt. */
bool tk_refinery_keeps(uint32_t head, uint64_t sample_rate);

#endif
