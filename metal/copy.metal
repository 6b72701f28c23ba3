// metal/copy.metal: out = x by words of 1, 2, 4 or 8 bytes, whatever they mean.
//
// copy_<word>_strided   Any strides on both sides. A thread takes 16 bytes' worth of elements along axis 0.
//                       grid (axis 0 by the elements of a thread, axis 1, the other axes as one).
// copy_<word>_tiled     For transposes: neighbours of out lie along axis 0, those of x along the axis
//                       `across`. A threadgroup of 32 x 8 takes a tile of 32 x 32: reads rows of x, so that
//                       a simdgroup's lanes read neighbours, and writes columns of the tile, so that they
//                       write neighbours. Rows of the tile are padded to an odd number of 4-byte banks. grid
//                       (tiles along axis 0, tiles along `across`, the other axes as one).
#include <metal_stdlib>

#include "common/elementwise.h"
#include "common/strided.h"
#include "params/copy.h"

using namespace metal;

template <typename T, typename Index>
void copy_stretch(device T* out, device const T* x, constant StridedParams<2>& params, uint3 index) {
  constexpr uint n = elements_per_thread<T>;
  const Stretch<2, Index> s = stretch<2, Index, n>(params, index);
#define ONE(i) out[s.at[0] + along<0>(s.first + i, s.step[0])] = x[s.at[1] + along<1>(s.first + i, s.step[1])]
  if (one_element) {
    ONE(0);
  } else if (s.count == n) {
    UNROLL
    for (uint i = 0; i < n; ++i) ONE(i);
  } else {
    for (uint i = 0; i < s.count; ++i) ONE(i);
  }
#undef ONE
}

template <typename T>
[[kernel]] void copy_strided(device T* out [[buffer(0)]], device const T* x [[buffer(1)]],
                             constant StridedParams<2>& params [[buffer(2)]],
                             uint3 index [[thread_position_in_grid]]) {
  if (strided_wide) {
    copy_stretch<T, long>(out, x, params, index);
  } else {
    copy_stretch<T, int>(out, x, params, index);
  }
}

/// Elements of a tile's row, one word of 4 bytes more than the tile has.
template <typename T>
constexpr constant uint tile_pitch = COPY_TILE + (sizeof(T) < 4 ? 4 / sizeof(T) : 1);

template <typename T, typename Index>
void copy_tile(device T* out, device const T* x, constant CopyTiledParams& params, threadgroup T* tile,
               uint3 group, uint2 lane) {
  constant StridedParams<2>& walk = params.walk;
  const uint across = params.across;
  Index at_out = 0, at_x = 0;
  uint rest = group.z;
  UNROLL
  for (uint axis = 1; axis < strided_axes; ++axis) {
    if (axis == across) continue;
    const uint position = rest % walk.shape[axis];
    rest /= walk.shape[axis];
    at_out += Index(position) * Index(walk.strides[axis][0]);
    at_x += Index(position) * Index(walk.strides[axis][1]);
  }
  const uint column = group.x * COPY_TILE, row = group.y * COPY_TILE;
  const uint columns = min(uint(COPY_TILE), walk.shape[0] - column);
  const uint rows = min(uint(COPY_TILE), walk.shape[across] - row);
  at_x += Index(column) * Index(walk.strides[0][1]) + Index(row) * Index(walk.strides[across][1]);
  at_out += Index(column) * Index(walk.strides[0][0]) + Index(row) * Index(walk.strides[across][0]);
  const Index x_down = Index(walk.strides[0][1]), out_down = Index(walk.strides[across][0]);
  at_x += along<1>(lane.x, Index(walk.strides[across][1]));
  at_out += along<0>(lane.x, Index(walk.strides[0][0]));
  constexpr uint n = COPY_TILE / COPY_TILE_ROWS;
  UNROLL
  for (uint i = 0; i < n; ++i) {
    const uint c = lane.y + i * COPY_TILE_ROWS;
    if (lane.x < rows && c < columns) tile[c * tile_pitch<T> + lane.x] = x[at_x + Index(c) * x_down];
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  UNROLL
  for (uint i = 0; i < n; ++i) {
    const uint r = lane.y + i * COPY_TILE_ROWS;
    if (lane.x < columns && r < rows) out[at_out + Index(r) * out_down] = tile[lane.x * tile_pitch<T> + r];
  }
}

template <typename T>
[[kernel, max_total_threads_per_threadgroup(COPY_TILE* COPY_TILE_ROWS)]] void copy_tiled(
    device T* out [[buffer(0)]], device const T* x [[buffer(1)]],
    constant CopyTiledParams& params [[buffer(2)]], uint3 group [[threadgroup_position_in_grid]],
    uint3 lane [[thread_position_in_threadgroup]]) {
  threadgroup T tile[COPY_TILE * tile_pitch<T>];
  if (strided_wide) {
    copy_tile<T, long>(out, x, params, tile, group, lane.xy);
  } else {
    copy_tile<T, int>(out, x, params, tile, group, lane.xy);
  }
}

#define INSTANTIATE(word, type)                                                                           \
  template                                                                                                \
      [[host_name("copy_" #word "_strided")]] [[kernel]] decltype(copy_strided<type>) copy_strided<type>; \
  template [[host_name("copy_" #word "_tiled")]] [[kernel]] decltype(copy_tiled<type>) copy_tiled<type>;

INSTANTIATE(uint8, uchar)
INSTANTIATE(uint16, ushort)
INSTANTIATE(uint32, uint)
INSTANTIATE(uint64, ulong)
