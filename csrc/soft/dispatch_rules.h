// csrc/soft/dispatch_rules.h: what Metal's API validation asks of a dispatch, in one place for all who make
// dispatches: the compute encoder of the metal-cpp drop-in and Python's kernels.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "soft/grid.h"
#include "soft/kernel_abi.h"
#include "soft/reflection.h"

namespace isometal::soft {

inline constexpr std::uint64_t kMaxThreadgroupMemory = 32768;
inline constexpr std::uint64_t kThreadgroupMemoryStep = 16;

/// Sizes as callers give them, before anybody knows that they fit 32 bits.
using Extent = std::array<std::uint64_t, 3>;

/// As messages show it: "32x2x1".
std::string sizes_text(const Extent& extent);
/// Only of an extent that has passed check_dispatch.
Size3 to_size(const Extent& extent);

/// What is bound at a buffer index.
struct BoundMemory {
  bool bound = false;
  const void* address = nullptr;  ///< with the offset
  std::uint64_t bytes = 0;        ///< of all of it
  std::uint64_t offset = 0;       ///< at most `bytes`
  /// What it is called where a kernel wants to write to it; empty for memory that can be written to.
  std::string_view read_only = {};
};

/// Threads that a threadgroup may have.
struct ThreadgroupLimits {
  std::uint64_t most = kMaxThreads;
  bool multiple_of_simdgroup = false;
  Extent required{};  ///< exactly these; zeros for any

  /// What the kernel itself says, within what the device has.
  static ThreadgroupLimits of(const KernelReflection& kernel);
};

/// A dispatch that somebody asks for.
struct DispatchRequest {
  std::array<BoundMemory, abi::kArguments> buffers{};
  std::array<std::uint64_t, abi::kArguments> threadgroup_lengths{};  ///< bytes; 0 where nothing is bound
  std::optional<Extent> grid;  ///< none where only the device will read it
  Extent threadgroup{1, 1, 1};
};

/// The first rule that the dispatch breaks, `kernel 'add', buffer 1 (b) of type float: what is wrong; what
/// would be right.`, or nothing. Every argument that the kernel uses is bound, large enough, aligned, and
/// writable where it is written; grid, threadgroup and threadgroup memory are what the device has.
std::string check_dispatch(const KernelReflection& kernel, const ThreadgroupLimits& limits,
                           const DispatchRequest& request);

/// The length of one threadgroup argument, where it is set: `17 bytes; a multiple of 16 is needed.`, or
/// nothing.
std::string check_threadgroup_length(std::uint64_t bytes);

}  // namespace isometal::soft
