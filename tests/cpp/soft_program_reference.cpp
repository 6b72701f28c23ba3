// tests/cpp/soft_program_reference.cpp: what a random program computes, without sites and without a
// scheduler.
#include <vector>

#include "soft_program.h"
#include "soft_program_parts.h"

namespace soft_test {

/// The threadgroup in lock-step: a statement is done for all threads before the next one is looked at.
struct Program::Reference {
  std::uint32_t group;
  std::vector<std::uint64_t> accumulator;
  std::vector<std::uint64_t> shared;
  std::vector<bool> live;

  using Mask = std::vector<bool>;

  /// Those of `mask` for which `keep` holds and which have not returned.
  template <typename Keep>
  Mask those(const Mask& mask, Keep&& keep) const {
    Mask result = mask;
    for (std::uint32_t i = 0; i < mask.size(); ++i) result[i] = mask[i] && live[i] && keep(i);
    return result;
  }

  void run(const std::vector<Node>& nodes, const Mask& given) {
    for (const Node& node : nodes) {
      const Mask mask = those(given, [](std::uint32_t) { return true; });
      const auto each = [&](auto&& action) {
        for (std::uint32_t i = 0; i < mask.size(); ++i) {
          if (mask[i]) action(i);
        }
      };
      switch (node.kind) {
        case Kind::kWork:
          each([&](std::uint32_t i) { accumulator[i] = mix(node.salt, accumulator[i]); });
          break;
        case Kind::kReturnIf:
          each([&](std::uint32_t i) { live[i] = !returns(node.salt, identity(group, i)); });
          break;
        case Kind::kSum: {
          std::vector<std::uint64_t> sums(isometal::soft::simdgroups_of(isometal::soft::kMaxThreads));
          each([&](std::uint32_t i) { sums[i / abi::kLanes] += accumulator[i]; });
          each([&](std::uint32_t i) {
            accumulator[i] = mix(node.salt, accumulator[i] + sums[i / abi::kLanes]);
          });
          break;
        }
        case Kind::kExchange:
          each([&](std::uint32_t i) { shared[i] = accumulator[i]; });
          each([&](std::uint32_t i) {
            accumulator[i] = mix(accumulator[i], shared[(i + node.salt) % mask.size()]);
          });
          break;
        case Kind::kIf: {
          const auto taken = [&](std::uint32_t i) { return takes_branch(node.salt, accumulator[i]); };
          const Mask then = those(mask, taken);
          const Mask otherwise = those(mask, [&](std::uint32_t i) { return !taken(i); });
          run(node.body, then);
          run(node.other, otherwise);
          break;
        }
        case Kind::kLoop:
          for (std::uint64_t round = 0; round < 4; ++round) {
            run(node.body, those(mask, [&](std::uint32_t i) {
                  return round < rounds_of(node.salt, node.uniform, identity(group, i));
                }));
          }
          break;
      }
    }
  }
};

std::vector<std::uint64_t> Program::expected(std::uint32_t group, std::uint32_t threads) const {
  Reference reference{
      group, {}, std::vector<std::uint64_t>(threads, ~std::uint64_t{0}), std::vector<bool>(threads, true)};
  for (std::uint32_t i = 0; i < threads; ++i) reference.accumulator.push_back(identity(group, i));
  reference.run(nodes_, std::vector<bool>(threads, true));
  return reference.accumulator;
}

}  // namespace soft_test
