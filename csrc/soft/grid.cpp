// csrc/soft/grid.cpp: positions and sizes of threadgroups.
#include "soft/grid.h"

#include <limits>
#include <ostream>

#include "soft/error.h"

namespace isometal::soft {
std::ostream& operator<<(std::ostream& out, Size3 size) {
  return out << '(' << size.x << ", " << size.y << ", " << size.z << ')';
}

Grid::Grid(Size3 grid, Size3 threadgroup, bool grid_is_threads)
    : size_{threadgroup.x, threadgroup.y, threadgroup.z}, count_(1) {
  std::uint64_t threads = 1;
  for (const std::uint32_t size : size_) {
    // Capped, so that three large sizes cannot overflow.
    threads = size > kMaxThreads ? kMaxThreads + 1 : threads * size;
    if (threads == 0 || threads > kMaxThreads) {
      throw ValidationError(soft_message("a threadgroup of ", threadgroup, " threads; 1 to ", kMaxThreads,
                                         " threads in all are possible."));
    }
  }
  const std::uint32_t given[3]{grid.x, grid.y, grid.z};
  constexpr std::uint64_t kMax32 = std::numeric_limits<std::uint32_t>::max();
  for (int axis = 0; axis < 3; ++axis) {
    const std::uint64_t size = size_[axis];
    const std::uint64_t groups = grid_is_threads ? (given[axis] + size - 1) / size : given[axis];
    const std::uint64_t in_all = grid_is_threads ? given[axis] : groups * size;
    if (in_all > kMax32) {
      throw ValidationError(
          soft_message("a grid of ", grid, " threadgroups of ", threadgroup,
                       " threads; at most 2^32 - 1 threads in each direction are possible."));
    }
    groups_[axis] = static_cast<std::uint32_t>(groups);
    threads_[axis] = static_cast<std::uint32_t>(in_all);
    last_[axis] = groups == 0 ? 0 : static_cast<std::uint32_t>(in_all - (groups - 1) * size);
    if (groups != 0 && count_ > std::numeric_limits<std::uint64_t>::max() / 2 / groups) {
      throw ValidationError(
          soft_message("a grid of ", grid, "; at most 2^63 threadgroups in all are possible."));
    }
    count_ *= groups;
  }
}

void Grid::describe(abi::Threadgroup& threadgroup) const {
  for (int axis = 0; axis < 3; ++axis) {
    threadgroup.dispatch_size[axis] = size_[axis];
    threadgroup.grid_threads[axis] = threads_[axis];
    threadgroup.grid_threadgroups[axis] = groups_[axis];
  }
  threadgroup.dispatch_simdgroups = simdgroups_of(size_[0] * size_[1] * size_[2]);
}

unsigned Grid::place(std::uint64_t index, abi::Threadgroup& threadgroup) const {
  const std::uint64_t row = index / groups_[0];
  const auto x = static_cast<std::uint32_t>(index % groups_[0]);
  const auto y = static_cast<std::uint32_t>(row % groups_[1]);
  const auto z = static_cast<std::uint32_t>(row / groups_[1]);
  const std::uint32_t position[3]{x, y, z};
  unsigned edges = 0;
  std::uint32_t threads = 1;
  for (unsigned axis = 0; axis < 3; ++axis) {
    const bool edge = position[axis] + 1 == groups_[axis] && last_[axis] != size_[axis];
    threadgroup.position[axis] = position[axis];
    threadgroup.size[axis] = edge ? last_[axis] : size_[axis];
    threads *= threadgroup.size[axis];
    edges |= edge ? 1u << axis : 0u;
  }
  threadgroup.simdgroups = simdgroups_of(threads);
  return edges;
}

}  // namespace isometal::soft
