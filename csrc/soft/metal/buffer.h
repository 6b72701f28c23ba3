// csrc/soft/metal/buffer.h: buffers and the memory behind them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "soft/metal/access.h"

namespace isometal::soft {

/// Memory that is given back when this object goes.
class Memory {
 public:
  Memory() = default;
  Memory(std::byte* data, std::function<void()> how) : data_(data), give_back_(std::move(how)) {}
  Memory(Memory&& other) noexcept { swap(other); }
  Memory& operator=(Memory&& other) noexcept {
    Memory(std::move(other)).swap(*this);
    return *this;
  }
  ~Memory() { give_back(); }

  /// Zeroed, aligned to a page or, where it is shorter, to 256 bytes. Null where the machine has not so much.
  static Memory allocate(std::size_t bytes);

  std::byte* data() const { return data_; }

  /// Gives the memory back now; the address stays known.
  void give_back() {
    if (const auto function = std::exchange(give_back_, nullptr)) function();
  }

 private:
  void swap(Memory& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(give_back_, other.give_back_);
  }

  std::byte* data_ = nullptr;
  std::function<void()> give_back_;
};

/// Bytes of all buffers and heaps that the device has allocated itself.
std::uint64_t allocated_bytes_of_device();

/// Counts bytes for allocated_bytes_of_device.
class AllocationCount {
 public:
  explicit AllocationCount(std::size_t bytes);
  ~AllocationCount();
  AllocationCount(const AllocationCount&) = delete;
  AllocationCount& operator=(const AllocationCount&) = delete;

 private:
  std::size_t bytes_;
};

MTL::StorageMode storage_mode_of(MTL::ResourceOptions options);
MTL::CPUCacheMode cache_mode_of(MTL::ResourceOptions options);
MTL::HazardTrackingMode hazard_mode_of(MTL::ResourceOptions options);

class BufferImpl final : public Labelled<MTL::Buffer> {
 public:
  /// `allocated` are the bytes that the device gave for it: 0 where they are the caller's or the heap's.
  BufferImpl(Memory memory, std::size_t length, MTL::ResourceOptions options, std::size_t allocated)
      : memory_(std::move(memory)),
        length_(length),
        options_(options),
        allocated_(allocated),
        count_(allocated) {}

  std::byte* data() const { return memory_.data(); }
  std::size_t bytes() const { return length_; }
  MTL::ResourceOptions options() const { return options_; }

  void place_on(NS::SharedPtr<MTL::Heap> heap, std::size_t offset) {
    heap_ = std::move(heap);
    heap_offset_ = offset;
  }
  MTL::Heap* on_heap() const { return heap_.get(); }
  std::size_t offset_on_heap() const { return heap_offset_; }

  /// Of a buffer on a heap, which from then on may lend the bytes to others.
  void give_back_now() { memory_.give_back(); }

  bool aliasable = false;

  /// For messages: its label or address, and length.
  std::string described() const;

 protected:
  NS::UInteger allocated_bytes() const override { return allocated_ == 0 ? length_ : allocated_; }
  BufferImpl& buffer() const override { return const_cast<BufferImpl&>(*this); }

 private:
  NS::SharedPtr<MTL::Heap> heap_;  // goes after the memory that lies on it
  std::size_t heap_offset_ = 0;
  Memory memory_;
  std::size_t length_;
  MTL::ResourceOptions options_;
  std::size_t allocated_;
  AllocationCount count_;
};

/// What is wrong with the `length` bytes from `offset` on, of a buffer that has `size`, or nothing.
std::string check_span(const char* what, std::size_t offset, std::size_t length, std::size_t size);

}  // namespace isometal::soft
