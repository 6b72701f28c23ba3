// csrc/dispatcher/allocator.cpp: size classes, reuse, and the limit of the cache.
#include "dispatcher/allocator.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "error.h"

namespace isometal {
namespace {

constexpr std::size_t kSmallest = 256;
constexpr std::size_t kPage = 16384;
constexpr MTL::ResourceOptions kOptions =
    MTL::ResourceStorageModeShared | MTL::ResourceHazardTrackingModeUntracked;

}  // namespace

Allocator::Allocator(MTL::Device* device)
    : device_(device),
      largest_(device->maxBufferLength() / kPage * kPage),
      limit_(static_cast<std::size_t>(device->recommendedMaxWorkingSetSize() / 8)) {}

std::size_t Allocator::class_of(std::size_t bytes) {
  if (bytes <= kSmallest) return kSmallest;
  if (bytes <= kPage) return std::bit_ceil(bytes);
  return (bytes + kPage - 1) / kPage * kPage;
}

std::size_t Allocator::most_for(std::size_t wanted) {
  return wanted <= kPage ? wanted : wanted + wanted / 4;
}

std::unique_ptr<Block> Allocator::take(std::size_t bytes, bool host_writes, std::uint64_t completed) {
  if (bytes > largest_) {
    throw AllocationError(array_message("cannot allocate ", bytes,
                                        " bytes on the Metal device; a buffer has ", largest_, " at most."));
  }
  const std::size_t wanted = class_of(bytes);
  const std::size_t most = most_for(wanted);
  for (auto found = free_.lower_bound(wanted); found != free_.end() && found->first <= most; ++found) {
    if (host_writes && found->second->last_use > completed) continue;
    std::unique_ptr<Block> block = std::move(found->second);
    free_.erase(found);
    block->last_write = 0;  // of the array that it was
    stats_.cached_bytes -= block->bytes;
    stats_.active_bytes += block->bytes;
    ++stats_.reuses;
    return block;
  }
  MTL::Buffer* made = device_->newBuffer(wanted, kOptions);
  if (made == nullptr) {
    trim(0, completed);
    made = device_->newBuffer(wanted, kOptions);
  }
  if (made == nullptr) return nullptr;
  auto block = std::make_unique<Block>();
  block->buffer = NS::TransferPtr(made);
  block->bytes = wanted;
  stats_.active_bytes += wanted;
  ++stats_.allocations;
  count_peak();
  return block;
}

std::unique_ptr<Block> Allocator::wrap(void* data, std::size_t bytes, std::shared_ptr<void> owner) {
  MTL::Buffer* const made = device_->newBuffer(data, bytes, kOptions, nullptr);
  return made == nullptr ? nullptr : hold(NS::TransferPtr(made), std::move(owner));
}

std::unique_ptr<Block> Allocator::hold(NS::SharedPtr<MTL::Buffer> buffer, std::shared_ptr<void> owner) {
  auto block = std::make_unique<Block>();
  block->buffer = std::move(buffer);
  block->bytes = block->buffer->length();
  block->owner = std::move(owner);
  stats_.active_bytes += block->bytes;
  count_peak();
  return block;
}

std::unique_ptr<Block> Allocator::give(std::unique_ptr<Block> block, std::uint64_t completed) {
  stats_.active_bytes -= block->bytes;
  if (block->owner) return block;
  stats_.cached_bytes += block->bytes;
  free_.emplace(block->bytes, std::move(block));
  if (stats_.cached_bytes > limit_) trim(limit_, completed);
  return nullptr;
}

void Allocator::poison(std::size_t bytes, std::uint64_t completed) {
  const std::size_t wanted = class_of(std::max<std::size_t>(bytes, 1));
  give(take(wanted, true, completed), completed);
  for (auto block = free_.lower_bound(wanted); block != free_.end() && block->first <= most_for(wanted);
       ++block) {
    if (block->second->last_use > completed) continue;
    std::memset(block->second->buffer->contents(), 0xFF, block->second->bytes);
  }
}

void Allocator::trim(std::size_t bytes, std::uint64_t completed) {
  // The largest first: they free most.
  for (auto block = free_.end(); stats_.cached_bytes > bytes && block != free_.begin();) {
    --block;
    // The device may still read it.
    if (block->second->last_use > completed) continue;
    stats_.cached_bytes -= block->second->bytes;
    block = free_.erase(block);
  }
}

void Allocator::set_limit(std::size_t bytes, std::uint64_t completed) {
  limit_ = bytes;
  trim(bytes, completed);
}

void Allocator::count_peak() {
  stats_.peak_bytes = std::max(stats_.peak_bytes, stats_.active_bytes + stats_.cached_bytes);
}

}  // namespace isometal
