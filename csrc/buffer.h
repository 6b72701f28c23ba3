// csrc/buffer.h: a block of memory that Arrays share, allocated here or borrowed from a producer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "device_memory.h"

namespace isometal {

/// Page size of Apple silicon. Memory that starts on a page and fills whole pages can become an MTLBuffer
/// without a copy.
inline constexpr std::size_t kPageSize = 16384;

class Buffer {
 public:
  /// Uninitialised writable memory, page-aligned, whole pages long. Throws AllocationError.
  static std::shared_ptr<Buffer> allocate(std::int64_t nbytes);

  /// The producer's memory, which stays valid as long as `owner` lives. `data` may be null only when `nbytes`
  /// is 0.
  static std::shared_ptr<Buffer> borrow(void* data, std::int64_t nbytes, bool readonly,
                                        std::shared_ptr<void> owner);

  /// Memory of a device, which `device` keeps.
  static std::shared_ptr<Buffer> on_device(void* data, std::int64_t nbytes, std::int64_t capacity,
                                           bool readonly, std::shared_ptr<DeviceMemory> device);

  /// The bytes that views may address; `capacity` is what lies behind them in whole pages, or the same if
  /// borrowed.
  std::int64_t nbytes() const { return nbytes_; }
  std::int64_t capacity() const { return capacity_; }
  bool readonly() const { return readonly_; }
  bool borrowed() const { return borrowed_; }

  /// Null for memory that only the host uses.
  DeviceMemory* device() const { return device_; }

  /// Returns when the elements may be read. Throws BackendError where a device failed to write them.
  void wait() const {
    if (device_ != nullptr) device_->wait();
  }

  /// The first byte. A caller that writes checks `readonly` first, and one that reads calls `wait`.
  std::byte* data() const { return data_; }

 private:
  Buffer(std::byte* data, std::int64_t nbytes, std::int64_t capacity, bool readonly, bool borrowed,
         std::shared_ptr<void> owner);

  std::byte* data_;
  std::int64_t nbytes_;
  std::int64_t capacity_;
  bool readonly_;
  bool borrowed_;
  std::shared_ptr<void> owner_;
  DeviceMemory* device_ = nullptr;  ///< the owner, where it is one
};

}  // namespace isometal
