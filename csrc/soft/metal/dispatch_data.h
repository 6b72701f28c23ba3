// csrc/soft/metal/dispatch_data.h: what is behind dispatch_data_t.
#pragma once

#include <dispatch/dispatch.h>

#include <atomic>
#include <cstddef>
#include <span>

struct dispatch_data_s {
  std::span<const std::byte> bytes;
  std::atomic<std::size_t> owners{1};
};
