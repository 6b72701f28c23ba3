// csrc/dlpack.h: the binary interface of DLPack 1 (and of the unversioned one before it), as its
// specification lays it out. Only what exchange.cpp reads and writes.
#pragma once

#include <cstdint>

namespace isometal::dlpack {

inline constexpr std::uint32_t kMajorVersion = 1;
inline constexpr std::uint32_t kMinorVersion = 1;

inline constexpr std::int32_t kDeviceCpu = 1;
/// `data` is an id<MTLBuffer>, of which the tensor begins at `byte_offset`; so do MLX and PyTorch.
inline constexpr std::int32_t kDeviceMetal = 8;

inline constexpr std::uint64_t kFlagReadOnly = 1;
inline constexpr std::uint64_t kFlagIsCopied = 2;

enum TypeCode : std::uint8_t { kInt = 0, kUInt = 1, kFloat = 2, kBFloat = 4, kComplex = 5, kBool = 6 };

struct Device {
  std::int32_t device_type;
  std::int32_t device_id;
};

struct DataType {
  std::uint8_t code;
  std::uint8_t bits;
  std::uint16_t lanes;
};

/// Strides count elements; null strides mean row-major.
struct Tensor {
  void* data;
  Device device;
  std::int32_t ndim;
  DataType dtype;
  std::int64_t* shape;
  std::int64_t* strides;
  std::uint64_t byte_offset;
};

/// What a capsule named `kCapsuleName` points to; whoever takes it renames the capsule to `kUsedName`.
struct Managed {
  static constexpr const char* kCapsuleName = "dltensor";
  static constexpr const char* kUsedName = "used_dltensor";
  Tensor tensor;
  void* context;
  void (*deleter)(Managed*);
};

struct Version {
  std::uint32_t major;
  std::uint32_t minor;
};

/// As Managed. Of another major version only `version` and `deleter` may be read.
struct ManagedVersioned {
  static constexpr const char* kCapsuleName = "dltensor_versioned";
  static constexpr const char* kUsedName = "used_dltensor_versioned";
  Version version;
  void* context;
  void (*deleter)(ManagedVersioned*);
  std::uint64_t flags;
  Tensor tensor;
};

}  // namespace isometal::dlpack
