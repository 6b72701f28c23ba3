// csrc/soft/lanes.h: questions about where the lanes of a simdgroup are, answered for all 32 at once.
#pragma once

#include <bit>
#include <cstdint>

#include "soft/kernel_abi.h"

#if defined(__SSE2__) || defined(_M_X64)
#include <emmintrin.h>
#define ISOMETAL_SOFT_SSE2 1
#endif

namespace isometal::soft {

/// Where each lane goes on: a site, or kFinished.
using Sites = std::uint16_t[abi::kLanes];

/// A bit for every lane that is at `site`.
inline std::uint32_t lanes_at(const Sites& sites, std::uint16_t site) {
#if ISOMETAL_SOFT_SSE2
  const __m128i wanted = _mm_set1_epi16(static_cast<short>(site));
  const auto half = [&](int first) {
    const auto* lanes = reinterpret_cast<const __m128i*>(&sites[first]);
    const __m128i equal = _mm_packs_epi16(_mm_cmpeq_epi16(_mm_loadu_si128(lanes), wanted),
                                          _mm_cmpeq_epi16(_mm_loadu_si128(lanes + 1), wanted));
    return static_cast<std::uint32_t>(_mm_movemask_epi8(equal));
  };
  return half(0) | half(16) << 16;
#else
  std::uint32_t mask = 0;
  for (std::uint32_t lane = 0; lane < abi::kLanes; ++lane) {
    mask |= static_cast<std::uint32_t>(sites[lane] == site) << lane;
  }
  return mask;
#endif
}

/// The smallest site that is at least `floor`; a number beyond all sites if there is none.
inline std::uint16_t earliest(const Sites& sites, std::uint16_t floor) {
  // Below the floor, the difference wraps round to a number larger than that of any site above it.
  std::uint16_t least = abi::kFinished;
  for (const std::uint16_t site : sites) {
    const auto above = static_cast<std::uint16_t>(site - floor);
    least = above < least ? above : least;
  }
  return least >= abi::kSeveral - floor ? abi::kFinished : static_cast<std::uint16_t>(least + floor);
}

inline void move_lanes(Sites& sites, std::uint32_t mask, std::uint16_t site) {
  for (; mask != 0; mask &= mask - 1) sites[std::countr_zero(mask)] = site;
}

/// The first run of neighbouring lanes in `mask`, which it takes out of it.
struct LaneRun {
  std::uint32_t first;
  std::uint32_t count;
};
inline LaneRun take_run(std::uint32_t& mask) {
  const auto first = static_cast<std::uint32_t>(std::countr_zero(mask));
  const auto count = static_cast<std::uint32_t>(std::countr_one(mask >> first));
  // Adding the lowest bit carries through the run; what it carries into was clear before.
  mask &= mask + (1u << first);
  return {first, count};
}

}  // namespace isometal::soft
