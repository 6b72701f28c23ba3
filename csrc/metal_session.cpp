// csrc/metal_session.cpp: the calls of metal-cpp.
#include "metal_session.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>

#include "metal_helpers.h"

namespace isometal {
namespace {

std::string text_of(const NS::Error* error) {
  return error_text(error, "[metal] failed without a reason.");
}

/// `object`, or MetalError with what `error` says. The call that sets `error` must come before this one's
/// arguments.
template <typename T>
NS::SharedPtr<T> owned(T* object, const NS::Error* error) {
  if (object == nullptr) throw MetalError(text_of(error));
  return NS::TransferPtr(object);
}

struct ConstantType {
  const char* name;
  MTL::DataType type;
  std::size_t bytes;
};

constexpr ConstantType kConstantTypes[] = {
    {"bool", MTL::DataTypeBool, 1},   {"char", MTL::DataTypeChar, 1},     {"uchar", MTL::DataTypeUChar, 1},
    {"short", MTL::DataTypeShort, 2}, {"ushort", MTL::DataTypeUShort, 2}, {"int", MTL::DataTypeInt, 4},
    {"uint", MTL::DataTypeUInt, 4},   {"float", MTL::DataTypeFloat, 4},   {"half", MTL::DataTypeHalf, 2},
};

void set_constant(MTL::FunctionConstantValues* values, std::uint32_t index, const MetalConstant& constant) {
  const auto* const type =
      std::find_if(std::begin(kConstantTypes), std::end(kConstantTypes),
                   [&](const ConstantType& known) { return constant.type_name == known.name; });
  if (type == std::end(kConstantTypes) || type->bytes != constant.bytes.size()) {
    throw MetalError("[metal] function constant " + std::to_string(index) + " is a '" + constant.type_name +
                     "' of " + std::to_string(constant.bytes.size()) +
                     " bytes; a scalar type of MSL with as many bytes as it has is possible.");
  }
  values->setConstantValue(constant.bytes.data(), type->type, index);
}

template <typename T>
T at(const std::vector<T>& objects, std::size_t number, const char* kind) {
  if (number < objects.size()) return objects[number];
  throw MetalError("[metal] no " + std::string(kind) + " " + std::to_string(number) + "; there are " +
                   std::to_string(objects.size()) + ".");
}

}  // namespace

/// Told by the device that a command buffer has ended: Metal's own wait has no limit of time.
class MetalSession::Completion {
 public:
  void tell() {
    const std::lock_guard lock(mutex_);
    completed_ = true;
    changed_.notify_all();
  }

  /// False where `interrupted` came first.
  bool wait(const std::function<bool()>& interrupted) {
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, kAskEvery, [&] { return completed_; })) {
      lock.unlock();
      if (interrupted()) return false;
      lock.lock();
    }
    return true;
  }

 private:
  static constexpr std::chrono::milliseconds kAskEvery{20};

  std::mutex mutex_;
  std::condition_variable changed_;
  bool completed_ = false;
};

MetalSession::MetalSession() : device_(NS::TransferPtr(MTL::CreateSystemDefaultDevice())) {
  if (!device_) throw MetalError("[metal] this machine has no Metal device; what was reported says why.");
  queue_ = NS::TransferPtr(device_->newCommandQueue());
  if (!queue_) throw MetalError("[metal] the device made no command queue.");
}

MetalSession::~MetalSession() {
  const Pool pool;
  for (const auto& flight : in_flight_) flight.second.commands->waitUntilCompleted();
}

std::string MetalSession::device_name() const {
  const Pool pool;
  return device_->name()->utf8String();
}

std::size_t MetalSession::page_bytes() {
  return static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

std::size_t MetalSession::load_library(const std::string& bytes) {
  const Pool pool;
  NS::Error* error = nullptr;
  const dispatch_data_t data = dispatch_data_create(bytes.data(), bytes.size(), dispatch_get_main_queue(),
                                                    DISPATCH_DATA_DESTRUCTOR_DEFAULT);
  MTL::Library* const library = device_->newLibrary(data, &error);
  dispatch_release(data);
  auto opened = owned(library, error);
  const std::lock_guard lock(mutex_);
  libraries_.push_back(std::move(opened));
  return libraries_.size() - 1;
}

std::size_t MetalSession::compile_library(const std::string& source) {
  const Pool pool;
  NS::Error* error = nullptr;
  MTL::Library* const library = device_->newLibrary(text_object(source), nullptr, &error);
  auto compiled = owned(library, error);
  const std::lock_guard lock(mutex_);
  libraries_.push_back(std::move(compiled));
  return libraries_.size() - 1;
}

NS::SharedPtr<MTL::Library> MetalSession::library_at(std::size_t library) const {
  const std::lock_guard lock(mutex_);
  return at(libraries_, library, "library");
}

NS::SharedPtr<MTL::ComputePipelineState> MetalSession::pipeline_at(std::size_t pipeline) const {
  const std::lock_guard lock(mutex_);
  return at(pipelines_, pipeline, "pipeline");
}

std::vector<std::string> MetalSession::function_names(std::size_t library) const {
  const Pool pool;
  const auto opened = library_at(library);
  const NS::Array* const names = opened->functionNames();
  std::vector<std::string> result;
  for (NS::UInteger i = 0; i < names->count(); ++i) {
    result.emplace_back(names->object<NS::String>(i)->utf8String());
  }
  return result;
}

std::size_t MetalSession::make_pipeline(std::size_t library, const std::string& function,
                                        const std::map<std::uint32_t, MetalConstant>& constants) {
  const Pool pool;
  const auto values = NS::TransferPtr(MTL::FunctionConstantValues::alloc()->init());
  for (const auto& [index, constant] : constants) set_constant(values.get(), index, constant);
  NS::Error* error = nullptr;
  MTL::Function* const found = library_at(library)->newFunction(text_object(function), values.get(), &error);
  const auto function_owner = owned(found, error);
  MTL::ComputePipelineState* const made = device_->newComputePipelineState(found, &error);
  auto pipeline = owned(made, error);
  const std::lock_guard lock(mutex_);
  pipelines_.push_back(std::move(pipeline));
  return pipelines_.size() - 1;
}

std::size_t MetalSession::max_threads(std::size_t pipeline) const {
  return pipeline_at(pipeline)->maxTotalThreadsPerThreadgroup();
}

void MetalSession::encode(MTL::ComputeCommandEncoder* encoder, const MetalLaunch& launch) {
  encoder->setComputePipelineState(pipeline_at(launch.pipeline).get());
  for (const MetalMemory& memory : launch.buffers) {
    // The command buffer keeps the buffer; the memory is the caller's.
    const auto buffer = NS::TransferPtr(
        device_->newBuffer(memory.data, memory.bytes, MTL::ResourceStorageModeShared, nullptr));
    if (!buffer) {
      throw MetalError("[metal] buffer " + std::to_string(memory.index) + " of " +
                       std::to_string(memory.bytes) +
                       " bytes cannot be used in place; it must begin at a page and have whole pages of " +
                       std::to_string(page_bytes()) + " bytes.");
    }
    encoder->setBuffer(buffer.get(), memory.offset, memory.index);
  }
  for (const auto& [index, bytes] : launch.inline_bytes) encoder->setBytes(bytes.data(), bytes.size(), index);
  for (const auto& [index, bytes] : launch.threadgroup_lengths)
    encoder->setThreadgroupMemoryLength(bytes, index);
  if (launch.grid_is_threads) {
    encoder->dispatchThreads(launch.grid, launch.threadgroup);
  } else {
    encoder->dispatchThreadgroups(launch.grid, launch.threadgroup);
  }
}

std::uint64_t MetalSession::submit(const std::vector<MetalLaunch>& launches) {
  const Pool pool;
  MTL::CommandBuffer* const commands = queue_->commandBuffer();
  if (commands == nullptr) throw MetalError("[metal] the queue has no room for one more command buffer.");
  MTL::ComputeCommandEncoder* const encoder = commands->computeCommandEncoder();
  try {
    for (const MetalLaunch& launch : launches) encode(encoder, launch);
  } catch (...) {
    encoder->endEncoding();  // the command buffer is given up in order
    throw;
  }
  encoder->endEncoding();
  const auto completion = std::make_shared<Completion>();
  const MTL::HandlerFunction tell = [completion](MTL::CommandBuffer*) { completion->tell(); };
  commands->addCompletedHandler(tell);
  commands->commit();
  const std::lock_guard lock(mutex_);
  in_flight_[next_ticket_] = {NS::RetainPtr(commands), completion};
  return next_ticket_++;
}

MetalSession::Flight MetalSession::taken(std::uint64_t ticket) {
  const std::lock_guard lock(mutex_);
  auto flight = in_flight_.extract(ticket);
  if (flight.empty()) {
    throw MetalError("[metal] no command buffer has the ticket " + std::to_string(ticket) +
                     "; a ticket comes from submit and is good once.");
  }
  return std::move(flight.mapped());
}

std::optional<MetalOutcome> MetalSession::wait(std::uint64_t ticket,
                                               const std::function<bool()>& interrupted) {
  const Pool pool;
  const Flight flight = taken(ticket);
  if (!flight.completion->wait(interrupted)) {
    const std::lock_guard lock(mutex_);
    in_flight_[ticket] = flight;
    return std::nullopt;
  }
  MTL::CommandBuffer* const commands = flight.commands.get();
  commands->waitUntilCompleted();  // for what the device still does behind the handler
  MetalOutcome outcome;
  outcome.completed = commands->status() == MTL::CommandBufferStatusCompleted;
  outcome.seconds = commands->GPUEndTime() - commands->GPUStartTime();
  if (!outcome.completed) {
    const NS::Error* const error = commands->error();
    outcome.code = error == nullptr ? 0 : error->code();
    outcome.text = text_of(error);
  }
  return outcome;
}

}  // namespace isometal
