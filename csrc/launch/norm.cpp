// csrc/launch/norm.cpp: the least team of threads that holds a row in registers.
#include "launch/norm.h"

#include <algorithm>
#include <limits>

#include "params/norm.h"

namespace isometal::launch {
namespace {

constexpr std::int64_t kMax32 = std::numeric_limits<std::uint32_t>::max();
/// Elements of a row that lanes hold as one span.
constexpr std::int64_t kLanesRow = std::int64_t{kSimdWidth} * NORM_VECTOR;
/// Those of a simdgroup: 32 registers of each lane.
constexpr std::int64_t kSimdgroupRow = std::int64_t{kSimdWidth} * NORM_VECTOR * NORM_MAX_CHUNKS;
/// Those of a threadgroup: 16 of each thread leave room for 1024 threads on a core.
constexpr std::int64_t kGroupRow = std::int64_t{NORM_MAX_THREADS} * NORM_VECTOR * NORM_GROUP_CHUNKS;
/// Longer rows are shared by threadgroups where there are no more than that: fewer than the largest GPUs have
/// cores.
constexpr std::int64_t kFewRows = 32;
/// Threads that combine the parts of a row.
constexpr std::uint32_t kCombineThreads = 256;

enum class Variant : std::uint8_t { kLanes, kSimdgroup, kRegister, kLoop, kSplit };

Variant variant_of(std::int64_t rows, std::int64_t size, std::string_view forced) {
  const bool splits = rows <= kMax32;
  if (forced == "row_loop") return Variant::kLoop;
  if (forced == "row_split" && splits) return Variant::kSplit;
  if (size > kGroupRow) return rows <= kFewRows && forced.empty() ? Variant::kSplit : Variant::kLoop;
  if (forced == "row_register" || size > kSimdgroupRow) return Variant::kRegister;
  if (forced == "row_simdgroup" || size > kLanesRow) return Variant::kSimdgroup;
  return Variant::kLanes;
}

std::uint32_t type_of(std::optional<DType> dtype) {
  if (!dtype) return NORM_NONE;
  switch (*dtype) {
    case DType::kFloat16:
      return NORM_FLOAT16;
    case DType::kBFloat16:
      return NORM_BFLOAT16;
    default:
      return NORM_FLOAT32;
  }
}

/// Lanes of a row. Short rows share a simdgroup.
std::uint32_t lanes_of(std::int64_t size) {
  std::uint32_t lanes = kSimdWidth;
  while (lanes > 4 && size <= std::int64_t{lanes / 2} * NORM_VECTOR) lanes /= 2;
  return lanes;
}

/// Chunks of a lane: a kernel is made for 1, 2, 3, 4, 6 and 8.
std::uint32_t chunks_of(std::int64_t size) {
  const auto chunks = static_cast<std::uint32_t>(ceil_div(size, kLanesRow));
  return chunks > 4 ? (chunks + 1) / 2 * 2 : chunks;
}

/// Threads of a threadgroup that holds a row or as much of it as it can.
std::uint32_t threads_of(std::int64_t size) {
  return to_u32(
      std::min<std::int64_t>(ceil_div(size, kLanesRow * NORM_GROUP_CHUNKS) * kSimdWidth, NORM_MAX_THREADS));
}

std::vector<Run> row_runs(const Layout& x) {
  return merged_runs({x.shape.begin(), x.shape.end() - 1}, {x.strides.begin(), x.strides.end() - 1});
}

}  // namespace

bool norm_reads(const Layout& x) {
  const std::int64_t count = element_count(x.shape);
  if (count == 0) return true;
  if (x.shape.back() != 1 && x.strides.back() != 1) return false;
  return count / x.shape.back() <= kMax32 || is_contiguous(x);
}

Plan norm(NormOp op, DType dtype, const Layout& x, std::optional<DType> weight, std::optional<DType> bias,
          float eps, const Choice& choice) {
  Plan plan;
  const std::int64_t count = element_count(x.shape);
  if (count == 0) return plan;
  const std::int64_t size = x.shape.back();
  const std::int64_t rows = count / size;
  NormParams params{};
  params.rows = static_cast<std::uint64_t>(rows);
  params.size = static_cast<std::uint64_t>(size);
  params.eps = eps;
  const std::vector<Run> runs = row_runs(x);
  const bool strided = !runs.empty() && (runs.size() > 1 || runs[0].stride != size);
  if (strided) {
    params.axes = static_cast<std::uint32_t>(runs.size());
    for (std::size_t axis = 0; axis < runs.size(); ++axis) {
      const Run& run = runs[runs.size() - 1 - axis];
      params.shape[axis] = to_u32(run.size);
      params.strides[axis] = run.stride;
    }
  }

  const std::string_view op_name = op == NormOp::kRms ? "rms_norm" : "layer_norm";
  const auto kernel = [&](std::string_view variant) {
    Kernel made(Family::kNorm, KernelName("norm_", op_name, "_", name(dtype), variant));
    return made.set(NORM_WEIGHT, type_of(weight)).set(NORM_BIAS, type_of(bias)).set(NORM_STRIDED, strided);
  };
  const auto whole = [&](const Kernel& with, Size3 groups, Size3 threads) -> Dispatch& {
    Dispatch& dispatch = plan.add(with).read(0, 0);
    if (weight) dispatch.read(1, 1);
    if (bias) dispatch.read(2, 2);
    return dispatch.write(3, 3).params(4, params).threadgroups(groups, threads);
  };
  switch (variant_of(rows, size, choice.forced)) {
    case Variant::kLanes: {
      const std::uint32_t lanes = lanes_of(size);
      const std::int64_t simdgroups = ceil_div(rows, std::int64_t{kSimdWidth / lanes} * NORM_LANE_ROWS);
      const std::int64_t in_group = std::min<std::int64_t>(simdgroups, NORM_MAX_SIMDGROUPS);
      Kernel made = kernel("_row_lanes");
      whole(made.set(NORM_LANES, lanes), groups_for(ceil_div(simdgroups, in_group)),
            {to_u32(in_group * kSimdWidth)});
      break;
    }
    case Variant::kSimdgroup: {
      const std::int64_t in_group = std::min<std::int64_t>(rows, NORM_MAX_SIMDGROUPS);
      Kernel made = kernel("_row_simdgroup");
      whole(made.set(NORM_CHUNKS, chunks_of(size)), groups_for(ceil_div(rows, in_group)),
            {to_u32(in_group * kSimdWidth)});
      break;
    }
    case Variant::kRegister:
      whole(kernel("_row_register"), groups_for(rows), {threads_of(size)});
      break;
    case Variant::kLoop:
      whole(kernel("_row_loop"), groups_for(rows), {NORM_MAX_THREADS});
      break;
    default: {  // kSplit
      const Size3 threads{threads_of(size)};
      const std::int64_t parts = ceil_div(size, std::int64_t{threads.x} * NORM_VECTOR * NORM_GROUP_CHUNKS);
      params.parts = to_u32(parts);
      const Size3 grid{params.parts, to_u32(rows)};
      plan.temporaries = {rows * parts * NORM_PART_BYTES, rows * NORM_PART_BYTES};
      constexpr std::uint8_t kParts = 4, kRows = 5;
      Kernel statistics(Family::kNorm,
                        KernelName("norm_", op_name, "_", name(dtype), "_row_split_statistics"));
      plan.add(statistics.set(NORM_STRIDED, strided))
          .read(0, 0)
          .write(1, kParts)
          .params(4, params)
          .threadgroups(grid, threads);
      plan.add(Kernel(Family::kNorm, KernelName("norm_", op_name, "_row_split_combine")))
          .read(0, kParts)
          .write(1, kRows)
          .params(4, params)
          .threadgroups({to_u32(rows)}, {kCombineThreads});
      whole(kernel("_row_split_apply"), grid, threads).read(5, kRows);
      break;
    }
  }
  return plan;
}

}  // namespace isometal::launch
