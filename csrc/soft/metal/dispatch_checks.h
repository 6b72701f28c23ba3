// csrc/soft/metal/dispatch_checks.h: the rules that a dispatch must obey. Each check returns what is wrong
// and what would be right, or nothing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "soft/metal/buffer.h"
#include "soft/metal/compute_pass.h"
#include "soft/metal/device.h"
#include "soft/metal/pipeline.h"

namespace isometal::soft {

/// What is bound at an index: a buffer, bytes, or nothing.
struct BoundBuffer {
  const BufferImpl* buffer = nullptr;
  std::shared_ptr<const InlineBytes> bytes;
  std::size_t offset = 0;

  bool bound() const { return buffer != nullptr || bytes != nullptr; }
  std::size_t size() const {
    return buffer != nullptr ? buffer->bytes() : bytes != nullptr ? bytes->size() : 0;
  }
  std::byte* address() const;
};

struct Bindings {
  std::array<BoundBuffer, kMaxBindings> buffers;
  std::array<std::size_t, kMaxBindings> threadgroup_lengths{};
};

/// Every argument that the kernel uses is bound, large enough, aligned and writable where it is written.
std::string check_arguments(const KernelReflection& kernel, const Bindings& bindings);

/// Static and dynamic threadgroup memory together.
std::string check_threadgroup_memory(const KernelReflection& kernel, const Bindings& bindings);

std::string check_threadgroup_size(const PipelineCode& pipeline, MTL::Size threads);

/// `what` are the grid's units: "threads" or "threadgroups".
std::string check_grid(const char* what, MTL::Size grid);

/// The number of bytes from `offset` on that `size` has.
std::string check_span(const char* what, std::size_t offset, std::size_t length, std::size_t size);

}  // namespace isometal::soft
