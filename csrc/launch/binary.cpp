// csrc/launch/binary.cpp: flat where memory order allows, else by strides.
#include "launch/binary.h"

#include <algorithm>

#include "launch/axes.h"
#include "params/binary.h"

namespace isometal::launch {
namespace {

constexpr std::uint32_t kThreads = 256;
/// As elements_per_thread in metal/common/elementwise.h.
constexpr std::int64_t kBytesPerThread = 16;

KernelName kernel_name(BinaryOp op, DType dtype, std::string_view variant) {
  return KernelName("binary_", kBinaryNames[static_cast<std::size_t>(op)], "_", name(dtype), variant);
}

bool is_scalar(const Walk<2>& walk, std::size_t operand) {
  return walk.axes.empty() || walk.axes[0].strides[operand] == 0;
}

}  // namespace

Plan binary(BinaryOp op, DType dtype, const Layout& a, const Layout& b) {
  Plan plan;
  const std::int64_t size = element_count(a.shape);
  if (size == 0) return plan;
  const Walk<2> walked = walk<2>(a.shape, {&a.strides, &b.strides});
  if (walked.is_flat(0) && walked.is_flat(1)) {
    const std::int64_t threads = ceil_div(size, kBytesPerThread / itemsize(dtype));
    plan.add(Kernel(Family::kBinary, kernel_name(op, dtype, "_flat"))
                 .set(BINARY_A_SCALAR, is_scalar(walked, 0))
                 .set(BINARY_B_SCALAR, is_scalar(walked, 1)))
        .read(0, 0)
        .read(1, 1)
        .write(2, 2)
        .params(3, BinaryFlatParams{static_cast<std::uint64_t>(size)})
        .threadgroups({to_u32(ceil_div(threads, kThreads))}, {kThreads});
    return plan;
  }
  BinaryStridedParams params{};
  params.axes = static_cast<std::uint32_t>(walked.axes.size());
  std::int64_t rest = 1;
  for (std::size_t axis = 0; axis < walked.axes.size(); ++axis) {
    params.shape[axis] = to_u32(walked.axes[axis].size);
    params.a_strides[axis] = walked.axes[axis].strides[0];
    params.b_strides[axis] = walked.axes[axis].strides[1];
    if (axis >= 2) rest *= walked.axes[axis].size;
  }
  const std::uint32_t rows = params.axes > 1 ? params.shape[1] : 1;
  const std::uint32_t across = params.shape[0] < kThreads ? params.shape[0] : kThreads;
  plan.add(Kernel(Family::kBinary, kernel_name(op, dtype, "_strided")))
      .read(0, 0)
      .read(1, 1)
      .write(2, 2)
      .params(3, params)
      .threads({params.shape[0], rows, to_u32(rest)},
               {across, std::max(1U, std::min(rows, kThreads / across)), 1});
  return plan;
}

}  // namespace isometal::launch
