// csrc/soft/hang.h: what is said about a threadgroup whose threads can never go on.
#pragma once

#include <cstdint>
#include <map>

#include "soft/kernel_abi.h"
#include "soft/loaded_kernel.h"

namespace isometal::soft {

class HangReport {
 public:
  /// `finished` threads have returned from the kernel.
  HangReport(const LoadedKernel& kernel, const abi::Threadgroup& threadgroup, std::uint32_t finished)
      : kernel_(kernel), threadgroup_(threadgroup), finished_(finished) {}

  /// One more thread waits at `site`.
  void add(std::uint16_t site) { ++waiting_[site]; }

  /// Throws HangError.
  [[noreturn]] void raise() const;

 private:
  const LoadedKernel& kernel_;
  const abi::Threadgroup& threadgroup_;
  std::uint32_t finished_;
  std::map<std::uint16_t, std::uint32_t> waiting_;
};

/// A region sent its threads to a site that the kernel does not have: its code is not ours, or is broken.
[[noreturn]] void fail_on_site(const LoadedKernel& kernel, std::uint16_t site);

}  // namespace isometal::soft
