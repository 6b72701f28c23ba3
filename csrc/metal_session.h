// csrc/metal_session.h: kernels through metal-cpp, start to end: device, library, pipeline, command buffer.
// The source uses nothing but NS:: and MTL::, so that the same file serves Apple's GPU and the software
// device.
#pragma once

#include <Foundation/Foundation.hpp>
#include <Metal/Metal.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace isometal {

/// What Metal refused, in Metal's words. `what()` is complete.
struct MetalError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A function constant: its type in MSL ("bool", "uint", "float", ...) and its bytes.
struct MetalConstant {
  std::string type_name;
  std::string bytes;
};

/// Memory that a kernel uses in place: it begins at a page, has whole pages, and outlives the dispatch.
struct MetalMemory {
  std::uint32_t index = 0;
  void* data = nullptr;
  std::size_t bytes = 0;
  std::size_t offset = 0;  ///< at which it is bound
};

struct MetalLaunch {
  std::size_t pipeline = 0;
  std::vector<MetalMemory> buffers;
  std::vector<std::pair<std::uint32_t, std::string>> inline_bytes;         ///< by setBytes
  std::vector<std::pair<std::uint32_t, std::size_t>> threadgroup_lengths;  ///< index and bytes
  MTL::Size grid = MTL::Size(1, 1, 1);
  MTL::Size threadgroup = MTL::Size(1, 1, 1);
  bool grid_is_threads = true;  ///< dispatchThreads, not dispatchThreadgroups
};

/// What became of a command buffer.
struct MetalOutcome {
  bool completed = false;  ///< status Completed; otherwise Error
  std::int64_t code = 0;   ///< an MTL::CommandBufferError
  std::string text;        ///< of the error
  double seconds = 0;      ///< on the device
};

/// A device, a queue, and what was made of them, by number. Safe to call from several threads.
class MetalSession {
 public:
  /// Throws MetalError where there is no device.
  MetalSession();
  /// Waits for all command buffers.
  ~MetalSession();
  MetalSession(const MetalSession&) = delete;
  MetalSession& operator=(const MetalSession&) = delete;

  std::string device_name() const;
  /// Bytes of a page: what the memory of a launch must begin at, and consist of.
  static std::size_t page_bytes();

  /// Opens a .metallib. Throws MetalError.
  std::size_t load_library(const std::string& bytes);
  /// Compiles MSL. Throws MetalError, with the compiler's diagnostics.
  std::size_t compile_library(const std::string& source);
  std::vector<std::string> function_names(std::size_t library) const;
  /// Throws MetalError where the function, or a constant that it needs, is missing, or it does not compile.
  std::size_t make_pipeline(std::size_t library, const std::string& function,
                            const std::map<std::uint32_t, MetalConstant>& constants);
  /// MTL::ComputePipelineState::maxTotalThreadsPerThreadgroup.
  std::size_t max_threads(std::size_t pipeline) const;

  /// Commits a command buffer for the launches, in one serial encoder, and returns its ticket. Throws
  /// MetalError where it cannot even be encoded; a broken rule is the command buffer's error.
  std::uint64_t submit(const std::vector<MetalLaunch>& launches);
  /// Waits for the end. A ticket is good once. `interrupted` is asked a few dozen times a second; when it
  /// says true the wait is over without an outcome, the command buffer goes on, and the ticket stays good.
  std::optional<MetalOutcome> wait(std::uint64_t ticket, const std::function<bool()>& interrupted);

 private:
  class Completion;
  struct Flight {
    NS::SharedPtr<MTL::CommandBuffer> commands;
    std::shared_ptr<Completion> completion;
  };

  /// The flight is the caller's from now on. Throws MetalError.
  Flight taken(std::uint64_t ticket);
  void encode(MTL::ComputeCommandEncoder* encoder, const MetalLaunch& launch);
  NS::SharedPtr<MTL::Library> library_at(std::size_t library) const;
  NS::SharedPtr<MTL::ComputePipelineState> pipeline_at(std::size_t pipeline) const;

  NS::SharedPtr<MTL::Device> device_;
  NS::SharedPtr<MTL::CommandQueue> queue_;
  mutable std::mutex mutex_;
  std::vector<NS::SharedPtr<MTL::Library>> libraries_;
  std::vector<NS::SharedPtr<MTL::ComputePipelineState>> pipelines_;
  std::map<std::uint64_t, Flight> in_flight_;  ///< by ticket
  std::uint64_t next_ticket_ = 1;
};

}  // namespace isometal
