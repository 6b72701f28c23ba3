// csrc/launch/plan.cpp: the parts of a plan that need no inlining.
#include "launch/plan.h"

#include <algorithm>
#include <charconv>
#include <limits>

namespace isometal::launch {

void KernelName::append(std::uint32_t number) {
  std::array<char, 10> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  append(std::string_view(digits.data(), static_cast<std::size_t>(end - digits.data())));
}

Kernel& Kernel::add(Constant constant) {
  if (count_ == kMaxConstants) throw std::length_error("too many function constants");
  constants_[count_++] = constant;
  return *this;
}

bool Kernel::operator==(const Kernel& other) const {
  return family_ == other.family_ && name_ == other.name_ &&
         std::equal(begin(), end(), other.begin(), other.end());
}

std::size_t Kernel::hash() const {
  std::size_t value = std::hash<std::string_view>{}(name());
  for (const Constant& constant : *this) {
    value = (value ^ (constant.bits + 257U * constant.index)) * 0x9E3779B97F4A7C15U;
  }
  return value;
}

Size3 within(const Size3& group, std::uint32_t most) {
  Size3 result;
  result.x = std::min(group.x, most);
  result.y = std::min(group.y, most / result.x);
  result.z = std::min(group.z, most / (result.x * result.y));
  return result;
}

Dispatch& Dispatch::bind(Binding binding) {
  if (binding_count_ == kMaxBindings) throw std::length_error("too many buffers for a dispatch");
  bindings_[binding_count_++] = binding;
  return *this;
}

Dispatch& Dispatch::shape(Size3 count, Size3 threadgroup_size, bool in_threads) {
  grid = count;
  group = threadgroup_size;
  grid_is_threads = in_threads;
  return *this;
}

void Dispatch::require_params_size(std::size_t size) const {
  if (params_size_ != size) throw std::logic_error("another parameter type");
}

std::string message_of_size(std::string_view what, std::int64_t value, std::int64_t most) {
  return "[metal] " + std::string(what) + " would count to " + std::to_string(value) + "; it can to " +
         std::to_string(most) + ": split the array.";
}

Size3 groups_for(std::int64_t count) {
  if (count <= kMaxGroups) return {to_u32(count)};
  return {to_u32(kMaxGroups), to_u32(ceil_div(count, kMaxGroups))};
}

std::uint32_t to_u32(std::int64_t value) {
  constexpr std::int64_t kMost = std::numeric_limits<std::uint32_t>::max();
  if (value < 0 || value > kMost) throw std::length_error(message_of_size("a launch", value, kMost));
  return static_cast<std::uint32_t>(value);
}

}  // namespace isometal::launch
