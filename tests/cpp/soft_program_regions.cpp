// tests/cpp/soft_program_regions.cpp: running a random program's instructions, and noticing what is wrong.
#include "soft_program_regions.h"

#include <bit>
#include <string>
#include <utility>

#include "soft_program_parts.h"

namespace soft_test {
namespace {

constexpr std::uint64_t kRunning = 0x10000;  ///< in column kAt, beyond all sites
enum Column : std::size_t {
  kAccumulator,
  kSum,
  kAt,
  kDone,
  kProgram,
  kRounds,
  kColumns = kRounds + kLoopDepth
};

}  // namespace

const std::uint64_t ProgramRegions::kFrameBytes = kColumns * abi::kLanes * sizeof(std::uint64_t);

ProgramRegions::Table ProgramRegions::table() {
  return []<std::size_t... kIndex>(std::index_sequence<kIndex...>) {
    return Table{region<run_thread<kIndex>>...};
  }(std::make_index_sequence<kSites>());
}

void ProgramRegions::sum(void* frame, std::uint32_t mask) {
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

void ProgramRegions::resume(const Thread& thread, std::size_t site) {
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
      witness.complain("an operation was not done once for the right lanes at site " + std::to_string(site));
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

void ProgramRegions::begin(const Thread& thread, const Program& program) {
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
void ProgramRegions::pass(const Thread& thread, Witness& witness) {
  const std::uint32_t barrier = ++witness.passed[thread.index];
  if (barrier <= witness.opened) return;
  witness.opened = barrier;
  for (std::uint32_t other = 0; other < thread.group.size[0]; ++other) {
    if (!witness.finished[other] && witness.arrived[other] < barrier)
      witness.complain("thread " + std::to_string(thread.index) + " passed barrier " +
                       std::to_string(barrier) + " before thread " + std::to_string(other) + " came to it");
  }
}

std::uint16_t ProgramRegions::interpret(const Thread& thread, const Program& program, std::size_t site) {
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

}  // namespace soft_test
