// csrc/soft/metal/blit_encoder.cpp: MTL::BlitCommandEncoder.
#include "soft/metal/blit_encoder.h"

#include <cstring>

#include "soft/metal/buffer.h"

namespace isometal::soft {

void BlitPass::run(const RunContext&) {
  for (const Command& command : commands) {
    if (command.source == nullptr) {
      std::memset(command.destination, command.value, command.size);
    } else {
      std::memcpy(command.destination, command.source, command.size);
    }
  }
}

BlitEncoderImpl::BlitEncoderImpl(CommandBufferImpl& buffer, bool alive, std::shared_ptr<EncoderReport> report)
    : core_(NS::RetainPtr(&buffer), "blit encoder", report, alive) {
  if (!alive) return;
  auto pass = std::make_unique<BlitPass>(std::move(report));
  pass_ = pass.get();
  buffer.add(std::move(pass));
  buffer.encoder_opened();
}

MTL::BlitCommandEncoder* BlitEncoderImpl::open(CommandBufferImpl& buffer) {
  const bool alive = buffer.accepts_encoder("blitCommandEncoder");
  return (new BlitEncoderImpl(buffer, alive, std::make_shared<EncoderReport>()))->autorelease();
}

void BlitEncoderImpl::copy(const MTL::Buffer* source, std::size_t source_offset,
                           const MTL::Buffer* destination, std::size_t destination_offset, std::size_t size) {
  constexpr const char* kCall = "copyFromBuffer";
  if (!core_.accepts(kCall)) return;
  if (source == nullptr || destination == nullptr)
    return core_.fail(kCall, "a buffer is null; it must not be.");
  if (size == 0) return core_.fail(kCall, "size is 0; it must be at least 1.");
  const BufferImpl& from = Access::buffer(source);
  const BufferImpl& to = Access::buffer(destination);
  for (const std::string& wrong : {check_span("the source", source_offset, size, from.bytes()),
                                   check_span("the destination", destination_offset, size, to.bytes())}) {
    if (!wrong.empty()) return core_.fail(kCall, wrong);
  }
  const std::byte* const first = from.data() + source_offset;
  std::byte* const second = to.data() + destination_offset;
  if (first < second + size && second < first + size) {
    return core_.fail(kCall, "source and destination overlap; copy through another buffer.");
  }
  core_.uses(source);
  core_.uses(destination);
  pass_->commands.push_back({second, first, size, 0});
}

void BlitEncoderImpl::fill(const MTL::Buffer* buffer, NS::Range range, std::uint8_t value) {
  if (!core_.accepts("fillBuffer")) return;
  if (buffer == nullptr) return core_.fail("fillBuffer", "the buffer is null; it must not be.");
  if (range.length == 0) return core_.fail("fillBuffer", "the range is empty; it must have at least 1 byte.");
  const BufferImpl& memory = Access::buffer(buffer);
  const std::string wrong = check_span("the range", range.location, range.length, memory.bytes());
  if (!wrong.empty()) return core_.fail("fillBuffer", wrong);
  core_.uses(buffer);
  pass_->commands.push_back({memory.data() + range.location, nullptr, range.length, value});
}

}  // namespace isometal::soft

using namespace isometal::soft;

namespace MTL {

void BlitCommandEncoder::copyFromBuffer(const MTL::Buffer* sourceBuffer, NS::UInteger sourceOffset,
                                        const MTL::Buffer* destinationBuffer, NS::UInteger destinationOffset,
                                        NS::UInteger size) {
  impl_of<BlitEncoderImpl>(this).copy(sourceBuffer, sourceOffset, destinationBuffer, destinationOffset, size);
}

void BlitCommandEncoder::fillBuffer(const MTL::Buffer* buffer, NS::Range range, std::uint8_t value) {
  impl_of<BlitEncoderImpl>(this).fill(buffer, range, value);
}

void BlitCommandEncoder::synchronizeResource(const MTL::Resource* resource) {
  EncoderCore& encoder = Access::encoder(this);
  if (!encoder.accepts("synchronizeResource")) return;
  if (resource == nullptr)
    return encoder.fail("synchronizeResource", "the resource is null; it must not be.");
  if (resource->storageMode() != StorageModeManaged) {
    encoder.fail("synchronizeResource", "storage of ", Access::buffer(resource).described(),
                 " is not managed; only managed resources need it.");
  }
}

void BlitCommandEncoder::updateFence(const MTL::Fence* fence) {
  Access::encoder(this).update_fence(fence);
}

void BlitCommandEncoder::waitForFence(const MTL::Fence* fence) {
  Access::encoder(this).wait_for_fence(fence);
}

}  // namespace MTL
