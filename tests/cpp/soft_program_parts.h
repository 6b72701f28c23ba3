// tests/cpp/soft_program_parts.h: what the kernel of a random program and its reference must agree on.
#pragma once

#include <cstdint>

#include "soft/executor.h"
#include "soft/random.h"

namespace soft_test {

inline constexpr std::uint32_t kLoopDepth = 4;

inline std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  return isometal::soft::Random::mix(isometal::soft::Random::mix(a + 0x1234567) ^ b);
}

/// Threads of all threadgroups are different ones.
inline std::uint64_t identity(std::uint32_t group, std::uint32_t thread) {
  return std::uint64_t{group} * isometal::soft::kMaxThreads + thread;
}

inline std::uint64_t rounds_of(std::uint64_t salt, bool uniform, std::uint64_t id) {
  return uniform ? 1 + salt % 3 : mix(salt, id) % 4;
}
inline bool returns(std::uint64_t salt, std::uint64_t id) {
  return mix(salt, id) % 8 == 0;
}
inline bool takes_branch(std::uint64_t salt, std::uint64_t accumulator) {
  return mix(salt, accumulator) % 2 == 0;
}

}  // namespace soft_test
