// As it is written for a Mac: nothing here knows of the software device.
#define NS_PRIVATE_IMPLEMENTATION
#define MTL_PRIVATE_IMPLEMENTATION
#include "row_mean.h"

#include <Foundation/Foundation.hpp>
#include <Metal/Metal.hpp>
#include <stdexcept>

namespace {

template <typename T>
NS::SharedPtr<T> owned(T* object, const NS::Error* error) {
  if (object == nullptr) throw std::runtime_error(error->localizedDescription()->utf8String());
  return NS::TransferPtr(object);
}

}  // namespace

std::vector<float> row_mean(const std::string& source, const std::vector<float>& x, std::uint32_t columns) {
  auto pool = NS::TransferPtr(NS::AutoreleasePool::alloc()->init());
  auto device = NS::TransferPtr(MTL::CreateSystemDefaultDevice());
  auto queue = NS::TransferPtr(device->newCommandQueue());
  NS::Error* error = nullptr;
  auto* text = NS::String::string(source.c_str(), NS::UTF8StringEncoding);
  auto library = owned(device->newLibrary(text, nullptr, &error), error);
  auto constants = NS::TransferPtr(MTL::FunctionConstantValues::alloc()->init());
  const bool squares = false;
  constants->setConstantValue(&squares, MTL::DataTypeBool, NS::UInteger(0));
  auto* name = NS::String::string("row_mean", NS::UTF8StringEncoding);
  auto function = owned(library->newFunction(name, constants.get(), &error), error);
  auto pipeline = owned(device->newComputePipelineState(function.get(), &error), error);

  const NS::UInteger rows = x.size() / columns;
  auto in =
      NS::TransferPtr(device->newBuffer(x.data(), x.size() * sizeof(float), MTL::ResourceStorageModeShared));
  auto out = NS::TransferPtr(device->newBuffer(rows * sizeof(float), MTL::ResourceStorageModeShared));

  MTL::CommandBuffer* commands = queue->commandBuffer();
  MTL::ComputeCommandEncoder* encoder = commands->computeCommandEncoder();
  encoder->setComputePipelineState(pipeline.get());
  encoder->setBuffer(in.get(), 0, 0);
  encoder->setBuffer(out.get(), 0, 1);
  encoder->setBytes(&columns, sizeof columns, 2);
  encoder->dispatchThreadgroups(MTL::Size::Make(rows, 1, 1), MTL::Size::Make(256, 1, 1));
  encoder->endEncoding();
  commands->commit();
  commands->waitUntilCompleted();
  if (commands->status() != MTL::CommandBufferStatusCompleted)
    throw std::runtime_error(commands->error()->localizedDescription()->utf8String());
  const auto* result = static_cast<const float*>(out->contents());
  return {result, result + rows};
}
