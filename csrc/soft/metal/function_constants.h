// csrc/soft/metal/function_constants.h: values for function constants, and what a function makes of them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "soft/compile_service.h"
#include "soft/metal/access.h"

namespace isometal::soft {

class FunctionConstantValuesImpl final : public MTL::FunctionConstantValues {
 public:
  std::map<NS::UInteger, ConstantValue> by_index;
  std::map<std::string, ConstantValue> by_name;

 protected:
  FunctionConstantValuesImpl* clone() const override { return new FunctionConstantValuesImpl(*this); }
};

/// The values, null for none, that `function` declares, by index. Throws CompileError where a required one is
/// missing or one has another type than declared.
std::map<std::uint32_t, ConstantValue> chosen_constants(const std::string& function,
                                                        const std::vector<FunctionConstant>& declared,
                                                        const MTL::FunctionConstantValues* values);

}  // namespace isometal::soft
