// csrc/launch/rope.cpp: angles of a position in fixed point, and heads shared out to threads.
#include "launch/rope.h"

#include <algorithm>
#include <cmath>

#include "params/rope.h"

namespace isometal::launch {
namespace {

constexpr std::uint32_t kThreads = 256;
/// Heads that share sine and cosine, as long as that leaves threads enough for a large GPU.
constexpr std::int64_t kHeadsPerThread = 8, kEnoughThreads = 16384;

/// 1 / (2 pi) as the sum of two doubles.
constexpr double kTurn0 = 0x1.45f306dc9c883p-3, kTurn1 = -0x1.6b01ec5417056p-57;

/// A sum of two numbers, the second no more than a rounding of the first.
struct Wide {
  double high, low;
};

/// a / (2 pi).
Wide in_turns(Wide a) {
  const double high = a.high * kTurn0;
  return {high, std::fma(a.high, kTurn0, -high) + a.high * kTurn1 + a.low * kTurn0};
}

Wide product(double a, double b) {
  const double high = a * b;
  return {high, std::fma(a, b, -high)};
}

/// Modulo 1 in units of 2^-64, exact but for what is smaller than that. 0 where it is not finite.
std::uint64_t fixed_point(double value) {
  if (!std::isfinite(value)) return 0;
  int exponent = 0;
  const double fraction = std::frexp(std::fabs(value), &exponent);
  const auto mantissa = static_cast<std::uint64_t>(std::ldexp(fraction, 53));
  const int shift = exponent - 53 + 64;
  std::uint64_t magnitude = 0;
  if (shift >= 0 && shift < 64) magnitude = mantissa << shift;
  if (shift < 0 && shift > -64) magnitude = mantissa >> -shift;
  return value < 0 ? 0 - magnitude : magnitude;
}

/// What turns are made of. The last few tables are kept: a model asks for the same ones layer after layer.
struct Table {
  double base = 0, scale = 0;
  std::int64_t dims = 0;
  std::vector<std::uint64_t> turns;
};

const std::vector<std::uint64_t>& turns_of(const Rope& rope) {
  thread_local std::array<Table, 4> tables;
  thread_local std::size_t oldest = 0;
  for (const Table& table : tables) {
    if (table.base == rope.base && table.scale == rope.scale && table.dims == rope.dims) return table.turns;
  }
  Table& table = tables[oldest];
  oldest = (oldest + 1) % tables.size();
  table = {};
  for (std::int64_t pair = 0; pair < rope.dims / 2; ++pair) {
    const double inverse =
        std::pow(rope.base, -2.0 * static_cast<double>(pair) / static_cast<double>(rope.dims));
    const Wide turns = in_turns(product(rope.scale, inverse));
    table.turns.push_back(fixed_point(turns.high) + fixed_point(turns.low));
  }
  table.base = rope.base;
  table.scale = rope.scale;
  table.dims = rope.dims;
  return table.turns;
}

/// Pairs of a thread: what is loaded at once has 8 bytes, or up to 16 where both of a pair are neighbours.
std::uint32_t vector_of(std::int64_t pairs, const Rope& rope, DType dtype, std::string_view forced) {
  std::uint32_t wanted = itemsize(dtype) == 4 || rope.traditional ? 2 : 4;
  if (forced == "vector_1") wanted = 1;
  if (forced == "vector_2") wanted = 2;
  if (forced == "vector_4") wanted = 4;
  while (pairs % wanted != 0) wanted /= 2;
  return wanted;
}

/// All axes but the last two: those that lie evenly in the innermost places are the heads of a thread.
void set_axes(RopeParams& params, const Layout& x, bool has_offsets) {
  const std::ptrdiff_t kept = has_offsets ? 1 : 0;
  std::vector<Run> runs = merged_runs({x.shape.begin() + kept, x.shape.end() - 2},
                                      {x.strides.begin() + kept, x.strides.end() - 2});
  if (runs.empty()) runs.push_back({1, 0});
  params.heads = to_u32(runs.back().size);
  params.head_stride = runs.back().stride;
  runs.pop_back();
  std::int64_t per_batch = 1;
  for (; !runs.empty(); runs.pop_back()) {
    per_batch *= runs.back().size;
    params.shape[params.axes] = to_u32(runs.back().size);
    params.strides[params.axes++] = runs.back().stride;
  }
  params.axes_per_batch = to_u32(per_batch);
  if (has_offsets) {
    params.shape[params.axes] = to_u32(x.shape[0]);
    params.strides[params.axes++] = x.strides[0];
  }
}

}  // namespace

Plan rope(const Rope& rope, DType dtype, const Layout& x, const Choice& choice) {
  Plan plan;
  if (element_count(x.shape) == 0) return plan;
  const std::int64_t positions = x.shape[x.shape.size() - 2], features = x.shape.back();
  const std::int64_t half = rope.dims / 2, rest = features - rope.dims;
  RopeParams params{};
  set_axes(params, x, rope.has_offsets);
  params.offset = rope.offset;
  params.position_stride = x.strides[x.shape.size() - 2];
  params.feature_stride = x.strides.back();
  params.positions = to_u32(positions);
  params.features = to_u32(features);
  params.half_dims = to_u32(half);
  std::int64_t others = 1;
  for (std::uint32_t axis = 0; axis < params.axes; ++axis) others *= params.shape[axis];

  const std::vector<std::uint64_t>* turns = nullptr;
  if (rope.has_freqs) {
    const Wide turns_at_1 = in_turns({rope.scale, 0});
    double left = turns_at_1.high;
    for (float& part : params.turns_of_wavelength) {
      part = static_cast<float>(left);
      left -= static_cast<double>(part);
      if (&part == params.turns_of_wavelength) left += turns_at_1.low;
    }
  } else {
    turns = &turns_of(rope);
  }
  // The table bounds the pairs of a dispatch. freqs have no bound.
  const std::int64_t pairs_at_once = rope.has_freqs ? half : std::int64_t{ROPE_TABLE};
  for (std::int64_t first = 0; first < half; first += pairs_at_once) {
    const std::int64_t pairs = std::min(pairs_at_once, half - first);
    const bool last = first + pairs == half;
    const std::uint32_t vector = vector_of(pairs, rope, dtype, choice.forced);
    const std::int64_t columns = pairs / vector;
    const std::int64_t all_columns = columns + (last ? ceil_div(rest, 2 * std::int64_t{vector}) : 0);
    if (turns != nullptr)
      std::copy_n(turns->begin() + static_cast<std::ptrdiff_t>(first), pairs, std::begin(params.turns));
    params.first_pair = to_u32(first);
    params.columns = to_u32(columns);
    std::int64_t heads = std::min<std::int64_t>(kHeadsPerThread, params.heads);
    while (heads > 1 && columns * positions * others * ceil_div(params.heads, heads) < kEnoughThreads)
      heads /= 2;
    params.heads_per_thread = to_u32(heads);
    params.head_groups = to_u32(ceil_div(params.heads, heads));

    const Size3 grid{to_u32(all_columns), to_u32(positions), to_u32(others * params.head_groups)};
    Size3 group{std::min(grid.x, kThreads)};
    group.y = std::min(grid.y, kThreads / group.x);
    group.z = std::min(grid.z, kThreads / (group.x * group.y));
    Kernel kernel(Family::kRope, KernelName("rope_", name(dtype)));
    kernel.set(ROPE_TRADITIONAL, rope.traditional)
        .set(ROPE_FREQS, rope.has_freqs)
        .set(ROPE_OFFSETS, rope.has_offsets)
        .set(ROPE_REST, last && rest > 0)
        .set(ROPE_STRIDED, params.feature_stride != 1)
        .set(ROPE_VECTOR, vector);
    Dispatch& dispatch = plan.add(kernel);
    dispatch.read(0, 0);
    if (rope.has_freqs) dispatch.read(1, 1);
    if (rope.has_offsets) dispatch.read(2, 2);
    dispatch.write(3, 3).params(4, params).threads(grid, group);
  }
  return plan;
}

}  // namespace isometal::launch
