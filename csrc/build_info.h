// csrc/build_info.h: how this binary was built. CMake fills in build_info.cpp.in.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace isometal {

struct BuildInfo {
  std::string version;
  std::string compiler;
  int cxx_standard;
  std::string build_type;
  std::string abi;  ///< "stable" or the interpreter's own tag
  std::string platform;
  std::vector<std::string> sanitizers;
  std::optional<std::string> default_backend;
  std::string sources;  ///< python/isometal/native_sources.py
};

BuildInfo build_info();

}  // namespace isometal
