// csrc/soft/metal/pipeline.cpp: how functions become pipelines.
#include "soft/metal/pipeline.h"

#include <algorithm>

#include "soft/error.h"
#include "soft/grid.h"
#include "soft/metal/device.h"
#include "soft/metal/library.h"
#include "soft/metal/settings.h"

namespace isometal::soft {

PipelineImpl::PipelineImpl(std::shared_ptr<const PipelineCode> code)
    : code_(std::move(code)), reflection_(NS::TransferPtr(make_reflection(code_->reflection()))) {}

namespace {

class PipelineDescriptorImpl final : public MTL::ComputePipelineDescriptor {
 public:
  PipelineDescriptorImpl() = default;
  PipelineDescriptorImpl(const PipelineDescriptorImpl&) = default;
};

[[noreturn]] void refuse(CompileFailure failure, const std::string& text) {
  throw CompileError(failure, text);
}

/// Threads that the pipeline allows in a threadgroup: what kernel, descriptor and settings say, within what
/// the device has.
std::uint64_t thread_limit(const KernelReflection& reflection,
                           const MTL::ComputePipelineDescriptor& descriptor) {
  const std::uint64_t asked = descriptor.maxTotalThreadsPerThreadgroup();
  if (asked > kMaxThreads) {
    refuse(CompileFailure::unsupported, soft_message("maxTotalThreadsPerThreadgroup is ", asked,
                                                     "; the device allows at most ", kMaxThreads, "."));
  }
  const std::uint64_t of_kernel =
      std::min(ThreadgroupLimits::of(reflection).most, device_settings().max_threads);
  const MTL::Size required = descriptor.requiredThreadsPerThreadgroup();
  const std::uint64_t limit = asked == 0 ? of_kernel : std::min(asked, of_kernel);
  // Factors beyond the limit first: their product could overflow.
  const bool fits = std::max({required.width, required.height, required.depth}) <= limit &&
                    required.width * required.height * required.depth <= limit;
  if (!fits) {
    refuse(CompileFailure::unsupported,
           soft_message("requiredThreadsPerThreadgroup is ", required.width, "x", required.height, "x",
                        required.depth, "; the pipeline allows at most ", limit, " threads."));
  }
  return limit;
}

/// The caller owns the result. Throws CompileError.
MTL::ComputePipelineState* make_pipeline(const MTL::ComputePipelineDescriptor* descriptor) {
  if (descriptor == nullptr || descriptor->computeFunction() == nullptr) {
    refuse(CompileFailure::function_not_found,
           soft_message("newComputePipelineState: the function is null; set one that the library has."));
  }
  if (descriptor->supportIndirectCommandBuffers()) {
    refuse(CompileFailure::unsupported, soft_message("indirect command buffers are not implemented."));
  }
  const auto& function =
      impl_of<FunctionImpl>(static_cast<const MTL::Function*>(descriptor->computeFunction()));
  CompileRequest request = function.request();
  request.observed = device_settings().observed;
  // The library stays open as long as its code is used.
  struct Alive {
    std::shared_ptr<const OpenLibrary> library;
    std::shared_ptr<const void> code;
  };
  CompiledKernel compiled = function.library().service().compile(request);
  compiled.keep_alive = std::make_shared<const Alive>(Alive{function.shared_library(), compiled.keep_alive});
  if (compiled.kernel == nullptr) {
    refuse(CompileFailure::internal,
           soft_message("the compile service returned no code for '", request.function, "'."));
  }
  const KernelReflection& reflection = compiled.reflection;
  if (reflection.static_threadgroup_bytes > kMaxThreadgroupMemory) {
    refuse(CompileFailure::unsupported,
           soft_message("function '", request.function, "' declares ", reflection.static_threadgroup_bytes,
                        " bytes of threadgroup memory; the device has ", kMaxThreadgroupMemory, "."));
  }
  LoadedKernel kernel(compiled.kernel, request.function, reflection.sites);
  const std::uint64_t limit = thread_limit(reflection, *descriptor);
  auto code = std::make_shared<const PipelineCode>(
      PipelineCode{std::move(compiled), std::move(kernel),
                   ThreadgroupLimits{limit, descriptor->threadGroupSizeIsMultipleOfThreadExecutionWidth(),
                                     extent_of(descriptor->requiredThreadsPerThreadgroup())}});
  auto* const pipeline = new PipelineImpl(std::move(code));
  pipeline->label(descriptor->label());
  pipeline->shader_validation = descriptor->shaderValidation();
  return pipeline;
}

NS::SharedPtr<MTL::ComputePipelineDescriptor> descriptor_for(const MTL::Function* function) {
  auto descriptor = NS::TransferPtr(MTL::ComputePipelineDescriptor::alloc()->init());
  descriptor->setComputeFunction(function);
  return descriptor;
}

PipelineImpl& impl(const MTL::ComputePipelineState* pipeline) {
  return impl_of<PipelineImpl>(pipeline);
}

}  // namespace
}  // namespace isometal::soft

using namespace isometal::soft;

namespace MTL {

ComputePipelineState* Device::newComputePipelineState(const MTL::Function* computeFunction,
                                                      NS::Error** error) {
  return newComputePipelineState(computeFunction, PipelineOptionNone, nullptr, error);
}

ComputePipelineState* Device::newComputePipelineState(
    const MTL::Function* computeFunction, MTL::PipelineOption options,
    const MTL::AutoreleasedComputePipelineReflection* reflection, NS::Error** error) {
  return newComputePipelineState(descriptor_for(computeFunction).get(), options, reflection, error);
}

ComputePipelineState* Device::newComputePipelineState(
    const MTL::ComputePipelineDescriptor* descriptor, MTL::PipelineOption,
    const MTL::AutoreleasedComputePipelineReflection* reflection, NS::Error** error) {
  ComputePipelineState* const pipeline = or_error(error, [&] { return make_pipeline(descriptor); });
  // Apple's signature has const where the result goes.
  if (reflection != nullptr && pipeline != nullptr) {
    *const_cast<AutoreleasedComputePipelineReflection*>(reflection) =
        pipeline->reflection()->retain()->autorelease();
  }
  return pipeline;
}

void Device::newComputePipelineState(
    const MTL::Function* pFunction,
    const MTL::NewComputePipelineStateCompletionHandlerFunction& completionHandler) {
  newComputePipelineState(pFunction, PipelineOptionNone,
                          [completionHandler](ComputePipelineState* pipeline, ComputePipelineReflection*,
                                              NS::Error* error) { completionHandler(pipeline, error); });
}

void Device::newComputePipelineState(
    const MTL::Function* pFunction, MTL::PipelineOption options,
    const MTL::NewComputePipelineStateWithReflectionCompletionHandlerFunction& completionHandler) {
  newComputePipelineState(descriptor_for(pFunction).get(), options, completionHandler);
}

void Device::newComputePipelineState(
    const MTL::ComputePipelineDescriptor* pDescriptor, MTL::PipelineOption options,
    const MTL::NewComputePipelineStateWithReflectionCompletionHandlerFunction& completionHandler) {
  const auto descriptor = pDescriptor == nullptr ? NS::SharedPtr<ComputePipelineDescriptor>()
                                                 : NS::TransferPtr(pDescriptor->copy());
  impl_of<DeviceImpl>(this).compile_later([this, descriptor, options, completionHandler] {
    NS::Error* error = nullptr;
    ComputePipelineReflection* reflection = nullptr;
    const auto pipeline =
        NS::TransferPtr(newComputePipelineState(descriptor.get(), options, &reflection, &error));
    completionHandler(pipeline.get(), reflection, error);
  });
}

Device* ComputePipelineState::device() const {
  return &the_device();
}

ResourceID ComputePipelineState::gpuResourceID() const {
  return {reinterpret_cast<std::uintptr_t>(this)};
}

NS::String* ComputePipelineState::label() const {
  return impl(this).label_object();
}

NS::UInteger ComputePipelineState::maxTotalThreadsPerThreadgroup() const {
  return impl(this).code().limits.most;
}

ComputePipelineReflection* ComputePipelineState::reflection() const {
  return impl(this).reflection_object();
}

Size ComputePipelineState::requiredThreadsPerThreadgroup() const {
  const Extent& required = impl(this).code().limits.required;
  return {required[0], required[1], required[2]};
}

ShaderValidation ComputePipelineState::shaderValidation() const {
  return impl(this).shader_validation;
}

NS::UInteger ComputePipelineState::staticThreadgroupMemoryLength() const {
  return impl(this).code().reflection().static_threadgroup_bytes;
}

bool ComputePipelineState::supportIndirectCommandBuffers() const {
  return false;
}

NS::UInteger ComputePipelineState::threadExecutionWidth() const {
  return abi::kLanes;
}

ComputePipelineDescriptor* ComputePipelineDescriptor::alloc() {
  return new PipelineDescriptorImpl;
}

ComputePipelineDescriptor* ComputePipelineDescriptor::init() {
  return this;
}

ComputePipelineDescriptor* ComputePipelineDescriptor::clone() const {
  return new PipelineDescriptorImpl(static_cast<const PipelineDescriptorImpl&>(*this));
}

void ComputePipelineDescriptor::reset() {
  function_.reset();
  label_.reset();
  max_threads_ = 0;
  required_threads_ = Size(0, 0, 0);
  shader_validation_ = ShaderValidationDefault;
  indirect_ = false;
  multiple_of_width_ = false;
}

Function* ComputePipelineDescriptor::computeFunction() const {
  return function_.get();
}

NS::String* ComputePipelineDescriptor::label() const {
  return label_.get();
}

NS::UInteger ComputePipelineDescriptor::maxTotalThreadsPerThreadgroup() const {
  return max_threads_;
}

Size ComputePipelineDescriptor::requiredThreadsPerThreadgroup() const {
  return required_threads_;
}

ShaderValidation ComputePipelineDescriptor::shaderValidation() const {
  return shader_validation_;
}

bool ComputePipelineDescriptor::supportIndirectCommandBuffers() const {
  return indirect_;
}

bool ComputePipelineDescriptor::threadGroupSizeIsMultipleOfThreadExecutionWidth() const {
  return multiple_of_width_;
}

void ComputePipelineDescriptor::setComputeFunction(const MTL::Function* computeFunction) {
  function_ = keep(computeFunction);
}

void ComputePipelineDescriptor::setLabel(const NS::String* label) {
  label_ = keep(label);
}

void ComputePipelineDescriptor::setMaxTotalThreadsPerThreadgroup(NS::UInteger maxTotalThreadsPerThreadgroup) {
  max_threads_ = maxTotalThreadsPerThreadgroup;
}

void ComputePipelineDescriptor::setRequiredThreadsPerThreadgroup(MTL::Size requiredThreadsPerThreadgroup) {
  required_threads_ = requiredThreadsPerThreadgroup;
}

void ComputePipelineDescriptor::setShaderValidation(MTL::ShaderValidation shaderValidation) {
  shader_validation_ = shaderValidation;
}

void ComputePipelineDescriptor::setSupportIndirectCommandBuffers(bool supportIndirectCommandBuffers) {
  indirect_ = supportIndirectCommandBuffers;
}

void ComputePipelineDescriptor::setThreadGroupSizeIsMultipleOfThreadExecutionWidth(
    bool threadGroupSizeIsMultipleOfThreadExecutionWidth) {
  multiple_of_width_ = threadGroupSizeIsMultipleOfThreadExecutionWidth;
}

}  // namespace MTL
