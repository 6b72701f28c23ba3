// csrc/soft/metal/dispatch_checks.cpp: the rules of Metal's API validation for dispatches.
#include "soft/metal/dispatch_checks.h"

#include <algorithm>
#include <limits>
#include <sstream>

#include "soft/grid.h"

namespace isometal::soft {
namespace {

template <typename... Parts>
std::string text(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

std::string shown(MTL::Size size) {
  return text(size.width, "x", size.height, "x", size.depth);
}

std::string check_buffer_argument(const ArgumentReflection& argument, const BoundBuffer& bound) {
  const std::string name = text("argument '", argument.name, "' at buffer index ", argument.index);
  if (!bound.bound()) return name + " is not bound; call setBuffer or setBytes.";
  const std::size_t left = bound.size() - bound.offset;
  if (left < argument.required_bytes) {
    return text(name, " has ", left, " bytes (", bound.size(), " from offset ", bound.offset, "); ",
                argument.type_name, " needs ", argument.required_bytes, ".");
  }
  if (argument.alignment > 1 && bound.offset % argument.alignment != 0) {
    return text(name, " is bound at offset ", bound.offset, "; ", argument.type_name, " needs a multiple of ",
                argument.alignment, ".");
  }
  if (bound.bytes != nullptr && argument.access != ArgumentAccess::read) {
    return name +
           " is written by the kernel but bound with setBytes, which is read-only; use setBuffer, or const "
           "in "
           "the kernel.";
  }
  return {};
}

}  // namespace

std::byte* BoundBuffer::address() const {
  return buffer != nullptr ? buffer->data() + offset : bytes != nullptr ? bytes->data() : nullptr;
}

std::string check_arguments(const KernelReflection& kernel, const Bindings& bindings) {
  for (const ArgumentReflection& argument : kernel.arguments) {
    if (!argument.used || argument.kind == ArgumentKind::builtin) continue;
    if (argument.index >= kMaxBindings) {
      return text("argument '", argument.name, "' has index ", argument.index, "; indices end at ",
                  kMaxBindings - 1, ".");
    }
    if (argument.kind == ArgumentKind::buffer) {
      std::string wrong = check_buffer_argument(argument, bindings.buffers[argument.index]);
      if (!wrong.empty()) return wrong;
      continue;
    }
    const std::size_t length = bindings.threadgroup_lengths[argument.index];
    if (length == 0 || length < argument.required_bytes) {
      return text("argument '", argument.name, "' at threadgroup index ", argument.index, " has ", length,
                  " bytes; call setThreadgroupMemoryLength with at least ",
                  std::max<std::uint64_t>(argument.required_bytes, 1), ".");
    }
  }
  return {};
}

std::string check_threadgroup_memory(const KernelReflection& kernel, const Bindings& bindings) {
  std::uint64_t dynamic = 0;
  for (const std::size_t length : bindings.threadgroup_lengths) dynamic += length;
  if (dynamic + kernel.static_threadgroup_bytes <= kMaxThreadgroupMemory) return {};
  return text("threadgroup memory is ", dynamic + kernel.static_threadgroup_bytes, " bytes (",
              kernel.static_threadgroup_bytes, " of the kernel, ", dynamic,
              " of setThreadgroupMemoryLength); the device "
              "has ",
              kMaxThreadgroupMemory, ".");
}

std::string check_threadgroup_size(const PipelineCode& pipeline, MTL::Size threads) {
  if (threads.width == 0 || threads.height == 0 || threads.depth == 0) {
    return text("threads per threadgroup are ", shown(threads), "; no size may be 0.");
  }
  // Each size first: the product of large ones could overflow.
  const bool in_device = std::max({threads.width, threads.height, threads.depth}) <= kMaxThreads;
  const std::uint64_t count = in_device ? threads.width * threads.height * threads.depth : 0;
  if (!in_device || count > pipeline.max_threads) {
    return text("threads per threadgroup are ", shown(threads), "; the pipeline allows ",
                pipeline.max_threads, " in all (maxTotalThreadsPerThreadgroup).");
  }
  if (pipeline.multiple_of_simdgroup && count % kSimdWidth != 0) {
    return text("threads per threadgroup are ", shown(threads), " = ", count,
                "; the pipeline was made for multiples of ", kSimdWidth,
                " (threadGroupSizeIsMultipleOfThreadExecutionWidth).");
  }
  const MTL::Size required = pipeline.required_threads;
  const bool is_required =
      required.width == 0 || (threads.width == required.width && threads.height == required.height &&
                              threads.depth == required.depth);
  if (!is_required) {
    return text("threads per threadgroup are ", shown(threads), "; the pipeline was made for ",
                shown(required), " (requiredThreadsPerThreadgroup).");
  }
  return {};
}

std::string check_grid(const char* what, MTL::Size grid) {
  if (grid.width == 0 || grid.height == 0 || grid.depth == 0) {
    return text(what, " per grid are ", shown(grid), "; no size may be 0.");
  }
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max();
  if (std::max({grid.width, grid.height, grid.depth}) > kMost) {
    return text(what, " per grid are ", shown(grid), "; no size may be above ", kMost, ".");
  }
  return {};
}

std::string check_span(const char* what, std::size_t offset, std::size_t length, std::size_t size) {
  if (offset <= size && length <= size - offset) return {};
  return text(what, " is ", offset, " + ", length, " bytes; the buffer has ", size, ".");
}

}  // namespace isometal::soft
