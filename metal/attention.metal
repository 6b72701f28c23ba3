// metal/attention.metal: out = softmax(scale q k^T + mask) v, without the scores ever being in memory.
//
// A simdgroup has 8 rows of queries, the rows of its 8x8 matrices, and takes the keys block by block:
//
//   S = Q K^T                     scores of 8 rows and a block of keys, in registers
//   P = exp(S - top)              top: the row's maximum so far
//   total = total decay + sum P   decay: exp(old top - top)
//   O = O decay + P V             in registers from the first block to the last
//
// Everything after Q, K and V is float.
//
// attention_sdpa_<dtype>_tile_<dim>    Prefill. 4 simdgroups with 32 rows of one head; k and then v come
// block
//                                      by block into threadgroup memory, filled up to dim with zeros.
//                                      grid (rows / 32, heads, batch)
// attention_sdpa_<dtype>_streamed      As tile for any head dim: q and k 64 dims at a time, a threadgroup for
//                                      each 256 dims of v. grid (rows / 32, heads x slices of v, batch)
// attention_sdpa_<dtype>_split_<dim>   Few queries. The 8 rows are queries of all the heads that share a head
//                                      of keys, so that k and v are read once for them; 8 simdgroups take an
//                                      eighth of the keys each, straight from device memory, and join their
//                                      results. grid (parts of the keys, kv heads x rows / 8, batch)
// attention_merge_<dtype>              Joins the parts, where the split kernel leaves several. A thread for
//                                      each element of out: grid (value dim, rows)
//
// Lanes. Of an 8x8 matrix a lane has two neighbours of a row (Place). A product does not care in which order
// it sums, nor which column of O is which, so matrices are numbered such that what a lane needs of a row in
// memory is one run: matrix f of K^T has at its row r the dim r * dim / 8 + f, matrix f of V at its pair p of
// columns the dims p * dim / 4 + 2f and one more. Q and O follow.
//
// Masks. A hidden score is the least finite float: a row with nothing left gives all keys the same weight.
// Where an additive mask is -inf the score is -inf, whatever the key. A hidden key without weight has no part
// in the output, not even where its value is inf or NaN: its weight is marked as -0, and blocks with such
// values are added one key at a time.
#include <metal_stdlib>

#include "common/matrix8x8.h"
#include "common/packed.h"
#include "common/unroll.h"
#include "params/attention.h"

using namespace metal;

constant uint mask_kind [[function_constant(ATTENTION_MASK)]];
constant bool in_parts [[function_constant(ATTENTION_IN_PARTS)]];

constant bool is_causal = mask_kind == ATTENTION_MASK_CAUSAL;
constant bool is_bool = mask_kind == ATTENTION_MASK_BOOL;
constant bool has_mask = is_bool || mask_kind == ATTENTION_MASK_ADDITIVE;
constant bool hides = mask_kind != ATTENTION_MASK_NONE;
constant bool in_one_part = !in_parts;

/// The score of a hidden key.
constant constexpr float kHidden = -FLT_MAX;

template <typename T>
using Matrix = simdgroup_matrix<T, 8, 8>;

/// Row and pair of columns that a lane has of a matrix.
struct Place {
  uint row, pair;
  explicit Place(uint lane) : row(place_of(lane).y), pair(place_of(lane).x / 2) {}
};

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

// -- Memory ------------------------------------------------------------------------------------------------

/// Elements of a run of N that are read together.
template <uint N>
constexpr constant uint together = N % 4 == 0 ? 4 : 2;

/// Head dims that are multiples of four: what is read together then exists all or not at all.
constant constexpr bool kByFours = true, kOneByOne = false;

template <typename T>
inline void read_together(thread T (&x)[2], device const T* from) {
  const packed2<T> both = *reinterpret_cast<device const packed2<T>*>(from);
  UNROLL
  for (uint j = 0; j < 2; ++j) x[j] = both[j];
}
template <typename T>
inline void read_together(thread T (&x)[4], device const T* from) {
  const packed4<T> all = *reinterpret_cast<device const packed4<T>*>(from);
  UNROLL
  for (uint j = 0; j < 4; ++j) x[j] = all[j];
}

/// N elements of device memory, at any address; those from `count` on are 0, and not read.
template <bool ByFours, typename T, uint N>
inline void read_run(thread T (&run)[N], device const T* from, long count) {
  constexpr uint size = together<N>;
  UNROLL
  for (uint i = 0; i < N; i += size) {
    T x[size];
    UNROLL
    for (uint j = 0; j < size; ++j) x[j] = T(0);
    if (long(i + size) <= count) {
      read_together(x, from + i);
    } else if (!ByFours) {
      UNROLL
      for (uint j = 0; j < size; ++j) {
        if (long(i + j) < count) x[j] = from[i + j];
      }
    }
    UNROLL
    for (uint j = 0; j < size; ++j) run[i + j] = x[j];
  }
}

template <typename T, uint N>
inline void read_run(thread T (&run)[N], threadgroup const T* from) {
  constexpr uint size = together<N>;
  UNROLL
  for (uint i = 0; i < N; i += size) {
    const vec<T, size> x = *reinterpret_cast<threadgroup const vec<T, size>*>(from + i);
    UNROLL
    for (uint j = 0; j < size; ++j) run[i + j] = x[j];
  }
}

/// 16 bytes between the rows in threadgroup memory put the runs of neighbouring keys into different banks.
template <typename T, uint Dims>
constexpr constant uint pitch = Dims + 16 / sizeof(T);

/// Rows of keys or values into threadgroup memory by the whole threadgroup, zeros beyond `rows` and `dims`.
/// True where this thread saw an element that is not finite.
template <uint Rows, uint Dims, typename T>
inline bool stage(threadgroup T* to, device const T* from, long stride, uint rows, long dims,
                  uint thread_index) {
  constexpr uint threads = ATTENTION_TILE_SIMDGROUPS * 32;
  constexpr uint size = 4, across = Dims / size;
  bool odd = false;
  for (uint i = thread_index; i < Rows * across; i += threads) {
    const uint row = i / across, column = i % across * size;
    T run[size];
    read_run<kOneByOne>(run, from + row * stride + column, row < rows ? dims - column : 0);
    vec<T, size> x;
    UNROLL
    for (uint j = 0; j < size; ++j) {
      x[j] = run[j];
      odd |= !isfinite(float(run[j]));
    }
    *reinterpret_cast<threadgroup vec<T, size>*>(to + row * pitch<T, Dims> + column) = x;
  }
  return odd;
}

/// Matrices of Q. `row` is this lane's, from the dim on that the first matrix begins with; `dims` are left of
/// it.
template <bool ByFours, typename T, uint N>
inline void read_queries(thread Matrix<T> (&q)[N], device const T* row, long dims, Place place) {
  T first[N], second[N];
  const uint start = 2 * place.pair * N;
  read_run<ByFours>(first, row + start, dims - start);
  read_run<ByFours>(second, row + start + N, dims - start - N);
  UNROLL
  for (uint f = 0; f < N; ++f) elements(q[f]) = vec<T, 2>(first[f], second[f]);
}

template <typename T, uint N>
inline void write_row(device T* row, thread Matrix<float> (&o)[N], float total, long values, Place place) {
  const uint start = 2 * N * place.pair;
  UNROLL
  for (uint f = 0; f < N; ++f) {
    const float2 x = elements(o[f]);
    UNROLL
    for (uint e = 0; e < 2; ++e) {
      const uint at = start + 2 * f + e;
      if (at < values) row[at] = T(x[e] / total);
    }
  }
}

// -- Scores and weights
// --------------------------------------------------------------------------------------

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
inline void add_keys(thread Matrix<float>& s, thread const Matrix<T> (&q)[N], thread const T (&first)[N],
                     thread const T (&second)[N]) {
  Matrix<float> odd(0);
  UNROLL
  for (uint f = 0; f < N; ++f) {
    Matrix<T> k;
    elements(k) = vec<T, 2>(first[f], second[f]);
    if (f % 2 == 0) {
      simdgroup_multiply_accumulate(s, q[f], k, s);
    } else {
      simdgroup_multiply_accumulate(odd, q[f], k, odd);
    }
  }
  elements(s) += elements(odd);
}

template <uint Dims, typename T, uint N, uint Blocks>
inline void add_staged_keys(thread Matrix<float> (&s)[Blocks], thread const Matrix<T> (&q)[N],
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

// -- Values
// --------------------------------------------------------------------------------------------------

template <uint N>
inline void clear(thread Matrix<float> (&m)[N]) {
  UNROLL
  for (uint f = 0; f < N; ++f) m[f] = Matrix<float>(0);
}

template <uint N>
inline void apply(Decay decay, thread Matrix<float> (&o)[N]) {
  UNROLL
  for (uint f = 0; f < N; ++f) {
    const float2 x = elements(o[f]) * decay.factor;
    elements(o[f]) = decay.to_nothing ? float2(0) : x;
  }
}

/// O += P V for 8 keys, from this lane's run of one of them.
template <typename T, uint N, uint Run>
inline void add_values(thread Matrix<float> (&o)[N], thread Matrix<float>& p, thread const T (&run)[Run]) {
  static_assert(Run == 2 * N, "two columns of each matrix");
  UNROLL
  for (uint f = 0; f < N; ++f) {
    Matrix<T> v;
    elements(v) = vec<T, 2>(run[2 * f], run[2 * f + 1]);
    simdgroup_multiply_accumulate(o[f], p, v, o[f]);
  }
}

/// As add_values, key by key and without the weights that are marked. `read(run, key)` gives this lane's run
/// of any of the 8 keys; `room` is this simdgroup's, for 64 elements.
template <typename T, uint N, typename Read>
inline void add_values_singly(thread Matrix<float> (&o)[N], thread Matrix<float>& p, threadgroup float* room,
                              Read read, Place place) {
  threadgroup float* const weights = room + 8 * place.row;
  const float2 own = elements(p);
  weights[2 * place.pair] = own.x;
  weights[2 * place.pair + 1] = own.y;
  simdgroup_barrier(mem_flags::mem_threadgroup);
  for (uint key = 0; key < 8; ++key) {
    const float weight = weights[key];
    if (is_absent(weight)) continue;
    T run[2 * N];
    read(run, key);
    UNROLL
    for (uint f = 0; f < N; ++f) {
      elements(o[f]) += weight * float2(float(run[2 * f]), float(run[2 * f + 1]));
    }
  }
  simdgroup_barrier(mem_flags::mem_threadgroup);
}

template <typename T>
struct ReadStaged {
  threadgroup const T* first;
  uint pitch;
  template <uint N>
  void operator()(thread T (&run)[N], uint key) const {
    read_run(run, first + key * pitch);
  }
};

template <typename T>
struct ReadDevice {
  device const T* first;
  long stride;
  long dims;
  uint keys;
  template <uint N>
  void operator()(thread T (&run)[N], uint key) const {
    read_run<kByFours>(run, first + key * stride, key < keys ? dims : 0);
  }
};

template <uint Dims, typename T, uint N, uint Blocks>
inline void add_staged_values(thread Matrix<float> (&o)[N], thread Matrix<float> (&p)[Blocks],
                              threadgroup const T* staged, bool singly, threadgroup float* room,
                              Place place) {
  constexpr uint row_pitch = pitch<T, Dims>;
  threadgroup const T* const at = staged + place.pair * 2 * N;
  if (singly) {
    UNROLL
    for (uint j = 0; j < Blocks; ++j) {
      add_values_singly<T>(o, p[j], room, ReadStaged<T>{at + 8 * j * row_pitch, row_pitch}, place);
    }
  } else {
    UNROLL
    for (uint j = 0; j < Blocks; ++j) {
      T run[2 * N];
      read_run(run, at + (8 * j + place.row) * row_pitch);
      add_values(o, p[j], run);
    }
  }
}

// -- Prefill
// -------------------------------------------------------------------------------------------------

/// Blocks of keys that a threadgroup's rows need: with a causal mask not those beyond the last row's
/// diagonal, unless there is a row that sees nothing.
struct KeyBlocks {
  uint all, end;
  KeyBlocks(constant AttentionParams& params, uint first_row, uint rows, uint keys_per_block) {
    all = (params.keys + keys_per_block - 1) / keys_per_block;
    end = all;
    if (is_causal) {
      const long diagonal = long(params.keys) - params.queries;
      const long last = min(first_row + rows, params.queries) + diagonal;
      if (first_row + diagonal >= 0) end = uint((last + keys_per_block - 1) / keys_per_block);
    }
  }
};

/// One flag for each simdgroup; true in any of them after the next barrier is any().
struct Flags {
  threadgroup uint* of;
  void set(bool here, uint simdgroup, uint lane) const {
    const bool any_lane = simd_any(here);
    if (lane == 0) of[simdgroup] = any_lane;
  }
  bool any() const { return (of[0] | of[1] | of[2] | of[3]) != 0; }
};

#define ATTENTION_ARGUMENTS                                                                             \
  device const T *q [[buffer(0)]], device const T *k [[buffer(1)]], device const T *v [[buffer(2)]],    \
      device const uchar *mask [[buffer(3), function_constant(has_mask)]], device T *out [[buffer(4)]], \
      constant AttentionParams &params [[buffer(5)]], uint3 group [[threadgroup_position_in_grid]],     \
      uint3 groups [[threadgroups_per_grid]], uint simdgroup [[simdgroup_index_in_threadgroup]],        \
      uint lane [[thread_index_in_simdgroup]]

template <typename T, uint D, uint Keys>
[[kernel, max_total_threads_per_threadgroup(ATTENTION_TILE_SIMDGROUPS *
                                            32)]] void attention_tile(ATTENTION_ARGUMENTS) {
  constexpr uint tile_rows = ATTENTION_TILE_SIMDGROUPS * ATTENTION_ROWS;
  threadgroup vec<T, 4> memory[Keys * pitch<T, D> / 4];
  threadgroup float room[ATTENTION_TILE_SIMDGROUPS][64];
  threadgroup uint odd_flags[ATTENTION_TILE_SIMDGROUPS], empty_flags[ATTENTION_TILE_SIMDGROUPS];
  threadgroup T* const staged = reinterpret_cast<threadgroup T*>(memory);
  const Flags odd{odd_flags}, empty{empty_flags};

  const Place place(lane);
  const uint thread_index = simdgroup * 32 + lane;
  const uint head = group.y, batch = group.z;
  // With a causal mask the last rows have most to do, and begin.
  const uint first_row = (is_causal ? groups.x - 1 - group.x : group.x) * tile_rows;
  const uint query = first_row + simdgroup * ATTENTION_ROWS + place.row;
  // Rows beyond the last are copies of it that are not written.
  const uint source = min(query, params.queries - 1);
  const Row row = make_row<T>(params, mask, batch, head, source);
  q += batch * params.q_strides[0] + head * params.q_strides[1] + source * params.q_strides[2];
  k += batch * params.k_strides[0] + head / params.group * params.k_strides[1];
  v += batch * params.v_strides[0] + head / params.group * params.v_strides[1];

  Matrix<T> queries[D / 8];
  read_queries<kOneByOne>(queries, q, params.dim, place);
  Matrix<float> o[D / 8];
  clear(o);
  float top = -INFINITY, total = 0;
  KeyBlocks blocks(params, first_row, tile_rows, Keys);
  for (uint step = 0;; ++step) {
    if (step == blocks.end) {
      if (blocks.end == blocks.all) break;
      // A row whose scores are all -inf has to see the hidden ones.
      empty.set(top <= kHidden, simdgroup, lane);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      if (!empty.any()) break;
      blocks.end = blocks.all;
    }
    const uint first = step * Keys;
    const uint rows = params.keys - first;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    stage<Keys, D>(staged, k + first * params.k_strides[2], params.k_strides[2], rows, params.dim,
                   thread_index);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    Matrix<float> s[Keys / 8];
    clear(s);
    add_staged_keys<D>(s, queries, staged, place);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    const bool odd_here = stage<Keys, D>(staged, v + first * params.v_strides[2], params.v_strides[2], rows,
                                         params.value_dim, thread_index);
    if (hides) odd.set(odd_here, simdgroup, lane);
    finish_scores<T>(s, row, first, params, place);
    apply(take_weights(s, top, total), o);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    add_staged_values<D>(o, s, staged, hides && odd.any(), room[simdgroup], place);
  }
  total = params.keys == 0 ? 1 : row_sum(total);
  if (query < params.queries) {
    const ulong at = (ulong(batch) * params.heads + head) * params.queries + query;
    write_row(out + at * params.value_dim, o, total, params.value_dim, place);
  }
}

template <typename T, uint Keys>
[[kernel, max_total_threads_per_threadgroup(ATTENTION_TILE_SIMDGROUPS * 32)]] void attention_streamed(
    ATTENTION_ARGUMENTS) {
  constexpr uint chunk = ATTENTION_STREAM, slice = ATTENTION_STREAM_VALUES;
  constexpr uint tile_rows = ATTENTION_TILE_SIMDGROUPS * ATTENTION_ROWS;
  threadgroup vec<T, 4> memory[Keys * pitch<T, slice> / 4];
  threadgroup float room[ATTENTION_TILE_SIMDGROUPS][64];
  threadgroup uint odd_flags[ATTENTION_TILE_SIMDGROUPS], empty_flags[ATTENTION_TILE_SIMDGROUPS];
  threadgroup T* const staged = reinterpret_cast<threadgroup T*>(memory);
  const Flags odd{odd_flags}, empty{empty_flags};

  const Place place(lane);
  const uint thread_index = simdgroup * 32 + lane;
  const uint head = group.y % params.heads, batch = group.z;
  const uint first_value = group.y / params.heads * slice;
  const long values = long(params.value_dim) - first_value;
  const uint first_row = (is_causal ? groups.x - 1 - group.x : group.x) * tile_rows;
  const uint query = first_row + simdgroup * ATTENTION_ROWS + place.row;
  const uint source = min(query, params.queries - 1);
  const Row row = make_row<T>(params, mask, batch, head, source);
  q += batch * params.q_strides[0] + head * params.q_strides[1] + source * params.q_strides[2];
  k += batch * params.k_strides[0] + head / params.group * params.k_strides[1];
  v += batch * params.v_strides[0] + head / params.group * params.v_strides[1] + first_value;

  Matrix<float> o[slice / 8];
  clear(o);
  float top = -INFINITY, total = 0;
  KeyBlocks blocks(params, first_row, tile_rows, Keys);
  for (uint step = 0;; ++step) {
    if (step == blocks.end) {
      if (blocks.end == blocks.all) break;
      empty.set(top <= kHidden, simdgroup, lane);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      if (!empty.any()) break;
      blocks.end = blocks.all;
    }
    const uint first = step * Keys;
    const uint rows = params.keys - first;
    Matrix<float> s[Keys / 8];
    clear(s);
    for (uint start = 0; start < params.dim; start += chunk) {
      const long dims = long(params.dim) - start;
      threadgroup_barrier(mem_flags::mem_threadgroup);
      stage<Keys, chunk>(staged, k + first * params.k_strides[2] + start, params.k_strides[2], rows, dims,
                         thread_index);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      Matrix<T> queries[chunk / 8];
      read_queries<kOneByOne>(queries, q + start, dims, place);
      add_staged_keys<chunk>(s, queries, staged, place);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    const bool odd_here = stage<Keys, slice>(staged, v + first * params.v_strides[2], params.v_strides[2],
                                             rows, values, thread_index);
    if (hides) odd.set(odd_here, simdgroup, lane);
    finish_scores<T>(s, row, first, params, place);
    apply(take_weights(s, top, total), o);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    add_staged_values<slice>(o, s, staged, hides && odd.any(), room[simdgroup], place);
  }
  total = params.keys == 0 ? 1 : row_sum(total);
  if (query < params.queries) {
    const ulong at = (ulong(batch) * params.heads + head) * params.queries + query;
    write_row(out + at * params.value_dim + first_value, o, total, values, place);
  }
}

// -- Few queries
// ---------------------------------------------------------------------------------------------

/// Query and head of one of the rows that share a head of keys.
struct SplitRow {
  uint head, query;
  ulong number;  // among all rows of the result
  SplitRow(constant AttentionParams& params, uint batch, uint kv_head, uint index) {
    head = kv_head * params.group + index / params.queries;
    query = index % params.queries;
    number = (ulong(batch) * params.heads + head) * params.queries + query;
  }
};

template <typename T, uint D, uint Keys>
[[kernel, max_total_threads_per_threadgroup(ATTENTION_SPLIT_SIMDGROUPS * 32)]] void attention_split(
    device const T* q [[buffer(0)]], device const T* k [[buffer(1)]], device const T* v [[buffer(2)]],
    device const uchar* mask [[buffer(3), function_constant(has_mask)]],
    device T* out [[buffer(4), function_constant(in_one_part)]],
    constant AttentionParams& params [[buffer(5)]],
    device float* part_outputs [[buffer(6), function_constant(in_parts)]],
    device float2* part_sums [[buffer(7), function_constant(in_parts)]],
    uint3 group [[threadgroup_position_in_grid]], uint3 groups [[threadgroups_per_grid]],
    uint simdgroup [[simdgroup_index_in_threadgroup]], uint lane [[thread_index_in_simdgroup]]) {
  constexpr uint simdgroups = ATTENTION_SPLIT_SIMDGROUPS;
  constexpr uint across = D / 8;
  // Results are joined so many matrices at a time, a thread for each element.
  constexpr uint joined = 4;
  static_assert(joined * 64 == simdgroups * 32, "a thread for each element");
  threadgroup float room[simdgroups][joined * 64];
  threadgroup float tops[simdgroups][ATTENTION_ROWS], totals[simdgroups][ATTENTION_ROWS];
  threadgroup float final_tops[ATTENTION_ROWS];

  const Place place(lane);
  const uint batch = group.z;
  const uint kv_heads = params.heads / params.group;
  const uint kv_head = group.y % kv_heads;
  const uint first_row = group.y / kv_heads * ATTENTION_ROWS;
  const uint last_row = params.group * params.queries - 1;
  const SplitRow own(params, batch, kv_head, min(first_row + place.row, last_row));
  const Row row = make_row<T>(params, mask, batch, own.head, own.query);
  q += batch * params.q_strides[0] + own.head * params.q_strides[1] + own.query * params.q_strides[2];
  k += batch * params.k_strides[0] + kv_head * params.k_strides[1] + place.row * across;
  v += batch * params.v_strides[0] + kv_head * params.v_strides[1] + place.pair * 2 * across;
  const long key_dims = long(params.dim) - place.row * across;
  const long value_dims = long(params.value_dim) - place.pair * 2 * across;

  Matrix<T> queries[across];
  read_queries<kByFours>(queries, q, params.dim, place);
  Matrix<float> o[across];
  clear(o);
  float top = -INFINITY, total = 0;
  const uint begin = group.x * params.keys_per_part;
  const uint end = min(begin + params.keys_per_part, params.keys);
  // Neighbouring blocks, so that a simdgroup reads one run of memory.
  const uint share = (end - begin + simdgroups * Keys - 1) / (simdgroups * Keys) * Keys;
  const uint stop = min(begin + (simdgroup + 1) * share, end);
  for (uint first = begin + simdgroup * share; first < stop; first += Keys) {
    Matrix<float> s[Keys / 8];
    clear(s);
    UNROLL
    for (uint j = 0; j < Keys / 8; ++j) {
      T one[across], two[across];
      const uint key = first + 8 * j + 2 * place.pair;
      read_run<kByFours>(one, k + key * params.k_strides[2], key < params.keys ? key_dims : 0);
      read_run<kByFours>(two, k + (key + 1) * params.k_strides[2], key + 1 < params.keys ? key_dims : 0);
      add_keys(s[j], queries, one, two);
    }
    finish_scores<T>(s, row, first, params, place);
    apply(take_weights(s, top, total), o);
    UNROLL
    for (uint j = 0; j < Keys / 8; ++j) {
      T run[2 * across];
      const uint key = first + 8 * j + place.row;
      read_run<kByFours>(run, v + key * params.v_strides[2], key < params.keys ? value_dims : 0);
      bool odd = false;
      if (hides) {
        UNROLL
        for (uint i = 0; i < 2 * across; ++i) odd |= !isfinite(float(run[i]));
      }
      if (hides && simd_any(odd)) {
        const uint start = first + 8 * j;
        const uint left = start < params.keys ? params.keys - start : 0;
        add_values_singly<T>(
            o, s[j], room[simdgroup],
            ReadDevice<T>{v + start * params.v_strides[2], params.v_strides[2], value_dims, left}, place);
      } else {
        add_values(o, s[j], run);
      }
    }
  }

  total = row_sum(total);
  if (place.pair == 0) tops[simdgroup][place.row] = top;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  float all_top = -INFINITY;
  for (uint i = 0; i < simdgroups; ++i) all_top = max(all_top, tops[i][place.row]);
  const Decay decay(top, all_top, max(all_top, kHidden));
  apply(decay, o);
  if (place.pair == 0) totals[simdgroup][place.row] = total * decay.factor;
  if (simdgroup == 0 && place.pair == 0) final_tops[place.row] = all_top;

  // From here on a simdgroup has a row, and a lane in turn the elements of it.
  const SplitRow written(params, batch, kv_head, min(first_row + simdgroup, last_row));
  const bool writes = first_row + simdgroup <= last_row;
  const ulong part = written.number * groups.x + group.x;
  float all_total = 0;
  UNROLL
  for (uint start = 0; start < across; start += joined) {
    threadgroup_barrier(mem_flags::mem_threadgroup);
    UNROLL
    for (uint f = 0; f < joined; ++f) {
      if (start + f >= across) break;
      threadgroup float* const to =
          room[simdgroup] + place.row * 8 * joined + place.pair * 2 * joined + 2 * f;
      const float2 x = elements(o[start + f]);
      to[0] = x.x;
      to[1] = x.y;
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    const uint within = lane % (2 * joined);
    const uint value = lane / (2 * joined) * 2 * across + 2 * start + within;
    if (start == 0) {
      for (uint i = 0; i < simdgroups; ++i) all_total += totals[i][simdgroup];
      if (params.keys == 0) all_total = 1;
      if (in_parts && writes && lane == 0) part_sums[part] = float2(final_tops[simdgroup], all_total);
    }
    if (writes && 2 * start + within < 2 * across && value < params.value_dim) {
      float sum = 0;
      for (uint i = 0; i < simdgroups; ++i) sum += room[i][simdgroup * 32 + lane];
      if (in_one_part) {
        out[written.number * params.value_dim + value] = T(sum / all_total);
      } else {
        part_outputs[part * params.value_dim + value] = sum;
      }
    }
  }
}

template <typename T>
[[kernel]] void attention_merge(device const float* part_outputs [[buffer(0)]],
                                device const float2* part_sums [[buffer(1)]], device T* out [[buffer(2)]],
                                constant AttentionMergeParams& params [[buffer(3)]],
                                uint2 index [[thread_position_in_grid]], uint2 grid [[threads_per_grid]]) {
  const ulong first = ulong(index.y) * params.parts;
  float top = kHidden;
  for (uint i = 0; i < params.parts; ++i) top = max(top, part_sums[first + i].x);
  float total = 0, sum = 0;
  for (uint i = 0; i < params.parts; ++i) {
    const float2 part = part_sums[first + i];
    const Decay decay(part.x, top, top);
    total += part.y * decay.factor;
    if (!decay.to_nothing) sum += part_outputs[(first + i) * grid.x + index.x] * decay.factor;
  }
  out[ulong(index.y) * grid.x + index.x] = T(sum / total);
}

#define INSTANTIATE_DIM(dtype, type, dim, keys)                                                              \
  template [[host_name(                                                                                      \
      "attention_sdpa_" #dtype                                                                               \
      "_tile_" #dim)]] [[kernel]] decltype(attention_tile<type, dim, keys>) attention_tile<type, dim, keys>; \
  template [[host_name("attention_sdpa_" #dtype "_split_" #dim)]]                                            \
  [[kernel]] decltype(attention_split<type, dim, keys>) attention_split<type, dim, keys>;

#define INSTANTIATE(dtype, type)                                                                     \
  INSTANTIATE_DIM(dtype, type, 32, 32)                                                               \
  INSTANTIATE_DIM(dtype, type, 64, 32)                                                               \
  INSTANTIATE_DIM(dtype, type, 80, 32)                                                               \
  INSTANTIATE_DIM(dtype, type, 96, 32)                                                               \
  INSTANTIATE_DIM(dtype, type, 128, 16)                                                              \
  template [[host_name(                                                                              \
      "attention_sdpa_" #dtype                                                                       \
      "_streamed")]] [[kernel]] decltype(attention_streamed<type, 16>) attention_streamed<type, 16>; \
  template [[host_name(                                                                              \
      "attention_merge_" #dtype)]] [[kernel]] decltype(attention_merge<type>) attention_merge<type>;

INSTANTIATE(float32, float)
INSTANTIATE(float16, half)
INSTANTIATE(bfloat16, bfloat)
INSTANTIATE_DIM(float16, half, 256, 16)
INSTANTIATE_DIM(bfloat16, bfloat, 256, 16)
