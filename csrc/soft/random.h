// csrc/soft/random.h: the random numbers of shuffled schedules: the same on every machine for the same seed.
#pragma once

#include <bit>
#include <cstdint>

namespace isometal::soft {

/// SplitMix64: a counter, and a bijective mixer of it.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  /// A generator of its own for part `index` of what `seed` stands for.
  static Random of(std::uint64_t seed, std::uint64_t index) { return Random(mix(mix(seed) + index)); }

  std::uint64_t next() { return mix(state_ += 0x9E3779B97F4A7C15u); }

  /// 0 to `count` - 1, as evenly as a product of 32-bit numbers can be: the bias is below count / 2^32.
  std::uint32_t below(std::uint32_t count) {
    return static_cast<std::uint32_t>((next() >> 32) * count >> 32);
  }

  static std::uint64_t mix(std::uint64_t value) {
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9u;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBu;
    return value ^ (value >> 31);
  }

 private:
  std::uint64_t state_;
};

/// A random order of 0 to `count` - 1 that needs no memory: a Feistel network on the next power of four,
/// whose results beyond `count` are sent through it again.
class Permutation {
 public:
  Permutation(std::uint64_t count, std::uint64_t seed)
      : count_(count),
        seed_(seed),
        half_(static_cast<unsigned>(count < 2 ? 1 : (std::bit_width(count - 1) + 1) / 2)) {}

  std::uint64_t operator()(std::uint64_t index) const {
    do {
      index = encrypt(index);
    } while (index >= count_);
    return index;
  }

 private:
  std::uint64_t encrypt(std::uint64_t index) const {
    const std::uint64_t mask = (std::uint64_t{1} << half_) - 1;
    std::uint64_t left = index >> half_;
    std::uint64_t right = index & mask;
    for (std::uint64_t round = 0; round < 4; ++round) {
      const std::uint64_t mixed = left ^ (Random::mix(Random::mix(seed_ + round) ^ right) & mask);
      left = right;
      right = mixed;
    }
    return left << half_ | right;
  }

  std::uint64_t count_;
  std::uint64_t seed_;
  unsigned half_;  ///< bits of each half
};

}  // namespace isometal::soft
