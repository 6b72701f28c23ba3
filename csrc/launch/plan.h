// csrc/launch/plan.h: what a launch planner decides: which kernels run, with which constants, grids and
// parameters. Planning is pure arithmetic on shapes and strides: no device, no memory, no Python.
//
// A planner is a function of one kernel family (csrc/launch/<family>.{h,cpp}, metal/<family>.metal). It names
// its operands by number, in the order that its header gives; csrc/ops/ binds memory to the numbers, and the
// dispatcher encodes the result.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "dtype.h"

namespace isometal::launch {

/// Threads of a simdgroup, on every Apple GPU.
inline constexpr std::uint32_t kSimdWidth = 32;
/// Bytes of threadgroup memory that every Apple GPU gives to a threadgroup.
inline constexpr std::uint32_t kThreadgroupMemory = 32768;

/// What planning may know of a device. On one device the same inputs give the same bits, run after run.
/// Between devices those of a matmul may differ, in rounding: `cores` and `dynamic_caching` decide into how
/// many parts its sums over k are split. For all other ops the shapes alone decide in which order numbers are
/// added.
struct DeviceTraits {
  /// GPU cores. Metal does not tell how many there are: it is the same number on every device, and so are the
  /// parts.
  std::uint32_t cores = 10;
  bool dynamic_caching = false;  ///< Apple9 (M3) and later
  /// The software device: neighbouring threads become the lanes of vector instructions, so that a thread had
  /// better take one element than several.
  bool vector_lanes = false;
  bool operator==(const DeviceTraits&) const = default;
};

/// What decides between the variants of a family: the device, and a test's wish.
struct Choice {
  DeviceTraits traits;
  /// Name of the variant to use wherever it is able to, "" for the planner's own choice. Tests run every
  /// variant through it, so that none is reached by luck alone.
  std::string_view forced;
};

/// One file of metal/, by the name of its file: the library that a kernel is in.
enum class Family : std::uint8_t {
  kBinary,
  kUnary,
  kCopy,
  kMask,
  kReduce,
  kSoftmax,
  kNorm,
  kRope,
  kGemm,
  kGemv,
  kAttention
};

inline constexpr std::array<std::string_view, 11> kFamilyNames{
    "binary", "unary", "copy", "mask", "reduce", "softmax", "norm", "rope", "gemm", "gemv", "attention"};

constexpr std::string_view name(Family family) {
  return kFamilyNames[static_cast<std::size_t>(family)];
}

/// Name of a kernel function, held in place: it is made anew for each launch.
class KernelName {
 public:
  KernelName() = default;
  template <typename... Parts>
  explicit KernelName(const Parts&... parts) {
    (append(parts), ...);
  }

  /// Underscores are the caller's: KernelName("add_", name(dtype), "_flat").
  void append(std::string_view text) {
    if (text.size() > text_.size() - size_) throw std::length_error("kernel name is too long");
    std::memcpy(text_.data() + size_, text.data(), text.size());
    size_ = static_cast<std::uint8_t>(size_ + text.size());
  }
  void append(std::uint32_t number);

  std::string_view view() const { return {text_.data(), size_}; }
  bool operator==(const KernelName& other) const { return view() == other.view(); }

 private:
  std::array<char, 79> text_;
  std::uint8_t size_ = 0;
};

/// A function constant's value. The enumerators' names are the types' in MSL.
struct Constant {
  enum class Type : std::uint8_t { kBool, kUInt };
  std::uint8_t index = 0;
  Type type = Type::kBool;
  std::uint32_t bits = 0;
  bool operator==(const Constant&) const = default;
};

/// What a pipeline is made of.
class Kernel {
 public:
  static constexpr std::size_t kMaxConstants = 12;

  Kernel(Family family, KernelName name) : family_(family), name_(name) {}

  Kernel& set(std::uint8_t index, bool value) { return add({index, Constant::Type::kBool, value}); }
  Kernel& set(std::uint8_t index, std::uint32_t value) { return add({index, Constant::Type::kUInt, value}); }

  Family family() const { return family_; }
  std::string_view name() const { return name_.view(); }
  const Constant* begin() const { return constants_.data(); }
  const Constant* end() const { return constants_.data() + count_; }
  bool operator==(const Kernel& other) const;
  std::size_t hash() const;

 private:
  Kernel& add(Constant constant);

  Family family_;
  std::uint8_t count_ = 0;
  KernelName name_;
  std::array<Constant, kMaxConstants> constants_;
};

struct Size3 {
  std::uint32_t x = 1, y = 1, z = 1;
  bool operator==(const Size3&) const = default;
};

constexpr std::uint64_t product(const Size3& size) {
  return std::uint64_t{size.x} * size.y * size.z;
}

/// A threadgroup of `most` threads at most, like `group` but smaller: x, along which neighbours lie, first.
Size3 within(const Size3& group, std::uint32_t most);

/// An operand at a buffer index of the kernel. `offset` is in bytes, from the operand's first element.
struct Binding {
  std::uint8_t index = 0;
  std::uint8_t operand = 0;
  bool writes = false;
  std::int64_t offset = 0;
  bool operator==(const Binding&) const = default;
};

/// One dispatch of a kernel.
class Dispatch {
 public:
  static constexpr std::size_t kMaxBindings = 10;
  static constexpr std::size_t kMaxParams = 1024;

  explicit Dispatch(Kernel the_kernel) : kernel(the_kernel) {}

  Dispatch& read(std::uint8_t index, std::uint8_t operand, std::int64_t offset = 0) {
    return bind({index, operand, false, offset});
  }
  Dispatch& write(std::uint8_t index, std::uint8_t operand, std::int64_t offset = 0) {
    return bind({index, operand, true, offset});
  }
  /// A struct of metal/params/, by setBytes.
  template <typename T>
  Dispatch& params(std::uint8_t index, const T& value) {
    static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= kMaxParams);
    params_index_ = index;
    params_size_ = sizeof(T);
    std::memcpy(params_.data(), &value, sizeof(T));
    return *this;
  }
  /// Bytes of threadgroup memory at [[threadgroup(0)]], a multiple of 16.
  Dispatch& threadgroup_memory(std::uint32_t bytes) {
    threadgroup_bytes = bytes;
    return *this;
  }
  /// As many threads as that, the threadgroups at the edges cut. The kernel must not see the threadgroup's
  /// size: where a device allows fewer threads it gets smaller ones.
  Dispatch& threads(Size3 count, Size3 threadgroup_size) { return shape(count, threadgroup_size, true); }
  /// Threadgroups of that size exactly. The kernel declares max_total_threads_per_threadgroup.
  Dispatch& threadgroups(Size3 count, Size3 threadgroup_size) {
    return shape(count, threadgroup_size, false);
  }

  Kernel kernel;
  Size3 grid, group;
  bool grid_is_threads = true;
  std::uint32_t threadgroup_bytes = 0;

  const Binding* begin() const { return bindings_.data(); }
  const Binding* end() const { return bindings_.data() + binding_count_; }
  std::size_t params_size() const { return params_size_; }
  std::uint8_t params_index() const { return params_index_; }
  const std::byte* params_data() const { return params_.data(); }
  /// The parameters, for tests. The type must be the one that the planner gave.
  template <typename T>
  T params_as() const {
    require_params_size(sizeof(T));
    T value;
    std::memcpy(&value, params_.data(), sizeof(T));
    return value;
  }

 private:
  Dispatch& bind(Binding binding);
  Dispatch& shape(Size3 count, Size3 threadgroup_size, bool in_threads);
  void require_params_size(std::size_t size) const;

  std::uint8_t binding_count_ = 0;
  std::uint8_t params_index_ = 0;
  std::uint16_t params_size_ = 0;
  std::array<Binding, kMaxBindings> bindings_;
  alignas(16) std::array<std::byte, kMaxParams> params_;
};

/// Memory for dispatches. A Dispatch is too large for what malloc has at hand, and plans are made and dropped
/// one after the other: a thread keeps the block of its last plan of one dispatch for the next.
template <typename T>
struct PlanMemory {
  using value_type = T;
  PlanMemory() = default;
  template <typename Other>
  explicit PlanMemory(const PlanMemory<Other>&) {}

  T* allocate(std::size_t count) {
    if (count == 1 && kept() != nullptr) return static_cast<T*>(static_cast<void*>(kept().release()));
    return static_cast<T*>(::operator new(count * sizeof(T), kAlignment));
  }
  void deallocate(T* memory, std::size_t count) noexcept {
    std::unique_ptr<void, Free> block(memory);
    if (count == 1 && kept() == nullptr) kept() = std::move(block);
  }
  bool operator==(const PlanMemory&) const = default;

 private:
  static constexpr std::align_val_t kAlignment{alignof(T)};
  struct Free {
    void operator()(void* memory) const { ::operator delete(memory, kAlignment); }
  };
  static std::unique_ptr<void, Free>& kept() {
    thread_local std::unique_ptr<void, Free> block;
    return block;
  }
};

/// Dispatches in order, and the scratch memory that they share. An empty plan has nothing to do.
struct Plan {
  std::vector<Dispatch, PlanMemory<Dispatch>> dispatches;
  /// Bytes of each temporary. Its operand number is its place here, after the operands of the family.
  std::vector<std::int64_t> temporaries;

  Dispatch& add(Kernel kernel) { return dispatches.emplace_back(kernel); }
};

constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) {
  return (a + b - 1) / b;
}

/// Threadgroups along one axis of a grid, where more of them can go along another.
inline constexpr std::int64_t kMaxGroups = std::int64_t{1} << 30;

/// A grid of at least so many threadgroups, along x and then y: the kernel counts them by x + y * width.
Size3 groups_for(std::int64_t count);

/// For a std::length_error: what counts further than kernels can.
std::string message_of_size(std::string_view what, std::int64_t value, std::int64_t most);

/// `value` where it fits a grid's or a parameter's 32 bits; throws std::length_error.
std::uint32_t to_u32(std::int64_t value);

}  // namespace isometal::launch

template <>
struct std::hash<isometal::launch::Kernel> {
  std::size_t operator()(const isometal::launch::Kernel& kernel) const { return kernel.hash(); }
};
