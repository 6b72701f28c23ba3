// csrc/launch/binary.cpp: flat where memory order allows, else by strides.
#include "launch/binary.h"

#include "launch/elementwise.h"
#include "params/binary.h"

namespace isometal::launch {
namespace {

KernelName kernel_name(BinaryOp op, DType dtype, std::string_view variant) {
  return KernelName("binary_", kBinaryNames[static_cast<std::size_t>(op)], "_", name(dtype), variant);
}

}  // namespace

Plan binary(BinaryOp op, DType dtype, const Layout& out, const Layout& a, const Layout& b,
            const Choice& choice) {
  Plan plan;
  const std::int64_t size = element_count(out.shape);
  if (size == 0) return plan;
  const std::int64_t item = itemsize(dtype);
  const std::int64_t elements = kBytesPerThread / item;
  Part<3> all = whole<3>(out.shape, {&out, &a, &b});
  if (all.walk.is_flat(0) && all.walk.is_flat(1) && all.walk.is_flat(2) && !Forced(choice).strided) {
    const bool a_scalar = all.walk.axes.empty() || all.walk.axes[0].strides[1] == 0;
    const bool b_scalar = all.walk.axes.empty() || all.walk.axes[0].strides[2] == 0;
    for_each_flat_part(size, elements, choice,
                       [&](std::int64_t first, std::int64_t part, bool one, const Size3& threads) {
                         plan.add(Kernel(Family::kBinary, kernel_name(op, dtype, "_flat"))
                                      .set(ELEMENTWISE_ONE, one)
                                      .set(BINARY_A_SCALAR, a_scalar)
                                      .set(BINARY_B_SCALAR, b_scalar))
                             .write(0, 0, first * item)
                             .read(1, 1, a_scalar ? 0 : first * item)
                             .read(2, 2, b_scalar ? 0 : first * item)
                             .params(3, FlatParams{static_cast<std::uint64_t>(part)})
                             .threads(threads, {kElementwiseThreads});
                       });
    return plan;
  }
  for_each_part(std::move(all), [&](const Part<3>& part) {
    plan.dispatches.push_back(
        strided_dispatch(Family::kBinary, kernel_name(op, dtype, "_strided"), part.walk, elements, choice, 3)
            .write(0, 0, part.offsets[0] * item)
            .read(1, 1, part.offsets[1] * item)
            .read(2, 2, part.offsets[2] * item));
  });
  return plan;
}

}  // namespace isometal::launch
