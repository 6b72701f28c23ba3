// tests/cpp/dispatcher_sample.cpp: a compute dispatcher as one writes it for a Mac. The same source compiles
// against Apple's metal-cpp (tests/soft/test_metal_cpp.py) and against ours, with which it runs
// (metal_dispatcher_test.cpp).
#define NS_PRIVATE_IMPLEMENTATION
#define MTL_PRIVATE_IMPLEMENTATION
#include "dispatcher_sample.h"

#include <Foundation/Foundation.hpp>
#include <Metal/Metal.hpp>
#include <algorithm>
#include <atomic>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

std::string text(const NS::Error* error) {
  return error == nullptr ? "no error given" : error->localizedDescription()->utf8String();
}

template <typename T>
T* checked(T* object, NS::Error*& error) {
  if (object == nullptr) throw std::runtime_error(text(error));
  return object;
}

class Dispatcher {
 public:
  explicit Dispatcher(const std::string& source)
      : device_(NS::TransferPtr(MTL::CreateSystemDefaultDevice())),
        queue_(NS::TransferPtr(device_->newCommandQueue())),
        event_(NS::TransferPtr(device_->newSharedEvent())),
        fence_(NS::TransferPtr(device_->newFence())) {
    NS::Error* error = nullptr;
    auto options = NS::TransferPtr(MTL::CompileOptions::alloc()->init());
    options->setMathMode(MTL::MathModeSafe);
    options->setLanguageVersion(MTL::LanguageVersion3_1);
    auto* const text_of_source = NS::String::string(source.c_str(), NS::UTF8StringEncoding);
    library_ = NS::TransferPtr(checked(device_->newLibrary(text_of_source, options.get(), &error), error));
    auto descriptor = NS::TransferPtr(MTL::ResidencySetDescriptor::alloc()->init());
    descriptor->setLabel(MTLSTR("everything"));
    residents_ = NS::TransferPtr(checked(device_->newResidencySet(descriptor.get(), &error), error));
    queue_->addResidencySet(residents_.get());
    queue_->setLabel(MTLSTR("sample"));
  }

  std::vector<float> run(const std::vector<float>& a, const std::vector<float>& b, int factor, float offset) {
    const NS::UInteger bytes = a.size() * sizeof(float);
    constexpr MTL::ResourceOptions kShared =
        MTL::ResourceStorageModeShared | MTL::ResourceHazardTrackingModeTracked;
    auto first = NS::TransferPtr(device_->newBuffer(a.data(), bytes, kShared));
    auto second = NS::TransferPtr(device_->newBuffer(bytes, kShared));
    std::memcpy(second->contents(), b.data(), bytes);
    second->didModifyRange(NS::Range::Make(0, bytes));
    auto out = NS::TransferPtr(device_->newBuffer(bytes, kShared));
    const MTL::Allocation* const allocations[] = {first.get(), second.get(), out.get()};
    residents_->addAllocations(allocations, 3);
    residents_->commit();
    residents_->requestResidency();

    MTL::CommandBuffer* const commands = queue_->commandBufferWithUnretainedReferences();
    encode_add(commands, first.get(), second.get(), out.get(), a.size());
    encode_scale(commands, out.get(), factor, offset, a.size());
    commands->encodeSignalEvent(event_.get(), ++signaled_);
    std::atomic<bool> told{false};
    commands->addCompletedHandler([&](MTL::CommandBuffer* done) { told = done->error() == nullptr; });
    commands->commit();
    commands->waitUntilCompleted();
    if (commands->status() == MTL::CommandBufferStatusError)
      throw std::runtime_error(text(commands->error()));
    if (!told || !event_->waitUntilSignaledValue(signaled_, 1000))
      throw std::runtime_error("nobody was told");
    residents_->removeAllAllocations();
    const auto* const result = static_cast<const float*>(out->contents());
    return {result, result + a.size()};
  }

 private:
  NS::SharedPtr<MTL::ComputePipelineState> pipeline(const char* name,
                                                    const MTL::FunctionConstantValues* constants) {
    NS::Error* error = nullptr;
    auto* const function_name = NS::String::string(name, NS::UTF8StringEncoding);
    auto function = NS::TransferPtr(checked(library_->newFunction(function_name, constants, &error), error));
    auto descriptor = NS::TransferPtr(MTL::ComputePipelineDescriptor::alloc()->init());
    descriptor->setComputeFunction(function.get());
    descriptor->setLabel(function_name);
    return NS::TransferPtr(checked(
        device_->newComputePipelineState(descriptor.get(), MTL::PipelineOptionNone, nullptr, &error), error));
  }

  static NS::UInteger group_size(const MTL::ComputePipelineState* pipeline, NS::UInteger count) {
    return std::min<NS::UInteger>(pipeline->maxTotalThreadsPerThreadgroup(), count);
  }

  void encode_add(MTL::CommandBuffer* commands, const MTL::Buffer* a, const MTL::Buffer* b,
                  const MTL::Buffer* out, NS::UInteger count) {
    add_ = pipeline("add", nullptr);
    MTL::ComputeCommandEncoder* const encoder = commands->computeCommandEncoder(MTL::DispatchTypeConcurrent);
    encoder->setLabel(MTLSTR("adding"));
    encoder->setComputePipelineState(add_.get());
    const MTL::Buffer* const buffers[] = {a, b};
    const NS::UInteger offsets[] = {0, 0};
    encoder->setBuffers(buffers, offsets, NS::Range(0, 2));
    encoder->setBuffer(out, 0, 2);
    encoder->useResource(out, MTL::ResourceUsageWrite);
    encoder->dispatchThreads(MTL::Size(count, 1, 1), MTL::Size(group_size(add_.get(), count), 1, 1));
    encoder->memoryBarrier(MTL::BarrierScopeBuffers);
    encoder->updateFence(fence_.get());
    encoder->endEncoding();
  }

  void encode_scale(MTL::CommandBuffer* commands, const MTL::Buffer* data, int factor, float offset,
                    NS::UInteger count) {
    auto constants = NS::TransferPtr(MTL::FunctionConstantValues::alloc()->init());
    constants->setConstantValue(&factor, MTL::DataTypeInt, NS::UInteger(0));
    scale_ = pipeline("scale", constants.get());
    auto descriptor = NS::TransferPtr(MTL::ComputePassDescriptor::alloc()->init());
    descriptor->setDispatchType(MTL::DispatchTypeSerial);
    MTL::ComputeCommandEncoder* const encoder = commands->computeCommandEncoder(descriptor.get());
    encoder->waitForFence(fence_.get());
    encoder->setComputePipelineState(scale_.get());
    encoder->setBuffer(data, 0, 0);
    encoder->setBytes(&offset, sizeof(offset), 1);
    encoder->dispatchThreads(MTL::Size::Make(count, 1, 1),
                             MTL::Size::Make(group_size(scale_.get(), count), 1, 1));
    encoder->endEncoding();
  }

  NS::SharedPtr<MTL::Device> device_;
  NS::SharedPtr<MTL::CommandQueue> queue_;
  NS::SharedPtr<MTL::SharedEvent> event_;
  NS::SharedPtr<MTL::Fence> fence_;
  NS::SharedPtr<MTL::Library> library_;
  NS::SharedPtr<MTL::ResidencySet> residents_;
  NS::SharedPtr<MTL::ComputePipelineState> add_;
  NS::SharedPtr<MTL::ComputePipelineState> scale_;
  std::uint64_t signaled_ = 0;
};

}  // namespace

std::vector<float> dispatch_sample(const std::string& source, const std::vector<float>& a,
                                   const std::vector<float>& b, int factor, float offset) {
  NS::AutoreleasePool* const pool = NS::AutoreleasePool::alloc()->init();
  try {
    std::vector<float> result = Dispatcher(source).run(a, b, factor, offset);
    pool->release();
    return result;
  } catch (...) {
    pool->release();
    throw;
  }
}
