// metal/softmax.metal: exp(x - max) / sum(exp(x - max)), in float32 whatever the dtype.
//
// softmax_<dtype>_row_simdgroup   A simdgroup per row, several rows in a threadgroup. The row is in
// registers: a lane
//                                 has `chunks` chunks of 4 consecutive elements, 128 elements apart.
// softmax_<dtype>_row_register    A threadgroup per row, otherwise the same.
// softmax_<dtype>_row_loop        A threadgroup per row, which reads it twice: each thread keeps the maximum
// so far, and
//                                 its sum relative to that (online softmax); then the results are written.
// softmax_<dtype>_row_part        The first half of row_loop for a part of a row, where rows are few and
// long: maximum softmax_<dtype>_row_finish      and sum of each part go to memory, and a threadgroup per part
// writes the results. softmax_<dtype>_column          Along an axis of (outer, axis, columns). `lanes`
// threads along the columns, of which
//                                 each takes 4; the other threads of the threadgroup on further elements of
//                                 the axis.
//
// The maximum ignores NaN, which comes back with the sum. A row of nothing but -inf is NaN, as -inf - -inf.
#include <metal_stdlib>

#include "common/bfloat.h"
#include "common/online_softmax.h"
#include "common/reduction.h"
#include "common/unroll.h"
#include "params/softmax.h"

using namespace metal;

constant uint chunks [[function_constant(SOFTMAX_CHUNKS)]];
constant bool strided [[function_constant(SOFTMAX_STRIDED)]];
constant bool wide [[function_constant(SOFTMAX_WIDE)]];

/// Where a row of x begins.
long row_start(constant SoftmaxRowParams& params, ulong row) {
  if (!strided) return long(row * params.size);
  long at = 0;
  for (uint axis = 0; axis < params.axes; ++axis) {
    at += long(row % params.shape[axis]) * params.strides[axis];
    row /= params.shape[axis];
  }
  return at;
}

template <typename T>
float4 four(device const T* x) {
  return float4(float(x[0]), float(x[1]), float(x[2]), float(x[3]));
}

/// Up to four elements, -inf in place of those that are not there.
template <typename T>
float4 some(device const T* x, ulong count) {
  float4 v = -INFINITY;
  UNROLL
  for (uint i = 0; i < 4; ++i) {
    if (i < count) v[i] = float(x[i]);
  }
  return v;
}

template <typename T>
void store(device T* out, float4 v, ulong count) {
  UNROLL
  for (uint i = 0; i < 4; ++i) {
    if (i < count) out[i] = T(v[i]);
  }
}

inline float greatest(float4 v) {
  return greater(greater(v.x, v.y), greater(v.z, v.w));
}
inline float total(float4 v) {
  return (v.x + v.y) + (v.z + v.w);
}

/// The threads that share a row.
struct Team {
  uint index;      // of a thread of the team
  uint threads;    // a multiple of 32
  uint simdgroup;  // of the team
  uint lane;
};

struct OfSimdgroup {
  Team team;
  float maximum(float value) const { return simd_max(value); }
  float sum(float value) const { return simd_sum(value); }
};

/// Each may be asked once.
struct OfThreadgroup {
  Team team;
  threadgroup float* maxima;
  threadgroup float* sums;

  float maximum(float value) const {
    return across_threadgroup<Max>(value, maxima, team.simdgroup, team.lane, team.threads / simd_width);
  }
  float sum(float value) const {
    return across_threadgroup<Sum>(value, sums, team.simdgroup, team.lane, team.threads / simd_width);
  }
};

/// One row in the registers of a team.
template <typename T, typename Reduce>
void in_registers(device const T* x, device T* out, uint size, Reduce reduce) {
  const uint span = reduce.team.threads * SOFTMAX_VECTOR;
  const uint mine = reduce.team.index * SOFTMAX_VECTOR;
  float4 v[SOFTMAX_MAX_CHUNKS];
  float4 most = -INFINITY;
  UNROLL
  for (uint c = 0; c < SOFTMAX_MAX_CHUNKS; ++c) {
    if (c >= chunks) continue;
    const uint at = c * span + mine;
    v[c] = at + SOFTMAX_VECTOR <= size ? four(x + at) : some(x + at, at < size ? size - at : 0);
    most = greater(most, v[c]);
  }
  const float maximum = reduce.maximum(greatest(most));
  float4 sums = 0;
  UNROLL
  for (uint c = 0; c < SOFTMAX_MAX_CHUNKS; ++c) {
    if (c >= chunks) continue;
    v[c] = exp_nonpositive(v[c] - maximum);
    sums += v[c];
  }
  const float scale = 1.0f / reduce.sum(total(sums));
  UNROLL
  for (uint c = 0; c < SOFTMAX_MAX_CHUNKS; ++c) {
    if (c >= chunks) continue;
    const uint at = c * span + mine;
    const float4 result = v[c] * scale;
    if (at + SOFTMAX_VECTOR <= size)
      store(out + at, result, SOFTMAX_VECTOR);
    else if (at < size)
      store(out + at, result, size - at);
  }
}

template <typename T>
[[kernel, max_total_threads_per_threadgroup(SOFTMAX_MAX_THREADS)]] void row_simdgroup(
    device const T* x [[buffer(0)]], device T* out [[buffer(1)]],
    constant SoftmaxRowParams& params [[buffer(2)]], uint2 group [[threadgroup_position_in_grid]],
    uint2 groups [[threadgroups_per_grid]], uint2 threads [[threads_per_threadgroup]],
    uint simdgroup [[simdgroup_index_in_threadgroup]], uint lane [[thread_index_in_simdgroup]]) {
  const ulong row = (group.x + ulong(groups.x) * group.y) * (threads.x / simd_width) + simdgroup;
  if (row >= params.rows) return;
  in_registers(x + row_start(params, row), out + row * params.size, uint(params.size),
               OfSimdgroup{{lane, simd_width, 0, lane}});
}

template <typename T>
[[kernel, max_total_threads_per_threadgroup(SOFTMAX_MAX_THREADS)]] void row_register(
    device const T* x [[buffer(0)]], device T* out [[buffer(1)]],
    constant SoftmaxRowParams& params [[buffer(2)]], uint2 group [[threadgroup_position_in_grid]],
    uint2 groups [[threadgroups_per_grid]], uint thread_index [[thread_index_in_threadgroup]],
    uint2 threads [[threads_per_threadgroup]], uint simdgroup [[simdgroup_index_in_threadgroup]],
    uint lane [[thread_index_in_simdgroup]]) {
  threadgroup float maxima[max_simdgroups], sums[max_simdgroups];
  const ulong row = group.x + ulong(groups.x) * group.y;
  if (row >= params.rows) return;
  in_registers(x + row_start(params, row), out + row * params.size, uint(params.size),
               OfThreadgroup{{thread_index, threads.x, simdgroup, lane}, maxima, sums});
}

/// Maximum and sum of elements [first, last) of a row.
template <typename T>
Online<float> along(device const T* x, ulong first, ulong last, OfThreadgroup reduce) {
  const uint span = reduce.team.threads * SOFTMAX_VECTOR;
  Online<float> mine = Online<float>::none();
  // Four loads at a time, and one exponential for what the maximum has changed.
  for (ulong at = first + reduce.team.index * SOFTMAX_VECTOR; at < last; at += 4 * span) {
    float4 v[4];
    UNROLL
    for (uint c = 0; c < 4; ++c) {
      const ulong here = at + c * span;
      v[c] = here + SOFTMAX_VECTOR <= last ? four(x + here) : some(x + here, here < last ? last - here : 0);
    }
    const float most = greater(mine.most, greatest(greater(greater(v[0], v[1]), greater(v[2], v[3]))));
    const float origin = shift(most);
    float4 sums = 0;
    UNROLL
    for (uint c = 0; c < 4; ++c) sums += exp_nonpositive(v[c] - origin);
    mine = {most, mine.sum_at(most) + total(sums)};
  }
  const float most = reduce.maximum(mine.most);
  return {most, reduce.sum(mine.sum_at(most))};
}

template <typename T>
void write_along(device const T* x, device T* out, ulong first, ulong last, Online<float> row, Team team) {
  const float scale = 1.0f / row.sum;
  for (ulong at = first + team.index * SOFTMAX_VECTOR; at < last; at += team.threads * SOFTMAX_VECTOR) {
    const ulong count = last - at;
    const float4 v = count >= SOFTMAX_VECTOR ? four(x + at) : some(x + at, count);
    const float4 result = exp_nonpositive(v - row.most) * scale;
    if (count >= SOFTMAX_VECTOR)
      store(out + at, result, SOFTMAX_VECTOR);
    else
      store(out + at, result, count);
  }
}

template <typename T>
[[kernel, max_total_threads_per_threadgroup(SOFTMAX_MAX_THREADS)]] void row_loop(
    device const T* x [[buffer(0)]], device T* out [[buffer(1)]],
    constant SoftmaxRowParams& params [[buffer(2)]], uint2 group [[threadgroup_position_in_grid]],
    uint2 groups [[threadgroups_per_grid]], uint thread_index [[thread_index_in_threadgroup]],
    uint2 threads [[threads_per_threadgroup]], uint simdgroup [[simdgroup_index_in_threadgroup]],
    uint lane [[thread_index_in_simdgroup]]) {
  threadgroup float maxima[max_simdgroups], sums[max_simdgroups];
  const ulong row = group.x + ulong(groups.x) * group.y;
  if (row >= params.rows) return;
  const Team team{thread_index, threads.x, simdgroup, lane};
  x += row_start(params, row);
  const Online<float> all = along(x, 0, params.size, OfThreadgroup{team, maxima, sums});
  write_along(x, out + row * params.size, 0, params.size, all, team);
}

template <typename T>
[[kernel, max_total_threads_per_threadgroup(SOFTMAX_PART_THREADS)]] void row_part(
    device const T* x [[buffer(0)]], device float2* parts [[buffer(1)]],
    constant SoftmaxRowParams& params [[buffer(2)]], uint2 group [[threadgroup_position_in_grid]],
    uint thread_index [[thread_index_in_threadgroup]], uint2 threads [[threads_per_threadgroup]],
    uint simdgroup [[simdgroup_index_in_threadgroup]], uint lane [[thread_index_in_simdgroup]]) {
  threadgroup float maxima[max_simdgroups], sums[max_simdgroups];
  const ulong first = group.x * params.part;
  const Online<float> mine =
      along(x + row_start(params, group.y), first, min(params.size, first + params.part),
            OfThreadgroup{{thread_index, threads.x, simdgroup, lane}, maxima, sums});
  if (thread_index == 0) parts[ulong(group.y) * params.parts + group.x] = float2(mine.most, mine.sum);
}

template <typename T>
[[kernel, max_total_threads_per_threadgroup(SOFTMAX_PART_THREADS)]] void row_finish(
    device const T* x [[buffer(0)]], device const float2* parts [[buffer(1)]],
    constant SoftmaxRowParams& params [[buffer(2)]], device T* out [[buffer(3)]],
    uint2 group [[threadgroup_position_in_grid]], uint thread_index [[thread_index_in_threadgroup]],
    uint2 threads [[threads_per_threadgroup]], uint simdgroup [[simdgroup_index_in_threadgroup]],
    uint lane [[thread_index_in_simdgroup]]) {
  threadgroup float maxima[max_simdgroups], sums[max_simdgroups];
  const Team team{thread_index, threads.x, simdgroup, lane};
  const OfThreadgroup reduce{team, maxima, sums};
  parts += ulong(group.y) * params.parts;
  Online<float> mine = Online<float>::none();
  for (uint part = thread_index; part < params.parts; part += threads.x)
    mine = joined(mine, Online<float>{parts[part].x, parts[part].y});
  const float most = reduce.maximum(mine.most);
  const Online<float> all{most, reduce.sum(mine.sum_at(most))};
  const ulong first = group.x * params.part;
  write_along(x + row_start(params, group.y), out + group.y * params.size, first,
              min(params.size, first + params.part), all, team);
}

/// Columns of a thread: F is float4 for neighbours, or float.
template <typename F>
struct Columns;

template <>
struct Columns<float> {
  static constexpr constant uint width = 1;
  template <typename T>
  static float load(device const T* x) {
    return float(x[0]);
  }
  template <typename T>
  static void store_from(uint, device T* out, float v) {
    out[0] = T(v);
  }
};

template <>
struct Columns<float4> {
  static constexpr constant uint width = SOFTMAX_VECTOR;
  template <typename T>
  static float4 load(device const T* x) {
    return four(x);
  }
  /// Leaves out the first `skipped`.
  template <typename T>
  static void store_from(uint skipped, device T* out, float4 v) {
    UNROLL
    for (uint i = 0; i < 4; ++i) {
      if (i >= skipped) out[i] = T(v[i]);
    }
  }
};

template <typename F, typename T>
void along_columns(device const T* x, device T* out, constant SoftmaxColumnParams& params,
                   threadgroup Online<F>* scratch, ulong group, uint thread_index, uint threads) {
  using Of = Columns<F>;
  const uint helper = thread_index / params.lanes;
  const uint helpers = threads / params.lanes;
  const ulong unit = group * params.lanes + thread_index % params.lanes;
  const bool exists = unit < params.units;
  const ulong outer = unit / params.blocks;
  // The last block begins early enough to be whole, and leaves alone what is its neighbour's.
  const ulong own = (unit - outer * params.blocks) * Of::width;
  const ulong column = min(own, params.columns - Of::width);
  const ulong start = outer * params.size * params.columns + column;

  Online<F> mine = Online<F>::none();
  if (exists) {
    x += start;
    out += start;
    ulong at = helper;
    for (; at + 3 * helpers < params.size; at += 4 * helpers) {
      F v[4];
      UNROLL
      for (uint k = 0; k < 4; ++k) v[k] = Of::load(x + (at + k * helpers) * params.columns);
      const F most = greater(mine.most, greater(greater(v[0], v[1]), greater(v[2], v[3])));
      const F origin = shift(most);
      F sum = mine.sum_at(most);
      UNROLL
      for (uint k = 0; k < 4; ++k) sum += exp_nonpositive(v[k] - origin);
      mine = {most, sum};
    }
    for (; at < params.size; at += helpers) {
      const F v = Of::load(x + at * params.columns);
      const F most = greater(mine.most, v);
      mine = {most, mine.sum_at(most) + exp_nonpositive(v - shift(most))};
    }
  }
  if (helpers > 1) {
    scratch[thread_index] = mine;
    for (uint half_of = helpers / 2; half_of > 0; half_of /= 2) {
      threadgroup_barrier(mem_flags::mem_threadgroup);
      if (helper < half_of) {
        mine = joined(mine, scratch[thread_index + half_of * params.lanes]);
        scratch[thread_index] = mine;
      }
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    mine = scratch[thread_index % params.lanes];
  }
  if (!exists) return;
  const F scale = 1.0f / mine.sum;
  for (ulong at = helper; at < params.size; at += helpers) {
    const F v = Of::load(x + at * params.columns);
    Of::store_from(uint(own - column), out + at * params.columns, exp_nonpositive(v - mine.most) * scale);
  }
}

template <typename T>
[[kernel, max_total_threads_per_threadgroup(SOFTMAX_COLUMN_THREADS)]] void column(
    device const T* x [[buffer(0)]], device T* out [[buffer(1)]],
    constant SoftmaxColumnParams& params [[buffer(2)]], uint2 group [[threadgroup_position_in_grid]],
    uint2 groups [[threadgroups_per_grid]], uint thread_index [[thread_index_in_threadgroup]],
    uint2 threads [[threads_per_threadgroup]]) {
  threadgroup Online<float4> scratch[SOFTMAX_COLUMN_THREADS];
  const ulong index = group.x + ulong(groups.x) * group.y;
  if (wide)
    along_columns<float4>(x, out, params, scratch, index, thread_index, threads.x);
  else
    along_columns<float>(x, out, params, (threadgroup Online<float>*)scratch, index, thread_index, threads.x);
}

#define KERNEL(function, dtype, type)                                \
  template [[host_name("softmax_" #dtype "_" #function)]] [[kernel]] \
  decltype(function<type>) function<type>;

#define INSTANTIATE(dtype, type)     \
  KERNEL(row_simdgroup, dtype, type) \
  KERNEL(row_register, dtype, type)  \
  KERNEL(row_loop, dtype, type)      \
  KERNEL(row_part, dtype, type)      \
  KERNEL(row_finish, dtype, type)    \
  KERNEL(column, dtype, type)

INSTANTIATE(float32, float)
INSTANTIATE(float16, half)
INSTANTIATE(bfloat16, BFloat16)
