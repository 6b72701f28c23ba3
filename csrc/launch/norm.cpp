// csrc/launch/norm.cpp: the least team of threads that holds a row in registers.
#include "launch/norm.h"

#include <algorithm>
#include <limits>

#include "params/norm.h"

namespace isometal::launch {
namespace {

constexpr std::int64_t kMaxRow32 = std::numeric_limits<std::uint32_t>::max();
/// Elements of a row that a simdgroup holds, as many as 32 registers of each lane.
constexpr std::int64_t kSimdgroupRow = std::int64_t{kSimdWidth} * NORM_VECTOR * NORM_MAX_CHUNKS;
/// Chunks of a thread where a threadgroup holds a row: 16 elements leave room for 1024 threads on a core.
constexpr std::uint32_t kRegisterChunks = 4;
constexpr std::int64_t kRegisterRow = std::int64_t{NORM_MAX_THREADS} * NORM_VECTOR * kRegisterChunks;
/// Rows of a threadgroup where each has a simdgroup.
constexpr std::int64_t kRowsPerGroup = 8;

enum class Variant : std::uint8_t { kSimdgroup, kRegister, kLoop };

Variant variant_of(std::int64_t size, std::string_view forced) {
  if (forced == "row_loop") return Variant::kLoop;
  if (size > kRegisterRow) return Variant::kLoop;
  if (forced == "row_register" || size > kSimdgroupRow) return Variant::kRegister;
  return Variant::kSimdgroup;
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

/// Chunks of a lane: a kernel is made for 1, 2, 3, 4, 6 and 8.
std::uint32_t chunks_of(std::int64_t size) {
  const auto chunks = static_cast<std::uint32_t>(ceil_div(size, std::int64_t{kSimdWidth} * NORM_VECTOR));
  return chunks > 4 ? (chunks + 1) / 2 * 2 : chunks;
}

/// As many threadgroups as that, in two directions where one is too short.
Size3 groups_for(std::int64_t count) {
  if (count <= kMaxRow32) return {to_u32(count)};
  constexpr std::int64_t kAcross = std::int64_t{1} << 31;
  return {to_u32(kAcross), to_u32(ceil_div(count, kAcross))};
}

std::vector<Run> row_runs(const Layout& x) {
  return merged_runs({x.shape.begin(), x.shape.end() - 1}, {x.strides.begin(), x.strides.end() - 1});
}

}  // namespace

bool norm_reads(const Layout& x) {
  const std::int64_t count = element_count(x.shape);
  if (count == 0) return true;
  if (x.shape.back() != 1 && x.strides.back() != 1) return false;
  return count / x.shape.back() <= kMaxRow32 || is_contiguous(x);
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

  const Variant variant = variant_of(size, choice.forced);
  constexpr std::array<std::string_view, 3> kVariants{"_row_simdgroup", "_row_register", "_row_loop"};
  Kernel kernel(Family::kNorm,
                KernelName("norm_", op == NormOp::kRms ? std::string_view("rms_norm") : "layer_norm", "_",
                           name(dtype), kVariants[static_cast<std::size_t>(variant)]));
  kernel.set(NORM_WEIGHT, type_of(weight)).set(NORM_BIAS, type_of(bias)).set(NORM_STRIDED, strided);
  Size3 groups, threads;
  switch (variant) {
    case Variant::kSimdgroup: {
      const std::int64_t rows_per_group = std::min(rows, kRowsPerGroup);
      kernel.set(NORM_CHUNKS, chunks_of(size));
      groups = groups_for(ceil_div(rows, rows_per_group));
      threads = {kSimdWidth, to_u32(rows_per_group)};
      break;
    }
    case Variant::kRegister: {
      kernel.set(NORM_CHUNKS, kRegisterChunks);
      groups = groups_for(rows);
      const std::int64_t simdgroup_holds = std::int64_t{kSimdWidth} * NORM_VECTOR * kRegisterChunks;
      threads = {to_u32(ceil_div(size, simdgroup_holds) * kSimdWidth)};
      break;
    }
    case Variant::kLoop:
      groups = groups_for(rows);
      threads = {NORM_MAX_THREADS};
      break;
  }
  Dispatch& dispatch = plan.add(kernel);
  dispatch.read(0, 0);
  if (weight) dispatch.read(1, 1);
  if (bias) dispatch.read(2, 2);
  dispatch.write(3, 3).params(4, params).threadgroups(groups, threads);
  return plan;
}

}  // namespace isometal::launch
