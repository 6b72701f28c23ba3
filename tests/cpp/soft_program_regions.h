// tests/cpp/soft_program_regions.h: the code of a random program's sites.
#pragma once

#include <array>
#include <cstdint>

#include "soft_kernel.h"
#include "soft_program.h"

namespace soft_test {

/// A region runs the instructions of its site until the next one, and has an eye on the executor.
class ProgramRegions {
 public:
  static constexpr std::size_t kSites = 40;
  static const std::uint64_t kFrameBytes;
  using Table = std::array<abi::Run, kSites>;

  /// The region of each site.
  static Table table();

  /// The operation of a sum: adds up the lanes of `mask`, after a look at who is there and who is not.
  static void sum(void* frame, std::uint32_t mask);

 private:
  template <std::size_t kSite>
  static void run_thread(const Thread& thread) {
    resume(thread, kSite);
  }
  static void resume(const Thread& thread, std::size_t site);
  static void begin(const Thread& thread, const Program& program);
  static void pass(const Thread& thread, Witness& witness);
  static std::uint16_t interpret(const Thread& thread, const Program& program, std::size_t site);
};

}  // namespace soft_test
