// csrc/soft/metal/residency_set.cpp: residency sets.
#include "soft/metal/residency_set.h"

#include <algorithm>

#include "soft/error.h"
#include "soft/metal/device.h"
#include "soft/validation.h"

namespace isometal::soft {

ResidencySetImpl::ResidencySetImpl(const MTL::ResidencySetDescriptor* descriptor)
    : label_(keep(descriptor->label())) {}

void ResidencySetImpl::add(const MTL::Allocation* allocation) {
  if (allocation == nullptr) {
    return report_failure(soft_message("addAllocation: the allocation is null; it must not be."));
  }
  if (contains(allocation)) return;
  const std::lock_guard lock(mutex_);
  allocations_.push_back(keep(allocation));
}

void ResidencySetImpl::remove(const MTL::Allocation* allocation) {
  NS::SharedPtr<MTL::Allocation> removed;  // goes after the lock
  const std::lock_guard lock(mutex_);
  const auto same = [&](const auto& other) { return other.get() == allocation; };
  const auto found = std::find_if(allocations_.begin(), allocations_.end(), same);
  if (found == allocations_.end()) return;
  removed = std::move(*found);
  allocations_.erase(found);
}

void ResidencySetImpl::clear() {
  std::vector<NS::SharedPtr<MTL::Allocation>> removed;
  const std::lock_guard lock(mutex_);
  removed.swap(allocations_);
}

void ResidencySetImpl::commit_changes() {
  const std::lock_guard lock(mutex_);
  committed_bytes_ = 0;
  for (const auto& allocation : allocations_) committed_bytes_ += allocation->allocatedSize();
}

bool ResidencySetImpl::contains(const MTL::Allocation* allocation) const {
  const std::lock_guard lock(mutex_);
  return std::any_of(allocations_.begin(), allocations_.end(),
                     [&](const auto& other) { return other.get() == allocation; });
}

std::vector<NS::SharedPtr<MTL::Allocation>> ResidencySetImpl::allocations() const {
  const std::lock_guard lock(mutex_);
  return allocations_;
}

std::uint64_t ResidencySetImpl::committed_bytes() const {
  const std::lock_guard lock(mutex_);
  return committed_bytes_;
}

namespace {

class DescriptorImpl final : public MTL::ResidencySetDescriptor {};

ResidencySetImpl& impl(const MTL::ResidencySet* set) {
  return impl_of<ResidencySetImpl>(set);
}

}  // namespace
}  // namespace isometal::soft

using namespace isometal::soft;

namespace MTL {

ResidencySet* Device::newResidencySet(const MTL::ResidencySetDescriptor* desc, NS::Error**) {
  if (desc != nullptr) return new ResidencySetImpl(desc);
  report_failure(soft_message("newResidencySet: the descriptor is null; it must not be."));
  return nullptr;
}

ResidencySetDescriptor* ResidencySetDescriptor::alloc() {
  return new DescriptorImpl;
}

ResidencySetDescriptor* ResidencySetDescriptor::init() {
  return this;
}

ResidencySetDescriptor* ResidencySetDescriptor::clone() const {
  return new DescriptorImpl(static_cast<const DescriptorImpl&>(*this));
}

NS::UInteger ResidencySetDescriptor::initialCapacity() const {
  return initial_capacity_;
}

NS::String* ResidencySetDescriptor::label() const {
  return label_.get();
}

void ResidencySetDescriptor::setInitialCapacity(NS::UInteger initialCapacity) {
  initial_capacity_ = initialCapacity;
}

void ResidencySetDescriptor::setLabel(const NS::String* label) {
  label_ = keep(label);
}

void ResidencySet::addAllocation(const MTL::Allocation* allocation) {
  impl(this).add(allocation);
}

void ResidencySet::addAllocations(const MTL::Allocation* const allocations[], NS::UInteger count) {
  for (NS::UInteger i = 0; i < count; ++i) addAllocation(allocations[i]);
}

NS::Array* ResidencySet::allAllocations() const {
  return make_array(impl(this).allocations());
}

std::uint64_t ResidencySet::allocatedSize() const {
  return impl(this).committed_bytes();
}

NS::UInteger ResidencySet::allocationCount() const {
  return impl(this).allocations().size();
}

void ResidencySet::commit() {
  impl(this).commit_changes();
}

bool ResidencySet::containsAllocation(const MTL::Allocation* anAllocation) {
  return impl(this).contains(anAllocation);
}

Device* ResidencySet::device() const {
  return &the_device();
}

void ResidencySet::endResidency() {}

NS::String* ResidencySet::label() const {
  return impl(this).label_object();
}

void ResidencySet::removeAllAllocations() {
  impl(this).clear();
}

void ResidencySet::removeAllocation(const MTL::Allocation* allocation) {
  impl(this).remove(allocation);
}

void ResidencySet::removeAllocations(const MTL::Allocation* const allocations[], NS::UInteger count) {
  for (NS::UInteger i = 0; i < count; ++i) removeAllocation(allocations[i]);
}

void ResidencySet::requestResidency() {}

}  // namespace MTL
