// csrc/soft/metal/encoder.h: what encoders have in common: whether they are open, names, failures.
#pragma once

#include <atomic>
#include <memory>
#include <set>
#include <string>

#include "soft/error.h"
#include "soft/metal/command_buffer.h"
#include "soft/metal/step.h"

namespace isometal::soft {

class EncoderCore {
 public:
  /// `kind` opens messages: "compute encoder". An encoder that is not alive was opened against the rules,
  /// which its command buffer knows; its calls do nothing.
  EncoderCore(NS::SharedPtr<CommandBufferImpl> owner, const char* kind, std::shared_ptr<EncoderReport> report,
              bool alive);
  ~EncoderCore();
  EncoderCore(const EncoderCore&) = delete;
  EncoderCore& operator=(const EncoderCore&) = delete;

  /// True if `call` may go on. An encoder that has ended fails it.
  bool accepts(const char* call);
  void end();

  /// Records that `call` broke a rule: the command buffer will end with an error.
  template <typename... Parts>
  void fail(const char* call, const Parts&... parts) {
    report_->state = MTL::CommandEncoderErrorStateFaulted;
    owner_->fail(soft_message(described(), ": ", call, ": ", parts...));
  }

  /// An object that the encoder's commands use.
  void uses(const NS::Object* object) { owner_->uses(object); }
  void update_fence(const MTL::Fence* fence);
  void wait_for_fence(const MTL::Fence* fence);
  void push_group(const NS::String* text);
  void pop_group();
  void signpost(const NS::String* text);
  void label(const NS::String* text);
  NS::String* label_object() const { return label_.get(); }

 private:
  std::string described() const;

  NS::SharedPtr<CommandBufferImpl> owner_;
  const char* kind_;
  std::shared_ptr<EncoderReport> report_;
  NS::SharedPtr<NS::String> label_;
  std::set<const MTL::Fence*> updated_fences_;
  std::size_t groups_ = 0;
  bool alive_;
  std::atomic<bool> ended_ = false;
};

}  // namespace isometal::soft
