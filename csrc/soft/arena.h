// csrc/soft/arena.h: the memory in which one OS thread runs threadgroups, kept from dispatch to dispatch.
#pragma once

#include <cstddef>
#include <memory>
#include <new>

namespace isometal::soft {

/// Grows, and is reused; its content is undefined after `reserve`.
class Arena {
 public:
  static constexpr std::size_t kAlignment = 128;

  /// At least `bytes` bytes. Throws std::bad_alloc.
  std::byte* reserve(std::size_t bytes) {
    if (bytes > size_ || memory_ == nullptr) {
      memory_.reset();
      size_ = 0;
      memory_.reset(static_cast<std::byte*>(::operator new(bytes, std::align_val_t{kAlignment})));
      size_ = bytes;
    }
    return memory_.get();
  }

  /// The calling thread's arena, for as long as this object lives. A dispatch within a dispatch (from an
  /// observer, say) finds it taken and gets one of its own.
  class Lease {
   public:
    Lease() : arena_(mine() ? std::move(mine()) : std::make_unique<Arena>()) {}
    ~Lease() { mine() = std::move(arena_); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    Arena& operator*() { return *arena_; }
    Arena* operator->() { return arena_.get(); }

   private:
    static std::unique_ptr<Arena>& mine() {
      thread_local std::unique_ptr<Arena> arena;
      return arena;
    }
    std::unique_ptr<Arena> arena_;
  };

 private:
  struct Free {
    void operator()(std::byte* memory) const { ::operator delete(memory, std::align_val_t{kAlignment}); }
  };
  std::unique_ptr<std::byte, Free> memory_;
  std::size_t size_ = 0;
};

}  // namespace isometal::soft
