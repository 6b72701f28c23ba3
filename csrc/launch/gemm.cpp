// csrc/launch/gemm.cpp: tiles and splits by a cost model; grids and parameters.
#include "launch/gemm.h"

#include <algorithm>
#include <cmath>

#include "params/gemm.h"

namespace isometal::launch {
namespace {

// The model counts cycles of a GPU core. Figures: facts/performance.md, "Apple GPUs".
constexpr double kFlops = 256;        // per cycle; four simdgroups at a time have a quarter each
constexpr double kRunning = 4;        // simdgroups
constexpr double kResident = 24;      // simdgroups with which arithmetic saturates
constexpr double kCoreMemory = 60e3;  // bytes for threadgroups
constexpr double kMatrixShareHalf = 16.0 / 17, kMatrixShareFloat = 16.0 / 18;  // of kFlops
constexpr double kCacheBytes = 64;                                             // per cycle
constexpr double kMemoryBytes = 8;  // per cycle and core: M4 Max, 470 GB/s over 40 cores at 1.5 GHz
constexpr double kDispatch = 750;   // 0.5 us at 1.5 GHz

constexpr std::int64_t kMaxSplits = 32;
constexpr std::int64_t kStepsOfSplit = 4;  // at least
constexpr std::int64_t kMaxPartialBytes = std::int64_t{256} << 20;

/// Part of k for each split but the last: whole steps of a tile.
std::int64_t split_depth(const Product& product, const Tile& tile, std::int64_t splits) {
  return ceil_div(ceil_div(std::max<std::int64_t>(product.k(), 1), splits), tile.k) * tile.k;
}

/// Threadgroups that a core can hold and has use for.
double at_a_time(const Tile& tile, std::int64_t itemsize) {
  const double busy = kResident / static_cast<double>(tile.simdgroups());
  const auto bytes = static_cast<double>((tile.m + tile.n) * (tile.k * itemsize + 16));
  return std::max(1.0, tile.direct ? busy : std::min(busy, kCoreMemory / bytes));
}

double cost(const Product& product, const Tile& tile, std::int64_t splits, std::int64_t itemsize,
            double cores) {
  const auto tiles = static_cast<double>(ceil_div(product.m(), tile.m) * ceil_div(product.n(), tile.n));
  const double groups = tiles * static_cast<double>(splits * product.batch_size);
  const auto steps = static_cast<double>(split_depth(product, tile, splits) / tile.k);
  const double waves = std::ceil(groups / cores);  // threadgroups that a core runs in all
  const auto simdgroups = static_cast<double>(tile.simdgroups());
  const double resident = std::min(waves, at_a_time(tile, itemsize));

  // Of a step, if all simdgroups that a core can run are there.
  const double share = itemsize == 4 ? kMatrixShareFloat : kMatrixShareHalf;
  const double busy = std::min(1.0, resident * simdgroups / kRunning);
  const double math = 2.0 * static_cast<double>(tile.m * tile.n * tile.k) / (kFlops * share * busy);
  // Each simdgroup reads its rows of a and columns of b; staged, each element is read and written once
  // before.
  double elements =
      static_cast<double>((tile.m * tile.simdgroup_columns + tile.n * tile.simdgroup_rows) * tile.k);
  if (!tile.direct) elements += 2.0 * static_cast<double>((tile.m + tile.n) * tile.k);
  const double data = elements * static_cast<double>(itemsize) / kCacheBytes;
  // Several threadgroups work while one waits; a lone one adds up its waits and its work.
  const double step = std::max(math, data) + std::min(math, data) / resident;

  double cycles = waves * steps * step;
  if (splits > 1) {
    const double moved =
        8.0 * static_cast<double>(splits * out_size(product));  // written and read as float32
    cycles += kDispatch + moved / (kMemoryBytes * cores);
  }
  return cycles;
}

bool can_split(const Product& product, const Tile& tile, std::int64_t splits) {
  return split_depth(product, tile, splits) >= kStepsOfSplit * tile.k &&
         out_size(product) <= kMaxPartialBytes / (4 * splits);
}

/// As many splits as there are parts: rounding to whole steps may leave fewer.
std::int64_t used_splits(const Product& product, const Tile& tile, std::int64_t splits) {
  return std::max<std::int64_t>(1, ceil_div(product.k(), split_depth(product, tile, splits)));
}

GemmChoice choose(const Product& product, std::int64_t itemsize, const Choice& choice) {
  for (const Tile& tile : kTiles) {
    if (!choice.forced.starts_with(tile.name)) continue;
    const std::string_view rest = choice.forced.substr(tile.name.size());
    if (rest.empty()) return {&tile, 1};
    if (rest == "_split") return {&tile, used_splits(product, tile, 3)};
  }
  return choose_gemm(product, itemsize, choice.traits);
}

/// Tiles run in bands of so many rows that those which run at a time are about a square: a square reads the
/// fewest rows of a and columns of b.
std::int64_t band_of(const Tile& tile, std::int64_t itemsize, const DeviceTraits& traits) {
  const double tiles = traits.cores * at_a_time(tile, itemsize);
  const double shape = static_cast<double>(tile.n) / static_cast<double>(tile.m);
  return std::max<std::int64_t>(1, std::llround(std::sqrt(tiles * shape)));
}

}  // namespace

GemmChoice choose_gemm(const Product& product, std::int64_t itemsize, const DeviceTraits& traits) {
  GemmChoice best{&kTiles[0], 1};
  double least = 0;
  for (const Tile& tile : kTiles) {
    // Reading past threadgroup memory is for the caches of Apple9.
    if (tile.direct && !traits.dynamic_caching) continue;
    for (std::int64_t splits = 1; splits <= kMaxSplits; splits *= 2) {
      if (splits > 1 && !can_split(product, tile, splits)) break;
      const std::int64_t used = used_splits(product, tile, splits);
      const double cycles = cost(product, tile, used, itemsize, traits.cores);
      if (least > 0 && cycles >= least) continue;
      least = cycles;
      best = {&tile, used};
    }
  }
  return best;
}

Plan gemm(DType dtype, const Product& product, const Choice& choice) {
  Plan plan;
  const auto [tile, splits] = choose(product, itemsize(dtype), choice);
  GemmParams params{};
  params.m = to_extent(product.m());
  params.n = to_extent(product.n());
  params.k = to_extent(product.k());
  params.tiles_m = to_u32(ceil_div(product.m(), tile->m));
  params.tiles_n = to_u32(ceil_div(product.n(), tile->n));
  params.band = std::min(params.tiles_m, to_u32(band_of(*tile, itemsize(dtype), choice.traits)));
  params.split_depth = to_extent(split_depth(product, *tile, splits));
  params.batch_axes = static_cast<std::uint32_t>(product.batch.axes.size());
  const bool a_transposed = !product.a.by_rows(), b_transposed = !product.b.by_rows();
  params.a_pitch = a_transposed ? product.a.column_stride : product.a.row_stride;
  params.b_pitch = b_transposed ? product.b.column_stride : product.b.row_stride;
  for (std::size_t axis = 0; axis < product.batch.axes.size(); ++axis) {
    params.batch_shape[axis] = to_u32(product.batch.axes[axis].size);
    params.a_batch_strides[axis] = product.batch.axes[axis].strides[0];
    params.b_batch_strides[axis] = product.batch.axes[axis].strides[1];
  }
  const bool partial = splits > 1;
  Dispatch& dispatch = plan.add(Kernel(Family::kGemm, KernelName("gemm_", name(dtype), "_", tile->name))
                                    .set(GEMM_A_TRANSPOSED, a_transposed)
                                    .set(GEMM_B_TRANSPOSED, b_transposed)
                                    .set(GEMM_ALIGNED_M, product.m() % tile->m == 0)
                                    .set(GEMM_ALIGNED_N, product.n() % tile->n == 0)
                                    .set(GEMM_ALIGNED_K, product.k() % tile->k == 0)
                                    .set(GEMM_PARTIAL, partial));
  dispatch.read(0, 0)
      .read(1, 1)
      .write(2, partial ? 3 : 2)
      .params(3, params)
      .threadgroups(
          {to_u32(std::int64_t{params.tiles_m} * params.tiles_n), to_u32(splits), to_u32(product.batch_size)},
          {to_u32(tile->simdgroups() * kSimdWidth)});
  if (partial) add_sum(plan, dtype, out_size(product), splits);
  return plan;
}

void add_sum(Plan& plan, DType dtype, std::int64_t size, std::int64_t splits) {
  plan.temporaries.push_back(size * splits * std::int64_t{sizeof(float)});
  plan.add(Kernel(Family::kGemm, KernelName("gemm_sum_", name(dtype))))
      .read(0, 3)
      .write(1, 2)
      .params(2, GemmSumParams{static_cast<std::uint64_t>(size), to_u32(splits), 0})
      .threadgroups({to_u32(ceil_div(size, GEMM_SUM_THREADS))}, {GEMM_SUM_THREADS});
}

}  // namespace isometal::launch
