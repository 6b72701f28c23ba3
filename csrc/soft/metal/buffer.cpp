// csrc/soft/metal/buffer.cpp: buffers, and how the device makes them.
#include "soft/metal/buffer.h"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include "soft/error.h"
#include "soft/metal/device.h"
#include "soft/metal/machine.h"
#include "soft/validation.h"

namespace isometal::soft {
namespace {

std::atomic<std::uint64_t> allocated{0};

constexpr std::size_t kSmallAlignment = 256;

}  // namespace

Memory Memory::allocate(std::size_t bytes) {
  const std::size_t alignment = bytes < page_size() ? kSmallAlignment : page_size();
  // calloc: fresh pages are zero already, and cost nothing before they are touched.
  void* const raw = std::calloc(bytes + alignment, 1);
  if (raw == nullptr) return Memory();
  const std::size_t past = reinterpret_cast<std::uintptr_t>(raw) % alignment;
  auto* const data = static_cast<std::byte*>(raw) + (past == 0 ? 0 : alignment - past);
  return Memory(data, [raw] { std::free(raw); });
}

std::uint64_t allocated_bytes_of_device() {
  return allocated;
}

std::string check_span(const char* what, std::size_t offset, std::size_t length, std::size_t size) {
  if (offset <= size && length <= size - offset) return {};
  return joined(what, " is ", offset, " + ", length, " bytes; the buffer has ", size, ".");
}

AllocationCount::AllocationCount(std::size_t bytes) : bytes_(bytes) {
  allocated += bytes_;
}

AllocationCount::~AllocationCount() {
  allocated -= bytes_;
}

MTL::StorageMode storage_mode_of(MTL::ResourceOptions options) {
  return static_cast<MTL::StorageMode>(options >> 4 & 15);
}

MTL::CPUCacheMode cache_mode_of(MTL::ResourceOptions options) {
  return static_cast<MTL::CPUCacheMode>(options & 15);
}

MTL::HazardTrackingMode hazard_mode_of(MTL::ResourceOptions options) {
  return static_cast<MTL::HazardTrackingMode>(options >> 8 & 3);
}

std::string BufferImpl::described() const {
  std::ostringstream out;
  out << "buffer ";
  if (const std::string label = label_text(); !label.empty()) {
    out << "'" << label << "'";
  } else {
    out << static_cast<const void*>(this);
  }
  out << " of " << length_ << " bytes";
  return out.str();
}

namespace {

/// What is wrong with a request for a buffer, or nothing.
std::string complaint(std::size_t length, MTL::ResourceOptions options) {
  if (length == 0) return soft_message("newBuffer: length is 0; a buffer has at least 1 byte.");
  if (length > the_device().maxBufferLength()) {
    return soft_message("newBuffer: length is ", length, "; the device allows at most ",
                        the_device().maxBufferLength(), " (maxBufferLength).");
  }
  if (storage_mode_of(options) > MTL::StorageModePrivate || cache_mode_of(options) > 1 ||
      hazard_mode_of(options) > MTL::HazardTrackingModeTracked || options >> 10 != 0) {
    return soft_message("newBuffer: options are ", options,
                        "; buffers can be shared, managed or private, and tracked or untracked.");
  }
  return {};
}

MTL::Buffer* refused(const std::string& text) {
  report_failure(text);
  return nullptr;
}

MTL::Buffer* allocate(std::size_t length, MTL::ResourceOptions options, const void* contents) {
  if (const std::string text = complaint(length, options); !text.empty()) return refused(text);
  Memory memory = Memory::allocate(length);
  if (memory.data() == nullptr) return nullptr;  // as Metal: out of memory is no misuse
  if (contents != nullptr) std::memcpy(memory.data(), contents, length);
  return new BufferImpl(std::move(memory), length, options, length);
}

}  // namespace
}  // namespace isometal::soft

using namespace isometal::soft;

namespace MTL {

Buffer* Device::newBuffer(NS::UInteger length, MTL::ResourceOptions options) {
  return allocate(length, options, nullptr);
}

Buffer* Device::newBuffer(const void* pointer, NS::UInteger length, MTL::ResourceOptions options) {
  if (pointer == nullptr)
    return refused(soft_message("newBuffer: the bytes to copy are null; they must not be."));
  if (storage_mode_of(options) == StorageModePrivate) {
    return refused(
        soft_message("newBuffer: private storage cannot be filled by the CPU; use shared storage."));
  }
  return allocate(length, options, pointer);
}

Buffer* Device::newBuffer(const void* pointer, NS::UInteger length, MTL::ResourceOptions options,
                          const std::function<void(void*, NS::UInteger)>& deallocator) {
  if (const std::string text = complaint(length, options); !text.empty()) return refused(text);
  const std::size_t page = page_size();
  if (pointer == nullptr || reinterpret_cast<std::uintptr_t>(pointer) % page != 0 || length % page != 0) {
    return refused(soft_message("newBuffer without a copy: pointer is ", pointer, " and length ", length,
                                "; both must be multiples of the page size, ", page, "."));
  }
  if (storage_mode_of(options) == StorageModePrivate) {
    return refused(soft_message("newBuffer without a copy: storage is private; it must be shared."));
  }
  auto* const bytes = static_cast<std::byte*>(const_cast<void*>(pointer));
  std::function<void()> give_back;
  if (deallocator) give_back = [deallocator, bytes, length] { deallocator(bytes, length); };
  return new BufferImpl(Memory(bytes, std::move(give_back)), length, options, 0);
}

CPUCacheMode Resource::cpuCacheMode() const {
  return cache_mode_of(resourceOptions());
}

Device* Resource::device() const {
  return &the_device();
}

HazardTrackingMode Resource::hazardTrackingMode() const {
  const HazardTrackingMode mode = hazard_mode_of(resourceOptions());
  // The default is to track, but on a heap not to.
  if (mode != HazardTrackingModeDefault) return mode;
  return heap() != nullptr ? HazardTrackingModeUntracked : HazardTrackingModeTracked;
}

Heap* Resource::heap() const {
  return buffer().on_heap();
}

NS::UInteger Resource::heapOffset() const {
  return buffer().offset_on_heap();
}

bool Resource::isAliasable() {
  return buffer().aliasable;
}

NS::String* Resource::label() const {
  return buffer().label_object();
}

ResourceOptions Resource::resourceOptions() const {
  return buffer().options();
}

void Resource::setLabel(const NS::String* label) {
  buffer().label(label);
}

PurgeableState Resource::setPurgeableState(MTL::PurgeableState) {
  return PurgeableStateNonVolatile;
}

StorageMode Resource::storageMode() const {
  return storage_mode_of(resourceOptions());
}

void Buffer::addDebugMarker(const NS::String*, NS::Range range) {
  didModifyRange(range);
}

void* Buffer::contents() {
  return storageMode() == StorageModePrivate ? nullptr : buffer().data();
}

void Buffer::didModifyRange(NS::Range range) {
  if (range.location <= length() && range.length <= length() - range.location) return;
  report_failure(soft_message("didModifyRange: the range is ", range.location, " + ", range.length,
                              "; the buffer has ", length(), " bytes."));
}

GPUAddress Buffer::gpuAddress() const {
  return reinterpret_cast<std::uintptr_t>(buffer().data());
}

NS::UInteger Buffer::length() const {
  return buffer().bytes();
}

void Buffer::removeAllDebugMarkers() {}

}  // namespace MTL
