// csrc/soft/metal/compute_encoder.h: a compute encoder: what is bound, and the dispatches that it records.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "soft/metal/bound_buffers.h"
#include "soft/metal/compute_pass.h"
#include "soft/metal/encoder.h"

namespace isometal::soft {

class ComputeEncoderImpl final : public MTL::ComputeCommandEncoder {
 public:
  /// Autoreleased. Where the buffer can take no encoder, one that does nothing: that failure is recorded.
  static MTL::ComputeCommandEncoder* open(CommandBufferImpl& buffer, MTL::DispatchType type);

  MTL::DispatchType type() const { return type_; }

  void bind(const MTL::Buffer* buffer, std::size_t offset, std::size_t index);
  void bind_offset(std::size_t offset, std::size_t index);
  void bind_bytes(const void* bytes, std::size_t length, std::size_t index);
  void bind_threadgroup(std::size_t length, std::size_t index);
  void bind_pipeline(const MTL::ComputePipelineState* pipeline);

  void dispatch(const char* call, bool grid_is_threads, MTL::Size grid, MTL::Size threads);
  void dispatch_indirect(const MTL::Buffer* buffer, std::size_t offset, MTL::Size threads);
  void barrier(MTL::BarrierScope scope);
  void barrier(const MTL::Resource* const resources[], std::size_t count);
  void use(const MTL::Resource* resource, MTL::ResourceUsage usage);
  void use(const MTL::Heap* heap);

 protected:
  EncoderCore& core() const override { return core_; }

 private:
  ComputeEncoderImpl(CommandBufferImpl& buffer, MTL::DispatchType type, bool alive,
                     std::shared_ptr<EncoderReport> report);

  bool index_is_valid(const char* call, std::size_t index);
  /// Checks the dispatch; records it and returns it; null where a rule is broken. Without a grid only the
  /// device will read it. `also_touches` is a buffer that is not bound, or null.
  DispatchRecord* record(const char* call, const std::optional<Extent>& grid, MTL::Size threads,
                         const void* also_touches);

  mutable EncoderCore core_;
  MTL::DispatchType type_;
  ComputePass* pass_ = nullptr;  ///< of the command buffer
  std::shared_ptr<const PipelineCode> pipeline_;
  Bindings bindings_;
  std::set<const void*> used_;        ///< by useResource, for barriers
  std::vector<const void*> touched_;  ///< by the dispatch that is being recorded
};

}  // namespace isometal::soft
