// csrc/soft/metal/queue.h: a queue: the order of its command buffers and the threads that run them.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>

#include "soft/metal/access.h"
#include "soft/metal/command_buffer.h"
#include "soft/metal/serial_thread.h"

namespace isometal::soft {

inline constexpr std::size_t kMaxResidencySets = 32;

class QueueImpl final : public Labelled<MTL::CommandQueue> {
 public:
  explicit QueueImpl(std::size_t capacity) : capacity_(capacity) {}

  /// Waits while the queue is full. Autoreleased; null, after a report, where it stays full.
  MTL::CommandBuffer* make(const MTL::CommandBufferDescriptor* descriptor);

  /// Gives the buffer the next place. It is not kept: it may still be released without commit.
  void reserve(CommandBufferImpl* buffer);
  /// The buffer may run when it is its turn.
  void accept(NS::SharedPtr<CommandBufferImpl> buffer);
  /// The buffer will never be committed.
  void forget(CommandBufferImpl* buffer);
  /// One buffer less that is not completed.
  void completed();

  /// Executes the next command buffer here. False where there is none, or where one is being executed.
  bool help() { return runner_.help(); }
  /// Runs on the thread of handlers.
  void call_back(std::function<void()> task) { handlers_.post(std::move(task)); }
  bool calls_back_here() const { return handlers_.is_current(); }

  void add(const MTL::ResidencySet* set);
  void remove(const MTL::ResidencySet* set);

 private:
  struct Place {
    CommandBufferImpl* buffer;
    NS::SharedPtr<CommandBufferImpl> committed;  ///< null before commit
  };

  /// With the lock held: hands the buffers whose turn it is to the thread.
  void advance();

  const std::size_t capacity_;
  std::mutex mutex_;
  std::condition_variable room_;
  std::deque<Place> places_;
  std::size_t outstanding_ = 0;  ///< made and not completed
  std::size_t handed_over_ = 0;  ///< of these, with the thread
  std::uint64_t made_ = 0;
  std::vector<NS::SharedPtr<MTL::ResidencySet>> residency_sets_;
  SerialThread runner_;
  SerialThread handlers_;
};

}  // namespace isometal::soft
