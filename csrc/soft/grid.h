// csrc/soft/grid.h: from the sizes of a dispatch to the threadgroups of which it consists.
#pragma once

#include <cstdint>
#include <iosfwd>

#include "soft/kernel_abi.h"

namespace isometal::soft {

struct Size3 {
  std::uint32_t x = 1, y = 1, z = 1;
};
std::ostream& operator<<(std::ostream& out, Size3 size);

inline constexpr std::uint32_t kMaxThreads = 1024;  ///< of a threadgroup, as on Apple GPUs

class Grid {
 public:
  /// `grid` counts threads (dispatchThreads, with smaller threadgroups at the edge) or threadgroups. Throws
  /// ValidationError where a threadgroup is empty or larger than kMaxThreads, or a number overflows.
  Grid(Size3 grid, Size3 threadgroup, bool grid_is_threads);

  /// Threadgroups in the grid; 0 where a size of the grid is 0.
  std::uint64_t count() const { return count_; }

  /// Fills in what is the same for all threadgroups.
  void describe(abi::Threadgroup& threadgroup) const;

  /// Fills in what belongs to threadgroup `index`, counted with x running fastest. Returns which edges of a
  /// non-uniform grid it lies on: bit 0 x, bit 1 y, bit 2 z. Threadgroups of one edge value have one size.
  unsigned place(std::uint64_t index, abi::Threadgroup& threadgroup) const;

 private:
  std::uint32_t threads_[3];
  std::uint32_t groups_[3];
  std::uint32_t size_[3];
  std::uint32_t last_[3];  ///< size of the last threadgroup in each direction
  std::uint64_t count_;
};

/// simdgroups of a threadgroup with so many threads
constexpr std::uint32_t simdgroups_of(std::uint32_t threads) {
  return (threads + abi::kLanes - 1) / abi::kLanes;
}

}  // namespace isometal::soft
