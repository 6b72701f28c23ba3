// tests/cpp/soft_program.cpp: generation of random programs, their regions and their reference.
#include "soft_program.h"

#include <bit>
#include <utility>

#include "soft_kernel.h"

namespace soft_test {
namespace {

using isometal::soft::kMaxThreads;
using isometal::soft::Random;

constexpr std::uint64_t kPoison = ~std::uint64_t{0};
constexpr std::uint64_t kRunning = 0x10000;  ///< in column kAt, beyond all sites
constexpr std::uint32_t kLoopDepth = 4;
enum Column : std::size_t {
  kAccumulator,
  kSum,
  kAt,
  kDone,
  kProgram,
  kRounds,
  kColumns = kRounds + kLoopDepth
};

std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  return Random::mix(Random::mix(a + 0x1234567) ^ b);
}

/// Threads of all threadgroups are different ones.
std::uint64_t identity(std::uint32_t group, std::uint32_t thread) {
  return std::uint64_t{group} * kMaxThreads + thread;
}

std::uint64_t rounds_of(std::uint64_t salt, bool uniform, std::uint64_t id) {
  return uniform ? 1 + salt % 3 : mix(salt, id) % 4;
}
bool returns(std::uint64_t salt, std::uint64_t id) {
  return mix(salt, id) % 8 == 0;
}
bool takes_branch(std::uint64_t salt, std::uint64_t accumulator) {
  return mix(salt, accumulator) % 2 == 0;
}

}  // namespace

/// The code of all sites: a region runs the instructions of its site until the next one.
class ProgramRegions {
 public:
  static constexpr std::size_t kSites = 40;
  using Table = std::array<abi::Run, kSites>;

  static Table table() {
    return []<std::size_t... kIndex>(std::index_sequence<kIndex...>) {
      return Table{region<run_thread<kIndex>>...};
    }(std::make_index_sequence<kSites>());
  }

  /// The operation of a sum: adds up the lanes of `mask`, after a look at who is there and who is not.
  static void sum(void* frame, std::uint32_t mask) {
    auto* columns = static_cast<std::uint64_t*>(frame);
    const auto of = [&](Column column, std::uint32_t lane) -> std::uint64_t& {
      return columns[column * abi::kLanes + lane];
    };
    const auto lead = static_cast<std::uint32_t>(std::countr_zero(mask));
    const auto* program = reinterpret_cast<const Program*>(of(kProgram, lead));
    const std::uint64_t site = of(kAt, lead);
    std::uint64_t total = 0;
    bool right = true;
    for (std::uint32_t lane = 0; lane < abi::kLanes; ++lane) {
      const bool taken = (mask >> lane & 1) != 0;
      const std::uint64_t at = of(kAt, lane);
      right = right && taken == (at == site);
      right = right && (at >= site || program->sites_[at].kind == abi::SiteKind::threadgroup);
      if (taken) total += of(kAccumulator, lane);
    }
    for (std::uint32_t lane = 0; lane < abi::kLanes; ++lane) {
      if ((mask >> lane & 1) == 0) continue;
      of(kSum, lane) = total;
      // What the region looks for: done once, and with the right lanes.
      of(kDone, lane) += right ? 1 : 1000;
    }
  }

 private:
  template <std::size_t kSite>
  static void run_thread(const Thread& thread) {
    resume(thread, kSite);
  }

  static void resume(const Thread& thread, std::size_t site) {
    const auto& program = *thread.buffer<const Program>(0);
    Witness& witness = thread.buffer<Witness>(1)[thread.group.position[0]];
    const auto column = [&](std::size_t number) -> std::uint64_t& {
      return thread.column<std::uint64_t>(number);
    };
    if (site == 0) {
      begin(thread, program);
    } else {
      if (column(kAt) != site) witness.complain("a thread ran a region without being at its site");
      const abi::Site& here = program.sites_[site];
      if (here.kind == abi::SiteKind::threadgroup) pass(thread, witness);
      if (column(kDone) != (here.operation == nullptr ? 0u : 1u))
        witness.complain("an operation was not done once for the right lanes at site " +
                         std::to_string(site));
      column(kDone) = 0;
    }
    column(kAt) = kRunning;
    const std::uint16_t next = interpret(thread, program, site);
    column(kAt) = next;
    if (next == abi::kFinished) {
      witness.finished[thread.index] = true;
    } else if (program.sites_[next].kind == abi::SiteKind::threadgroup) {
      ++witness.arrived[thread.index];
    }
    if (program.sites_[site].successor == abi::kSeveral) {
      thread.go_to(next);
    } else if (program.sites_[site].successor != next) {
      witness.complain("the test's successors are wrong");
    }
  }

  static void begin(const Thread& thread, const Program& program) {
    for (std::size_t number = 0; number < kColumns; ++number) thread.column<std::uint64_t>(number) = 0;
    thread.column<std::uint64_t>(kProgram) = reinterpret_cast<std::uint64_t>(&program);
    thread.column<std::uint64_t>(kAccumulator) = identity(thread.group.position[0], thread.index);
    if (thread.lane != 0) return;
    // Lanes that do not exist are nowhere.
    for (std::uint32_t lane = thread.group.size[0] - thread.index; lane < abi::kLanes; ++lane) {
      static_cast<std::uint64_t*>(thread.frame)[kAt * abi::kLanes + lane] = abi::kFinished;
    }
  }

  /// A thread goes on from a barrier: the first one to do so looks whether all had come.
  static void pass(const Thread& thread, Witness& witness) {
    const std::uint32_t barrier = ++witness.passed[thread.index];
    if (barrier <= witness.opened) return;
    witness.opened = barrier;
    for (std::uint32_t other = 0; other < thread.group.size[0]; ++other) {
      if (!witness.finished[other] && witness.arrived[other] < barrier)
        witness.complain("thread " + std::to_string(thread.index) + " passed barrier " +
                         std::to_string(barrier) + " before thread " + std::to_string(other) + " came to it");
    }
  }

  static std::uint16_t interpret(const Thread& thread, const Program& program, std::size_t site) {
    using Code = Program::Code;
    const auto column = [&](std::size_t number) -> std::uint64_t& {
      return thread.column<std::uint64_t>(number);
    };
    const std::uint64_t id = identity(thread.group.position[0], thread.index);
    auto* shared = reinterpret_cast<std::uint64_t*>(thread.group.threadgroup_memory);
    std::uint64_t& accumulator = column(kAccumulator);
    for (std::uint32_t at = program.entry_[site];; ++at) {
      const Program::Instruction& instruction = program.instructions_[at];
      bool jump = false;
      switch (instruction.code) {
        case Code::kWork:
          accumulator = mix(instruction.salt, accumulator);
          break;
        case Code::kAddSum:
          accumulator = mix(instruction.salt, accumulator + column(kSum));
          break;
        case Code::kStore:
          shared[thread.index] = accumulator;
          break;
        case Code::kLoad:
          accumulator = mix(accumulator, shared[(thread.index + instruction.salt) % thread.group.size[0]]);
          break;
        case Code::kStartLoop:
          column(kRounds + instruction.depth) = rounds_of(instruction.salt, instruction.uniform, id);
          break;
        case Code::kLoop:
          jump = column(kRounds + instruction.depth)-- == 0;
          break;
        case Code::kIf:
          jump = !takes_branch(instruction.salt, accumulator);
          break;
        case Code::kJump:
          jump = true;
          break;
        case Code::kReturnIf:
          if (!returns(instruction.salt, id)) break;
          [[fallthrough]];
        case Code::kReturn:
          thread.buffer<std::uint64_t>(2)[id] = accumulator;
          return abi::kFinished;
        case Code::kArrive:
          return static_cast<std::uint16_t>(instruction.target);
      }
      if (jump) at = instruction.target - 1;
    }
  }
};

std::vector<Program::Node> Program::generate(int depth, bool uniform) {
  std::vector<Node> nodes;
  for (std::uint32_t count = 1 + random_.below(4); count != 0; --count) {
    Node node{Kind::kWork, random_.next(), false, {}, {}};
    const std::uint32_t choice = random_.below(10);
    if (choice < 3 && sync_budget_ >= 1) {
      node.kind = Kind::kSum;
      sync_budget_ -= 1;
    } else if (choice < 5 && uniform && sync_budget_ >= 2) {
      node.kind = Kind::kExchange;
      sync_budget_ -= 2;
    } else if (choice < 7 && depth < static_cast<int>(kLoopDepth) && sync_budget_ >= 1) {
      node.kind = Kind::kLoop;
      sync_budget_ -= 1;  // where its rounds meet
      node.uniform = uniform && random_.below(2) == 0;
      node.body = generate(depth + 1, node.uniform);
    } else if (choice < 9 && depth < static_cast<int>(kLoopDepth)) {
      node.kind = Kind::kIf;
      node.body = generate(depth + 1, false);
      node.other = generate(depth + 1, false);
    } else if (random_.below(3) == 0) {
      node.kind = Kind::kReturnIf;
    }
    nodes.push_back(std::move(node));
  }
  return nodes;
}

Program::Program(std::uint64_t seed) : random_(Random::of(seed, 0)), sync_budget_(20) {
  nodes_ = generate(0, true);
  nodes_.push_back({Kind::kSum, random_.next(), false, {}, {}});
  if (random_.below(2) == 0) {
    // Rounds that differ by thread, with barriers in them: those who are through do not hold up the others.
    sync_budget_ = 4;
    Node loop{Kind::kLoop, random_.next(), false, {}, {}};
    loop.body = generate(static_cast<int>(kLoopDepth), true);
    loop.body.push_back({Kind::kExchange, random_.next(), false, {}, {}});
    nodes_.push_back(std::move(loop));
  }
  entry_.push_back(0);
  sites_.push_back({nullptr, nullptr, abi::SiteKind::start, abi::kSeveral, 0});
  emit(nodes_, 0);
  instructions_.push_back({Code::kReturn});
  find_successors();
  std::erase_if(branch_sites_, [&](const auto& pair) { return pair.second >= sites_.size(); });
  code_ = {abi::kVersion,
           static_cast<std::uint32_t>(sites_.size()),
           kColumns * abi::kLanes * 8,
           kMaxThreads * 8,
           0,
           0,
           sites_.data()};
}

void Program::emit_arrive(abi::SiteKind kind, abi::Operation operation) {
  instructions_.push_back({Code::kArrive, 0, static_cast<std::uint32_t>(sites_.size())});
  sites_.push_back({nullptr, operation, kind, abi::kSeveral, 0});
  entry_.push_back(static_cast<std::uint32_t>(instructions_.size()));
  barriers_ += kind == abi::SiteKind::threadgroup ? 1 : 0;
}

void Program::emit(const std::vector<Node>& nodes, std::uint32_t depth) {
  const auto here = [&] { return static_cast<std::uint32_t>(instructions_.size()); };
  for (const Node& node : nodes) {
    switch (node.kind) {
      case Kind::kWork:
        instructions_.push_back({Code::kWork, node.salt});
        break;
      case Kind::kReturnIf:
        instructions_.push_back({Code::kReturnIf, node.salt});
        break;
      case Kind::kSum:
        emit_arrive(abi::SiteKind::simdgroup, ProgramRegions::sum);
        instructions_.push_back({Code::kAddSum, node.salt});
        break;
      case Kind::kExchange:
        instructions_.push_back({Code::kStore, node.salt});
        emit_arrive(abi::SiteKind::threadgroup, nullptr);
        instructions_.push_back({Code::kLoad, node.salt});
        emit_arrive(abi::SiteKind::threadgroup, nullptr);
        break;
      case Kind::kLoop: {
        instructions_.push_back({Code::kStartLoop, node.salt, 0, depth, node.uniform});
        const std::uint32_t test = here();
        instructions_.push_back({Code::kLoop, 0, 0, depth});
        emit(node.body, depth + 1);
        // At the end of the body, so that lanes meet before the next round whatever way they took.
        emit_arrive(abi::SiteKind::join, nullptr);
        instructions_.push_back({Code::kJump, 0, test});
        instructions_[test].target = here();
        break;
      }
      case Kind::kIf: {
        const std::uint32_t test = here();
        instructions_.push_back({Code::kIf, node.salt});
        const auto first = static_cast<std::uint16_t>(sites_.size());
        emit(node.body, depth + 1);
        const auto second = static_cast<std::uint16_t>(sites_.size());
        const std::uint32_t jump = here();
        instructions_.push_back({Code::kJump});
        instructions_[test].target = here();
        emit(node.other, depth + 1);
        instructions_[jump].target = here();
        if (first < second) branch_sites_.emplace_back(first, static_cast<std::uint16_t>(sites_.size()));
        break;
      }
    }
  }
}

void Program::find_successors() {
  for (std::size_t site = 0; site < sites_.size(); ++site) {
    std::uint32_t at = entry_[site];
    for (bool straight = true; straight;) {
      const Instruction& instruction = instructions_[at];
      switch (instruction.code) {
        case Code::kWork:
        case Code::kAddSum:
        case Code::kStore:
        case Code::kLoad:
        case Code::kStartLoop:
          ++at;
          break;
        case Code::kJump:
          at = instruction.target;
          break;
        case Code::kArrive:
          sites_[site].successor = static_cast<std::uint16_t>(instruction.target);
          straight = false;
          break;
        case Code::kReturn:
          sites_[site].successor = abi::kFinished;
          straight = false;
          break;
        case Code::kLoop:
        case Code::kIf:
        case Code::kReturnIf:
          straight = false;
          break;
      }
    }
  }
  const auto table = ProgramRegions::table();
  for (std::size_t site = 0; site < sites_.size(); ++site) sites_[site].run = table.at(site);
}

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
          std::vector<std::uint64_t> sums(isometal::soft::simdgroups_of(kMaxThreads));
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
      group, {}, std::vector<std::uint64_t>(threads, kPoison), std::vector<bool>(threads, true)};
  for (std::uint32_t i = 0; i < threads; ++i) reference.accumulator.push_back(identity(group, i));
  reference.run(nodes_, std::vector<bool>(threads, true));
  return reference.accumulator;
}

bool Program::swap_two_sites() {
  if (branch_sites_.empty()) return false;
  const auto [first, second] = branch_sites_.front();
  const auto swapped = [first = first, second = second](std::uint32_t site) -> std::uint32_t {
    return site == first ? second : site == second ? first : site;
  };
  for (Instruction& instruction : instructions_) {
    if (instruction.code == Code::kArrive) instruction.target = swapped(instruction.target);
  }
  std::swap(entry_[first], entry_[second]);
  std::swap(sites_[first], sites_[second]);
  std::swap(sites_[first].run, sites_[second].run);
  for (abi::Site& site : sites_) site.successor = static_cast<std::uint16_t>(swapped(site.successor));
  return true;
}

void Program::make_barriers_joins() {
  broken_sites_ = sites_;
  for (abi::Site& site : broken_sites_) {
    if (site.kind == abi::SiteKind::threadgroup) site.kind = abi::SiteKind::join;
  }
  code_.sites = broken_sites_.data();
}

ProgramRun::ProgramRun(const Program& program, std::uint32_t groups, std::uint32_t threads)
    : program_(program), threads_(threads), witnesses_(groups), results_(std::size_t{groups} * kMaxThreads) {}

std::array<void*, abi::kArguments> ProgramRun::buffers() {
  return {const_cast<Program*>(&program_), witnesses_.data(), results_.data()};
}

std::string ProgramRun::problem() const {
  for (std::uint32_t group = 0; group < witnesses_.size(); ++group) {
    if (!witnesses_[group].complaints.empty()) return witnesses_[group].complaints.front();
    const std::vector<std::uint64_t> expected = program_.expected(group, threads_);
    for (std::uint32_t thread = 0; thread < threads_; ++thread) {
      if (!witnesses_[group].finished[thread]) return "thread " + std::to_string(thread) + " did not finish";
      if (results_[identity(group, thread)] != expected[thread])
        return "thread " + std::to_string(thread) + " of threadgroup " + std::to_string(group) +
               " has a wrong result";
    }
  }
  return "";
}

}  // namespace soft_test
