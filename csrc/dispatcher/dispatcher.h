// csrc/dispatcher/dispatcher.h: launch plans to command buffers. The only code that encodes; it uses NS:: and
// MTL:: alone, so that it is the same on Apple's GPU and on the software device.
//
// Work is asynchronous. Plans go into one open command buffer with one concurrent encoder, in which a barrier
// stands only where a dispatch reads or writes what the ones since the last barrier wrote or read. Buffers
// are untracked by Metal: within an encoder the barriers order them, between encoders a fence does.
#pragma once

#include <Metal/Metal.hpp>
#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "array.h"
#include "dispatcher/allocator.h"
#include "dispatcher/pipelines.h"
#include "foreign.h"
#include "launch/plan.h"

namespace isometal {

struct DeviceInfo {
  std::string kind;  ///< "apple-gpu", "apple-paravirtual" or "software"
  std::string name;
  std::string family;
  std::uint64_t memory_bytes = 0;  ///< recommended working set
  bool bfloat = false;             ///< has the type; else kernels do with float32 (metal/common/bfloat.h)
};

struct DispatchStats {
  std::uint64_t dispatches = 0;
  std::uint64_t barriers = 0;
  std::uint64_t command_buffers = 0;
};

/// One device and its queue. Safe for concurrent use; a Python caller releases the GIL first, because making
/// a pipeline may need it in another thread.
class Dispatcher : public std::enable_shared_from_this<Dispatcher> {
 public:
  /// Asked every 50 ms while a call waits for more than brief work: throws to give up waiting. The work goes
  /// on.
  using Interrupt = std::function<void()>;

  /// Throws BackendError where there is no device.
  static std::shared_ptr<Dispatcher> create(Pipelines::Loader loader, Interrupt interrupt);
  ~Dispatcher();
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

  DeviceInfo info() const;
  const launch::DeviceTraits& traits() const { return traits_; }
  /// What the planner of a family decides by.
  launch::Choice choice(launch::Family family) const;
  /// Makes the planner of a family use a variant wherever it can, "" to undo. For tests; not while another
  /// thread encodes.
  void force(launch::Family family, std::string variant);

  /// Uninitialised and contiguous, for the device to write.
  Array empty(const Dims& shape, DType dtype);
  /// On this device: `array` itself where it is; else its memory in place, where `in_place` and where it has
  /// whole pages; else a copy. nullopt where `in_place` is asked for and impossible.
  std::optional<Array> adopt(const Array& array, bool in_place);
  bool holds(const Array& array) const;
  /// An Array in a buffer of another library, from a byte of it on. Nothing orders that library's work and
  /// this one's: it must have ended. Throws BackendError for a buffer of another device or one that the host
  /// cannot read, DTypeError and ShapeError for what no Array can be.
  Array share(MTL::Buffer* buffer, std::uint64_t byte_offset, Foreign foreign);

  /// Encodes a plan. `operands` are the arrays in the order of the planner's header; temporaries are added.
  void encode(const launch::Plan& plan, std::initializer_list<const Array*> operands);

  /// Commits what is encoded. Does not wait.
  void flush();
  /// Waits for all that was encoded. Throws BackendError where something failed since the last time.
  void synchronize();
  /// Nothing can be encoded afterwards; waits first, for other threads that encode too. For the end of the
  /// interpreter. A forked child, whose device is the parent's, has nothing to wait for.
  void shut_down();

  /// Fills the memory that the next results of so many bytes may take with 0xFF, NaN in every float, so that
  /// an op which leaves elements unwritten cannot pass by finding an earlier run's answer. Waits first.
  void poison(std::size_t bytes);

  MemoryStats memory_stats();
  DispatchStats dispatch_stats();
  std::size_t pipeline_count() const { return pipelines_.count(); }
  /// Which kernels the device has run, for the tests' account of what they reach. Does not wait.
  std::vector<KernelRuns> kernel_runs();
  void set_cache_limit(std::size_t bytes);

 private:
  class Memory;
  class Encoding;
  struct Flight {
    std::vector<const Pipeline*> kernels;
  };
  /// A command buffer with nothing open, to be committed.
  struct Closed {
    NS::SharedPtr<MTL::CommandBuffer> commands;
    std::uint64_t serial;
    Flight flight;
  };

  Dispatcher(NS::SharedPtr<MTL::Device> device, Pipelines::Loader loader, Interrupt interrupt);

  void require_usable() const;
  /// Frees the lock while it waits for memory that the device still uses.
  Array make(std::unique_lock<std::mutex>& lock, const Dims& shape, DType dtype, bool host_writes);
  Array array_on(std::unique_ptr<Block> block, std::int64_t nbytes, Layout layout, DType dtype,
                 bool readonly = false);
  void begin(std::unique_lock<std::mutex>& lock);
  void encode_one(const launch::Dispatch& dispatch, const Pipeline& pipeline);
  Closed close();
  void commit();
  /// Commits and waits in the driver: for work too brief to be worth an interrupt, on an idle device. Nobody
  /// has to wake another thread, and the software device computes in this one.
  void compute_here(std::unique_lock<std::mutex>& lock);
  void completed(std::uint64_t serial, const Flight& flight, MTL::CommandBuffer* commands);
  void wait_for(std::unique_lock<std::mutex>& lock, std::uint64_t serial);
  /// For all that is encoded.
  void wait_for_all(std::unique_lock<std::mutex>& lock);
  void throw_if_failed(std::uint64_t written);
  void throw_failure(std::uint64_t written);
  void wait_written(const Block& block);
  void release(std::unique_ptr<Block> block) noexcept;

  const int fork_;  ///< the process that made this, as a number of forks
  NS::SharedPtr<MTL::Device> device_;
  NS::SharedPtr<MTL::CommandQueue> queue_;
  NS::SharedPtr<MTL::Fence> fence_;
  launch::DeviceTraits traits_;
  std::array<std::string, launch::kFamilyNames.size()> forced_;
  Interrupt interrupt_;
  Pipelines pipelines_;

  std::atomic<bool> closed_ = false;
  std::atomic<int> encoding_ = 0;  ///< threads in encode(): they hold pipelines

  std::mutex mutex_;  ///< guards what follows
  std::condition_variable progress_;
  Allocator allocator_;
  NS::SharedPtr<MTL::CommandBuffer> commands_;  ///< the open one, or null
  MTL::ComputeCommandEncoder* encoder_ = nullptr;
  MTL::ComputePipelineState* bound_ = nullptr;
  /// Of the plan that is being encoded: its operands, and where in them the arrays begin, in bytes.
  std::vector<std::pair<Block*, std::int64_t>> blocks_;
  Flight open_;
  std::size_t dispatches_;  ///< after which the open one is committed
  std::uint64_t open_bytes_ = 0;
  bool brief_ = true;            ///< none of the open dispatches takes long
  std::uint64_t committed_ = 0;  ///< serial of the last committed command buffer; the open one's is one more
  std::uint64_t completed_ = 0;
  std::uint64_t epoch_ = 1;
  bool fenced_ = false;  ///< an encoder has updated the fence
  /// Texts by serial, the latest few: of command buffers that failed, and of those that may depend on them.
  std::map<std::uint64_t, std::string> failures_;
  bool unreported_ = false;                        ///< a failure that no call has thrown yet
  std::vector<std::unique_ptr<Block>> graveyard_;  ///< memory of the host that the device still uses
  DispatchStats stats_;
};

}  // namespace isometal
