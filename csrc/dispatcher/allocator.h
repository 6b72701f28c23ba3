// csrc/dispatcher/allocator.h: blocks of device memory, and the cache of those that nobody holds any more.
//
// A block is given back when its last Array dies, which may be before the device is done with it. It can be
// taken at once by whoever lets the device write it, because commands run in order; a host that writes takes
// only idle ones. So a chain of operations uses the memory of its own dead inputs.
#pragma once

#include <Metal/Metal.hpp>
#include <cstdint>
#include <map>
#include <memory>

namespace isometal {

/// A buffer and what the encoded commands do with it. Times are serial numbers of command buffers; epochs
/// count barriers.
struct Block {
  NS::SharedPtr<MTL::Buffer> buffer;
  std::size_t bytes = 0;
  std::uint64_t last_use = 0;
  std::uint64_t last_write = 0;
  std::uint64_t read_epoch = 0;
  std::uint64_t write_epoch = 0;
  std::shared_ptr<void> owner;  ///< of memory that is used in place; such a block is never cached
};

struct MemoryStats {
  std::uint64_t active_bytes = 0;  ///< in blocks that somebody holds
  std::uint64_t cached_bytes = 0;
  std::uint64_t peak_bytes = 0;   ///< most of active and cached together
  std::uint64_t allocations = 0;  ///< calls of newBuffer
  std::uint64_t reuses = 0;       ///< blocks taken from the cache
};

/// Not safe for concurrent use: the dispatcher's lock guards it.
class Allocator {
 public:
  explicit Allocator(MTL::Device* device);

  /// A block of at least so many bytes; null where the device has no memory left. With `host_writes` it is
  /// idle: none that a command buffer later than `completed` uses. Throws AllocationError for more than one
  /// buffer can hold.
  std::unique_ptr<Block> take(std::size_t bytes, bool host_writes, std::uint64_t completed);
  /// Memory of the host in place: whole pages from a page on. Null where the device refuses.
  std::unique_ptr<Block> wrap(void* data, std::size_t bytes, std::shared_ptr<void> owner);
  /// A buffer that others made, kept by `owner`.
  std::unique_ptr<Block> hold(NS::SharedPtr<MTL::Buffer> buffer, std::shared_ptr<void> owner);
  /// Takes a block back. Returns one of the host's memory, whose owner the caller lets go without a lock.
  std::unique_ptr<Block> give(std::unique_ptr<Block> block, std::uint64_t completed);

  /// Overwrites every idle cached block that `take` may choose for so many bytes with 0xFF; there is at least
  /// one.
  void poison(std::size_t bytes, std::uint64_t completed);

  /// Frees what is idle until at most so many bytes are cached.
  void trim(std::size_t bytes, std::uint64_t completed);
  void set_limit(std::size_t bytes, std::uint64_t completed);
  const MemoryStats& stats() const { return stats_; }

 private:
  /// What to ask of the device for so many bytes.
  static std::size_t class_of(std::size_t bytes);
  /// The largest block to take for a class: a larger one wastes more than a new one costs.
  static std::size_t most_for(std::size_t wanted);
  void count_peak();

  MTL::Device* device_;
  std::multimap<std::size_t, std::unique_ptr<Block>> free_;  ///< by size
  std::size_t largest_;                                      ///< bytes of a buffer
  std::size_t limit_;
  MemoryStats stats_;
};

}  // namespace isometal
