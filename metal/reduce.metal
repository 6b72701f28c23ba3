// metal/reduce.metal: sums, means (a sum and a division) and maxima over any axes.
//
// reduce_<op>_<dtype>_row_simd      The elements of an output are runs in memory. REDUCE_LANES lanes share an
//                                   output, so that a simdgroup takes 32 short rows or one longer one.
// reduce_<op>_<dtype>_row_group     A threadgroup takes an output: `lanes` threads along a run, the others on
//                                   further runs, or on further parts of the only one.
// reduce_<op>_<dtype>_row_partial   The same for a split of an output, where outputs are few: the
//                                   accumulators go to memory, which row_finish reduces to the outputs.
// reduce_<op>_<dtype>_column        The outputs lie side by side. `lanes` threads along the outputs, of which
//                                   each takes REDUCE_COLUMN_WIDTH; the other threads on further rows, then a
//                                   tree in threadgroup memory. column_partial and column_finish as for rows.
//
// Within a run a thread takes 4 neighbours at a time, and as many threads work side by side as read a line of
// 128 bytes or more together. A thread has 16 accumulators, and the planner bounds what goes into one: the
// additions in a chain, not the number of elements, are what a sum in float32 loses accuracy by. No atomics:
// the order of additions depends on the shape alone.
#include <metal_stdlib>

#include "common/bfloat.h"
#include "common/reduction.h"
#include "params/reduce.h"

using namespace metal;

constant bool unit_stride [[function_constant(REDUCE_UNIT_STRIDE)]];
constant uint row_lanes [[function_constant(REDUCE_LANES)]];
constant bool one_axis [[function_constant(REDUCE_ONE_AXIS)]];

/// A place among `count` axes from `first` on, as an offset into x; adds the one into the output.
inline long offset_in(constant ReduceAxes& axes, uint first, uint count, ulong index, thread long& out) {
  long offset = 0;
  out = 0;
  for (uint axis = first; axis < first + count; ++axis) {
    ulong rest = 0;
    if (axis + 1 < first + count) {
      // 64-bit division is slow, and seldom needed.
      rest = index >> 32 ? index / axes.shape[axis] : ulong(uint(index) / axes.shape[axis]);
      index -= rest * axes.shape[axis];
    }
    offset += long(index) * axes.strides[axis];
    out += long(index) * axes.out_strides[axis];
    index = rest;
  }
  return offset;
}

inline long kept_offset(constant ReduceAxes& axes, ulong index, thread long& out) {
  return offset_in(axes, 0, axes.kept, index, out);
}

inline long reduced_offset(constant ReduceAxes& axes, ulong index) {
  if (one_axis) return long(index) * axes.strides[axes.kept];
  long unused;
  return offset_in(axes, axes.kept, axes.reduced, index, unused);
}

/// Elements of type T in memory, accumulated as they are or in a wider type.
template <typename T, typename Acc = T>
struct As {
  using Stored = T;
  using Value = Acc;
  static Acc load(T x) { return Acc(x); }
  static T store(Acc x) { return T(x); }
};

/// Floating-point elements as unsigned numbers in the same order, NaN above all others: a maximum of these is
/// exact for denormals too, which comparisons may take for 0, and NaN stays. -inf is 0.
template <typename T>
struct Ordered {
  using Stored = T;
  using Value = uint;
  static uint load(T x) {
    const int bits = bits_of(x);
    return uint(bits ^ ((bits >> 31) & 0x7fffffff)) - minus_infinity;
  }
  static T store(uint key) {
    const int bits = int(key + minus_infinity);
    return from_bits(bits ^ ((bits >> 31) & 0x7fffffff), T(0));
  }

 private:
  static constexpr constant uint minus_infinity = 0x807fffff;
  static int bits_of(float x) { return as_type<int>(x); }
  static int bits_of(half x) { return as_type<int>(float(x)); }
  static int bits_of(BFloat16 x) { return int(uint(::bits_of(x)) << 16); }
  static float from_bits(int bits, float) { return as_type<float>(bits); }
  static half from_bits(int bits, half) { return half(as_type<float>(bits)); }
  static BFloat16 from_bits(int bits, BFloat16) { return bfloat16_of_bits(ushort(uint(bits) >> 16)); }
};

template <typename T>
T divided(T total, float) {
  return total;
}
inline float divided(float total, float divisor) {
  return divisor == 1 ? total : precise::divide(total, divisor);
}

template <typename In>
vec<typename In::Value, 4> four(device const typename In::Stored* x, long stride) {
  return {In::load(x[0]), In::load(x[stride]), In::load(x[2 * stride]), In::load(x[3 * stride])};
}

/// What `lane` of `lanes` reduces of a run.
template <typename Op, typename In>
vec<typename In::Value, 4> run(device const typename In::Stored* x, uint length, long stride, uint lane,
                               uint lanes) {
  using Acc = typename In::Value;
  const Op op;
  vec<Acc, 4> total[4];
  for (uint k = 0; k < 4; ++k) total[k] = vec<Acc, 4>(Op::template neutral<Acc>());
  const uint step = 4 * lanes;
  const long hop = unit_stride ? 1 : stride;
  uint i = 4 * lane;
  for (; i + 3 * step + 4 <= length; i += 4 * step) {
    for (uint k = 0; k < 4; ++k) total[k] = op(total[k], four<In>(x + long(i + k * step) * hop, hop));
  }
  for (; i + 4 <= length; i += step) total[0] = op(total[0], four<In>(x + long(i) * hop, hop));
  for (; i < length; ++i) total[1].x = op(total[1].x, In::load(x[long(i) * hop]));
  return op(op(total[0], total[1]), op(total[2], total[3]));
}

/// The same over repeats [first, last) of the run, every `step`th from `first + start` on.
template <typename Op, typename In>
typename In::Value runs(device const typename In::Stored* x, constant ReduceRowParams& params, uint length,
                        ulong first, ulong last, uint start, uint step, uint lane, uint lanes) {
  using Acc = typename In::Value;
  const Op op;
  if (params.repeats == 1) {
    // Whole lines of 128 bytes for each.
    const uint part = (length / step + 31) & ~31u;
    const uint begin = min(length, start * part);
    const uint size = start + 1 < step ? min(part, length - begin) : length - begin;
    return combined<Op>(run<Op, In>(x + long(begin) * params.stride, size, params.stride, lane, lanes));
  }
  vec<Acc, 4> total(Op::template neutral<Acc>());
  // In blocks: chains of additions stay short.
  for (ulong block = first + start; block < last; block += 32 * step) {
    vec<Acc, 4> part(Op::template neutral<Acc>());
    const ulong end = min(last, block + 32 * step);
    for (ulong repeat = block; repeat < end; repeat += step)
      part =
          op(part, run<Op, In>(x + reduced_offset(params.axes, repeat), length, params.stride, lane, lanes));
    total = op(total, part);
  }
  return combined<Op>(total);
}

template <typename In, typename Out, typename Op>
[[kernel, max_total_threads_per_threadgroup(REDUCE_SIMD_THREADS)]] void row_simd(
    device const typename In::Stored* x [[buffer(0)]], device typename Out::Stored* out [[buffer(1)]],
    constant ReduceRowParams& params [[buffer(2)]], uint2 group [[threadgroup_position_in_grid]],
    uint2 groups [[threadgroups_per_grid]], uint thread_index [[thread_index_in_threadgroup]],
    uint2 threads [[threads_per_threadgroup]]) {
  const ulong row =
      (group.x + ulong(groups.x) * group.y) * (threads.x / row_lanes) + thread_index / row_lanes;
  const bool exists = row < params.rows;
  const uint lane = thread_index % row_lanes;
  long unused;
  typename In::Value total =
      runs<Op, In>(x + (exists ? kept_offset(params.axes, row, unused) : 0), params,
                   exists ? params.length_per_split : 0, 0, params.repeats, 0, 1, lane, row_lanes);
  total = across_lanes<Op>(total, row_lanes);
  if (exists && lane == 0) out[row] = Out::store(divided(total, params.divisor));
}

template <typename In, typename Out, typename Op>
[[kernel, max_total_threads_per_threadgroup(REDUCE_GROUP_THREADS)]] void row_group(
    device const typename In::Stored* x [[buffer(0)]], device typename Out::Stored* out [[buffer(1)]],
    constant ReduceRowParams& params [[buffer(2)]], uint3 group [[threadgroup_position_in_grid]],
    uint3 groups [[threadgroups_per_grid]], uint thread_index [[thread_index_in_threadgroup]],
    uint3 threads [[threads_per_threadgroup]], uint simdgroup [[simdgroup_index_in_threadgroup]],
    uint lane [[thread_index_in_simdgroup]]) {
  threadgroup typename In::Value scratch[max_simdgroups];
  const ulong row = group.y + ulong(groups.y) * group.z;
  if (row >= params.rows) return;
  const uint length_split = group.x % params.length_splits;
  const ulong first = ulong(length_split) * params.length_per_split;
  const uint length = uint(min(ulong(params.length_per_split), params.length - first));
  const ulong first_repeat = (group.x / params.length_splits) * params.repeats_per_split;
  const ulong last_repeat = min(params.repeats, first_repeat + params.repeats_per_split);
  long unused;
  x += kept_offset(params.axes, row, unused) + long(first) * params.stride;
  typename In::Value total =
      runs<Op, In>(x, params, length, first_repeat, last_repeat, thread_index / params.lanes,
                   threads.x / params.lanes, thread_index % params.lanes, params.lanes);
  total = across_threadgroup<Op>(total, scratch, simdgroup, lane, threads.x / simd_width);
  if (thread_index == 0) out[row * groups.x + group.x] = Out::store(divided(total, params.divisor));
}

/// One column for each thread.
template <typename In>
struct Single {
  static constexpr constant uint width = 1;
  using Value = typename In::Value;
  static Value load(device const typename In::Stored* x) { return In::load(x[0]); }
  static typename In::Value element(Value value, uint) { return value; }
};

/// Neighbours.
template <typename In>
struct Wide {
  static constexpr constant uint width = REDUCE_COLUMN_WIDTH;
  using Value = vec<typename In::Value, 4>;
  static Value load(device const typename In::Stored* x) { return four<In>(x, 1); }
  static typename In::Value element(Value value, uint i) { return value[i]; }
};

template <typename Op, typename Columns, typename In, typename Out>
void reduce_columns(device const typename In::Stored* x, device typename Out::Stored* out,
                    constant ReduceColumnParams& params, threadgroup typename Columns::Value* scratch,
                    uint3 group, uint3 groups, uint thread_index, uint threads) {
  using Value = typename Columns::Value;
  const Op op;
  const uint helper = thread_index / params.lanes;
  const uint helpers = threads / params.lanes;
  const ulong unit = (group.x + ulong(groups.x) * group.y) * params.lanes + thread_index % params.lanes;
  const bool exists = unit < params.units;
  const bool is_long = (unit | params.blocks) >> 32 != 0;
  const ulong other = is_long ? unit / params.blocks : ulong(uint(unit) / uint(params.blocks));
  // The last block begins early enough to be whole, and leaves alone what is its neighbour's.
  const ulong own = (unit - other * params.blocks) * Columns::width;
  const ulong column = min(own, params.columns - Columns::width);

  Value total[4];
  for (uint k = 0; k < 4; ++k) total[k] = Value(Op::template neutral<typename In::Value>());
  long out_offset = 0;
  if (exists) {
    x += kept_offset(params.axes, other, out_offset) + long(column) * params.column_stride;
    ulong row = ulong(group.z) * params.rows_per_split;
    const ulong last = min(params.rows, row + params.rows_per_split);
    row += helper;
    for (; row + 3 * helpers < last; row += 4 * helpers) {
      for (uint k = 0; k < 4; ++k)
        total[k] = op(total[k], Columns::load(x + reduced_offset(params.axes, row + k * helpers)));
    }
    for (; row < last; row += helpers)
      total[0] = op(total[0], Columns::load(x + reduced_offset(params.axes, row)));
  }
  Value sum = op(op(total[0], total[1]), op(total[2], total[3]));

  if (helpers > 1) {
    scratch[thread_index] = sum;
    for (uint half_of = helpers / 2; half_of > 0; half_of /= 2) {
      threadgroup_barrier(mem_flags::mem_threadgroup);
      if (helper < half_of) {
        sum = op(sum, scratch[thread_index + half_of * params.lanes]);
        scratch[thread_index] = sum;
      }
    }
  }
  if (exists && helper == 0) {
    out += ulong(group.z) * params.split_stride + out_offset;
    for (uint i = uint(own - column); i < Columns::width; ++i)
      out[long(column + i) * params.column_out_stride] =
          Out::store(divided(Columns::element(sum, i), params.divisor));
  }
}

template <typename In, typename Out, typename Op>
[[kernel, max_total_threads_per_threadgroup(REDUCE_COLUMN_THREADS)]] void column(
    device const typename In::Stored* x [[buffer(0)]], device typename Out::Stored* out [[buffer(1)]],
    constant ReduceColumnParams& params [[buffer(2)]], uint3 group [[threadgroup_position_in_grid]],
    uint3 groups [[threadgroups_per_grid]], uint thread_index [[thread_index_in_threadgroup]],
    uint3 threads [[threads_per_threadgroup]]) {
  threadgroup vec<typename In::Value, 4> scratch[REDUCE_COLUMN_THREADS];
  if (unit_stride)
    reduce_columns<Op, Wide<In>, In, Out>(x, out, params, scratch, group, groups, thread_index, threads.x);
  else
    reduce_columns<Op, Single<In>, In, Out>(x, out, params, (threadgroup typename In::Value*)scratch, group,
                                            groups, thread_index, threads.x);
}

#define KERNEL(op, functor, dtype, variant, function, in, out) \
  template [[host_name(                                        \
      "reduce_" #op "_" #dtype                                 \
      "_" #variant)]] [[kernel]] decltype(function<in, out, functor>) function<in, out, functor>;

#define INSTANTIATE(op, functor, dtype, elements)                      \
  KERNEL(op, functor, dtype, row_simd, row_simd, elements, elements)   \
  KERNEL(op, functor, dtype, row_group, row_group, elements, elements) \
  KERNEL(op, functor, dtype, column, column, elements, elements)

// Where accumulators are not of the element's type, each pass has a kernel.
#define INSTANTIATE_PASSES(op, functor, dtype, elements, accumulators)       \
  INSTANTIATE(op, functor, dtype, elements)                                  \
  KERNEL(op, functor, dtype, row_partial, row_group, elements, accumulators) \
  KERNEL(op, functor, dtype, row_finish, row_group, accumulators, elements)  \
  KERNEL(op, functor, dtype, column_partial, column, elements, accumulators) \
  KERNEL(op, functor, dtype, column_finish, column, accumulators, elements)

using Half = As<half, float>;
using BFloat = As<BFloat16, float>;
using Bool = As<uchar, uint>;

// Unsigned, so that sums wrap around by definition.
INSTANTIATE(sum, Sum, float32, As<float>)
INSTANTIATE_PASSES(sum, Sum, float16, Half, As<float>)
INSTANTIATE_PASSES(sum, Sum, bfloat16, BFloat, As<float>)
INSTANTIATE(sum, Sum, uint32, As<uint>)
INSTANTIATE(sum, Sum, uint64, As<ulong>)

INSTANTIATE_PASSES(max, Max, float32, Ordered<float>, As<uint>)
INSTANTIATE_PASSES(max, Max, float16, Ordered<half>, As<uint>)
INSTANTIATE_PASSES(max, Max, bfloat16, Ordered<BFloat16>, As<uint>)
INSTANTIATE(max, Max, int32, As<int>)
INSTANTIATE(max, Max, int64, As<long>)
INSTANTIATE(max, Max, uint32, As<uint>)
INSTANTIATE_PASSES(max, Max, bool, Bool, As<uint>)
