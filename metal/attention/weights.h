// metal/attention/weights.h: scores of a block of keys, masked, and from them the weights of a running
// softmax.
#pragma once

#include <metal_stdlib>

#include "attention/memory.h"

using namespace metal;

constant uint mask_kind [[function_constant(ATTENTION_MASK)]];

constant bool is_causal = mask_kind == ATTENTION_MASK_CAUSAL;
constant bool is_bool = mask_kind == ATTENTION_MASK_BOOL;
constant bool has_mask = is_bool || mask_kind == ATTENTION_MASK_ADDITIVE;
constant bool hides = mask_kind != ATTENTION_MASK_NONE;

/// The score of a hidden key.
constant constexpr float kHidden = -FLT_MAX;

/// Over the lanes of a row, which are 1 and 8 apart.
inline float row_max(float x) {
  x = max(x, simd_shuffle_xor(x, 1));
  return max(x, simd_shuffle_xor(x, 8));
}
inline float row_sum(float x) {
  x += simd_shuffle_xor(x, 1);
  return x + simd_shuffle_xor(x, 8);
}

/// exp(x) for x <= 0.
inline float weight_of(float x) {
  return fast::exp2(x * M_LOG2E_F);
}

/// What hides keys from the query of a lane's row.
struct Row {
  device const uchar* mask;  // of its first key
  long visible;              // causal: keys from there on are hidden
};

template <typename T>
inline Row make_row(constant AttentionParams& params, device const uchar* mask, uint batch, uint head,
                    uint query) {
  Row row;
  row.visible = long(query) + 1 + params.keys - params.queries;
  row.mask = nullptr;
  if (has_mask) {
    const long at =
        batch * params.mask_strides[0] + head * params.mask_strides[1] + query * params.mask_strides[2];
    row.mask = mask + at * long(is_bool ? sizeof(bool) : sizeof(T));
  }
  return row;
}

/// S += Q K^T for 8 keys, from this lane's runs of two of them.
template <typename T, uint N>
inline void add_keys(thread Matrix<float>& s, thread const Matrix<Factor<T>> (&q)[N],
                     thread const T (&first)[N], thread const T (&second)[N]) {
  Matrix<float> odd(0);
  UNROLL
  for (uint f = 0; f < N; ++f) {
    Matrix<Factor<T>> k;
    elements(k) = pair_of(first[f], second[f]);
    if (f % 2 == 0) {
      simdgroup_multiply_accumulate(s, q[f], k, s);
    } else {
      simdgroup_multiply_accumulate(odd, q[f], k, odd);
    }
  }
  elements(s) += elements(odd);
}

template <uint Dims, typename T, uint N, uint Blocks>
inline void add_staged_keys(thread Matrix<float> (&s)[Blocks], thread const Matrix<Factor<T>> (&q)[N],
                            threadgroup const T* staged, Place place) {
  UNROLL
  for (uint j = 0; j < Blocks; ++j) {
    threadgroup const T* const at = staged + (8 * j + 2 * place.pair) * pitch<T, Dims> + place.row * N;
    T one[N], two[N];
    read_run(one, at);
    read_run(two, at + pitch<T, Dims>);
    add_keys(s[j], q, one, two);
  }
}

/// Scales and masks the scores of the keys from `first` on; -inf beyond the last key.
template <typename T, uint N>
inline void finish_scores(thread Matrix<float> (&s)[N], Row row, uint first, constant AttentionParams& params,
                          Place place) {
  const uint left = params.keys - first;
  const uint visible = uint(clamp(row.visible - long(first), 0L, long(8 * N)));
  UNROLL
  for (uint j = 0; j < N; ++j) {
    float2 scores = elements(s[j]) * params.scale;
    UNROLL
    for (uint e = 0; e < 2; ++e) {
      const uint key = 8 * j + 2 * place.pair + e;
      float score = scores[e];
      if (is_causal) score = key < visible ? score : kHidden;
      if (has_mask && key < left) {
        const long at = (long(first) + key) * params.mask_strides[3];
        if (is_bool) {
          score = reinterpret_cast<device const bool*>(row.mask)[at] ? score : kHidden;
        } else {
          const float added = float(reinterpret_cast<device const T*>(row.mask)[at]);
          score = added == -INFINITY ? added : score + added;
        }
      }
      scores[e] = key < left ? score : -INFINITY;
    }
    elements(s[j]) = scores;
  }
}

/// What sums so far are worth when the maximum is a new one.
struct Decay {
  float factor;
  bool to_nothing;  // they are of hidden keys alone, with values that may be inf or NaN
  Decay(float old_top, float top, float shift)
      : factor(weight_of(old_top - shift)), to_nothing(hides && old_top <= kHidden && top > kHidden) {}
};

/// Scores become weights.
template <uint N>
inline Decay take_weights(thread Matrix<float> (&s)[N], thread float& top, thread float& total) {
  float here = -INFINITY;
  UNROLL
  for (uint j = 0; j < N; ++j) {
    const float2 scores = elements(s[j]);
    here = max(here, max(scores.x, scores.y));
  }
  here = max(top, row_max(here));
  // Where all scores so far are -inf the weights are 0, not exp(-inf + inf).
  const float shift = max(here, kHidden);
  const Decay decay(top, here, shift);
  float sum = 0;
  UNROLL
  for (uint j = 0; j < N; ++j) {
    const float2 scores = elements(s[j]);
    float2 weights;
    UNROLL
    for (uint e = 0; e < 2; ++e) {
      float weight = weight_of(scores[e] - shift);
      if (hides && scores[e] <= kHidden && weight == 0) weight = -0.0f;
      weights[e] = weight;
      sum += weight;
    }
    elements(s[j]) = weights;
  }
  top = here;
  total = total * decay.factor + sum;
  return decay;
}

inline bool is_absent(float weight) {
  return as_type<uint>(weight) == 0x80000000u;
}
