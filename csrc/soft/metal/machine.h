// csrc/soft/metal/machine.h: what the device says about the machine that it runs on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace isometal::soft {

std::size_t page_size();

/// Bytes of main memory.
std::uint64_t physical_memory();

/// As the CPU calls itself; its architecture where it does not.
std::string cpu_name();

/// "x86_64", "aarch64", ...
std::string cpu_architecture();

}  // namespace isometal::soft
