// csrc/soft/metal/bound_buffers.cpp: from an encoder's bindings to the request that the rules judge.
#include "soft/metal/bound_buffers.h"

#include <algorithm>

namespace isometal::soft {

std::byte* BoundBuffer::address() const {
  return buffer != nullptr ? buffer->data() + offset : bytes.data();
}

BoundMemory BoundBuffer::memory() const {
  return {buffer != nullptr || !bytes.empty(), address(), size(), offset,
          bytes.empty() ? "" : "read-only memory of setBytes"};
}

DispatchRequest Bindings::request(MTL::Size threadgroup) const {
  DispatchRequest request;
  std::transform(buffers.begin(), buffers.end(), request.buffers.begin(),
                 [](const BoundBuffer& bound) { return bound.memory(); });
  std::copy(threadgroup_lengths.begin(), threadgroup_lengths.end(), request.threadgroup_lengths.begin());
  request.threadgroup = extent_of(threadgroup);
  return request;
}

}  // namespace isometal::soft
