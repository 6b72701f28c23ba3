// Metal/MTLComputePipeline.hpp - kernels made ready to run.
#pragma once

#include "../Foundation/Foundation.hpp"
#include "MTLAllocation.hpp"
#include "MTLDefines.hpp"
#include "MTLLibrary.hpp"
#include "MTLTypes.hpp"

namespace MTL {

class Device;

_MTL_ENUM(NS::Integer, ShaderValidation){
    ShaderValidationDefault = 0,
    ShaderValidationEnabled = 1,
    ShaderValidationDisabled = 2,
};

class ComputePipelineReflection : public NS::Referencing<ComputePipelineReflection> {
 public:
  /// Array of Argument.
  NS::Array* arguments() const;
  /// Array of Binding.
  NS::Array* bindings() const;

 protected:
  ComputePipelineReflection() = default;
};

class ComputePipelineDescriptor : public NS::Copying<ComputePipelineDescriptor> {
 public:
  static ComputePipelineDescriptor* alloc();
  ComputePipelineDescriptor* init();
  void reset();

  Function* computeFunction() const;
  NS::String* label() const;
  NS::UInteger maxTotalThreadsPerThreadgroup() const;
  Size requiredThreadsPerThreadgroup() const;
  ShaderValidation shaderValidation() const;
  bool supportIndirectCommandBuffers() const;
  bool threadGroupSizeIsMultipleOfThreadExecutionWidth() const;

  void setComputeFunction(const MTL::Function* computeFunction);
  void setLabel(const NS::String* label);
  void setMaxTotalThreadsPerThreadgroup(NS::UInteger maxTotalThreadsPerThreadgroup);
  void setRequiredThreadsPerThreadgroup(MTL::Size requiredThreadsPerThreadgroup);
  void setShaderValidation(MTL::ShaderValidation shaderValidation);
  /// Not implemented: a pipeline for which it is set is refused.
  void setSupportIndirectCommandBuffers(bool supportIndirectCommandBuffers);
  void setThreadGroupSizeIsMultipleOfThreadExecutionWidth(
      bool threadGroupSizeIsMultipleOfThreadExecutionWidth);

 protected:
  ComputePipelineDescriptor() = default;
  ComputePipelineDescriptor* clone() const override;

 private:
  NS::SharedPtr<Function> function_;
  NS::SharedPtr<NS::String> label_;
  NS::UInteger max_threads_ = 0;
  Size required_threads_ = Size(0, 0, 0);
  ShaderValidation shader_validation_ = ShaderValidationDefault;
  bool indirect_ = false;
  bool multiple_of_width_ = false;
};

class ComputePipelineState : public NS::Referencing<ComputePipelineState, Allocation> {
 public:
  Device* device() const;
  ResourceID gpuResourceID() const;
  NS::String* label() const;
  NS::UInteger maxTotalThreadsPerThreadgroup() const;
  ComputePipelineReflection* reflection() const;
  Size requiredThreadsPerThreadgroup() const;
  ShaderValidation shaderValidation() const;
  NS::UInteger staticThreadgroupMemoryLength() const;
  bool supportIndirectCommandBuffers() const;
  NS::UInteger threadExecutionWidth() const;

 protected:
  ComputePipelineState() = default;
};

}  // namespace MTL
