// Metal/MTLFunctionConstantValues.hpp - values for function constants.
#pragma once

#include "../Foundation/Foundation.hpp"
#include "MTLDataType.hpp"
#include "MTLDefines.hpp"

namespace MTL {

/// Values that a function does not declare are ignored, so that one object can serve several functions.
class FunctionConstantValues : public NS::Copying<FunctionConstantValues> {
 public:
  static FunctionConstantValues* alloc();
  FunctionConstantValues* init();
  void reset();
  void setConstantValue(const void* value, MTL::DataType type, NS::UInteger index);
  void setConstantValue(const void* value, MTL::DataType type, const NS::String* name);
  void setConstantValues(const void* values, MTL::DataType type, NS::Range range);

 protected:
  FunctionConstantValues() = default;
};

}  // namespace MTL
