// csrc/soft/metal/heap.cpp: heaps, automatic and placement.
#include "soft/metal/heap.h"

#include <algorithm>
#include <iterator>

#include "soft/error.h"
#include "soft/metal/device.h"
#include "soft/validation.h"

namespace isometal::soft {
namespace {

std::size_t round_up(std::size_t value, std::size_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

}  // namespace

std::optional<std::size_t> FreeList::take(std::size_t size, std::size_t alignment) {
  for (auto piece = free_.begin(); piece != free_.end(); ++piece) {
    const auto [start, length] = *piece;
    const std::size_t offset = round_up(start, alignment);
    if (offset - start > length || size > length - (offset - start)) continue;
    free_.erase(piece);
    if (offset > start) free_[start] = offset - start;
    if (start + length > offset + size) free_[offset + size] = start + length - offset - size;
    return offset;
  }
  return std::nullopt;
}

void FreeList::give(std::size_t offset, std::size_t size) {
  auto piece = free_.emplace(offset, size).first;
  const auto next = std::next(piece);
  if (next != free_.end() && piece->first + piece->second == next->first) {
    piece->second += next->second;
    free_.erase(next);
  }
  if (piece == free_.begin()) return;
  const auto before = std::prev(piece);
  if (before->first + before->second != piece->first) return;
  before->second += piece->second;
  free_.erase(piece);
}

std::size_t FreeList::longest(std::size_t alignment) const {
  std::size_t result = 0;
  for (const auto& [start, length] : free_) {
    const std::size_t lost = round_up(start, alignment) - start;
    if (lost < length) result = std::max(result, length - lost);
  }
  return result;
}

std::size_t FreeList::free_bytes() const {
  std::size_t result = 0;
  for (const auto& piece : free_) result += piece.second;
  return result;
}

HeapImpl::HeapImpl(Memory memory, const MTL::HeapDescriptor* descriptor)
    : memory_(std::move(memory)),
      size_(descriptor->size()),
      type_(descriptor->type()),
      options_(descriptor->resourceOptions()),
      count_(size_),
      free_(size_) {}

MTL::Buffer* HeapImpl::make(std::size_t length, MTL::ResourceOptions options,
                            std::optional<std::size_t> offset) {
  const auto refused = [](const std::string& text) {
    report_failure(text);
    return nullptr;
  };
  const bool placed = type_ == MTL::HeapTypePlacement;
  if (placed != offset.has_value()) {
    return refused(placed ? soft_message("Heap::newBuffer: a placement heap needs an offset.")
                          : soft_message("Heap::newBuffer: an automatic heap takes no offset."));
  }
  if (length == 0)
    return refused(soft_message("Heap::newBuffer: length is 0; a buffer has at least 1 byte."));
  if (storage_mode_of(options) != storage_mode_of(options_) ||
      cache_mode_of(options) != cache_mode_of(options_)) {
    return refused(soft_message("Heap::newBuffer: options are ", options, ", the heap's ", options_,
                                "; storage and cache mode must be the same."));
  }
  if (length > size_) return nullptr;
  const std::size_t size = round_up(length, kHeapAlignment);
  const std::lock_guard lock(mutex_);
  if (placed) {
    if (*offset % kHeapAlignment != 0 || size > size_ || *offset > size_ - size) {
      return refused(soft_message("Heap::newBuffer: offset ", *offset, " for ", size, " bytes on a heap of ",
                                  size_, "; it must be a multiple of ", kHeapAlignment, " and leave room."));
    }
    placed_ += size;
  } else {
    offset = free_.take(size, kHeapAlignment);
    if (!offset) return nullptr;
  }
  // The buffer keeps the heap, so that `this` outlives the function.
  const auto give_back = [this, at = *offset, size, placed] {
    const std::lock_guard guard(mutex_);
    if (placed) {
      placed_ -= size;
    } else {
      free_.give(at, size);
    }
  };
  auto* const buffer = new BufferImpl(Memory(memory_.data() + *offset, give_back), length, options, 0);
  buffer->place_on(NS::RetainPtr(static_cast<MTL::Heap*>(this)), *offset);
  return buffer;
}

void HeapImpl::alias(BufferImpl& buffer) {
  if (buffer.aliasable) return;
  buffer.aliasable = true;
  if (type_ == MTL::HeapTypeAutomatic) buffer.give_back_now();
}

std::size_t HeapImpl::used() const {
  const std::lock_guard lock(mutex_);
  return type_ == MTL::HeapTypePlacement ? placed_ : size_ - free_.free_bytes();
}

std::size_t HeapImpl::longest(std::size_t alignment) const {
  const std::lock_guard lock(mutex_);
  return free_.longest(std::max(alignment, kHeapAlignment));
}

namespace {

class HeapDescriptorImpl final : public MTL::HeapDescriptor {};

HeapImpl& impl(const MTL::Heap* heap) {
  return impl_of<HeapImpl>(heap);
}

}  // namespace
}  // namespace isometal::soft

using namespace isometal::soft;

namespace MTL {

SizeAndAlign Device::heapBufferSizeAndAlign(NS::UInteger length, MTL::ResourceOptions) {
  return {round_up(length, kHeapAlignment), kHeapAlignment};
}

Heap* Device::newHeap(const MTL::HeapDescriptor* descriptor) {
  const auto refused = [](const std::string& text) {
    report_failure(text);
    return nullptr;
  };
  if (descriptor == nullptr) return refused(soft_message("newHeap: the descriptor is null; it must not be."));
  if (descriptor->size() == 0 || descriptor->size() > maxBufferLength()) {
    return refused(soft_message("newHeap: size is ", descriptor->size(), "; it must be from 1 to ",
                                maxBufferLength(), " (maxBufferLength)."));
  }
  if (descriptor->type() == HeapTypeSparse || descriptor->storageMode() == StorageModeMemoryless) {
    return refused(
        soft_message("newHeap: sparse and memoryless heaps are not implemented; use an automatic or a "
                     "placement heap."));
  }
  Memory memory = Memory::allocate(descriptor->size());
  return memory.data() == nullptr ? nullptr : new HeapImpl(std::move(memory), descriptor);
}

HeapDescriptor* HeapDescriptor::alloc() {
  return new HeapDescriptorImpl;
}

HeapDescriptor* HeapDescriptor::init() {
  return this;
}

HeapDescriptor* HeapDescriptor::clone() const {
  return new HeapDescriptorImpl(static_cast<const HeapDescriptorImpl&>(*this));
}

CPUCacheMode HeapDescriptor::cpuCacheMode() const {
  return cpu_cache_mode_;
}

HazardTrackingMode HeapDescriptor::hazardTrackingMode() const {
  return hazard_tracking_mode_;
}

ResourceOptions HeapDescriptor::resourceOptions() const {
  return cpu_cache_mode_ | storage_mode_ << 4 | hazard_tracking_mode_ << 8;
}

NS::UInteger HeapDescriptor::size() const {
  return size_;
}

StorageMode HeapDescriptor::storageMode() const {
  return storage_mode_;
}

HeapType HeapDescriptor::type() const {
  return type_;
}

void HeapDescriptor::setCpuCacheMode(MTL::CPUCacheMode cpuCacheMode) {
  cpu_cache_mode_ = cpuCacheMode;
}

void HeapDescriptor::setHazardTrackingMode(MTL::HazardTrackingMode hazardTrackingMode) {
  hazard_tracking_mode_ = hazardTrackingMode;
}

void HeapDescriptor::setResourceOptions(MTL::ResourceOptions resourceOptions) {
  cpu_cache_mode_ = cache_mode_of(resourceOptions);
  storage_mode_ = storage_mode_of(resourceOptions);
  hazard_tracking_mode_ = hazard_mode_of(resourceOptions);
}

void HeapDescriptor::setSize(NS::UInteger size) {
  size_ = size;
}

void HeapDescriptor::setStorageMode(MTL::StorageMode storageMode) {
  storage_mode_ = storageMode;
}

void HeapDescriptor::setType(MTL::HeapType type) {
  type_ = type;
}

CPUCacheMode Heap::cpuCacheMode() const {
  return cache_mode_of(resourceOptions());
}

NS::UInteger Heap::currentAllocatedSize() const {
  return size();
}

Device* Heap::device() const {
  return &the_device();
}

HazardTrackingMode Heap::hazardTrackingMode() const {
  const HazardTrackingMode mode = hazard_mode_of(resourceOptions());
  return mode == HazardTrackingModeDefault ? HazardTrackingModeUntracked : mode;
}

NS::String* Heap::label() const {
  return impl(this).label_object();
}

NS::UInteger Heap::maxAvailableSize(NS::UInteger alignment) {
  return impl(this).longest(alignment);
}

Buffer* Heap::newBuffer(NS::UInteger length, MTL::ResourceOptions options) {
  return impl(this).make(length, options, std::nullopt);
}

Buffer* Heap::newBuffer(NS::UInteger length, MTL::ResourceOptions options, NS::UInteger offset) {
  return impl(this).make(length, options, offset);
}

ResourceOptions Heap::resourceOptions() const {
  return impl(this).options();
}

void Heap::setLabel(const NS::String* label) {
  impl(this).label(label);
}

PurgeableState Heap::setPurgeableState(MTL::PurgeableState) {
  return PurgeableStateNonVolatile;
}

NS::UInteger Heap::size() const {
  return impl(this).bytes();
}

StorageMode Heap::storageMode() const {
  return storage_mode_of(resourceOptions());
}

HeapType Heap::type() const {
  return impl(this).kind();
}

NS::UInteger Heap::usedSize() const {
  return impl(this).used();
}

void Resource::makeAliasable() {
  if (heap() == nullptr) {
    return report_failure(
        soft_message("makeAliasable: the resource is on no heap; only those on heaps can alias."));
  }
  impl(heap()).alias(buffer());
}

}  // namespace MTL
