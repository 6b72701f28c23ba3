// csrc/launch/softmax.cpp: the least team of threads that holds a row in registers; columns where they are
// enough to fill a GPU, since a copy that makes rows of them moves as much as the softmax itself.
#include "launch/softmax.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <optional>

#include "params/softmax.h"

namespace isometal::launch {
namespace {

/// Chunks of a lane that a simdgroup holds: 24 registers for the row, and none need wait for other
/// simdgroups.
constexpr std::int64_t kSimdgroupChunks = 6;
constexpr std::int64_t kChunkRow = std::int64_t{kSimdWidth} * SOFTMAX_VECTOR;
constexpr std::int64_t kSimdgroupRow = kChunkRow * kSimdgroupChunks;
/// Where a threadgroup holds a row: 16 elements leave room for 1024 threads on a core.
constexpr std::int64_t kRegisterChunks = 4;
constexpr std::int64_t kRegisterRow = std::int64_t{SOFTMAX_MAX_THREADS} * SOFTMAX_VECTOR * kRegisterChunks;
/// Rows of a threadgroup where each has a simdgroup.
constexpr std::int64_t kRowsPerGroup = 8;
/// Fewer rows than that are split, if they are long, into so many threadgroups, of as many elements or more.
constexpr std::int64_t kFewRows = 128;
constexpr std::int64_t kManyGroups = 1024;
constexpr std::int64_t kMinPart = 8192;
/// Columns are worth a kernel of their own where they make so many threadgroups, or where the axis is so
/// short.
constexpr std::int64_t kColumnGroups = 32;
constexpr std::int64_t kShortAxis = 1024;
constexpr std::int64_t kMax32 = std::numeric_limits<std::uint32_t>::max();

KernelName kernel_name(DType dtype, std::string_view variant) {
  return KernelName("softmax_", name(dtype), variant);
}

/// The least power of two from `value` on, at most `limit`, which is one.
std::int64_t power_of_two(std::int64_t value, std::int64_t limit) {
  if (value >= limit) return limit;
  return static_cast<std::int64_t>(
      std::bit_ceil(static_cast<std::uint64_t>(std::max<std::int64_t>(value, 1))));
}

/// How threads are laid over columns.
struct Columns {
  std::int64_t width, blocks, units, lanes, helpers;

  Columns(std::int64_t outer, std::int64_t size, std::int64_t columns)
      : width(columns >= SOFTMAX_VECTOR ? SOFTMAX_VECTOR : 1),
        blocks(ceil_div(columns, width)),
        units(outer * blocks),
        lanes(power_of_two(blocks, kSimdWidth)),
        helpers(power_of_two(ceil_div(size, 16), SOFTMAX_COLUMN_THREADS / lanes)) {
    lanes = power_of_two(units, SOFTMAX_COLUMN_THREADS / helpers);
  }
  std::int64_t groups() const { return ceil_div(units, lanes); }
};

/// x with the axes from `kept` on as one, the last; nullopt where they are not contiguous.
std::optional<Layout> as_rows(const Layout& x, std::size_t kept, std::int64_t size) {
  const Dims shape(x.shape.begin() + static_cast<std::ptrdiff_t>(kept), x.shape.end());
  const Dims strides(x.strides.begin() + static_cast<std::ptrdiff_t>(kept), x.strides.end());
  const std::vector<Run> runs = merged_runs(shape, strides);
  if (runs.size() > 1 || (runs.size() == 1 && runs[0].stride != 1)) return std::nullopt;
  Layout rows;
  // As few axes as can be: with one more than x has, they would be too many.
  for (const Run& run :
       merged_runs({x.shape.begin(), x.shape.begin() + static_cast<std::ptrdiff_t>(kept)},
                   {x.strides.begin(), x.strides.begin() + static_cast<std::ptrdiff_t>(kept)})) {
    rows.shape.push_back(run.size);
    rows.strides.push_back(run.stride);
  }
  if (element_count(rows.shape) > kMax32 && !is_contiguous(x)) return std::nullopt;
  rows.shape.push_back(size);
  rows.strides.push_back(1);
  return rows;
}

Dispatch& add_rows(Plan& plan, DType dtype, std::string_view variant, const SoftmaxRowParams& params) {
  return plan.add(Kernel(Family::kSoftmax, kernel_name(dtype, variant)).set(SOFTMAX_STRIDED, params.axes > 0))
      .params(2, params);
}

}  // namespace

SoftmaxForm softmax_form(const Layout& x, const Dims& axes, const Choice& choice) {
  const auto is_reduced = [&](std::size_t axis) {
    return std::binary_search(axes.begin(), axes.end(), static_cast<std::int64_t>(axis));
  };
  SoftmaxForm form;
  // Behind the last axis that is reduced, and before the first; axes of size 1 do not matter.
  std::size_t end = 0, begin = x.shape.size();
  for (std::size_t axis = 0; axis < x.shape.size(); ++axis) {
    if (!is_reduced(axis) || x.shape[axis] == 1) continue;
    form.size *= x.shape[axis];
    end = axis + 1;
    begin = std::min(begin, axis);
  }
  if (end == 0) begin = end = x.shape.size();
  bool together = true;
  for (std::size_t axis = 0; axis < x.shape.size(); ++axis) {
    if (axis < begin) form.outer *= x.shape[axis];
    if (axis >= end) form.columns *= x.shape[axis];
    if (axis >= begin && axis < end && x.shape[axis] != 1) together = together && is_reduced(axis);
  }
  if (together && form.columns == 1) {
    if (std::optional<Layout> rows = as_rows(x, begin, form.size)) {
      form.rows = std::move(*rows);
      return form;
    }
  }
  if (together && form.columns > 1 && is_contiguous(x) && !choice.forced.starts_with("row")) {
    const Columns columns(form.outer, form.size, form.columns);
    if (choice.forced == "column" || form.size <= kShortAxis || columns.groups() >= kColumnGroups) {
      form.way = SoftmaxForm::Way::kColumns;
      return form;
    }
  }
  form.way = SoftmaxForm::Way::kCopied;
  form.outer = element_count(x.shape) / form.size;
  form.columns = 1;
  for (const bool reduced : {false, true}) {
    for (std::size_t axis = 0; axis < x.shape.size(); ++axis) {
      if (is_reduced(axis) == reduced) form.order.push_back(static_cast<std::int64_t>(axis));
    }
  }
  return form;
}

Plan softmax_rows(DType dtype, const Layout& x, const Choice& choice) {
  Plan plan;
  const std::int64_t count = element_count(x.shape);
  if (count == 0) return plan;
  const std::int64_t size = x.shape.back();
  const std::int64_t rows = count / size;
  SoftmaxRowParams params{};
  params.rows = static_cast<std::uint64_t>(rows);
  params.size = params.part = static_cast<std::uint64_t>(size);
  params.parts = 1;
  const std::vector<Run> runs =
      merged_runs({x.shape.begin(), x.shape.end() - 1}, {x.strides.begin(), x.strides.end() - 1});
  if (!runs.empty() && (runs.size() > 1 || runs[0].stride != size)) {
    params.axes = static_cast<std::uint32_t>(runs.size());
    for (std::size_t axis = 0; axis < runs.size(); ++axis) {
      const Run& run = runs[runs.size() - 1 - axis];
      params.shape[axis] = to_u32(run.size);
      params.strides[axis] = run.stride;
    }
  }

  const std::string_view forced = choice.forced;
  const bool long_row = size > kRegisterRow || forced == "row_loop" || forced == "row_split";
  if (!long_row && (size > kSimdgroupRow || forced == "row_register")) {
    const std::int64_t threads = ceil_div(size, kChunkRow * kRegisterChunks) * kSimdWidth;
    Dispatch& dispatch = add_rows(plan, dtype, "_row_register", params);
    dispatch.kernel.set(SOFTMAX_CHUNKS, static_cast<std::uint32_t>(kRegisterChunks));
    dispatch.read(0, 0).write(1, 1).threadgroups(groups_for(rows), {to_u32(threads)});
    return plan;
  }
  if (!long_row) {
    // A kernel is made for 1, 2, 3, 4 and 6 chunks.
    std::int64_t chunks = ceil_div(size, kChunkRow);
    if (chunks == 5) chunks = kSimdgroupChunks;
    const std::int64_t in_group = std::min(rows, kRowsPerGroup);
    Dispatch& dispatch = add_rows(plan, dtype, "_row_simdgroup", params);
    dispatch.kernel.set(SOFTMAX_CHUNKS, static_cast<std::uint32_t>(chunks));
    dispatch.read(0, 0).write(1, 1).threadgroups(groups_for(ceil_div(rows, in_group)),
                                                 {to_u32(in_group * kSimdWidth)});
    return plan;
  }
  const bool splits = forced == "row_split" || (forced != "row_loop" && rows < kFewRows);
  if (!splits || rows > kMaxGroups) {
    add_rows(plan, dtype, "_row_loop", params)
        .read(0, 0)
        .write(1, 1)
        .threadgroups(groups_for(rows), {SOFTMAX_MAX_THREADS});
    return plan;
  }
  const std::int64_t wanted = forced == "row_split" ? 3 : ceil_div(kManyGroups, rows);
  std::int64_t part = ceil_div(ceil_div(size, wanted), SOFTMAX_VECTOR) * SOFTMAX_VECTOR;
  if (forced.empty()) part = std::max(part, kMinPart);
  params.part = static_cast<std::uint64_t>(part);
  params.parts = to_u32(ceil_div(size, part));
  plan.temporaries.push_back(rows * params.parts * std::int64_t{2 * sizeof(float)});
  const Size3 grid{params.parts, to_u32(rows)};
  add_rows(plan, dtype, "_row_part", params)
      .read(0, 0)
      .write(1, 2)
      .threadgroups(grid, {SOFTMAX_PART_THREADS});
  add_rows(plan, dtype, "_row_finish", params)
      .read(0, 0)
      .read(1, 2)
      .write(3, 1)
      .threadgroups(grid, {SOFTMAX_PART_THREADS});
  return plan;
}

Plan softmax_columns(DType dtype, std::int64_t outer, std::int64_t size, std::int64_t columns) {
  Plan plan;
  if (outer == 0 || size == 0 || columns == 0) return plan;
  const Columns threads(outer, size, columns);
  SoftmaxColumnParams params{};
  params.units = static_cast<std::uint64_t>(threads.units);
  params.size = static_cast<std::uint64_t>(size);
  params.columns = static_cast<std::uint64_t>(columns);
  params.blocks = to_u32(threads.blocks);
  params.lanes = to_u32(threads.lanes);
  plan.add(Kernel(Family::kSoftmax, kernel_name(dtype, "_column")).set(SOFTMAX_WIDE, threads.width > 1))
      .read(0, 0)
      .write(1, 1)
      .params(2, params)
      .threadgroups(groups_for(threads.groups()), {to_u32(threads.lanes * threads.helpers)});
  return plan;
}

}  // namespace isometal::launch
