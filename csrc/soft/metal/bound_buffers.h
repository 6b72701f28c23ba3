// csrc/soft/metal/bound_buffers.h: what an encoder has bound, and how the rules of a dispatch see it.
#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "soft/dispatch_rules.h"
#include "soft/metal/buffer.h"
#include "soft/metal/compute_pass.h"
#include "soft/metal/device.h"

namespace isometal::soft {

/// What is bound at an index: a buffer, bytes, or nothing.
struct BoundBuffer {
  const BufferImpl* buffer = nullptr;
  std::span<std::byte> bytes;  ///< of the pass
  std::size_t offset = 0;

  std::size_t size() const { return buffer != nullptr ? buffer->bytes() : bytes.size(); }
  std::byte* address() const;
  BoundMemory memory() const;
};

struct Bindings {
  std::array<BoundBuffer, kMaxBindings> buffers;
  std::array<std::size_t, kMaxBindings> threadgroup_lengths{};

  /// A dispatch of them, without a grid.
  DispatchRequest request(MTL::Size threadgroup) const;
};

}  // namespace isometal::soft
