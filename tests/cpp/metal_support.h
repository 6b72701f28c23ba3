// tests/cpp/metal_support.h: what the tests of the metal-cpp drop-in share.
#pragma once

#include <Metal/Metal.hpp>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "soft/metal/settings.h"
#include "soft/validation.h"

namespace metal_test {

/// A pool for the scope.
class Pool {
 public:
  ~Pool() { pool_->release(); }

 private:
  NS::AutoreleasePool* pool_ = NS::AutoreleasePool::alloc()->init();
};

/// Collects the failures of validation, from any thread, instead of stderr.
class Failures {
 public:
  Failures();
  ~Failures();
  Failures(const Failures&) = delete;
  Failures& operator=(const Failures&) = delete;

  bool none() const { return count() == 0; }
  std::size_t count() const;
  /// True if one has `part` in it. Prints them if not.
  bool have(const std::string& part) const;
  void clear();

 private:
  struct State {
    std::mutex mutex;
    std::vector<std::string> texts;
  };

  std::shared_ptr<State> state_ = std::make_shared<State>();
};

/// Settings for the scope.
class Settings {
 public:
  explicit Settings(isometal::soft::DeviceSettings settings) : before_(isometal::soft::device_settings()) {
    isometal::soft::set_device_settings(std::move(settings));
  }
  ~Settings() { isometal::soft::set_device_settings(before_); }
  Settings(const Settings&) = delete;
  Settings& operator=(const Settings&) = delete;

 private:
  isometal::soft::DeviceSettings before_;
};

/// A device with a queue and the kernels of the fake service.
class Bench {
 public:
  Bench();

  /// The caller need not release it: the bench keeps it.
  MTL::ComputePipelineState* pipeline(const char* kernel);
  MTL::ComputePipelineState* pipeline(const char* kernel, const MTL::FunctionConstantValues* constants);
  /// A shared buffer of `count` zeros, kept by the bench.
  template <typename T>
  MTL::Buffer* buffer(std::size_t count) {
    return keep(device->newBuffer(count * sizeof(T), MTL::ResourceStorageModeShared));
  }
  template <typename T>
  MTL::Buffer* buffer(const std::vector<T>& values) {
    return keep(device->newBuffer(values.data(), values.size() * sizeof(T), MTL::ResourceStorageModeShared));
  }

  NS::SharedPtr<MTL::Device> device;
  NS::SharedPtr<MTL::CommandQueue> queue;
  NS::SharedPtr<MTL::Library> library;

 private:
  MTL::Buffer* keep(MTL::Buffer* buffer);

  std::vector<NS::SharedPtr<NS::Object>> kept_;
};

template <typename T>
std::vector<T> values(MTL::Buffer* buffer) {
  const T* const first = static_cast<const T*>(buffer->contents());
  return {first, first + buffer->length() / sizeof(T)};
}

/// The text of the command buffer's error; empty without one.
std::string error_text(const MTL::CommandBuffer* buffer);
std::string text(const NS::Error* error);
std::string text(const NS::String* string);

}  // namespace metal_test
