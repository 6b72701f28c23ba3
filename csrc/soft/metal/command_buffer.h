// csrc/soft/metal/command_buffer.h: a command buffer from its making to its completion.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>
#include <vector>

#include "soft/metal/access.h"
#include "soft/metal/settings.h"
#include "soft/metal/step.h"

namespace isometal::soft {

class QueueImpl;

class CommandBufferImpl final : public Labelled<MTL::CommandBuffer> {
 public:
  CommandBufferImpl(NS::SharedPtr<QueueImpl> queue, const MTL::CommandBufferDescriptor* descriptor,
                    std::uint64_t number);
  ~CommandBufferImpl() override;

  // Recording. Not from several threads at a time, as in Metal.

  /// A call broke a rule. Reports, and the buffer will end with an error; may throw (validation.h).
  void fail(const std::string& text);
  void fail_quietly(const std::string& text) noexcept;
  /// True if `call` may change the buffer: it is not committed.
  bool accepts(const char* call);
  /// As accepts, and no encoder is open.
  bool accepts_encoder(const char* call);
  bool committed() const { return committed_; }
  void encoder_opened() { encoder_open_ = true; }
  void encoder_ended() { encoder_open_ = false; }
  void add(std::unique_ptr<Step> step) { steps_.push_back(std::move(step)); }
  /// Keeps the object until the end, unless the buffer is one of unretained references.
  void uses(const NS::Object* object);
  void on_scheduled(const char* call, const MTL::HandlerFunction& function);
  void on_completed(const char* call, const MTL::HandlerFunction& function);
  void push_group() { ++groups_; }
  void pop_group();

  // From recording to running.

  void enter_queue();
  void commit_now();
  /// As the queue's next task.
  void execute();

  void wait_scheduled();
  void wait_completed();

  struct Times {
    double kernel_start = 0, kernel_end = 0, gpu_start = 0, gpu_end = 0;
  };
  Times times() const;
  MTL::CommandBufferStatus state() const;
  /// Autoreleased, or null.
  NS::Error* error_object() const;
  QueueImpl& queue() const { return *queue_.get(); }
  bool retains() const { return retains_; }
  MTL::CommandBufferErrorOption error_options() const { return error_options_; }

 private:
  struct Failure {
    MTL::CommandBufferError code;
    std::string text;
  };

  std::string described() const;
  void note(const std::string& text);
  void scheduled();
  void run_steps();
  void step_failed(std::size_t index, MTL::CommandBufferError code, const std::string& text);
  void call(std::vector<MTL::HandlerFunction>& handlers, const char* kind);
  void finish();
  NS::Array* encoder_infos() const;

  NS::SharedPtr<QueueImpl> queue_;
  const std::uint64_t number_;  ///< of the queue's buffers
  const bool retains_;
  const MTL::CommandBufferErrorOption error_options_;

  std::vector<std::unique_ptr<Step>> steps_;
  std::unordered_set<const NS::Object*> used_;
  std::vector<NS::SharedPtr<NS::Object>> kept_;
  std::vector<MTL::HandlerFunction> scheduled_handlers_;
  std::vector<MTL::HandlerFunction> completed_handlers_;
  std::size_t groups_ = 0;
  bool encoder_open_ = false;
  std::atomic<bool> committed_ = false;
  DeviceSettings settings_;  ///< as of commit

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  MTL::CommandBufferStatus status_ = MTL::CommandBufferStatusNotEnqueued;
  std::vector<Failure> failures_;
  std::size_t failure_count_ = 0;
  Times times_;
  bool finished_ = false;  ///< the steps have run
  bool scheduled_handled_ = false;
  bool completed_handled_ = false;
};

}  // namespace isometal::soft
