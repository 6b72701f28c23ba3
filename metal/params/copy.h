// metal/params/copy.h: what host and shader share of the copy kernels.
#pragma once

#include "params/elementwise.h"

// The tile of a transposed copy, and the rows that a thread of its threadgroup (COPY_TILE, COPY_TILE_ROWS)
// takes.
#define COPY_TILE 32
#define COPY_TILE_ROWS 8

/// `walk` as elsewhere, but that the grid is (tiles along axis 0, tiles along `across`, the other axes as
/// one).
struct CopyTiledParams {
  StridedParams<2> walk;
  uint32_t across;  // the axis, 1 or more, along which the source's neighbours lie
  uint32_t reserved;
};
