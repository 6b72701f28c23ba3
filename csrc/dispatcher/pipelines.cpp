// csrc/dispatcher/pipelines.cpp: from source or metallibs to pipelines, through metal-cpp.
#include "dispatcher/pipelines.h"

#include <utility>

#include "error.h"
#include "metal_helpers.h"
#if ISOMETAL_SOFT
#include "soft/metal/settings.h"
#endif

namespace isometal {
namespace {

[[noreturn]] void refuse(std::string_view what, std::string_view name, const NS::Error* error) {
  throw BackendError("[metal] " + std::string(what) + " " + std::string(name) +
                     " cannot be made: " + error_text(error, "Metal gave no reason"));
}

MTL::DataType type_of(launch::Constant::Type type) {
  switch (type) {
    case launch::Constant::Type::kBool:
      return MTL::DataTypeBool;
    case launch::Constant::Type::kUInt:
      return MTL::DataTypeUInt;
  }
  return MTL::DataTypeNone;
}

MTL::Library* open_library(MTL::Device* device, const KernelCode& code, NS::Error** error) {
  if (code.form == KernelCode::Form::kMetallib)
    return device->newLibrary(NS::URL::fileURLWithPath(text_object(code.text)), error);
  const auto options = NS::TransferPtr(MTL::CompileOptions::alloc()->init());
  // Bit for bit what the kernels say; they name fast functions where those are enough.
  options->setFastMathEnabled(false);
  options->setLanguageVersion(MTL::LanguageVersion3_1);
  return device->newLibrary(text_object(code.text), options.get(), error);
}

/// Metal's feature set tables give the type to these families, and to Mac2 on other Macs than ours. The
/// compiler knows it whatever the GPU.
bool has_bfloat(MTL::Device* device) {
#if ISOMETAL_SOFT
  static_cast<void>(device);
  return soft::device_settings().bfloat;
#else
  return device->supportsFamily(MTL::GPUFamilyMetal3) || device->supportsFamily(MTL::GPUFamilyApple6);
#endif
}

/// What the dispatcher keeps to. Throws BackendError where kernels cannot run on the device at all.
Pipeline describe(MTL::Device* device, NS::SharedPtr<MTL::ComputePipelineState> state, std::string name) {
  const auto width = state->threadExecutionWidth();
  if (width != launch::kSimdWidth) {
    throw BackendError("[metal] kernel " + name + " would run in simdgroups of " + std::to_string(width) +
                       " threads on this device; it is written for " + std::to_string(launch::kSimdWidth) +
                       ".");
  }
  const auto declared = state->staticThreadgroupMemoryLength();
  const auto available = device->maxThreadgroupMemoryLength();
  if (declared > available) {
    throw BackendError("[metal] kernel " + name + " declares " + std::to_string(declared) +
                       " bytes of threadgroup memory; this device has " + std::to_string(available) + ".");
  }
  const auto threads = static_cast<std::uint32_t>(state->maxTotalThreadsPerThreadgroup());
  return {std::move(state), std::move(name), threads, static_cast<std::uint32_t>(available - declared)};
}

}  // namespace

Pipelines::Pipelines(MTL::Device* device, Loader loader)
    : device_(device), loader_(std::move(loader)), bfloat_(has_bfloat(device)) {}

const Pipeline& Pipelines::get(const launch::Kernel& kernel) {
  {
    const std::shared_lock lock(mutex_);
    const auto found = pipelines_.find(kernel);
    if (found != pipelines_.end()) return found->second;
  }
  const Pool pool;
  const std::lock_guard making(making_);
  {
    const std::shared_lock lock(mutex_);
    const auto found = pipelines_.find(kernel);
    if (found != pipelines_.end()) return found->second;
  }
  const auto values = NS::TransferPtr(MTL::FunctionConstantValues::alloc()->init());
  for (const launch::Constant& constant : kernel) {
    values->setConstantValue(&constant.bits, type_of(constant.type), constant.index);
  }
  NS::Error* error = nullptr;
  const std::string name(kernel.name());
  const auto function =
      NS::TransferPtr(library(kernel.family())->newFunction(text_object(name), values.get(), &error));
  if (!function) refuse("kernel", name, error);
  MTL::ComputePipelineState* const state = device_->newComputePipelineState(function.get(), &error);
  if (state == nullptr) refuse("pipeline", name, error);
  Pipeline pipeline = describe(device_, NS::TransferPtr(state), name);
  const std::unique_lock lock(mutex_);
  return pipelines_.emplace(kernel, std::move(pipeline)).first->second;
}

std::size_t Pipelines::count() const {
  const std::shared_lock lock(mutex_);
  return pipelines_.size();
}

std::vector<KernelRuns> Pipelines::runs() const {
  const std::shared_lock lock(mutex_);
  std::vector<KernelRuns> result;
  result.reserve(pipelines_.size());
  for (const auto& [kernel, pipeline] : pipelines_) result.push_back({kernel, pipeline.runs});
  return result;
}

void Pipelines::clear() {
  const Pool pool;
  const std::lock_guard making(making_);
  const std::unique_lock lock(mutex_);
  pipelines_.clear();
  libraries_ = {};
  loader_ = nullptr;
}

MTL::Library* Pipelines::library(launch::Family family) {
  auto& held = libraries_[static_cast<std::size_t>(family)];
  if (held) return held.get();
  if (!loader_) throw BackendError("[metal] the device was shut down with the interpreter.");
  NS::Error* error = nullptr;
  MTL::Library* const made = open_library(device_, loader_(launch::name(family), bfloat_), &error);
  if (made == nullptr) refuse("library", launch::name(family), error);
  held = NS::TransferPtr(made);
  return made;
}

}  // namespace isometal
