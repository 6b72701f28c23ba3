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
// attention_sdpa_<dtype>_tile_<dim>    Prefill. 4 simdgroups with 32 rows of one head; k and then v come into
//                                      threadgroup memory block by block, filled up to dim with zeros.
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

#include "attention/memory.h"
#include "attention/values.h"
#include "attention/weights.h"
#include "common/unroll.h"
#include "params/attention.h"

using namespace metal;

constant bool in_parts [[function_constant(ATTENTION_IN_PARTS)]];
constant bool in_one_part = !in_parts;

// -- Prefill ------------------------------------------------------------------------------------

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
  threadgroup Together<T, 4> memory[Keys * pitch<T, D> / 4];
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

  Matrix<Factor<T>> queries[D / 8];
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
  threadgroup Together<T, 4> memory[Keys * pitch<T, slice> / 4];
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
      Matrix<Factor<T>> queries[chunk / 8];
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

// -- Few queries --------------------------------------------------------------------------------

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

  Matrix<Factor<T>> queries[across];
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
INSTANTIATE(bfloat16, BFloat16)
INSTANTIATE_DIM(float16, half, 256, 16)
INSTANTIATE_DIM(bfloat16, BFloat16, 256, 16)
