// csrc/dispatcher/dispatcher.cpp: memory, encoding, commits and waiting.
#include "dispatcher/dispatcher.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <utility>

#include "dispatcher/device_kind.h"
#include "error.h"
#include "metal_helpers.h"

namespace isometal {
namespace {

/// A command buffer is committed after so many dispatches or bytes written (facts/performance.md); the first
/// after the host has waited earlier, so that the device starts, and each of the next after twice as many as
/// the one before.
constexpr std::size_t kDispatches = 40, kFirstDispatches = 4;
constexpr std::uint64_t kBytes = 40'000'000;
/// Command buffers that may be under way: work that the device has not begun holds memory.
constexpr std::uint64_t kInFlight = 8;
constexpr std::size_t kFailuresKept = 64;
constexpr std::chrono::milliseconds kPoll{50};
/// Memory that a dispatch of brief work touches.
constexpr std::uint64_t kBriefBytes = 1 << 20;

MTL::Size size_of(const launch::Size3& size) {
  return MTL::Size(size.x, size.y, size.z);
}

/// Counts the forks that this process descends from since its first dispatcher: a look at it costs nothing,
/// and getpid() is a system call.
std::atomic<int> forks{0};

void count_forks() {
  static std::once_flag once;
  std::call_once(once, [] { pthread_atfork(nullptr, nullptr, [] { ++forks; }); });
}

/// Throws BackendError where the pipeline allows less than the dispatch needs.
void require_allowed(const launch::Dispatch& dispatch, const Pipeline& pipeline) {
  const auto refuse = [&](std::string_view what, std::uint64_t wanted, std::uint64_t allowed) {
    throw BackendError("[metal] kernel " + pipeline.name + " needs " + std::to_string(wanted) + " " +
                       std::string(what) + "; this device allows " + std::to_string(allowed) + ".");
  };
  if (!dispatch.grid_is_threads && product(dispatch.group) > pipeline.max_threads)
    refuse("threads in a threadgroup", product(dispatch.group), pipeline.max_threads);
  if (dispatch.threadgroup_bytes > pipeline.max_threadgroup_bytes) {
    refuse("bytes of threadgroup memory beside those that it declares", dispatch.threadgroup_bytes,
           pipeline.max_threadgroup_bytes);
  }
}

launch::DeviceTraits traits_of(MTL::Device* device) {
  launch::DeviceTraits traits;
  traits.dynamic_caching = device->supportsFamily(MTL::GPUFamilyApple9);
#if ISOMETAL_SOFT
  traits.vector_lanes = true;
#endif
  return traits;
}

}  // namespace

/// An Array's share in a block. Gives it back when the last Array goes.
class Dispatcher::Memory final : public DeviceMemory {
 public:
  Memory(std::shared_ptr<Dispatcher> dispatcher, std::unique_ptr<Block> block)
      : dispatcher_(std::move(dispatcher)), block_(std::move(block)) {}
  ~Memory() override { dispatcher_->release(std::move(block_)); }

  void wait() override { dispatcher_->wait_written(*block_); }

  void* handle() const override { return block_->buffer.get(); }

  Block& block() { return *block_; }
  const Dispatcher* dispatcher() const { return dispatcher_.get(); }

 private:
  std::shared_ptr<Dispatcher> dispatcher_;
  std::unique_ptr<Block> block_;
};

/// A thread's stay in encode(). None begins once the dispatcher is closed, and shut_down waits for those
/// inside.
class Dispatcher::Encoding {
 public:
  explicit Encoding(Dispatcher& dispatcher) : dispatcher_(dispatcher) { ++dispatcher_.encoding_; }
  ~Encoding() {
    if (--dispatcher_.encoding_ > 0 || !dispatcher_.closed_) return;
    // With the lock, so that shut_down is not between its look and its wait.
    const std::lock_guard lock(dispatcher_.mutex_);
    dispatcher_.progress_.notify_all();
  }
  Encoding(const Encoding&) = delete;
  Encoding& operator=(const Encoding&) = delete;

 private:
  Dispatcher& dispatcher_;
};

std::shared_ptr<Dispatcher> Dispatcher::create(Pipelines::Loader loader, Interrupt interrupt) {
  count_forks();
  const Pool pool;
  auto device = NS::TransferPtr(MTL::CreateSystemDefaultDevice());
  if (!device) throw BackendError("[metal] this machine has no Metal device.");
  return std::shared_ptr<Dispatcher>(
      new Dispatcher(std::move(device), std::move(loader), std::move(interrupt)));
}

Dispatcher::Dispatcher(NS::SharedPtr<MTL::Device> device, Pipelines::Loader loader, Interrupt interrupt)
    : fork_(forks),
      device_(std::move(device)),
      queue_(NS::TransferPtr(device_->newCommandQueue())),
      fence_(NS::TransferPtr(device_->newFence())),
      traits_(traits_of(device_.get())),
      interrupt_(std::move(interrupt)),
      pipelines_(device_.get(), std::move(loader)),
      allocator_(device_.get()),
      dispatches_(kFirstDispatches) {
  if (!queue_ || !fence_) throw BackendError("[metal] the device made no command queue.");
}

Dispatcher::~Dispatcher() {
  if (forks != fork_) return;
  // What is committed is done: its handlers own this object. Of what is only encoded nobody holds a result.
  if (encoder_ == nullptr) return;
  const Pool pool;
  encoder_->endEncoding();
  encoder_->release();
}

DeviceInfo Dispatcher::info() const {
  const Pool pool;
  DeviceInfo info;
  info.name = device_->name()->utf8String();
#if ISOMETAL_SOFT
  info.kind = "software";
#else
  info.kind = apple_device_kind(info.name);
#endif
  info.family = device_->architecture()->name()->utf8String();
  info.memory_bytes = device_->recommendedMaxWorkingSetSize();
  info.bfloat = pipelines_.bfloat();
  return info;
}

launch::Choice Dispatcher::choice(launch::Family family) const {
  return {traits_, forced_[static_cast<std::size_t>(family)]};
}

void Dispatcher::force(launch::Family family, std::string variant) {
  forced_[static_cast<std::size_t>(family)] = std::move(variant);
}

void Dispatcher::require_usable() const {
  if (forks != fork_) {
    throw BackendError(
        "[metal] this process was forked from one that uses Metal, and a device does not survive that; "
        "start it with multiprocessing's method 'spawn'.");
  }
  if (closed_) throw BackendError("[metal] the device was shut down with the interpreter.");
}

// -- memory -------------------------------------------------------------------------------------------------

Array Dispatcher::array_on(std::unique_ptr<Block> block, std::int64_t nbytes, Layout layout, DType dtype,
                           bool readonly) {
  void* const data = block->buffer->contents();
  const auto capacity = static_cast<std::int64_t>(block->bytes);
  auto memory = std::make_shared<Memory>(shared_from_this(), std::move(block));
  return Array(Buffer::on_device(data, nbytes, capacity, readonly, std::move(memory)), dtype,
               std::move(layout));
}

Array Dispatcher::make(std::unique_lock<std::mutex>& lock, const Dims& shape, DType dtype, bool host_writes) {
  Layout layout = contiguous_layout(shape);
  const std::int64_t nbytes = element_count(shape) * itemsize(dtype);
  const auto bytes = static_cast<std::size_t>(std::max<std::int64_t>(nbytes, 1));
  auto block = allocator_.take(bytes, host_writes, completed_);
  if (block == nullptr) {
    wait_for_all(lock);
    block = allocator_.take(bytes, host_writes, completed_);
  }
  if (block == nullptr) {
    throw AllocationError(array_message("cannot allocate ", bytes, " bytes on the Metal device; ",
                                        allocator_.stats().active_bytes, " bytes are in use."));
  }
  return array_on(std::move(block), nbytes, std::move(layout), dtype);
}

Array Dispatcher::empty(const Dims& shape, DType dtype) {
  require_usable();
  const Pool pool;
  std::unique_lock lock(mutex_);
  return make(lock, shape, dtype, false);
}

bool Dispatcher::holds(const Array& array) const {
  const auto* const memory = dynamic_cast<const Memory*>(array.buffer()->device());
  return memory != nullptr && memory->dispatcher() == this;
}

std::optional<Array> Dispatcher::adopt(const Array& array, bool in_place) {
  require_usable();
  if (holds(array)) return array;
  array.buffer()->wait();
  const Pool pool;
  const Buffer& buffer = *array.buffer();
  const auto address = reinterpret_cast<std::uintptr_t>(buffer.data());
  if (in_place) {
    const bool whole_pages = buffer.data() != nullptr && address % kPageSize == 0 && buffer.capacity() > 0 &&
                             static_cast<std::size_t>(buffer.capacity()) % kPageSize == 0;
    if (!whole_pages) return std::nullopt;
    std::unique_lock lock(mutex_);
    auto block = allocator_.wrap(buffer.data(), static_cast<std::size_t>(buffer.capacity()), array.buffer());
    if (block == nullptr) return std::nullopt;
    lock.unlock();
    return array_on(std::move(block), buffer.nbytes(), array.layout(), array.dtype(), buffer.readonly());
  }
  std::unique_lock lock(mutex_);
  Array copy = make(lock, array.shape(), array.dtype(), true);
  lock.unlock();
  array.copy_to(copy.mutable_data());
  return copy;
}

Array Dispatcher::share(MTL::Buffer* buffer, std::uint64_t byte_offset, Foreign foreign) {
  require_usable();
  if (!foreign.dtype) {
    throw DTypeError(
        array_message("dtype ", foreign.type_name, " is not supported; supported: ", dtype_names(), "."));
  }
  if (element_count(foreign.shape) == 0) return empty(foreign.shape, *foreign.dtype);
  const Pool pool;
  if (buffer == nullptr || buffer->device() != device_.get())
    throw BackendError("[metal] the Metal buffer is of another device; copy it to host memory first.");
  if (buffer->storageMode() != MTL::StorageModeShared)
    throw BackendError("[metal] the Metal buffer is private to the device; copy it to a shared one first.");
  const std::int64_t item = itemsize(*foreign.dtype);
  Layout layout{std::move(foreign.shape), std::move(foreign.byte_strides), 0};
  for (std::int64_t& stride : layout.strides) stride /= item;
  const auto offset = static_cast<std::int64_t>(byte_offset);
  if (offset % item != 0) {
    throw ShapeError(array_message("the tensor begins at byte ", byte_offset,
                                   " of its Metal buffer; that is no whole element of ", item, " bytes."));
  }
  layout.offset = offset / item;
  const auto nbytes = static_cast<std::int64_t>(buffer->length());
  std::unique_lock lock(mutex_);
  auto block = allocator_.hold(NS::RetainPtr(buffer), std::move(foreign.owner));
  lock.unlock();
  return array_on(std::move(block), nbytes, std::move(layout), *foreign.dtype, foreign.readonly);
}

void Dispatcher::release(std::unique_ptr<Block> block) noexcept {
  if (forks != fork_) {
    // The device is the parent's. Freeing what it gave us is not safe here, and the process is short-lived.
    static_cast<void>(block.release());
    return;
  }
  const Pool pool;
  std::unique_ptr<Block> dead;  // goes after the lock
  const std::lock_guard lock(mutex_);
  if (block->owner && block->last_use > completed_) {
    graveyard_.push_back(std::move(block));
  } else {
    dead = allocator_.give(std::move(block), completed_);
  }
}

// -- encoding -----------------------------------------------------------------------------------------------

void Dispatcher::encode(const launch::Plan& plan, std::initializer_list<const Array*> operands) {
  if (plan.dispatches.empty()) return;
  const Encoding inside(*this);
  require_usable();
  const Pool pool;
  // Outside of the lock: what compiles may run Python, which may free an Array, which takes the lock.
  std::vector<const Pipeline*> pipelines;
  pipelines.reserve(plan.dispatches.size());
  for (const launch::Dispatch& dispatch : plan.dispatches) {
    pipelines.push_back(&pipelines_.get(dispatch.kernel));
    require_allowed(dispatch, *pipelines.back());
  }

  std::vector<Array> temporaries;
  temporaries.reserve(plan.temporaries.size());
  std::unique_lock lock(mutex_);
  for (const std::int64_t bytes : plan.temporaries)
    temporaries.push_back(make(lock, {bytes}, DType::kBool, false));
  begin(lock);
  blocks_.clear();
  const auto add = [&](const Array* array) {
    if (array == nullptr) {
      blocks_.emplace_back(nullptr, 0);
      return;
    }
    auto* const memory = static_cast<Memory*>(array->buffer()->device());
    if (memory == nullptr) throw BackendError("[metal] an operand lies in host memory; adopt it first.");
    blocks_.emplace_back(&memory->block(), array->offset() * itemsize(array->dtype()));
  };
  for (const Array* array : operands) add(array);
  for (const Array& array : temporaries) add(&array);
  for (std::size_t i = 0; i < pipelines.size(); ++i) encode_one(plan.dispatches[i], *pipelines[i]);
  if (open_.kernels.size() >= dispatches_ || open_bytes_ >= kBytes) {
    commit();
    dispatches_ = std::min(2 * dispatches_, kDispatches);
  }
  // Before the temporaries, which take it when they go.
  lock.unlock();
}

void Dispatcher::begin(std::unique_lock<std::mutex>& lock) {
  if (encoder_ != nullptr) return;
  while (committed_ - completed_ >= kInFlight) wait_for(lock, committed_ - kInFlight + 1);
  if (encoder_ != nullptr) return;  // another thread began while we waited
  MTL::CommandBuffer* const commands = queue_->commandBufferWithUnretainedReferences();
  if (commands == nullptr) throw BackendError("[metal] the queue gave no command buffer.");
  commands_ = NS::RetainPtr(commands);
  encoder_ = commands->computeCommandEncoder(MTL::DispatchTypeConcurrent);
  encoder_->retain();
  if (fenced_) encoder_->waitForFence(fence_.get());
  bound_ = nullptr;
  brief_ = true;
  ++epoch_;
}

void Dispatcher::encode_one(const launch::Dispatch& dispatch, const Pipeline& pipeline) {
  bool hazard = false;
  for (const launch::Binding& binding : dispatch) {
    const Block& block = *blocks_[binding.operand].first;
    if (!failures_.empty() && !binding.writes) throw_if_failed(block.last_write);
    hazard |= block.write_epoch == epoch_ || (binding.writes && block.read_epoch == epoch_);
  }
  if (hazard) {
    encoder_->memoryBarrier(MTL::BarrierScopeBuffers);
    ++epoch_;
    ++stats_.barriers;
  }
  if (bound_ != pipeline.state.get()) {
    bound_ = pipeline.state.get();
    encoder_->setComputePipelineState(bound_);
  }
  std::uint64_t touched = 0;
  for (const launch::Binding& binding : dispatch) {
    const auto& [block, offset] = blocks_[binding.operand];
    touched += block->bytes;
    encoder_->setBuffer(block->buffer.get(), static_cast<NS::UInteger>(offset + binding.offset),
                        binding.index);
    block->last_use = committed_ + 1;
    if (binding.writes) {
      block->last_write = committed_ + 1;
      block->write_epoch = epoch_;
      open_bytes_ += block->bytes;
    } else {
      block->read_epoch = epoch_;
    }
  }
  if (dispatch.params_size() > 0)
    encoder_->setBytes(dispatch.params_data(), dispatch.params_size(), dispatch.params_index());
  if (dispatch.threadgroup_bytes > 0) encoder_->setThreadgroupMemoryLength(dispatch.threadgroup_bytes, 0);
  if (dispatch.grid_is_threads) {
    const launch::Size3 group = product(dispatch.group) <= pipeline.max_threads
                                    ? dispatch.group
                                    : launch::within(dispatch.group, pipeline.max_threads);
    encoder_->dispatchThreads(size_of(dispatch.grid), size_of(group));
  } else {
    encoder_->dispatchThreadgroups(size_of(dispatch.grid), size_of(dispatch.group));
  }
  brief_ &= touched <= kBriefBytes;
  open_.kernels.push_back(&pipeline);
  ++stats_.dispatches;
}

Dispatcher::Closed Dispatcher::close() {
  encoder_->updateFence(fence_.get());
  fenced_ = true;
  encoder_->endEncoding();
  encoder_->release();
  encoder_ = nullptr;
  open_bytes_ = 0;
  ++stats_.command_buffers;
  return {std::move(commands_), ++committed_, std::exchange(open_, {})};
}

void Dispatcher::commit() {
  if (encoder_ == nullptr) return;
  Closed closed = close();
  // The handler may outlive every Array, and with them everything that holds this object.
  closed.commands->addCompletedHandler([self = shared_from_this(), serial = closed.serial,
                                        flight = std::move(closed.flight)](MTL::CommandBuffer* commands) {
    self->completed(serial, flight, commands);
  });
  closed.commands->commit();
}

void Dispatcher::compute_here(std::unique_lock<std::mutex>& lock) {
  const Closed closed = close();
  closed.commands->commit();
  lock.unlock();
  closed.commands->waitUntilCompleted();
  completed(closed.serial, closed.flight, closed.commands.get());
  lock.lock();
}

void Dispatcher::completed(std::uint64_t serial, const Flight& flight, MTL::CommandBuffer* commands) {
  const Pool pool;
  std::string failure;
  if (commands->status() != MTL::CommandBufferStatusCompleted) {
    failure = "[metal] the device failed: " + error_text(commands->error(), "Metal gave no reason") +
              "; kernels of the command buffer:";
    std::vector<std::string> names;
    for (const Pipeline* pipeline : flight.kernels) {
      if (std::find(names.begin(), names.end(), pipeline->name) == names.end())
        names.push_back(pipeline->name);
    }
    for (const std::string& name : names) failure += " " + name;
    failure += ".";
  }
  std::vector<std::unique_ptr<Block>> dead;  // goes after the lock
  {
    const std::lock_guard lock(mutex_);
    completed_ = std::max(completed_, serial);
    if (failure.empty()) {
      for (const Pipeline* pipeline : flight.kernels) ++pipeline->runs;
    } else {
      failures_[serial] = failure;
      // What was encoded since, in the belief that all is well, may have read what was not written.
      for (std::uint64_t later = serial + 1; later <= committed_ + (encoder_ == nullptr ? 0 : 1); ++later)
        failures_.try_emplace(later, failure);
      while (failures_.size() > kFailuresKept) failures_.erase(failures_.begin());
      unreported_ = true;
    }
    const auto idle = std::partition(graveyard_.begin(), graveyard_.end(),
                                     [&](const auto& block) { return block->last_use > completed_; });
    std::move(idle, graveyard_.end(), std::back_inserter(dead));
    graveyard_.erase(idle, graveyard_.end());
    for (auto& block : dead) block = allocator_.give(std::move(block), completed_);
  }
  progress_.notify_all();
}

// -- waiting ------------------------------------------------------------------------------------------------

void Dispatcher::wait_for(std::unique_lock<std::mutex>& lock, std::uint64_t serial) {
  if (serial > committed_) {
    const bool alone = completed_ == committed_;
    if (brief_ && alone && open_.kernels.size() <= kFirstDispatches) {
      compute_here(lock);
    } else {
      commit();
    }
  }
  while (completed_ < serial) {
    if (progress_.wait_for(lock, kPoll) == std::cv_status::timeout && interrupt_) {
      lock.unlock();
      interrupt_();
      lock.lock();
    }
  }
  if (completed_ == committed_) dispatches_ = kFirstDispatches;
}

void Dispatcher::wait_for_all(std::unique_lock<std::mutex>& lock) {
  wait_for(lock, encoder_ == nullptr ? committed_ : committed_ + 1);
}

void Dispatcher::throw_if_failed(std::uint64_t written) {
  const auto own = failures_.find(written);
  if (own == failures_.end()) return;
  unreported_ = false;
  throw BackendError(own->second);
}

void Dispatcher::throw_failure(std::uint64_t written) {
  throw_if_failed(written);
  if (!unreported_) return;
  unreported_ = false;
  throw BackendError(failures_.rbegin()->second);
}

void Dispatcher::wait_written(const Block& block) {
  if (forks != fork_) require_usable();
  const Pool pool;
  std::unique_lock lock(mutex_);
  wait_for(lock, block.last_write);
  throw_failure(block.last_write);
}

void Dispatcher::flush() {
  require_usable();
  const Pool pool;
  const std::lock_guard lock(mutex_);
  commit();
}

void Dispatcher::synchronize() {
  require_usable();
  const Pool pool;
  std::unique_lock lock(mutex_);
  wait_for_all(lock);
  throw_failure(0);
}

void Dispatcher::poison(std::size_t bytes) {
  synchronize();
  const Pool pool;
  const std::lock_guard lock(mutex_);
  allocator_.poison(bytes, completed_);
}

void Dispatcher::shut_down() {
  if (forks != fork_) return;
  const Pool pool;
  std::unique_lock lock(mutex_);
  closed_ = true;
  progress_.wait(lock, [&] { return encoding_ == 0; });
  commit();
  progress_.wait(lock, [&] { return completed_ == committed_; });
  lock.unlock();
  // What the software device compiled belongs to the interpreter.
  pipelines_.clear();
}

// -- figures ------------------------------------------------------------------------------------------------

MemoryStats Dispatcher::memory_stats() {
  const std::lock_guard lock(mutex_);
  return allocator_.stats();
}

DispatchStats Dispatcher::dispatch_stats() {
  const std::lock_guard lock(mutex_);
  return stats_;
}

std::vector<KernelRuns> Dispatcher::kernel_runs() {
  const std::lock_guard lock(mutex_);
  return pipelines_.runs();
}

void Dispatcher::set_cache_limit(std::size_t bytes) {
  const Pool pool;
  const std::lock_guard lock(mutex_);
  allocator_.set_limit(bytes, completed_);
}

}  // namespace isometal
