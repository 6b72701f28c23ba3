// csrc/soft/reflection.h - what a compiled kernel says about itself: arguments, limits, sites.
// The compile service fills it in (python/isometal/soft/reflection.py has the same names); pipelines,
// validation and reports read it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace isometal::soft {

enum class ArgumentKind : std::uint8_t {
  buffer,       ///< [[buffer(index)]]
  threadgroup,  ///< [[threadgroup(index)]]: memory whose length the encoder sets
  builtin,      ///< thread_position_in_grid and the like: `index` means nothing
};

enum class ArgumentAccess : std::uint8_t { read, write, read_write };

/// AIR's numbers.
enum class AddressSpace : std::uint8_t { thread = 0, device = 1, constant = 2, threadgroup = 3 };

struct ArgumentReflection {
  std::string name;
  std::string type_name;  ///< of one element, in MSL: "float", "half4", "bool", or a struct's name
  ArgumentKind kind = ArgumentKind::buffer;
  ArgumentAccess access = ArgumentAccess::read;
  AddressSpace space = AddressSpace::device;
  std::uint32_t index = 0;
  std::uint64_t type_size = 0;       ///< bytes of one element
  std::uint64_t alignment = 1;       ///< of one element: offsets must be a multiple of it
  std::uint64_t required_bytes = 0;  ///< least that must lie behind the offset: one element; 0 where unknown
  bool used = true;                  ///< the kernel's code touches it
};

/// Arguments that a function constant switches off are left out: nobody need bind them.
struct KernelReflection {
  std::string name;
  std::vector<ArgumentReflection> arguments;
  std::uint32_t max_threads_per_threadgroup = 1024;
  std::uint64_t static_threadgroup_bytes = 0;
  std::vector<std::string> sites;  ///< for messages, in the order of abi::Kernel::sites; may be shorter
};

/// A function constant that a kernel declares.
struct FunctionConstant {
  std::string name;
  std::string type_name;  ///< in MSL: "bool", "int", "float4", ...
  std::uint32_t index = 0;
  bool required = false;  ///< used without is_function_constant_defined: compiling without it is an error
};

}  // namespace isometal::soft
