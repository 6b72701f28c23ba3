// tests/cpp/soft_kernel.h: kernels written by hand for the executor's tests, by the rules of kernel_abi.h.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "soft/kernel_abi.h"
#include "soft/loaded_kernel.h"

namespace soft_test {

namespace abi = isometal::soft::abi;

/// One thread, as the body of a region sees it.
struct Thread {
  const abi::Threadgroup& group;
  std::uint32_t index;     ///< in the threadgroup
  std::uint32_t lane;      ///< in the simdgroup
  std::uint32_t position;  ///< x in the threadgroup; y and z are those of the span
  const abi::Span& span;
  void* frame;
  std::uint16_t* next;

  template <typename T>
  T* buffer(std::size_t index_of_buffer) const {
    return static_cast<T*>(group.buffers[index_of_buffer]);
  }
  /// The element of this lane in the frame's column number `column`, all columns being of type T.
  template <typename T>
  T& column(std::size_t number) const {
    return static_cast<T*>(frame)[number * abi::kLanes + lane];
  }
  void go_to(std::uint16_t site) const { next[lane] = site; }
};

/// The loop over a span's threads that every region is.
template <auto kBody>
void region(const abi::Threadgroup* group, const abi::Span* span, void* frame, std::uint16_t* next) {
  for (std::uint32_t i = 0; i < span->count; ++i) {
    const std::uint32_t thread = span->thread + i;
    kBody(Thread{*group, thread, thread % abi::kLanes, span->x + i, *span, frame, next});
  }
}

inline void nothing(const Thread&) {}

/// Owns the tables of a kernel.
class TestKernel {
 public:
  using Kind = abi::SiteKind;

  explicit TestKernel(std::string name) : name_(std::move(name)) {}

  TestKernel& site(Kind kind, abi::Run run, std::uint16_t successor, abi::Operation operation = nullptr,
                   std::string description = "") {
    sites_.push_back({run, operation, kind, successor, kind == Kind::threadgroup ? 2u : 0u});
    descriptions_.push_back(std::move(description));
    return *this;
  }
  TestKernel& frame(std::uint64_t bytes) {
    code_.frame_bytes = bytes;
    return *this;
  }
  TestKernel& threadgroup_memory(std::uint64_t bytes) {
    code_.threadgroup_bytes = bytes;
    return *this;
  }
  TestKernel& flags(std::uint32_t flags) {
    code_.flags = flags;
    return *this;
  }

  /// The tables, for tests that break them.
  abi::Kernel& code() {
    code_.site_count = static_cast<std::uint32_t>(sites_.size());
    code_.sites = sites_.data();
    return code_;
  }
  std::vector<abi::Site>& sites() { return sites_; }

  /// Valid until the next change of this object.
  isometal::soft::LoadedKernel load() {
    bool described = true;
    for (const std::string& text : descriptions_) described = described && !text.empty();
    return {&code(), name_, described ? descriptions_ : std::vector<std::string>()};
  }

 private:
  std::string name_;
  std::vector<abi::Site> sites_;
  std::vector<std::string> descriptions_;
  abi::Kernel code_{abi::kVersion, 0, 0, 0, 0, 0, nullptr};
};

}  // namespace soft_test
