// tests/cpp/soft_program.cpp: generation of random programs, and their tables.
#include "soft_program.h"

#include <utility>

#include "soft_program_parts.h"
#include "soft_program_regions.h"

namespace soft_test {

using isometal::soft::kMaxThreads;
using isometal::soft::Random;

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
           ProgramRegions::kFrameBytes,
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
