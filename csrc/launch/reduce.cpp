// csrc/launch/reduce.cpp: rows where the nearest neighbours are reduced, columns where they are kept; two
// passes where outputs are too few to fill a GPU or an output has too many elements for one threadgroup.
#include "launch/reduce.h"

#include <algorithm>
#include <bit>
#include <cstdlib>

#include "params/reduce.h"

namespace isometal::launch {
namespace {

/// Elements that 16 accumulators of each of 1024 threads take with chains of 16 additions, which leave a sum
/// of equal numbers within 1e-6.
constexpr std::int64_t kMaxPerGroup = 1 << 18;
/// Elements that are worth a threadgroup where outputs alone are too few for the GPU.
constexpr std::int64_t kMinPerSplit = 1 << 15;
/// As many threadgroups fill the largest GPU: 76 cores with 3072 threads each, in threadgroups of 256.
constexpr std::int64_t kManyGroups = 1024;
/// Elements of an output that a simdgroup takes, and those that it takes where outputs are many.
constexpr std::int64_t kSimdgroup = 2048, kSimdgroupOfMany = 8192;
/// Outputs that fill a GPU even if only the lanes of one line of memory work at each.
constexpr std::int64_t kManyRows = 8192;
/// Bytes that a GPU reads at once.
constexpr std::int64_t kLine = 128;
/// Threadgroups that the column kernels fill a GPU with, and the fewest and most rows of a thread. It has 4
/// accumulators for each column.
constexpr std::int64_t kColumnGroups = 128, kMinThreadRows = 32, kMaxThreadRows = 256;
/// Axes are not merged beyond what 32 bits hold.
constexpr std::int64_t kMaxExtent = INT32_MAX;

struct Axis {
  std::int64_t size, stride, out_stride;
};

std::int64_t product(const std::vector<Axis>& axes) {
  std::int64_t result = 1;
  for (const Axis& axis : axes) result *= axis.size;
  return result;
}

/// How far apart neighbours are; what only repeats is further away than anything.
std::int64_t distance(const Axis& axis) {
  return axis.stride == 0 ? INT64_MAX : std::abs(axis.stride);
}

/// x as the fewest axes that are kept and reduced, each from the innermost outwards, in elements.
struct Problem {
  std::vector<Axis> kept, reduced;
  std::int64_t outputs = 1;
  std::int64_t count = 1;  ///< elements of an output
  std::int64_t first = 0;  ///< where x begins once reduced axes run forwards
};

void push(std::vector<Axis>& axes, Axis outer) {
  if (outer.size == 1) return;
  if (!axes.empty()) {
    Axis& inner = axes.back();
    // Outputs are contiguous, so that what merges in x does there.
    if (outer.stride == inner.stride * inner.size &&
        (inner.size == 0 || outer.size <= kMaxExtent / inner.size)) {
      inner.size *= outer.size;
      return;
    }
  }
  axes.push_back(outer);
}

Problem problem(const Layout& x, const Dims& axes) {
  Problem result;
  std::vector<Axis> reduced;
  for (std::size_t i = x.shape.size(); i-- > 0;) {
    const std::int64_t size = x.shape[i], stride = x.strides[i];
    if (!std::binary_search(axes.begin(), axes.end(), static_cast<std::int64_t>(i))) {
      push(result.kept, {size, stride, result.outputs});
      result.outputs *= size;
      continue;
    }
    result.count *= size;
    // The order of the terms is free: forwards, and the nearest first.
    if (size > 0 && stride < 0) result.first += (size - 1) * stride;
    reduced.push_back({size, std::abs(stride), 0});
  }
  std::stable_sort(reduced.begin(), reduced.end(),
                   [](const Axis& a, const Axis& b) { return distance(a) < distance(b); });
  if (result.count == 0) reduced = {{0, 1, 0}};
  for (const Axis& axis : reduced) push(result.reduced, axis);
  return result;
}

void set_axes(ReduceAxes& out, const std::vector<Axis>& kept, const std::vector<Axis>& reduced) {
  out.kept = static_cast<std::uint32_t>(kept.size());
  out.reduced = static_cast<std::uint32_t>(reduced.size());
  std::size_t at = 0;
  for (const auto* axes : {&kept, &reduced}) {
    for (const Axis& axis : *axes) {
      out.shape[at] = &axis == &axes->back() ? 0 : to_u32(axis.size);
      out.strides[at] = axis.stride;
      out.out_strides[at++] = axis.out_stride;
    }
  }
}

std::int64_t power_of_two(std::int64_t value) {
  return static_cast<std::int64_t>(
      std::bit_ceil(static_cast<std::uint64_t>(std::max<std::int64_t>(value, 1))));
}

enum class Pass : std::uint8_t { kOnly, kPartial, kFinish };

/// What is the same for every dispatch of a plan.
struct Request {
  ReduceOp op;
  DType dtype;
  std::int64_t count;  ///< elements of an output

  float divisor(Pass pass) const {
    return op == ReduceOp::kMean && pass != Pass::kPartial ? static_cast<float>(count) : 1.0F;
  }

  /// Bytes of what is between two passes.
  std::int64_t accumulator_size() const { return std::max<std::int64_t>(itemsize(dtype), 4); }
  /// Whether that is of another type than x.
  bool has_accumulators() const {
    return itemsize(dtype) < 4 || (op == ReduceOp::kMax && dtype == DType::kFloat32);
  }
  Kernel kernel(Pass pass, std::string_view shape, std::string_view variant) const {
    // Sums wrap around: signed ones are those of unsigned numbers.
    std::string_view type = name(dtype);
    if (op != ReduceOp::kMax && dtype == DType::kInt32) type = "uint32";
    if (op != ReduceOp::kMax && dtype == DType::kInt64) type = "uint64";
    if (has_accumulators() && pass == Pass::kPartial) variant = "_partial";
    if (has_accumulators() && pass == Pass::kFinish) variant = "_finish";
    return Kernel(Family::kReduce,
                  KernelName("reduce_", op == ReduceOp::kMax ? "max_" : "sum_", type, "_", shape, variant));
  }
};

/// Outputs whose elements are runs, and what of it a kernel for rows is told.
struct Rows {
  std::vector<Axis> kept, repeats;
  Axis run{1, 1, 0};
  std::int64_t outputs = 1, count = 1, repeat_count = 1;

  Rows(std::vector<Axis> the_kept, const std::vector<Axis>& reduced) : kept(std::move(the_kept)) {
    if (!reduced.empty()) {
      run = reduced.front();
      repeats.assign(reduced.begin() + 1, reduced.end());
    }
    outputs = product(kept);
    count = product(reduced);
    repeat_count = product(repeats);
  }

  ReduceRowParams params(const Request& request, Pass pass) const {
    ReduceRowParams result{};
    result.rows = static_cast<std::uint64_t>(outputs);
    result.repeats = result.repeats_per_split = static_cast<std::uint64_t>(repeat_count);
    result.stride = run.stride;
    result.length = static_cast<std::uint64_t>(run.size);
    result.length_splits = 1;
    result.lanes = 1;
    result.divisor = request.divisor(pass);
    set_axes(result.axes, kept, repeats);
    return result;
  }
  /// Threads that read a line of a run together, 4 elements each.
  static std::int64_t line_lanes(std::int64_t size) { return kLine / (4 * size); }
  Kernel& set_constants(Kernel& kernel) const {
    return kernel.set(REDUCE_UNIT_STRIDE, run.stride == 1).set(REDUCE_ONE_AXIS, repeats.size() <= 1);
  }
};

void add_rows_by_simdgroup(Plan& plan, const Request& request, const Rows& rows, std::int64_t offset) {
  // Few numbers of lanes, because each makes a pipeline.
  std::int64_t lanes = rows.outputs >= kManyRows ? Rows::line_lanes(itemsize(request.dtype)) : kSimdWidth;
  if (rows.run.size <= 128) lanes = rows.run.size <= 32 ? 1 : 4;
  Kernel kernel = request.kernel(Pass::kOnly, "row", "_simd");
  rows.set_constants(kernel).set(REDUCE_LANES, static_cast<std::uint32_t>(lanes));
  ReduceRowParams params = rows.params(request, Pass::kOnly);
  params.length_per_split = to_u32(rows.run.size);
  plan.add(kernel)
      .read(0, 0, offset)
      .write(1, 1)
      .params(2, params)
      .threadgroups(groups_for(ceil_div(rows.outputs, REDUCE_SIMD_THREADS / lanes)), {REDUCE_SIMD_THREADS});
}

void add_rows_by_group(Plan& plan, const Request& request, const Rows& rows, std::int64_t offset, Pass pass,
                       std::int64_t splits) {
  ReduceRowParams params = rows.params(request, pass);
  // Repeats are split first, then the runs.
  const std::int64_t repeats = ceil_div(rows.repeat_count, std::min(splits, rows.repeat_count));
  const std::int64_t repeat_splits = ceil_div(rows.repeat_count, repeats);
  params.repeats_per_split = static_cast<std::uint64_t>(repeats);
  // Whole lines of 128 bytes.
  const std::int64_t length_splits = std::max<std::int64_t>(splits / repeat_splits, 1);
  std::int64_t per_split =
      std::max<std::int64_t>(ceil_div(ceil_div(rows.run.size, length_splits), 128) * 128, 1);
  if (length_splits == 1) per_split = std::max<std::int64_t>(rows.run.size, 1);
  params.length_per_split = to_u32(per_split);
  params.length_splits = to_u32(std::max<std::int64_t>(ceil_div(rows.run.size, per_split), 1));

  const std::int64_t in_split = per_split * repeats;
  const std::int64_t threads =
      std::clamp<std::int64_t>(power_of_two(in_split / 256), 64, REDUCE_GROUP_THREADS);
  std::int64_t lanes =
      Rows::line_lanes(pass == Pass::kFinish ? request.accumulator_size() : itemsize(request.dtype));
  if (rows.repeat_count > 1) {
    lanes = std::max(lanes, threads / power_of_two(repeats));
    lanes = std::min(lanes, power_of_two(ceil_div(per_split, 4)));
  }
  params.lanes = static_cast<std::uint32_t>(lanes);
  Kernel kernel = request.kernel(pass, "row", "_group");
  const std::int64_t outer = ceil_div(rows.outputs, kMaxGroups);
  plan.add(rows.set_constants(kernel))
      .read(0, pass == Pass::kFinish ? 2 : 0, offset)
      .write(1, pass == Pass::kPartial ? 2 : 1)
      .params(2, params)
      .threadgroups({to_u32(params.length_splits * repeat_splits), to_u32(std::min(rows.outputs, kMaxGroups)),
                     to_u32(outer)},
                    {static_cast<std::uint32_t>(threads)});
}

/// How many threadgroups to give an output, 1 for one pass.
std::int64_t row_splits(const Rows& rows) {
  if (rows.count <= kMinPerSplit) return 1;
  const std::int64_t wanted = ceil_div(kManyGroups, rows.outputs);
  return std::max(ceil_div(rows.count, kMaxPerGroup), std::min(wanted, ceil_div(rows.count, kMinPerSplit)));
}

void add_rows(Plan& plan, const Request& request, const Rows& rows, std::int64_t offset,
              std::string_view forced) {
  const bool simd = rows.count <= (rows.outputs >= kManyRows ? kSimdgroupOfMany : kSimdgroup) &&
                    (rows.repeat_count == 1 || rows.count <= kSimdgroup / 4);
  if (forced == "row_simd" || (forced.empty() && simd))
    return add_rows_by_simdgroup(plan, request, rows, offset);
  std::int64_t splits = forced == "row_group" ? 1 : row_splits(rows);
  if (forced == "row_split") splits = std::max<std::int64_t>(splits, 3);
  if (splits == 1 || rows.count < 2) return add_rows_by_group(plan, request, rows, offset, Pass::kOnly, 1);
  add_rows_by_group(plan, request, rows, offset, Pass::kPartial, splits);
  splits = plan.dispatches.back().grid.x;
  plan.temporaries.push_back(splits * rows.outputs * request.accumulator_size());
  std::vector<Axis> kept;
  push(kept, {rows.outputs, splits, 1});
  add_rows_by_group(plan, request, Rows(kept, {{splits, 1, 0}}), 0, Pass::kFinish, 1);
}

/// The kept axis along which neighbours lie, the others, and how threads are laid over them.
struct Columns {
  std::vector<Axis> others, rows;
  Axis columns{1, 1, 1};
  std::int64_t outputs = 1, count = 1, width = 1, blocks = 1, units = 1;
  std::int64_t lanes = 1, helpers = 1;

  Columns(std::vector<Axis> kept, std::vector<Axis> reduced)
      : others(std::move(kept)), rows(std::move(reduced)) {
    outputs = product(others);
    count = product(rows);
    if (!others.empty()) {
      const auto nearest = std::min_element(others.begin(), others.end(), [](const Axis& a, const Axis& b) {
        return distance(a) < distance(b);
      });
      columns = *nearest;
      others.erase(nearest);
    }
    width = columns.stride == 1 && columns.size >= REDUCE_COLUMN_WIDTH ? REDUCE_COLUMN_WIDTH : 1;
    blocks = ceil_div(columns.size, width);
    units = blocks * product(others);
    // A simdgroup along the units; where those are too few, the rest of the threadgroup helps with the rows.
    const std::int64_t wanted = std::min<std::int64_t>(power_of_two(units), kSimdWidth);
    helpers = std::min({power_of_two(count / 16), REDUCE_COLUMN_THREADS / wanted,
                        power_of_two(kColumnGroups * REDUCE_COLUMN_THREADS / units)});
    lanes = std::min(power_of_two(units), REDUCE_COLUMN_THREADS / helpers);
  }

  std::int64_t groups() const { return ceil_div(units, lanes); }
  /// How many threadgroups share the rows of a column, 1 for one pass.
  std::int64_t splits() const {
    const std::int64_t wanted =
        std::min(ceil_div(kColumnGroups, groups()), count / (helpers * kMinThreadRows));
    return std::max(ceil_div(count, helpers * kMaxThreadRows), wanted);
  }
};

void add_columns_pass(Plan& plan, const Request& request, const Columns& columns, std::int64_t offset,
                      Pass pass, std::int64_t splits) {
  ReduceColumnParams params{};
  params.rows = static_cast<std::uint64_t>(columns.count);
  params.units = static_cast<std::uint64_t>(columns.units);
  params.split_stride = static_cast<std::uint64_t>(columns.outputs);
  params.column_stride = columns.columns.stride;
  params.column_out_stride = columns.columns.out_stride;
  params.rows_per_split = to_u32(std::max<std::int64_t>(ceil_div(columns.count, splits), 1));
  params.columns = static_cast<std::uint64_t>(columns.columns.size);
  params.blocks = static_cast<std::uint64_t>(columns.blocks);
  params.lanes = static_cast<std::uint32_t>(columns.lanes);
  params.divisor = request.divisor(pass);
  set_axes(params.axes, columns.others, columns.rows);
  const std::int64_t used = std::max<std::int64_t>(ceil_div(columns.count, params.rows_per_split), 1);
  Size3 grid = groups_for(columns.groups());
  grid.z = to_u32(used);
  plan.add(request.kernel(pass, "column", "")
               .set(REDUCE_UNIT_STRIDE, columns.width > 1)
               .set(REDUCE_ONE_AXIS, columns.rows.size() <= 1))
      .read(0, pass == Pass::kFinish ? 2 : 0, offset)
      .write(1, pass == Pass::kPartial ? 2 : 1)
      .params(2, params)
      .threadgroups(grid, {static_cast<std::uint32_t>(columns.lanes * columns.helpers)});
}

void add_columns(Plan& plan, const Request& request, const Columns& columns, std::int64_t offset,
                 std::string_view forced) {
  std::int64_t splits = forced == "column" ? 1 : columns.splits();
  if (forced == "column_split") splits = std::max<std::int64_t>(splits, 3);
  splits = std::min(splits, columns.count);
  if (splits <= 1 || columns.outputs > kMaxExtent)
    return add_columns_pass(plan, request, columns, offset, Pass::kOnly, 1);
  add_columns_pass(plan, request, columns, offset, Pass::kPartial, splits);
  splits = plan.dispatches.back().grid.z;
  plan.temporaries.push_back(splits * columns.outputs * request.accumulator_size());
  std::vector<Axis> kept;
  push(kept, {columns.outputs, 1, 1});
  add_columns_pass(plan, request, Columns(kept, {{splits, columns.outputs, 0}}), 0, Pass::kFinish, 1);
}

}  // namespace

Plan reduce(ReduceOp op, DType dtype, const Layout& x, const Dims& axes, const Choice& choice) {
  Plan plan;
  const Problem found = problem(x, axes);
  if (found.outputs == 0) return plan;
  const Request request{op, dtype, found.count};
  const std::int64_t offset = found.first * itemsize(dtype);
  bool rows = found.kept.empty() || found.count == 0;
  if (!rows && !found.reduced.empty()) {
    std::int64_t nearest = INT64_MAX;
    for (const Axis& axis : found.kept) nearest = std::min(nearest, distance(axis));
    rows = distance(found.reduced.front()) < nearest;
  }
  if (choice.forced.starts_with("row")) rows = true;
  if (choice.forced.starts_with("column")) rows = false;
  if (rows) {
    add_rows(plan, request, Rows(found.kept, found.reduced), offset, choice.forced);
  } else {
    add_columns(plan, request, Columns(found.kept, found.reduced), offset, choice.forced);
  }
  return plan;
}

}  // namespace isometal::launch
