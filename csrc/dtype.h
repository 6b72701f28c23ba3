// csrc/dtype.h: the element types of an Array, under NumPy's names.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace isometal {

enum class DType : std::uint8_t { kFloat32, kFloat16, kBFloat16, kInt32, kInt64, kUInt32, kBool };

/// How the bits of an element are read; DLPack and the buffer protocol both describe a type as (kind, width).
enum class DTypeKind : std::uint8_t { kBool, kInt, kUInt, kFloat, kBFloat };

struct DTypeInfo {
  DType dtype;
  std::string_view name;
  DTypeKind kind;
  std::int64_t itemsize;
};

inline constexpr std::array<DTypeInfo, 7> kDTypes{{
    {DType::kFloat32, "float32", DTypeKind::kFloat, 4},
    {DType::kFloat16, "float16", DTypeKind::kFloat, 2},
    {DType::kBFloat16, "bfloat16", DTypeKind::kBFloat, 2},
    {DType::kInt32, "int32", DTypeKind::kInt, 4},
    {DType::kInt64, "int64", DTypeKind::kInt, 8},
    {DType::kUInt32, "uint32", DTypeKind::kUInt, 4},
    {DType::kBool, "bool", DTypeKind::kBool, 1},
}};

constexpr const DTypeInfo& info(DType dtype) {
  return kDTypes[static_cast<std::size_t>(dtype)];
}

constexpr bool table_follows_enum() {
  for (std::size_t i = 0; i < kDTypes.size(); ++i) {
    if (static_cast<std::size_t>(kDTypes[i].dtype) != i) return false;
  }
  return true;
}
static_assert(table_follows_enum(), "info() indexes kDTypes by the enumerator");

constexpr std::int64_t itemsize(DType dtype) {
  return info(dtype).itemsize;
}
constexpr std::string_view name(DType dtype) {
  return info(dtype).name;
}

inline std::optional<DType> dtype_from_name(std::string_view name) {
  for (const DTypeInfo& row : kDTypes) {
    if (row.name == name) return row.dtype;
  }
  return std::nullopt;
}

inline std::optional<DType> dtype_from_kind(DTypeKind kind, std::int64_t itemsize) {
  for (const DTypeInfo& row : kDTypes) {
    if (row.kind == kind && row.itemsize == itemsize) return row.dtype;
  }
  return std::nullopt;
}

/// "float32, float16, ...": the list that error messages give.
inline std::string dtype_names() {
  std::string names;
  for (const DTypeInfo& row : kDTypes) {
    if (!names.empty()) names += ", ";
    names += row.name;
  }
  return names;
}

}  // namespace isometal
