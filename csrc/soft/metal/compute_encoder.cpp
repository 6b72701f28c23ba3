// csrc/soft/metal/compute_encoder.cpp: binding and dispatching.
#include "soft/metal/compute_encoder.h"

#include <algorithm>

namespace isometal::soft {

ComputeEncoderImpl::ComputeEncoderImpl(CommandBufferImpl& buffer, MTL::DispatchType type, bool alive,
                                       std::shared_ptr<EncoderReport> report)
    : core_(NS::RetainPtr(&buffer), "compute encoder", report, alive), type_(type) {
  if (!alive) return;
  auto pass = std::make_unique<ComputePass>(type, std::move(report));
  pass_ = pass.get();
  buffer.add(std::move(pass));
  buffer.encoder_opened();
}

MTL::ComputeCommandEncoder* ComputeEncoderImpl::open(CommandBufferImpl& buffer, MTL::DispatchType type) {
  const bool alive = buffer.accepts_encoder("computeCommandEncoder");
  auto* const encoder = new ComputeEncoderImpl(buffer, type, alive, std::make_shared<EncoderReport>());
  return encoder->autorelease();
}

bool ComputeEncoderImpl::index_is_valid(const char* call, std::size_t index) {
  if (index < kMaxBindings) return true;
  core_.fail(call, "index is ", index, "; indices end at ", kMaxBindings - 1, ".");
  return false;
}

void ComputeEncoderImpl::bind(const MTL::Buffer* buffer, std::size_t offset, std::size_t index) {
  if (!core_.accepts("setBuffer") || !index_is_valid("setBuffer", index)) return;
  BoundBuffer& bound = bindings_.buffers[index];
  if (buffer == nullptr) {
    bound = BoundBuffer();
    return;
  }
  const BufferImpl& memory = Access::buffer(buffer);
  if (offset >= memory.bytes()) {
    return core_.fail("setBuffer", "offset ", offset, " at index ", index, " is not inside ",
                      memory.described(), ".");
  }
  core_.uses(buffer);
  bound = BoundBuffer{&memory, {}, offset};
}

void ComputeEncoderImpl::bind_offset(std::size_t offset, std::size_t index) {
  if (!core_.accepts("setBufferOffset") || !index_is_valid("setBufferOffset", index)) return;
  BoundBuffer& bound = bindings_.buffers[index];
  if (bound.buffer == nullptr) {
    return core_.fail("setBufferOffset", "no buffer is bound at index ", index, "; call setBuffer first.");
  }
  if (offset >= bound.size()) {
    return core_.fail("setBufferOffset", "offset ", offset, " at index ", index, " is not inside ",
                      bound.buffer->described(), ".");
  }
  bound.offset = offset;
}

void ComputeEncoderImpl::bind_bytes(const void* bytes, std::size_t length, std::size_t index) {
  if (!core_.accepts("setBytes") || !index_is_valid("setBytes", index)) return;
  if (length == 0 || length > kMaxSetBytes) {
    return core_.fail("setBytes", "length at index ", index, " is ", length, "; it must be from 1 to ",
                      kMaxSetBytes, ". Use a buffer for more.");
  }
  if (bytes == nullptr)
    return core_.fail("setBytes", "the bytes at index ", index, " are null; they must not be.");
  bindings_.buffers[index] = BoundBuffer{nullptr, pass_->keep(bytes, length), 0};
}

void ComputeEncoderImpl::bind_threadgroup(std::size_t length, std::size_t index) {
  constexpr const char* kCall = "setThreadgroupMemoryLength";
  if (!core_.accepts(kCall) || !index_is_valid(kCall, index)) return;
  const std::string wrong = check_threadgroup_length(length);
  if (!wrong.empty()) return core_.fail(kCall, "threadgroup ", index, ": ", wrong);
  bindings_.threadgroup_lengths[index] = length;
}

void ComputeEncoderImpl::bind_pipeline(const MTL::ComputePipelineState* pipeline) {
  if (!core_.accepts("setComputePipelineState")) return;
  if (pipeline == nullptr)
    return core_.fail("setComputePipelineState", "the pipeline is null; it must not be.");
  pipeline_ = impl_of<PipelineImpl>(pipeline).shared_code();
  core_.uses(pipeline);
}

DispatchRecord* ComputeEncoderImpl::record(const char* call, const std::optional<Extent>& grid,
                                           MTL::Size threads, const void* also_touches) {
  if (pipeline_ == nullptr) {
    core_.fail(call, "no pipeline is set; call setComputePipelineState first.");
    return nullptr;
  }
  DispatchRequest request = bindings_.request(threads);
  request.grid = grid;
  const std::string wrong = check_dispatch(pipeline_->reflection(), pipeline_->limits, request);
  if (!wrong.empty()) {
    core_.fail(call, wrong);
    return nullptr;
  }
  DispatchRecord& dispatch = pass_->dispatches.emplace_back();
  dispatch.code = pipeline_;
  if (grid.has_value()) dispatch.grid = to_size(*grid);
  dispatch.threadgroup = to_size(request.threadgroup);
  for (std::size_t i = 0; i < kMaxBindings; ++i) {
    const BoundBuffer& bound = bindings_.buffers[i];
    dispatch.buffers[i] = bound.address();
    dispatch.threadgroup_lengths[i] = static_cast<std::uint32_t>(bindings_.threadgroup_lengths[i]);
  }
  if (type_ == MTL::DispatchTypeConcurrent) {
    touched_.assign(used_.begin(), used_.end());
    const auto add = [&](const void* resource) {
      if (resource != nullptr && std::find(touched_.begin(), touched_.end(), resource) == touched_.end())
        touched_.push_back(resource);
    };
    for (const BoundBuffer& bound : bindings_.buffers) add(bound.buffer);
    add(also_touches);
    dispatch.resources = pass_->keep(touched_);
  }
  return &dispatch;
}

void ComputeEncoderImpl::dispatch(const char* call, bool grid_is_threads, MTL::Size grid, MTL::Size threads) {
  if (!core_.accepts(call)) return;
  DispatchRecord* const dispatch = record(call, extent_of(grid), threads, nullptr);
  if (dispatch != nullptr) dispatch->grid_is_threads = grid_is_threads;
}

void ComputeEncoderImpl::dispatch_indirect(const MTL::Buffer* buffer, std::size_t offset, MTL::Size threads) {
  constexpr const char* kCall = "dispatchThreadgroups (indirect)";
  if (!core_.accepts(kCall)) return;
  if (buffer == nullptr) return core_.fail(kCall, "the buffer is null; it must not be.");
  const BufferImpl& memory = Access::buffer(buffer);
  const std::string wrong = check_span("the grid's place", offset,
                                       sizeof(MTL::DispatchThreadgroupsIndirectArguments), memory.bytes());
  if (!wrong.empty()) return core_.fail(kCall, wrong);
  if (offset % 4 != 0) return core_.fail(kCall, "offset is ", offset, "; it must be a multiple of 4.");
  DispatchRecord* const dispatch = record(kCall, std::nullopt, threads, &memory);
  if (dispatch == nullptr) return;
  core_.uses(buffer);
  dispatch->indirect = memory.data() + offset;
}

void ComputeEncoderImpl::barrier(MTL::BarrierScope scope) {
  if (!core_.accepts("memoryBarrier")) return;
  constexpr MTL::BarrierScope kAllowed = MTL::BarrierScopeBuffers | MTL::BarrierScopeTextures;
  if (scope == 0 || (scope & ~kAllowed) != 0) {
    return core_.fail("memoryBarrier", "scope is ", scope,
                      "; compute encoders have buffers (1) and textures (2).");
  }
  // A barrier for textures orders nothing here: there are none.
  if ((scope & MTL::BarrierScopeBuffers) != 0) pass_->barriers.push_back({pass_->dispatches.size(), {}});
}

void ComputeEncoderImpl::barrier(const MTL::Resource* const resources[], std::size_t count) {
  if (!core_.accepts("memoryBarrier")) return;
  if (count == 0 || resources == nullptr) {
    return core_.fail("memoryBarrier", "there are no resources; name one, or use a scope.");
  }
  BarrierRecord barrier{pass_->dispatches.size(), {}};
  for (std::size_t i = 0; i < count; ++i) {
    if (resources[i] == nullptr)
      return core_.fail("memoryBarrier", "resource ", i, " is null; it must not be.");
    barrier.resources.push_back(&Access::buffer(resources[i]));
  }
  pass_->barriers.push_back(std::move(barrier));
}

void ComputeEncoderImpl::use(const MTL::Resource* resource, MTL::ResourceUsage usage) {
  if (!core_.accepts("useResource")) return;
  if (resource == nullptr) return core_.fail("useResource", "the resource is null; it must not be.");
  constexpr MTL::ResourceUsage kAllowed =
      MTL::ResourceUsageRead | MTL::ResourceUsageWrite | MTL::ResourceUsageSample;
  if (usage == 0 || (usage & ~kAllowed) != 0) {
    return core_.fail("useResource", "usage is ", usage, "; it must be read (1), write (2) or both.");
  }
  used_.insert(&Access::buffer(resource));
  core_.uses(resource);
}

void ComputeEncoderImpl::use(const MTL::Heap* heap) {
  if (!core_.accepts("useHeap")) return;
  if (heap == nullptr) return core_.fail("useHeap", "the heap is null; it must not be.");
  core_.uses(heap);
}

namespace {

ComputeEncoderImpl& impl(const MTL::ComputeCommandEncoder* encoder) {
  return impl_of<ComputeEncoderImpl>(encoder);
}

}  // namespace
}  // namespace isometal::soft

using namespace isometal::soft;

namespace MTL {

void ComputeCommandEncoder::dispatchThreadgroups(MTL::Size threadgroupsPerGrid,
                                                 MTL::Size threadsPerThreadgroup) {
  impl(this).dispatch("dispatchThreadgroups", false, threadgroupsPerGrid, threadsPerThreadgroup);
}

void ComputeCommandEncoder::dispatchThreadgroups(const MTL::Buffer* indirectBuffer,
                                                 NS::UInteger indirectBufferOffset,
                                                 MTL::Size threadsPerThreadgroup) {
  impl(this).dispatch_indirect(indirectBuffer, indirectBufferOffset, threadsPerThreadgroup);
}

void ComputeCommandEncoder::dispatchThreads(MTL::Size threadsPerGrid, MTL::Size threadsPerThreadgroup) {
  impl(this).dispatch("dispatchThreads", true, threadsPerGrid, threadsPerThreadgroup);
}

DispatchType ComputeCommandEncoder::dispatchType() const {
  return impl(this).type();
}

void ComputeCommandEncoder::memoryBarrier(MTL::BarrierScope scope) {
  impl(this).barrier(scope);
}

void ComputeCommandEncoder::memoryBarrier(const MTL::Resource* const resources[], NS::UInteger count) {
  impl(this).barrier(resources, count);
}

void ComputeCommandEncoder::setBuffer(const MTL::Buffer* buffer, NS::UInteger offset, NS::UInteger index) {
  impl(this).bind(buffer, offset, index);
}

void ComputeCommandEncoder::setBufferOffset(NS::UInteger offset, NS::UInteger index) {
  impl(this).bind_offset(offset, index);
}

void ComputeCommandEncoder::setBuffers(const MTL::Buffer* const buffers[], const NS::UInteger offsets[],
                                       NS::Range range) {
  for (NS::UInteger i = 0; i < range.length; ++i) setBuffer(buffers[i], offsets[i], range.location + i);
}

void ComputeCommandEncoder::setBytes(const void* bytes, NS::UInteger length, NS::UInteger index) {
  impl(this).bind_bytes(bytes, length, index);
}

void ComputeCommandEncoder::setComputePipelineState(const MTL::ComputePipelineState* state) {
  impl(this).bind_pipeline(state);
}

void ComputeCommandEncoder::setThreadgroupMemoryLength(NS::UInteger length, NS::UInteger index) {
  impl(this).bind_threadgroup(length, index);
}

void ComputeCommandEncoder::updateFence(const MTL::Fence* fence) {
  Access::encoder(this).update_fence(fence);
}

void ComputeCommandEncoder::waitForFence(const MTL::Fence* fence) {
  Access::encoder(this).wait_for_fence(fence);
}

void ComputeCommandEncoder::useHeap(const MTL::Heap* heap) {
  impl(this).use(heap);
}

void ComputeCommandEncoder::useHeaps(const MTL::Heap* const heaps[], NS::UInteger count) {
  for (NS::UInteger i = 0; i < count; ++i) useHeap(heaps[i]);
}

void ComputeCommandEncoder::useResource(const MTL::Resource* resource, MTL::ResourceUsage usage) {
  impl(this).use(resource, usage);
}

void ComputeCommandEncoder::useResources(const MTL::Resource* const resources[], NS::UInteger count,
                                         MTL::ResourceUsage usage) {
  for (NS::UInteger i = 0; i < count; ++i) useResource(resources[i], usage);
}

}  // namespace MTL
