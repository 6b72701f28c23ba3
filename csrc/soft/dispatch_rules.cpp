// csrc/soft/dispatch_rules.cpp: the rules of Metal's API validation for dispatches, and their texts.
#include "soft/dispatch_rules.h"

#include <algorithm>
#include <limits>

#include "soft/error.h"

namespace isometal::soft {
namespace {

constexpr std::uint64_t kMaxGrid = std::numeric_limits<std::uint32_t>::max();

/// How messages call it: `buffer 2 (out)`. As Argument.title of python/isometal/soft/reflection.py.
std::string title(const ArgumentReflection& argument) {
  const char* const kind = argument.kind == ArgumentKind::buffer ? "buffer " : "threadgroup ";
  return argument.name.empty() ? joined(kind, argument.index)
                               : joined(kind, argument.index, " (", argument.name, ")");
}

std::string check_grid(const Extent& grid) {
  const auto [least, most] = std::minmax_element(grid.begin(), grid.end());
  if (*least >= 1 && *most <= kMaxGrid) return {};
  return joined("a grid of ", sizes_text(grid), "; sizes from 1 to 2^32 - 1 are possible.");
}

std::string check_threadgroup(const Extent& size, const ThreadgroupLimits& limits) {
  const auto wrong = [&](const auto&... right) {
    return joined("a threadgroup of ", sizes_text(size), " threads; ", right...);
  };
  if (std::find(size.begin(), size.end(), 0) != size.end()) return wrong("no size may be 0.");
  // Each size first: the product of large ones could overflow.
  const bool in_device = *std::max_element(size.begin(), size.end()) <= kMaxThreads;
  const std::uint64_t count = in_device ? size[0] * size[1] * size[2] : 0;
  if (!in_device || count > limits.most) return wrong("at most ", limits.most, " in all are possible.");
  if (limits.multiple_of_simdgroup && count % abi::kLanes != 0) {
    return wrong("the pipeline was made for multiples of ", abi::kLanes,
                 " (threadGroupSizeIsMultipleOfThreadExecutionWidth).");
  }
  if (limits.required[0] != 0 && size != limits.required) {
    return wrong("the pipeline was made for ", sizes_text(limits.required),
                 " (requiredThreadsPerThreadgroup).");
  }
  return {};
}

/// Without the argument's name.
std::string check_memory(const ArgumentReflection& argument, const BoundMemory& memory) {
  const std::uint64_t left = memory.bytes - memory.offset;
  if (left < argument.required_bytes) {
    const std::string of =
        memory.offset == 0 ? "" : joined(" (", memory.bytes, " from offset ", memory.offset, ")");
    return joined(left, " bytes", of, "; at least ", argument.required_bytes, " are needed.");
  }
  const std::uint64_t alignment = std::max<std::uint64_t>(argument.alignment, 1);
  if (memory.offset % alignment != 0) {
    return joined("bound at offset ", memory.offset, "; a multiple of ", alignment, " is needed.");
  }
  if (reinterpret_cast<std::uintptr_t>(memory.address) % alignment != 0) {
    return joined("memory at an address that is no multiple of ", alignment,
                  ", the alignment of its type; pass aligned memory.");
  }
  if (!memory.read_only.empty() && argument.access != ArgumentAccess::read) {
    return joined(memory.read_only, ", but the kernel writes to it; pass memory that can be written to.");
  }
  return {};
}

/// Without the argument's name.
std::string check_length(const ArgumentReflection& argument, std::uint64_t length) {
  if (length < argument.required_bytes) {
    return joined(length, " bytes; at least ", argument.required_bytes, " are needed.");
  }
  return check_threadgroup_length(length);
}

std::string check_arguments(const KernelReflection& kernel, const DispatchRequest& request) {
  std::string missing;
  std::string wrong;
  for (const ArgumentReflection& argument : kernel.arguments) {
    if (!argument.used || argument.kind == ArgumentKind::builtin) continue;
    if (argument.index >= abi::kArguments) {
      return joined(": ", title(argument), "; indices end at ", abi::kArguments - 1, ".");
    }
    const BoundMemory& memory = request.buffers[argument.index];
    const std::uint64_t length = request.threadgroup_lengths[argument.index];
    const bool is_buffer = argument.kind == ArgumentKind::buffer;
    if (is_buffer ? !memory.bound : length == 0) {
      missing += (missing.empty() ? "" : ", ") + title(argument);
    } else if (wrong.empty()) {
      wrong = is_buffer ? check_memory(argument, memory) : check_length(argument, length);
      if (!wrong.empty()) wrong = joined(", ", title(argument), " of type ", argument.type_name, ": ", wrong);
    }
  }
  if (missing.empty()) return wrong;
  return joined(": nothing is bound to ", missing, "; every argument that it uses needs a value.");
}

std::string check_threadgroup_memory(const KernelReflection& kernel, const DispatchRequest& request) {
  std::uint64_t bound = 0;
  // Capped, so that the sum of large ones cannot overflow.
  for (const std::uint64_t length : request.threadgroup_lengths) bound += std::min(length, kMaxGrid);
  if (bound + kernel.static_threadgroup_bytes <= kMaxThreadgroupMemory) return {};
  return joined(kernel.static_threadgroup_bytes, " bytes of its own threadgroup memory and ", bound,
                " of arguments; at most ", kMaxThreadgroupMemory, " in all are possible.");
}

}  // namespace

std::string sizes_text(const Extent& extent) {
  return joined(extent[0], "x", extent[1], "x", extent[2]);
}

Size3 to_size(const Extent& extent) {
  return {static_cast<std::uint32_t>(extent[0]), static_cast<std::uint32_t>(extent[1]),
          static_cast<std::uint32_t>(extent[2])};
}

ThreadgroupLimits ThreadgroupLimits::of(const KernelReflection& kernel) {
  return {std::min(kernel.max_threads_per_threadgroup, kMaxThreads), false, {}};
}

std::string check_threadgroup_length(std::uint64_t bytes) {
  if (bytes % kThreadgroupMemoryStep != 0)
    return joined(bytes, " bytes; a multiple of ", kThreadgroupMemoryStep, " is needed.");
  if (bytes > kMaxThreadgroupMemory)
    return joined(bytes, " bytes; a threadgroup has at most ", kMaxThreadgroupMemory, ".");
  return {};
}

std::string check_dispatch(const KernelReflection& kernel, const ThreadgroupLimits& limits,
                           const DispatchRequest& request) {
  const auto refusal = [&](const char* separator, const std::string& wrong) {
    return joined("kernel '", kernel.name, "'", separator, wrong);
  };
  std::string wrong = request.grid.has_value() ? check_grid(*request.grid) : std::string();
  if (wrong.empty()) wrong = check_threadgroup(request.threadgroup, limits);
  if (!wrong.empty()) return refusal(": ", wrong);
  wrong = check_arguments(kernel, request);
  if (!wrong.empty()) return refusal("", wrong);
  wrong = check_threadgroup_memory(kernel, request);
  return wrong.empty() ? wrong : refusal(": ", wrong);
}

}  // namespace isometal::soft
