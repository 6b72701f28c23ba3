// csrc/soft/metal/machine.cpp: questions to the operating system.
#include "soft/metal/machine.h"

#include <fstream>

#if defined(__unix__)
#include <unistd.h>
#endif

namespace isometal::soft {

std::size_t page_size() {
#if defined(__unix__)
  return static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
#else
  return 4096;
#endif
}

std::uint64_t physical_memory() {
#if defined(__unix__)
  return static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) * page_size();
#else
  return std::uint64_t{8} << 30;
#endif
}

std::string cpu_architecture() {
#if defined(__x86_64__) || defined(_M_X64)
  return "x86_64";
#elif defined(__aarch64__) || defined(_M_ARM64)
  return "aarch64";
#else
  return "unknown architecture";
#endif
}

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(": ");
    if (line.rfind("model name", 0) == 0 && colon != std::string::npos) return line.substr(colon + 2);
  }
  return cpu_architecture();
}

}  // namespace isometal::soft
