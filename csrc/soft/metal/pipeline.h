// csrc/soft/metal/pipeline.h: compute pipelines: code, reflection and limits.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "soft/compile_service.h"
#include "soft/dispatch_rules.h"
#include "soft/loaded_kernel.h"
#include "soft/metal/access.h"

namespace isometal::soft {

inline Extent extent_of(MTL::Size size) {
  return {size.width, size.height, size.depth};
}

/// What dispatches need of a pipeline. They share it, so that it outlives the pipeline's object.
struct PipelineCode {
  CompiledKernel compiled;
  LoadedKernel kernel;
  ThreadgroupLimits limits;

  const KernelReflection& reflection() const { return compiled.reflection; }
};

class PipelineImpl final : public Labelled<MTL::ComputePipelineState> {
 public:
  explicit PipelineImpl(std::shared_ptr<const PipelineCode> code);

  const PipelineCode& code() const { return *code_; }
  std::shared_ptr<const PipelineCode> shared_code() const { return code_; }
  MTL::ComputePipelineReflection* reflection_object() const { return reflection_.get(); }
  MTL::ShaderValidation shader_validation = MTL::ShaderValidationDefault;

 protected:
  NS::UInteger allocated_bytes() const override { return sizeof(PipelineCode); }

 private:
  std::shared_ptr<const PipelineCode> code_;
  NS::SharedPtr<MTL::ComputePipelineReflection> reflection_;
};

/// MTL's objects for a kernel's reflection. The caller owns the result.
MTL::ComputePipelineReflection* make_reflection(const KernelReflection& reflection);

}  // namespace isometal::soft
