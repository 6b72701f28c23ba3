// csrc/launch/axes.cpp: the order of axes in memory.
#include "launch/axes.h"

#include <algorithm>
#include <cstdlib>

namespace isometal::launch {
namespace {

/// `outer` should come after `inner`, by the operands that tell: those in which neither is repeated. As in
/// NumPy, one that wants them as they are decides.
bool should_swap(std::initializer_list<const Layout*> operands, std::size_t outer, std::size_t inner,
                 bool& known) {
  bool swap = false;
  known = false;
  for (const Layout* layout : operands) {
    const std::int64_t first = std::abs(layout->strides[outer]);
    const std::int64_t second = std::abs(layout->strides[inner]);
    if (first == 0 || second == 0) continue;
    known = true;
    if (second <= first) return false;
    swap = true;
  }
  return swap;
}

}  // namespace

std::optional<Dims> memory_order(const Dims& shape, std::initializer_list<const Layout*> operands) {
  bool contiguous = true;
  for (const Layout* layout : operands) contiguous &= is_contiguous(*layout);
  if (contiguous) return std::nullopt;  // so are those of nothing
  std::vector<std::size_t> order;       // of the axes that have a place
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    if (shape[axis] == 1) continue;
    std::size_t place = order.size();
    for (std::size_t at = order.size(); at-- > 0;) {
      bool known = false;
      if (should_swap(operands, order[at], axis, known)) {
        place = at;
      } else if (known) {
        break;
      }
    }
    order.insert(order.begin() + static_cast<std::ptrdiff_t>(place), axis);
  }
  if (std::is_sorted(order.begin(), order.end())) return std::nullopt;
  Dims result;
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    if (shape[axis] == 1) result.push_back(static_cast<std::int64_t>(axis));
  }
  result.insert(result.end(), order.begin(), order.end());
  return result;
}

}  // namespace isometal::launch
