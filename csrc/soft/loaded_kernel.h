// csrc/soft/loaded_kernel.h: a kernel whose code is in memory, with the names that messages use.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "soft/kernel_abi.h"

namespace isometal::soft {

/// Does not own the code: that has to outlive it.
class LoadedKernel {
 public:
  /// `site_names` describe the sites for messages, one each, or are left out. Throws ValidationError where
  /// the tables do not obey kernel_abi.h.
  LoadedKernel(const abi::Kernel* code, std::string name, std::vector<std::string> site_names = {});

  const abi::Kernel& code() const { return *code_; }
  const std::string& name() const { return name_; }
  /// Its description or, without descriptions, its kind.
  std::string_view site_name(std::uint32_t site) const;

 private:
  const abi::Kernel* code_;
  std::string name_;
  std::vector<std::string> site_names_;
};

}  // namespace isometal::soft
