// csrc/soft/metal/blit_encoder.h: copies and fills.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "soft/metal/encoder.h"

namespace isometal::soft {

class BlitPass final : public Step {
 public:
  struct Command {
    std::byte* destination;
    const std::byte* source;  ///< null: a fill
    std::size_t size;
    unsigned char value;
  };

  explicit BlitPass(std::shared_ptr<EncoderReport> about) : report_(std::move(about)) {}

  void run(const RunContext& context) override;
  EncoderReport* report() override { return report_.get(); }

  std::vector<Command> commands;

 private:
  std::shared_ptr<EncoderReport> report_;
};

class BlitEncoderImpl final : public MTL::BlitCommandEncoder {
 public:
  /// Autoreleased. Where the buffer can take no encoder, one that does nothing: that failure is recorded.
  static MTL::BlitCommandEncoder* open(CommandBufferImpl& buffer);

  void copy(const MTL::Buffer* source, std::size_t source_offset, const MTL::Buffer* destination,
            std::size_t destination_offset, std::size_t size);
  void fill(const MTL::Buffer* buffer, NS::Range range, std::uint8_t value);

 protected:
  EncoderCore& core() const override { return core_; }

 private:
  BlitEncoderImpl(CommandBufferImpl& buffer, bool alive, std::shared_ptr<EncoderReport> report);

  mutable EncoderCore core_;
  BlitPass* pass_ = nullptr;  ///< of the command buffer
};

}  // namespace isometal::soft
