// Metal/MTLFunctionDescriptor.hpp - which function, with which constants.
#pragma once

#include "../Foundation/Foundation.hpp"
#include "MTLDefines.hpp"
#include "MTLFunctionConstantValues.hpp"

namespace MTL {

_MTL_OPTIONS(NS::UInteger, FunctionOptions){
    FunctionOptionNone = 0,
    FunctionOptionCompileToBinary = 1,
    FunctionOptionStoreFunctionInMetalPipelinesScript = 1 << 1,
    FunctionOptionStoreFunctionInMetalScript = 1 << 1,
    FunctionOptionFailOnBinaryArchiveMiss = 1 << 2,
    FunctionOptionPipelineIndependent = 1 << 3,
};

class FunctionDescriptor : public NS::Copying<FunctionDescriptor> {
 public:
  static FunctionDescriptor* alloc();
  static FunctionDescriptor* functionDescriptor();
  FunctionDescriptor* init();

  FunctionConstantValues* constantValues() const;
  NS::String* name() const;
  FunctionOptions options() const;
  NS::String* specializedName() const;

  void setConstantValues(const MTL::FunctionConstantValues* constantValues);
  void setName(const NS::String* name);
  void setOptions(MTL::FunctionOptions options);
  /// The name that the new function gets.
  void setSpecializedName(const NS::String* specializedName);

 protected:
  FunctionDescriptor() = default;
  FunctionDescriptor* clone() const override;

 private:
  NS::SharedPtr<FunctionConstantValues> constant_values_;
  NS::SharedPtr<NS::String> name_;
  FunctionOptions options_ = FunctionOptionNone;
  NS::SharedPtr<NS::String> specialized_name_;
};

}  // namespace MTL
