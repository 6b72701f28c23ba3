// tests/cpp/soft_program.h: random programs of nested loops and branches with barriers and simdgroup sums in
// them, as kernels that watch the executor while they run, and as plain recursion that says what must come
// out.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "soft/executor.h"
#include "soft/random.h"

namespace soft_test {

namespace abi = isometal::soft::abi;

/// What the threads of one threadgroup saw, and complain about.
struct Witness {
  std::array<std::uint32_t, isometal::soft::kMaxThreads> arrived{};  ///< at barriers, so often
  std::array<std::uint32_t, isometal::soft::kMaxThreads> passed{};
  std::array<bool, isometal::soft::kMaxThreads> finished{};
  std::uint32_t opened = 0;  ///< barriers that at least one thread has passed
  std::vector<std::string> complaints;

  void complain(std::string what) {
    if (complaints.size() < 4) complaints.push_back(std::move(what));
  }
};

class Program {
 public:
  /// Different for each seed; 2 to 32 sites.
  explicit Program(std::uint64_t seed);
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  isometal::soft::LoadedKernel load() const { return {&code_, "program", {}}; }
  std::uint32_t barriers() const { return barriers_; }

  /// Result of each thread of threadgroup number `group` with `threads` threads, found without any scheduler.
  std::vector<std::uint64_t> expected(std::uint32_t group, std::uint32_t threads) const;

  /// Gives the sites of two branches each other's numbers, against the rule of kernel_abi.h. False if the
  /// program has no two such sites.
  bool swap_two_sites();

  /// Has the executor take barriers for mere joins, while the program goes on to count arrivals.
  void make_barriers_joins();

 private:
  friend class ProgramRegions;

  enum class Kind : std::uint8_t { kWork, kSum, kExchange, kLoop, kIf, kReturnIf };
  struct Node {
    Kind kind;
    std::uint64_t salt;
    bool uniform = false;  ///< of a loop: as many rounds for every thread
    std::vector<Node> body;
    std::vector<Node> other;
  };
  enum class Code : std::uint8_t {
    kWork,
    kAddSum,
    kStore,
    kLoad,
    kArrive,
    kStartLoop,
    kLoop,
    kJump,
    kIf,
    kReturn,
    kReturnIf
  };
  struct Instruction {
    Code code;
    std::uint64_t salt = 0;
    std::uint32_t target = 0;  ///< instruction, or site of kArrive
    std::uint32_t depth = 0;   ///< of a loop
    bool uniform = false;
  };
  struct Reference;

  std::vector<Node> generate(int depth, bool uniform);
  void emit(const std::vector<Node>& nodes, std::uint32_t depth);
  void emit_arrive(abi::SiteKind kind, abi::Operation operation);
  void find_successors();

  isometal::soft::Random random_;
  int sync_budget_ = 0;
  std::uint32_t barriers_ = 0;
  std::vector<Node> nodes_;
  std::vector<Instruction> instructions_;
  std::vector<std::uint32_t> entry_;  ///< of each site: its first instruction
  std::vector<abi::Site> sites_;
  std::vector<abi::Site> broken_sites_;  ///< what the executor sees instead, if anything
  std::vector<std::pair<std::uint16_t, std::uint16_t>> branch_sites_;
  abi::Kernel code_{};
};

/// Memory of a program's dispatch, and what is checked after it.
class ProgramRun {
 public:
  ProgramRun(const Program& program, std::uint32_t groups, std::uint32_t threads);

  /// The program's bindings.
  std::array<void*, abi::kArguments> buffers();

  /// Empty if every result is right and nobody complained; otherwise says what is wrong.
  std::string problem() const;

 private:
  const Program& program_;
  std::uint32_t threads_;
  std::vector<Witness> witnesses_;
  std::vector<std::uint64_t> results_;
};

}  // namespace soft_test
