// csrc/dispatcher/pipelines.h: libraries of the kernel families, and the pipelines made of them.
#pragma once

#include <Metal/Metal.hpp>
#include <array>
#include <cstdint>
#include <functional>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "launch/plan.h"

namespace isometal {

struct Pipeline {
  NS::SharedPtr<MTL::ComputePipelineState> state;
  std::string name;  ///< of the kernel
  /// What the device allows, asked once. A kernel that needs many registers may allow fewer than the device.
  std::uint32_t max_threads = 0;            ///< of a threadgroup
  std::uint32_t max_threadgroup_bytes = 0;  ///< of threadgroup memory that the encoder sets
  /// Dispatches that the device has done without a failure. The dispatcher's lock guards it.
  mutable std::uint64_t runs = 0;
};

/// A pipeline that was made, and how often it has run.
struct KernelRuns {
  launch::Kernel kernel;
  std::uint64_t runs = 0;
};

/// The kernels of a family.
struct KernelCode {
  enum class Form { kSource, kMetallib } form = Form::kSource;
  std::string text;  ///< Metal source, or the path of a metallib
};

/// Safe for concurrent use. Made once, then looked up by value: no string is built for a known kernel.
class Pipelines {
 public:
  /// The code of a family, for example "binary", for a device that has the type `bfloat` or one that has not.
  using Loader = std::function<KernelCode(std::string_view, bool bfloat)>;

  Pipelines(MTL::Device* device, Loader loader);

  bool bfloat() const { return bfloat_; }

  /// Valid until clear(). Throws BackendError with the compiler's words.
  const Pipeline& get(const launch::Kernel& kernel);
  std::size_t count() const;
  /// Every pipeline. The caller holds the dispatcher's lock.
  std::vector<KernelRuns> runs() const;
  /// Lets go of all of them and of the loader: no more are made. Nothing may be under way, and no thread may
  /// hold one.
  void clear();

 private:
  MTL::Library* library(launch::Family family);

  MTL::Device* device_;
  Loader loader_;
  const bool bfloat_;
  mutable std::shared_mutex mutex_;  ///< guards pipelines_; never held while something compiles
  std::unordered_map<launch::Kernel, Pipeline> pipelines_;
  std::mutex making_;  ///< one at a time is compiled; guards libraries_
  std::array<NS::SharedPtr<MTL::Library>, launch::kFamilyNames.size()> libraries_;
};

}  // namespace isometal
