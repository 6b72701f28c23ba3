// csrc/soft/metal/encoder.cpp: MTL::CommandEncoder.
#include "soft/metal/encoder.h"

#include "soft/metal/device.h"

namespace isometal::soft {

EncoderCore::EncoderCore(NS::SharedPtr<CommandBufferImpl> owner, const char* kind,
                         std::shared_ptr<EncoderReport> report, bool alive)
    : owner_(std::move(owner)), kind_(kind), report_(std::move(report)), alive_(alive) {}

EncoderCore::~EncoderCore() {
  if (!alive_ || ended_ || owner_->committed()) return;  // a commit with an open encoder has failed already
  owner_->encoder_ended();
  owner_->fail_quietly(soft_message(described(), ": released without endEncoding; end it first."));
}

std::string EncoderCore::described() const {
  return report_->label.empty() ? kind_ : std::string(kind_) + " '" + report_->label + "'";
}

bool EncoderCore::accepts(const char* call) {
  if (!alive_) return false;
  if (ended_) {
    fail(call, "called after endEncoding; encode before it, or with another encoder.");
  } else if (owner_->committed()) {
    fail(call, "the command buffer is committed; use another.");
  } else {
    return true;
  }
  return false;
}

void EncoderCore::end() {
  if (!accepts("endEncoding")) return;
  ended_ = true;
  owner_->encoder_ended();
}

void EncoderCore::update_fence(const MTL::Fence* fence) {
  if (!accepts("updateFence")) return;
  if (fence == nullptr) return fail("updateFence", "the fence is null; it must not be.");
  updated_fences_.insert(fence);
  uses(fence);
}

void EncoderCore::wait_for_fence(const MTL::Fence* fence) {
  if (!accepts("waitForFence")) return;
  if (fence == nullptr) return fail("waitForFence", "the fence is null; it must not be.");
  if (updated_fences_.count(fence) != 0) {
    return fail("waitForFence",
                "the encoder itself has updated the fence; wait before that, or in a later encoder.");
  }
  uses(fence);
}

void EncoderCore::push_group(const NS::String* text) {
  if (!accepts("pushDebugGroup")) return;
  if (text == nullptr) return fail("pushDebugGroup", "the string is null; it must not be.");
  ++groups_;
}

void EncoderCore::pop_group() {
  if (!accepts("popDebugGroup")) return;
  if (groups_ == 0) return fail("popDebugGroup", "no group is open; call pushDebugGroup first.");
  --groups_;
}

void EncoderCore::signpost(const NS::String* text) {
  if (accepts("insertDebugSignpost")) report_->signposts.push_back(text_of(text));
}

void EncoderCore::label(const NS::String* text) {
  label_ = keep(text);
  if (alive_ && !ended_ && !owner_->committed()) report_->label = text_of(text);
}

}  // namespace isometal::soft

using namespace isometal::soft;

namespace MTL {

void CommandEncoder::barrierAfterQueueStages(MTL::Stages afterQueueStages, MTL::Stages beforeStages) {
  if (!core().accepts("barrierAfterQueueStages")) return;
  if (afterQueueStages == 0 || beforeStages == 0) {
    core().fail("barrierAfterQueueStages", "the stages are ", afterQueueStages, " and ", beforeStages,
                "; neither may be empty.");
  }
}

Device* CommandEncoder::device() const {
  return &the_device();
}

void CommandEncoder::endEncoding() {
  core().end();
}

void CommandEncoder::insertDebugSignpost(const NS::String* string) {
  core().signpost(string);
}

NS::String* CommandEncoder::label() const {
  return core().label_object();
}

void CommandEncoder::popDebugGroup() {
  core().pop_group();
}

void CommandEncoder::pushDebugGroup(const NS::String* string) {
  core().push_group(string);
}

void CommandEncoder::setLabel(const NS::String* label) {
  core().label(label);
}

}  // namespace MTL
