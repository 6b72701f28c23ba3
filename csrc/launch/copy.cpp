// csrc/launch/copy.cpp: by tiles where both sides have neighbours, but along different axes; else by strides.
#include "launch/copy.h"

#include <cstdlib>

#include "launch/elementwise.h"
#include "params/copy.h"

namespace isometal::launch {
namespace {

std::string_view word(std::int64_t itemsize) {
  switch (itemsize) {
    case 1:
      return "uint8";
    case 2:
      return "uint16";
    case 4:
      return "uint32";
    default:
      return "uint64";
  }
}

/// The axis along which x's elements are closest, where tiles are worth it: it is another than axis 0, and
/// both are long enough to fill a good part of one. 0 if not.
std::size_t axis_across(const Walk<2>& walk, bool forced) {
  std::size_t across = 0;
  for (std::size_t axis = 1; axis < walk.axes.size(); ++axis) {
    const std::int64_t stride = std::abs(walk.axes[axis].strides[1]);
    if (stride == 0) continue;
    if (across == 0 || stride < std::abs(walk.axes[across].strides[1])) across = axis;
  }
  if (across == 0 || forced) return across;
  constexpr std::int64_t kWorth = COPY_TILE / 4;
  const auto& inner = walk.axes[0];
  const auto& other = walk.axes[across];
  const bool worth = inner.size >= kWorth && other.size >= kWorth &&
                     std::abs(inner.strides[1]) >= kWorth * std::abs(other.strides[1]);
  return worth ? across : 0;
}

void add_tiled(Plan& plan, std::int64_t itemsize, const Part<2>& part, std::size_t across, bool wide) {
  const auto& axes = part.walk.axes;
  std::int64_t rest = 1;
  for (std::size_t axis = 1; axis < axes.size(); ++axis) {
    if (axis != across) rest *= axes[axis].size;
  }
  plan.add(Kernel(Family::kCopy, KernelName("copy_", word(itemsize), "_tiled"))
               .set(ELEMENTWISE_WIDE, wide)
               .set(ELEMENTWISE_AXES, static_cast<std::uint32_t>(axes.size()))
               .set(ELEMENTWISE_INNER, inner_kind(axes[0].strides[0]))
               .set(ELEMENTWISE_INNER + 1, inner_kind(axes[across].strides[1])))
      .write(0, 0, part.offsets[0] * itemsize)
      .read(1, 1, part.offsets[1] * itemsize)
      .params(2, CopyTiledParams{strided_params(part.walk), static_cast<std::uint32_t>(across), 0})
      .threadgroups({to_u32(ceil_div(axes[0].size, COPY_TILE)),
                     to_u32(ceil_div(axes[across].size, COPY_TILE)), to_u32(rest)},
                    {COPY_TILE, COPY_TILE_ROWS, 1});
}

}  // namespace

Plan copy(std::int64_t itemsize, const Layout& out, const Layout& x, const Choice& choice) {
  Plan plan;
  if (element_count(x.shape) == 0) return plan;
  const Forced forced(choice);
  const bool force_tiles = Forced::has(choice, "tiled");
  for_each_part(whole<2>(x.shape, {&out, &x}), [&](const Part<2>& part) {
    // A barrier costs more than it saves where threads are lanes of vectors.
    const bool tiles = !forced.strided && !choice.traits.vector_lanes;
    const std::size_t across = force_tiles || tiles ? axis_across(part.walk, force_tiles) : 0;
    if (across != 0) return add_tiled(plan, itemsize, part, across, forced.wide || is_wide(part.walk));
    const KernelName name("copy_", word(itemsize), "_strided");
    plan.dispatches.push_back(
        strided_dispatch(Family::kCopy, name, part.walk, kBytesPerThread / itemsize, choice, 2)
            .write(0, 0, part.offsets[0] * itemsize)
            .read(1, 1, part.offsets[1] * itemsize));
  });
  return plan;
}

}  // namespace isometal::launch
