// csrc/soft/metal/heap.h: one allocation shared by many buffers.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <optional>

#include "soft/metal/buffer.h"

namespace isometal::soft {

inline constexpr std::size_t kHeapAlignment = 256;

/// The bytes of a heap that are taken: first fit, neighbours joined again when they are given back.
class FreeList {
 public:
  explicit FreeList(std::size_t size) { free_[0] = size; }

  /// Where `size` bytes with this alignment were taken, or nothing.
  std::optional<std::size_t> take(std::size_t size, std::size_t alignment);
  void give(std::size_t offset, std::size_t size);
  /// The longest stretch that could be taken.
  std::size_t longest(std::size_t alignment) const;
  std::size_t free_bytes() const;

 private:
  std::map<std::size_t, std::size_t> free_;  ///< offset to size
};

class HeapImpl final : public Labelled<MTL::Heap> {
 public:
  HeapImpl(Memory memory, const MTL::HeapDescriptor* descriptor);

  std::size_t bytes() const { return size_; }
  MTL::HeapType kind() const { return type_; }
  MTL::ResourceOptions options() const { return options_; }

  /// Null, after a report, where a rule is broken; null where there is no room.
  MTL::Buffer* make(std::size_t length, MTL::ResourceOptions options, std::optional<std::size_t> offset);
  /// From now on other buffers may be placed where this one is.
  void alias(BufferImpl& buffer);

  std::size_t used() const;
  std::size_t longest(std::size_t alignment) const;

 protected:
  NS::UInteger allocated_bytes() const override { return size_; }

 private:
  Memory memory_;
  std::size_t size_;
  MTL::HeapType type_;
  MTL::ResourceOptions options_;
  AllocationCount count_;
  mutable std::mutex mutex_;
  FreeList free_;
  std::size_t placed_ = 0;  ///< bytes of placed buffers that exist
};

}  // namespace isometal::soft
