// tests/cpp/soft_parts_test.cpp: the parts under the scheduler: lane masks, random orders, grids, shapes,
// tables.
#include <algorithm>
#include <set>
#include <vector>

#include "check.h"
#include "soft/error.h"
#include "soft/grid.h"
#include "soft/lanes.h"
#include "soft/random.h"
#include "soft/shape.h"
#include "soft_kernel.h"

using namespace isometal::soft;
using soft_test::nothing;
using soft_test::region;
using soft_test::TestKernel;

TEST_CASE(lane_questions_match_a_loop) {
  Random random(1);
  for (int round = 0; round < 2000; ++round) {
    alignas(64) Sites sites;
    const std::uint32_t kinds = 1 + random.below(40);
    for (std::uint16_t& site : sites) {
      site = random.below(4) == 0 ? abi::kFinished : static_cast<std::uint16_t>(random.below(kinds));
    }
    if (round % 50 == 0) sites[random.below(32)] = abi::kSeveral - 1;
    const auto wanted = static_cast<std::uint16_t>(round % 3 == 0 ? abi::kFinished : random.below(kinds));
    const auto floor =
        static_cast<std::uint16_t>(round % 40 == 7 ? abi::kSeveral - 1 : random.below(kinds + 2));
    std::uint32_t mask = 0;
    std::uint16_t least = abi::kFinished;
    for (std::uint32_t lane = 0; lane < 32; ++lane) {
      mask |= sites[lane] == wanted ? 1u << lane : 0;
      if (sites[lane] >= floor && sites[lane] != abi::kFinished) least = std::min(least, sites[lane]);
    }
    CHECK_EQUAL(lanes_at(sites, wanted), mask);
    CHECK_EQUAL(earliest(sites, floor), least);
  }
}

TEST_CASE(runs_of_lanes_cover_a_mask) {
  Random random(2);
  for (int round = 0; round < 2000; ++round) {
    // Few and many bits, and both ends.
    std::uint32_t mask = static_cast<std::uint32_t>(random.next());
    if (round % 3 == 1) mask |= static_cast<std::uint32_t>(random.next());
    if (round == 2) mask = ~0u;
    if (round == 5) mask = 1u << 31;
    const std::uint32_t given = mask;
    std::uint32_t seen = 0;
    std::uint32_t end = 0;
    while (mask != 0) {
      const LaneRun run = take_run(mask);
      if (run.count == 0 || run.first + run.count > 32) break;
      // Not next to the one before, or they would be one.
      CHECK(seen == 0 || run.first > end);
      end = run.first + run.count;
      seen |= (run.count == 32 ? ~0u : (1u << run.count) - 1) << run.first;
    }
    CHECK_EQUAL(seen, given);
  }
}

TEST_CASE(a_permutation_has_every_number_once) {
  for (const std::uint64_t count : {1u, 2u, 3u, 4u, 5u, 16u, 17u, 1000u, 4096u, 5000u}) {
    std::vector<std::uint64_t> orders[2];
    for (std::uint64_t seed = 0; seed < 2; ++seed) {
      const Permutation permutation(count, seed);
      for (std::uint64_t i = 0; i < count; ++i) orders[seed].push_back(permutation(i));
      std::vector<std::uint64_t> sorted = orders[seed];
      std::sort(sorted.begin(), sorted.end());
      bool complete = true;
      for (std::uint64_t i = 0; i < count; ++i) complete = complete && sorted[i] == i;
      CHECK(complete);
    }
    if (count > 10) CHECK(orders[0] != orders[1] && !std::is_sorted(orders[0].begin(), orders[0].end()));
  }
  const Permutation huge(std::uint64_t{1} << 62, 3);
  CHECK(huge(0) < std::uint64_t{1} << 62 && huge(0) != huge(1));
}

TEST_CASE(random_numbers_stay_below_and_reach_all) {
  Random random(3);
  std::vector<int> seen(7);
  for (int i = 0; i < 7000; ++i) ++seen.at(random.below(7));
  CHECK(*std::min_element(seen.begin(), seen.end()) > 800);
}

TEST_CASE(a_grid_of_threads_is_cut_at_its_edges) {
  const Grid grid({70, 5, 3}, {32, 2, 2}, true);
  CHECK_EQUAL(grid.count(), 3u * 3 * 2);
  std::set<std::vector<std::uint32_t>> threads;
  abi::Threadgroup group{};
  grid.describe(group);
  CHECK_EQUAL(group.dispatch_simdgroups, 4u);
  CHECK_EQUAL(group.grid_threads[0], 70u);
  CHECK_EQUAL(group.grid_threadgroups[2], 2u);
  for (std::uint64_t index = 0; index < grid.count(); ++index) {
    const unsigned edges = grid.place(index, group);
    CHECK_EQUAL(edges, (group.position[0] == 2 ? 1u : 0u) | (group.position[1] == 2 ? 2u : 0u) |
                           (group.position[2] == 1 ? 4u : 0u));
    CHECK_EQUAL(group.simdgroups, (group.size[0] * group.size[1] * group.size[2] + 31) / 32);
    for (std::uint32_t z = 0; z < group.size[2]; ++z)
      for (std::uint32_t y = 0; y < group.size[1]; ++y)
        for (std::uint32_t x = 0; x < group.size[0]; ++x)
          threads.insert({group.position[0] * 32 + x, group.position[1] * 2 + y, group.position[2] * 2 + z});
  }
  CHECK_EQUAL(threads.size(), 70u * 5 * 3);
  CHECK(*threads.rbegin() == (std::vector<std::uint32_t>{69, 4, 2}));
}

TEST_CASE(a_grid_of_threadgroups_has_no_edges) {
  const Grid grid({3, 2, 1}, {33, 1, 1}, false);
  CHECK_EQUAL(grid.count(), 6u);
  abi::Threadgroup group{};
  grid.describe(group);
  CHECK_EQUAL(group.grid_threads[0], 99u);
  CHECK_EQUAL(grid.place(5, group), 0u);
  CHECK_EQUAL(group.position[0], 2u);
  CHECK_EQUAL(group.position[1], 1u);
  CHECK_EQUAL(group.size[0], 33u);
  CHECK_EQUAL(Grid({4, 0, 4}, {1, 1, 1}, false).count(), 0u);
  CHECK_EQUAL(Grid({4, 0, 4}, {8, 8, 8}, true).count(), 0u);
}

TEST_CASE(sizes_that_metal_has_not_are_refused) {
  CHECK_THROWS(ValidationError, "a threadgroup of (0, 1, 1) threads", Grid({1, 1, 1}, {0, 1, 1}, false));
  CHECK_THROWS(ValidationError, "1 to 1024 threads", Grid({1, 1, 1}, {32, 33, 1}, false));
  CHECK_THROWS(ValidationError, "1 to 1024 threads", Grid({1, 1, 1}, {65536, 65536, 1}, false));
  CHECK_THROWS(ValidationError, "at most 2^32 - 1 threads", Grid({1u << 31, 1, 1}, {2, 1, 1}, false));
  CHECK_THROWS(ValidationError, "at most 2^63 threadgroups",
               Grid({1u << 31, 1u << 31, 1u << 31}, {1, 1, 1}, false));
  CHECK_EQUAL(Grid({1u << 31, 1u << 31, 1}, {1, 1, 1}, false).count(), std::uint64_t{1} << 62);
}

TEST_CASE(a_shape_covers_its_threads_in_rows) {
  for (const auto& [x, y, z] :
       {Size3{32, 1, 1}, {100, 3, 1}, {7, 5, 3}, {1, 1, 33}, {1024, 1, 1}, {48, 2, 4}}) {
    const std::uint32_t size[3]{x, y, z};
    for (const bool by_simdgroup : {false, true}) {
      const Shape shape(size, by_simdgroup);
      CHECK_EQUAL(shape.threads(), x * y * z);
      std::uint32_t next = 0;
      bool right = true;
      for (const abi::Span& span : shape.spans()) {
        right = right && span.thread == next && span.count > 0;
        right = right && (span.z * y + span.y) * x + span.x == span.thread && span.x + span.count <= x;
        right = right && (!by_simdgroup || span.thread / 32 == (span.thread + span.count - 1) / 32);
        next += span.count;
      }
      CHECK(right && next == x * y * z);
      if (!by_simdgroup) continue;
      std::size_t spans = 0;
      for (std::uint32_t i = 0; i < shape.simdgroups(); ++i) {
        CHECK_EQUAL(shape.spans(i).front().thread, i * 32);
        spans += shape.spans(i).size();
      }
      CHECK_EQUAL(spans, shape.spans().size());
    }
    CHECK_EQUAL(Shape(size, false).spans().size(), y * z);
  }
}

TEST_CASE(kernels_that_break_the_abi_are_refused) {
  using Kind = abi::SiteKind;
  const auto good = [] {
    TestKernel kernel("k");
    kernel.site(Kind::start, region<nothing>, 1).site(Kind::threadgroup, region<nothing>, abi::kFinished);
    return kernel;
  };
  CHECK_EQUAL(good().load().site_name(1), "threadgroup_barrier");
  const auto refused = [&](const std::string& part, auto&& spoil) {
    TestKernel kernel = good();
    spoil(kernel);
    CHECK_THROWS(ValidationError, part, kernel.load());
  };
  CHECK_THROWS(ValidationError, "its address is null", LoadedKernel(nullptr, "k"));
  refused("version 2", [](TestKernel& kernel) { kernel.code().version = 2; });
  refused("frames of 65 bytes", [](TestKernel& kernel) { kernel.frame(65); });
  refused("needs 2147483648 bytes", [](TestKernel& kernel) { kernel.frame(1u << 31); });
  refused("site 1: it has no code", [](TestKernel& kernel) { kernel.sites()[1].run = nullptr; });
  refused("site 1: its kind is 4", [](TestKernel& kernel) { kernel.sites()[1].kind = Kind{4}; });
  refused("site 1: its kind is start", [](TestKernel& kernel) { kernel.sites()[1].kind = Kind::start; });
  refused("site 0: its kind is join", [](TestKernel& kernel) { kernel.sites()[0].kind = Kind::join; });
  refused("site 0: its successor is 2", [](TestKernel& kernel) { kernel.sites()[0].successor = 2; });
  refused("site 1: its successor is 0", [](TestKernel& kernel) { kernel.sites()[1].successor = 0; });
  refused("site 0: it has an operation",
          [](TestKernel& kernel) { kernel.sites()[0].operation = [](void*, std::uint32_t) {}; });
  TestKernel good_kernel = good();
  CHECK_THROWS(ValidationError, "2 sites but 1 names", LoadedKernel(&good_kernel.code(), "k", {"start"}));
  CHECK_THROWS(ValidationError, "has 0 sites", TestKernel("k").load());
  CHECK_THROWS(ValidationError, "its threads can only finish",
               TestKernel("k").site(Kind::start, region<nothing>, abi::kSeveral).load());
}
