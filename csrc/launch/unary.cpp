// csrc/launch/unary.cpp: flat where memory order allows, else by strides.
#include "launch/unary.h"

#include "launch/elementwise.h"

namespace isometal::launch {
namespace {

/// `kernel` is the name but for the variant.
Plan plan_of(const KernelName& kernel, std::int64_t out_item, std::int64_t x_item, const Layout& out,
             const Layout& x, const Choice& choice) {
  Plan plan;
  const std::int64_t size = element_count(out.shape);
  if (size == 0) return plan;
  const std::int64_t elements = kBytesPerThread / std::max(out_item, x_item);
  Part<2> all = whole<2>(out.shape, {&out, &x});
  const auto& axes = all.walk.axes;
  // One element alone, or neighbours on both sides.
  const bool flat =
      axes.empty() || (axes.size() == 1 && axes[0].strides == std::array<std::int64_t, 2>{1, 1});
  if (flat && !Forced(choice).strided) {
    for_each_flat_part(
        size, elements, choice, [&](std::int64_t first, std::int64_t part, bool one, const Size3& threads) {
          plan.add(Kernel(Family::kUnary, KernelName(kernel.view(), "_flat")).set(ELEMENTWISE_ONE, one))
              .write(0, 0, first * out_item)
              .read(1, 1, first * x_item)
              .params(2, FlatParams{static_cast<std::uint64_t>(part)})
              .threads(threads, {kElementwiseThreads});
        });
    return plan;
  }
  for_each_part(std::move(all), [&](const Part<2>& part) {
    plan.dispatches.push_back(strided_dispatch(Family::kUnary, KernelName(kernel.view(), "_strided"),
                                               part.walk, elements, choice, 2)
                                  .write(0, 0, part.offsets[0] * out_item)
                                  .read(1, 1, part.offsets[1] * x_item));
  });
  return plan;
}

}  // namespace

Plan unary(UnaryOp op, DType dtype, const Layout& out, const Layout& x, const Choice& choice) {
  const KernelName kernel("unary_", kUnaryNames[static_cast<std::size_t>(op)], "_", name(dtype));
  return plan_of(kernel, itemsize(dtype), itemsize(dtype), out, x, choice);
}

Plan convert(DType to, DType from, const Layout& out, const Layout& x, const Choice& choice) {
  return plan_of(KernelName("unary_to_", name(to), "_", name(from)), itemsize(to), itemsize(from), out, x,
                 choice);
}

}  // namespace isometal::launch
