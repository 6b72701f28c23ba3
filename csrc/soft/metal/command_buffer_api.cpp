// csrc/soft/metal/command_buffer_api.cpp: MTL::CommandBuffer, and the error that tells of its failures.
#include "soft/error.h"
#include "soft/metal/blit_encoder.h"
#include "soft/metal/command_buffer.h"
#include "soft/metal/compute_encoder.h"
#include "soft/metal/device.h"
#include "soft/metal/queue.h"

namespace isometal::soft {
namespace {

class EncoderInfoImpl final : public MTL::CommandBufferEncoderInfo {
 public:
  explicit EncoderInfoImpl(const EncoderReport& report)
      : label_(NS::RetainPtr(make_string(report.label))), state_(report.state) {
    std::vector<NS::SharedPtr<NS::String>> signposts;
    for (const std::string& text : report.signposts) signposts.push_back(NS::RetainPtr(make_string(text)));
    signposts_ = NS::RetainPtr(make_array(signposts));
  }

  NS::Array* signposts() const { return signposts_.get(); }
  MTL::CommandEncoderErrorState state() const { return state_; }
  NS::String* label_object() const { return label_.get(); }

 private:
  NS::SharedPtr<NS::String> label_;
  NS::SharedPtr<NS::Array> signposts_;
  MTL::CommandEncoderErrorState state_;
};

class CommandBufferDescriptorImpl final : public MTL::CommandBufferDescriptor {};
class ComputePassDescriptorImpl final : public MTL::ComputePassDescriptor {};
class BlitPassDescriptorImpl final : public MTL::BlitPassDescriptor {};

EncoderInfoImpl& impl(const MTL::CommandBufferEncoderInfo* info) {
  return impl_of<EncoderInfoImpl>(info);
}

CommandBufferImpl& impl(const MTL::CommandBuffer* buffer) {
  return impl_of<CommandBufferImpl>(buffer);
}

/// The checks and the record of an encoded signal or wait.
void add_event_step(CommandBufferImpl& buffer, const char* call, const MTL::Event* event, std::uint64_t value,
                    std::unique_ptr<Step> (*make)(const EventCore&, std::uint64_t)) {
  if (!buffer.accepts_encoder(call)) return;
  if (event == nullptr) return buffer.fail(soft_message(call, ": the event is null; it must not be."));
  buffer.add(make(Access::event(event), value));
  buffer.uses(event);
}

}  // namespace

NS::Error* CommandBufferImpl::error_object() const {
  std::string text;
  MTL::CommandBufferError code;
  {
    const std::lock_guard lock(mutex_);
    if (failures_.empty()) return nullptr;
    code = failures_.front().code;
    for (const Failure& failure : failures_) text += (text.empty() ? "" : "\n") + failure.text;
    if (failure_count_ > failures_.size()) {
      text += "\nand " + std::to_string(failure_count_ - failures_.size()) + " more failures";
    }
  }
  std::vector<const NS::Object*> values{make_string(text)};
  std::vector<const NS::Object*> keys{NS::LocalizedDescriptionKey};
  if ((error_options_ & MTL::CommandBufferErrorOptionEncoderExecutionStatus) != 0) {
    values.push_back(encoder_infos());
    keys.push_back(MTL::CommandBufferEncoderInfoErrorKey);
  }
  return NS::Error::error(MTLSTR("MTLCommandBufferErrorDomain"), static_cast<NS::Integer>(code),
                          NS::Dictionary::dictionary(values.data(), keys.data(), values.size()));
}

NS::Array* CommandBufferImpl::encoder_infos() const {
  std::vector<NS::SharedPtr<MTL::CommandBufferEncoderInfo>> infos;
  for (const auto& step : steps_) {
    if (const EncoderReport* const report = step->report()) {
      infos.push_back(
          NS::TransferPtr(static_cast<MTL::CommandBufferEncoderInfo*>(new EncoderInfoImpl(*report))));
    }
  }
  return make_array(infos);
}

}  // namespace isometal::soft

using namespace isometal::soft;

namespace MTL {

CommandBufferDescriptor* CommandBufferDescriptor::alloc() {
  return new CommandBufferDescriptorImpl;
}

CommandBufferDescriptor* CommandBufferDescriptor::init() {
  return this;
}

CommandBufferDescriptor* CommandBufferDescriptor::clone() const {
  return new CommandBufferDescriptorImpl(static_cast<const CommandBufferDescriptorImpl&>(*this));
}

CommandBufferErrorOption CommandBufferDescriptor::errorOptions() const {
  return error_options_;
}

bool CommandBufferDescriptor::retainedReferences() const {
  return retained_references_;
}

void CommandBufferDescriptor::setErrorOptions(MTL::CommandBufferErrorOption errorOptions) {
  error_options_ = errorOptions;
}

void CommandBufferDescriptor::setRetainedReferences(bool retainedReferences) {
  retained_references_ = retainedReferences;
}

ComputePassDescriptor* ComputePassDescriptor::alloc() {
  return new ComputePassDescriptorImpl;
}

ComputePassDescriptor* ComputePassDescriptor::computePassDescriptor() {
  return alloc()->init()->autorelease();
}

ComputePassDescriptor* ComputePassDescriptor::init() {
  return this;
}

ComputePassDescriptor* ComputePassDescriptor::clone() const {
  return new ComputePassDescriptorImpl(static_cast<const ComputePassDescriptorImpl&>(*this));
}

DispatchType ComputePassDescriptor::dispatchType() const {
  return dispatch_type_;
}

void ComputePassDescriptor::setDispatchType(MTL::DispatchType dispatchType) {
  dispatch_type_ = dispatchType;
}

BlitPassDescriptor* BlitPassDescriptor::alloc() {
  return new BlitPassDescriptorImpl;
}

BlitPassDescriptor* BlitPassDescriptor::blitPassDescriptor() {
  return alloc()->init()->autorelease();
}

BlitPassDescriptor* BlitPassDescriptor::init() {
  return this;
}

BlitPassDescriptor* BlitPassDescriptor::clone() const {
  return new BlitPassDescriptorImpl(static_cast<const BlitPassDescriptorImpl&>(*this));
}

NS::Array* CommandBufferEncoderInfo::debugSignposts() const {
  return impl(this).signposts();
}

CommandEncoderErrorState CommandBufferEncoderInfo::errorState() const {
  return impl(this).state();
}

NS::String* CommandBufferEncoderInfo::label() const {
  return impl(this).label_object();
}

CFTimeInterval CommandBuffer::GPUEndTime() const {
  return impl(this).times().gpu_end;
}

CFTimeInterval CommandBuffer::GPUStartTime() const {
  return impl(this).times().gpu_start;
}

CFTimeInterval CommandBuffer::kernelEndTime() const {
  return impl(this).times().kernel_end;
}

CFTimeInterval CommandBuffer::kernelStartTime() const {
  return impl(this).times().kernel_start;
}

void CommandBuffer::addCompletedHandler(const MTL::HandlerFunction& function) {
  impl(this).on_completed("addCompletedHandler", function);
}

void CommandBuffer::addScheduledHandler(const MTL::HandlerFunction& function) {
  impl(this).on_scheduled("addScheduledHandler", function);
}

BlitCommandEncoder* CommandBuffer::blitCommandEncoder() {
  return BlitEncoderImpl::open(impl(this));
}

BlitCommandEncoder* CommandBuffer::blitCommandEncoder(const MTL::BlitPassDescriptor*) {
  return BlitEncoderImpl::open(impl(this));
}

ComputeCommandEncoder* CommandBuffer::computeCommandEncoder() {
  return ComputeEncoderImpl::open(impl(this), DispatchTypeSerial);
}

ComputeCommandEncoder* CommandBuffer::computeCommandEncoder(
    const MTL::ComputePassDescriptor* computePassDescriptor) {
  return ComputeEncoderImpl::open(impl(this), computePassDescriptor == nullptr
                                                  ? DispatchTypeSerial
                                                  : computePassDescriptor->dispatchType());
}

ComputeCommandEncoder* CommandBuffer::computeCommandEncoder(MTL::DispatchType dispatchType) {
  return ComputeEncoderImpl::open(impl(this), dispatchType);
}

void CommandBuffer::encodeSignalEvent(const MTL::Event* event, std::uint64_t value) {
  add_event_step(impl(this), "encodeSignalEvent", event, value, make_signal);
}

void CommandBuffer::encodeWait(const MTL::Event* event, std::uint64_t value) {
  add_event_step(impl(this), "encodeWait", event, value, make_wait);
}

void CommandBuffer::enqueue() {
  impl(this).enter_queue();
}

void CommandBuffer::commit() {
  impl(this).commit_now();
}

void CommandBuffer::waitUntilCompleted() {
  impl(this).wait_completed();
}

void CommandBuffer::waitUntilScheduled() {
  impl(this).wait_scheduled();
}

CommandQueue* CommandBuffer::commandQueue() const {
  return &impl(this).queue();
}

Device* CommandBuffer::device() const {
  return &the_device();
}

NS::Error* CommandBuffer::error() const {
  // As Metal: there is an error once the buffer has ended with one.
  return status() == CommandBufferStatusError ? impl(this).error_object() : nullptr;
}

CommandBufferErrorOption CommandBuffer::errorOptions() const {
  return impl(this).error_options();
}

NS::String* CommandBuffer::label() const {
  return impl(this).label_object();
}

bool CommandBuffer::retainedReferences() const {
  return impl(this).retains();
}

void CommandBuffer::setLabel(const NS::String* label) {
  impl(this).label(label);
}

CommandBufferStatus CommandBuffer::status() const {
  return impl(this).state();
}

void CommandBuffer::popDebugGroup() {
  impl(this).pop_group();
}

void CommandBuffer::pushDebugGroup(const NS::String* string) {
  if (string == nullptr)
    return impl(this).fail(soft_message("pushDebugGroup: the string is null; it must not be."));
  impl(this).push_group();
}

void CommandBuffer::useResidencySet(const MTL::ResidencySet* residencySet) {
  if (!impl(this).accepts("useResidencySet")) return;
  if (residencySet == nullptr) {
    return impl(this).fail(soft_message("useResidencySet: the set is null; it must not be."));
  }
  impl(this).uses(residencySet);
}

void CommandBuffer::useResidencySets(const MTL::ResidencySet* const residencySets[], NS::UInteger count) {
  for (NS::UInteger i = 0; i < count; ++i) useResidencySet(residencySets[i]);
}

}  // namespace MTL
