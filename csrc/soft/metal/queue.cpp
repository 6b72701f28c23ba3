// csrc/soft/metal/queue.cpp: command queues.
#include "soft/metal/queue.h"

#include <algorithm>
#include <utility>

#include "soft/error.h"
#include "soft/metal/device.h"
#include "soft/validation.h"

namespace isometal::soft {

MTL::CommandBuffer* QueueImpl::make(const MTL::CommandBufferDescriptor* descriptor) {
  const auto limit = device_settings().stall_limit;
  std::uint64_t number;
  {
    std::unique_lock lock(mutex_);
    // What was handed to the thread ends by itself. Otherwise another thread would have to commit something.
    while (outstanding_ >= capacity_) {
      if (room_.wait_for(lock, limit, [&] { return outstanding_ < capacity_; }) || handed_over_ > 0) continue;
      lock.unlock();
      report_failure(soft_message("commandBuffer: the queue has ", capacity_,
                                  " command buffers, and none of them is committed, for ", limit.count(),
                                  " ms; commit or release them."));
      return nullptr;
    }
    ++outstanding_;
    number = made_++;
  }
  return (new CommandBufferImpl(NS::RetainPtr(this), descriptor, number))->autorelease();
}

void QueueImpl::reserve(CommandBufferImpl* buffer) {
  const std::lock_guard lock(mutex_);
  places_.push_back({buffer, nullptr});
}

void QueueImpl::accept(NS::SharedPtr<CommandBufferImpl> buffer) {
  const std::lock_guard lock(mutex_);
  const auto same = [&](const Place& place) { return place.buffer == buffer.get(); };
  const auto reserved = std::find_if(places_.begin(), places_.end(), same);
  if (reserved != places_.end()) {
    reserved->committed = std::move(buffer);
  } else {
    CommandBufferImpl* const raw = buffer.get();
    places_.push_back({raw, std::move(buffer)});
  }
  advance();
}

void QueueImpl::advance() {
  while (!places_.empty() && places_.front().committed) {
    ++handed_over_;
    runner_.post([buffer = std::move(places_.front().committed)] { buffer->execute(); });
    places_.pop_front();
  }
}

void QueueImpl::forget(CommandBufferImpl* buffer) {
  const std::lock_guard lock(mutex_);
  const auto same = [&](const Place& place) { return place.buffer == buffer; };
  places_.erase(std::remove_if(places_.begin(), places_.end(), same), places_.end());
  --outstanding_;
  room_.notify_all();
  advance();
}

void QueueImpl::completed() {
  const std::lock_guard lock(mutex_);
  --outstanding_;
  --handed_over_;
  room_.notify_all();
}

void QueueImpl::add(const MTL::ResidencySet* set) {
  if (set == nullptr)
    return report_failure(soft_message("addResidencySet: the set is null; it must not be."));
  const std::lock_guard lock(mutex_);
  const auto same = [&](const auto& other) { return other.get() == set; };
  if (std::any_of(residency_sets_.begin(), residency_sets_.end(), same)) return;
  if (residency_sets_.size() == kMaxResidencySets) {
    return report_failure(soft_message("addResidencySet: the queue has ", kMaxResidencySets,
                                       " sets already, which is the most."));
  }
  residency_sets_.push_back(keep(set));
}

void QueueImpl::remove(const MTL::ResidencySet* set) {
  const std::lock_guard lock(mutex_);
  const auto same = [&](const auto& other) { return other.get() == set; };
  residency_sets_.erase(std::remove_if(residency_sets_.begin(), residency_sets_.end(), same),
                        residency_sets_.end());
}

namespace {

constexpr NS::UInteger kDefaultCapacity = 64;

class QueueDescriptorImpl final : public MTL::CommandQueueDescriptor {};

QueueImpl& impl(const MTL::CommandQueue* queue) {
  return impl_of<QueueImpl>(queue);
}

}  // namespace
}  // namespace isometal::soft

using namespace isometal::soft;

namespace MTL {

CommandQueue* Device::newCommandQueue() {
  return newCommandQueue(kDefaultCapacity);
}

CommandQueue* Device::newCommandQueue(NS::UInteger maxCommandBufferCount) {
  if (maxCommandBufferCount != 0) return new QueueImpl(maxCommandBufferCount);
  report_failure(soft_message("newCommandQueue: maxCommandBufferCount is 0; it must be at least 1."));
  return nullptr;
}

CommandQueue* Device::newCommandQueue(const MTL::CommandQueueDescriptor* descriptor) {
  return descriptor == nullptr ? newCommandQueue() : newCommandQueue(descriptor->maxCommandBufferCount());
}

void CommandQueue::addResidencySet(const MTL::ResidencySet* residencySet) {
  impl(this).add(residencySet);
}

void CommandQueue::addResidencySets(const MTL::ResidencySet* const residencySets[], NS::UInteger count) {
  for (NS::UInteger i = 0; i < count; ++i) addResidencySet(residencySets[i]);
}

CommandBuffer* CommandQueue::commandBuffer() {
  return impl(this).make(nullptr);
}

CommandBuffer* CommandQueue::commandBuffer(const MTL::CommandBufferDescriptor* descriptor) {
  return impl(this).make(descriptor);
}

CommandBuffer* CommandQueue::commandBufferWithUnretainedReferences() {
  const auto descriptor = NS::TransferPtr(CommandBufferDescriptor::alloc()->init());
  descriptor->setRetainedReferences(false);
  return impl(this).make(descriptor.get());
}

Device* CommandQueue::device() const {
  return &the_device();
}

NS::String* CommandQueue::label() const {
  return impl(this).label_object();
}

void CommandQueue::removeResidencySet(const MTL::ResidencySet* residencySet) {
  impl(this).remove(residencySet);
}

void CommandQueue::removeResidencySets(const MTL::ResidencySet* const residencySets[], NS::UInteger count) {
  for (NS::UInteger i = 0; i < count; ++i) removeResidencySet(residencySets[i]);
}

void CommandQueue::setLabel(const NS::String* label) {
  impl(this).label(label);
}

CommandQueueDescriptor* CommandQueueDescriptor::alloc() {
  return new QueueDescriptorImpl;
}

CommandQueueDescriptor* CommandQueueDescriptor::init() {
  return this;
}

CommandQueueDescriptor* CommandQueueDescriptor::clone() const {
  return new QueueDescriptorImpl(static_cast<const QueueDescriptorImpl&>(*this));
}

NS::UInteger CommandQueueDescriptor::maxCommandBufferCount() const {
  return max_command_buffer_count_;
}

void CommandQueueDescriptor::setMaxCommandBufferCount(NS::UInteger maxCommandBufferCount) {
  max_command_buffer_count_ = maxCommandBufferCount;
}

}  // namespace MTL
