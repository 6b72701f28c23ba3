// csrc/buffer.cpp: allocation and borrowing of the memory behind Arrays.
#include "buffer.h"

#include <limits>
#include <new>
#include <utility>

#include "error.h"

namespace isometal {
namespace {

constexpr auto kPage = static_cast<std::int64_t>(kPageSize);
constexpr auto kAlignment = std::align_val_t{kPageSize};

}  // namespace

Buffer::Buffer(std::byte* data, std::int64_t nbytes, std::int64_t capacity, bool readonly, bool borrowed,
               std::shared_ptr<void> owner)
    : data_(data),
      nbytes_(nbytes),
      capacity_(capacity),
      readonly_(readonly),
      borrowed_(borrowed),
      owner_(std::move(owner)) {}

std::shared_ptr<Buffer> Buffer::allocate(std::int64_t nbytes) {
  if (nbytes < 0)
    throw ShapeError(array_message("cannot allocate ", nbytes, " bytes; the size must be at least 0."));
  const bool fits = nbytes <= std::numeric_limits<std::int64_t>::max() - kPage;
  // An empty array owns a page as well, so that its address is never null.
  const std::int64_t capacity = !fits ? 0 : nbytes == 0 ? kPage : (nbytes + kPage - 1) / kPage * kPage;
  void* data = fits ? ::operator new(static_cast<std::size_t>(capacity), kAlignment, std::nothrow) : nullptr;
  if (data == nullptr) {
    throw AllocationError(
        array_message("cannot allocate ", nbytes, " bytes; the machine has no such block free."));
  }
  std::shared_ptr<void> owner(data, [](void* block) { ::operator delete(block, kAlignment); });
  return std::shared_ptr<Buffer>(
      new Buffer(static_cast<std::byte*>(data), nbytes, capacity, false, false, std::move(owner)));
}

std::shared_ptr<Buffer> Buffer::on_device(void* data, std::int64_t nbytes, std::int64_t capacity,
                                          bool readonly, std::shared_ptr<DeviceMemory> device) {
  DeviceMemory* const memory = device.get();
  auto buffer = std::shared_ptr<Buffer>(
      new Buffer(static_cast<std::byte*>(data), nbytes, capacity, readonly, false, std::move(device)));
  buffer->device_ = memory;
  return buffer;
}

std::shared_ptr<Buffer> Buffer::borrow(void* data, std::int64_t nbytes, bool readonly,
                                       std::shared_ptr<void> owner) {
  if (nbytes < 0)
    throw ShapeError(array_message("cannot borrow ", nbytes, " bytes; the size must be at least 0."));
  if (data == nullptr && nbytes > 0) {
    throw ShapeError(
        array_message("the producer gave a null address for ", nbytes, " bytes; it must be valid memory."));
  }
  return std::shared_ptr<Buffer>(
      new Buffer(static_cast<std::byte*>(data), nbytes, nbytes, readonly, true, std::move(owner)));
}

}  // namespace isometal
