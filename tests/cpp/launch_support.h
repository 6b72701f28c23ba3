// tests/cpp/launch_support.h: what tests of launch plans name, and the constants of a dispatch.
#pragma once

#include <cstdint>

#include "check.h"
#include "launch/plan.h"
#include "layout.h"

using isometal::broadcast_to;
using isometal::contiguous_layout;
using isometal::Dims;
using isometal::DType;
using isometal::Layout;
using isometal::slice;
using isometal::transpose;
using isometal::launch::Binding;
using isometal::launch::Choice;
using isometal::launch::DeviceTraits;
using isometal::launch::Dispatch;
using isometal::launch::Plan;
using isometal::launch::Size3;

inline constexpr std::int64_t kBillion = 1'000'000'000;

/// The value of a function constant, which must be set.
inline std::uint32_t constant(const Dispatch& dispatch, std::uint8_t index) {
  for (const auto& value : dispatch.kernel) {
    if (value.index == index) return value.bits;
  }
  check::fail(__FILE__, __LINE__, "the constant is not set");
  return 0;
}
