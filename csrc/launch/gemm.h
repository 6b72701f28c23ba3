// csrc/launch/gemm.h: plans of products of matrices.
#pragma once

#include <array>
#include <string_view>

#include "launch/plan.h"
#include "launch/product.h"

namespace isometal::launch {

/// What a threadgroup makes: m x n elements of out, k at a time.
struct Tile {
  std::string_view name;  ///< of the kernel's variant
  std::int64_t m, n, k;
  std::int64_t simdgroup_rows, simdgroup_columns;
  bool direct;  ///< without threadgroup memory

  std::int64_t simdgroups() const { return simdgroup_rows * simdgroup_columns; }
};

inline constexpr std::array<Tile, 6> kTiles{{
    {"64x64x16", 64, 64, 16, 2, 2, false},
    {"64x32x32", 64, 32, 32, 2, 2, false},
    {"32x32x16", 32, 32, 16, 2, 2, false},
    {"16x64x32", 16, 64, 32, 1, 4, false},
    {"64x16x32", 64, 16, 32, 4, 1, false},
    {"32x32x8_direct", 32, 32, 8, 1, 1, true},
}};

struct GemmChoice {
  const Tile* tile;
  std::int64_t splits;  ///< of k
};

/// The tile and the splits that the cost model finds fastest.
GemmChoice choose_gemm(const Product& product, std::int64_t itemsize, const DeviceTraits& traits);

/// out = a b: operands 0, 1 and 2; a and b are readable. Variants: a tile's name, with "_split" for three
/// splits of k. Results of one dtype are the same bits whatever the tile, and differ with the number of
/// splits.
Plan gemm(DType dtype, const Product& product, const Choice& choice);

/// Adds to `plan` out = sum of `splits` partial results in temporary 0: operands 3 and 2.
void add_sum(Plan& plan, DType dtype, std::int64_t size, std::int64_t splits);

}  // namespace isometal::launch
