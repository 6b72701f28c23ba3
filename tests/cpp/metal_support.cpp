// tests/cpp/metal_support.cpp: what the tests of the metal-cpp drop-in share.
#include "metal_support.h"

#include <cstdio>

#include "metal_fake_service.h"

namespace metal_test {

Failures::Failures() {
  isometal::soft::set_validation_handler([state = state_](const std::string& text) {
    const std::lock_guard lock(state->mutex);
    state->texts.push_back(text);
  });
}

Failures::~Failures() {
  isometal::soft::set_validation_handler(nullptr);
}

std::size_t Failures::count() const {
  const std::lock_guard lock(state_->mutex);
  return state_->texts.size();
}

bool Failures::have(const std::string& part) const {
  const std::lock_guard lock(state_->mutex);
  for (const std::string& text : state_->texts) {
    if (text.find(part) != std::string::npos) return true;
  }
  std::printf("  no failure with '%s' among %zu:\n", part.c_str(), state_->texts.size());
  for (const std::string& text : state_->texts) std::printf("    %s\n", text.c_str());
  return false;
}

void Failures::clear() {
  const std::lock_guard lock(state_->mutex);
  state_->texts.clear();
}

Bench::Bench() {
  isometal::soft::fake_service();
  device = NS::TransferPtr(MTL::CreateSystemDefaultDevice());
  queue = NS::TransferPtr(device->newCommandQueue());
  library = NS::TransferPtr(device->newDefaultLibrary());
}

MTL::ComputePipelineState* Bench::pipeline(const char* kernel) {
  return pipeline(kernel, nullptr);
}

MTL::ComputePipelineState* Bench::pipeline(const char* kernel, const MTL::FunctionConstantValues* constants) {
  NS::Error* error = nullptr;
  const auto name = NS::TransferPtr(NS::String::alloc()->init(kernel, NS::UTF8StringEncoding));
  const auto function = NS::TransferPtr(library->newFunction(name.get(), constants, &error));
  auto pipeline =
      NS::TransferPtr(function ? device->newComputePipelineState(function.get(), &error) : nullptr);
  if (!pipeline) throw std::runtime_error(text(error));
  kept_.emplace_back(pipeline);
  return pipeline.get();
}

MTL::Buffer* Bench::keep(MTL::Buffer* buffer) {
  kept_.emplace_back(NS::TransferPtr(buffer));
  return buffer;
}

std::string text(const NS::String* string) {
  return string == nullptr ? std::string() : string->utf8String();
}

std::string text(const NS::Error* error) {
  return error == nullptr ? std::string() : text(error->localizedDescription());
}

std::string error_text(const MTL::CommandBuffer* buffer) {
  return text(buffer->error());
}

}  // namespace metal_test
