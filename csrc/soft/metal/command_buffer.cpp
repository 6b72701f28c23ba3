// csrc/soft/metal/command_buffer.cpp: recording, committing, running and waiting.
#include "soft/metal/command_buffer.h"

#include <chrono>
#include <exception>
#include <new>
#include <utility>

#include "soft/error.h"
#include "soft/metal/queue.h"
#include "soft/random.h"
#include "soft/validation.h"

namespace isometal::soft {
namespace {

/// Texts that an error quotes; of more failures only the number is told.
constexpr std::size_t kQuotedFailures = 16;

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

CommandBufferImpl::CommandBufferImpl(NS::SharedPtr<QueueImpl> queue,
                                     const MTL::CommandBufferDescriptor* descriptor, std::uint64_t number)
    : queue_(std::move(queue)),
      number_(number),
      retains_(descriptor == nullptr || descriptor->retainedReferences()),
      error_options_(descriptor == nullptr ? MTL::CommandBufferErrorOptionNone : descriptor->errorOptions()) {
}

CommandBufferImpl::~CommandBufferImpl() {
  if (!finished_) {
    // Never committed: what waits for its signals, or for its place in the queue, must not wait for ever.
    for (const auto& step : steps_) step->give_up(described() + " was released without commit.");
    queue_->forget(this);
  }
}

std::string CommandBufferImpl::described() const {
  const std::string label = label_text();
  return label.empty() ? "command buffer " + std::to_string(number_) : "command buffer '" + label + "'";
}

void CommandBufferImpl::note(const std::string& text) {
  const std::lock_guard lock(mutex_);
  ++failure_count_;
  if (failures_.size() < kQuotedFailures) failures_.push_back({MTL::CommandBufferErrorInvalidResource, text});
  if (finished_) status_ = MTL::CommandBufferStatusError;
}

void CommandBufferImpl::fail(const std::string& text) {
  note(text);
  report_failure(text);
}

void CommandBufferImpl::fail_quietly(const std::string& text) noexcept {
  try {
    note(text);
  } catch (const std::exception&) {  // no memory for the note: the report below still tells
  }
  report_failure_quietly(text);
}

bool CommandBufferImpl::accepts(const char* call) {
  if (!committed_) return true;
  fail(soft_message(described(), ": ", call, ": the command buffer is committed; use another."));
  return false;
}

bool CommandBufferImpl::accepts_encoder(const char* call) {
  if (!accepts(call)) return false;
  if (!encoder_open_) return true;
  fail(soft_message(described(), ": ", call, ": an encoder is open; call its endEncoding first."));
  return false;
}

void CommandBufferImpl::uses(const NS::Object* object) {
  if (retains_ && used_.insert(object).second) kept_.push_back(keep(object));
}

void CommandBufferImpl::on_scheduled(const char* call, const MTL::HandlerFunction& function) {
  if (!accepts(call)) return;
  if (!function)
    return fail(soft_message(described(), ": ", call, ": the handler is empty; it must not be."));
  scheduled_handlers_.push_back(function);
}

void CommandBufferImpl::on_completed(const char* call, const MTL::HandlerFunction& function) {
  if (!accepts(call)) return;
  if (!function)
    return fail(soft_message(described(), ": ", call, ": the handler is empty; it must not be."));
  completed_handlers_.push_back(function);
}

void CommandBufferImpl::pop_group() {
  if (groups_ > 0) {
    --groups_;
  } else {
    fail(soft_message(described(), ": popDebugGroup: no group is open; call pushDebugGroup first."));
  }
}

void CommandBufferImpl::enter_queue() {
  if (!accepts("enqueue")) return;
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(status_, MTL::CommandBufferStatusEnqueued) == MTL::CommandBufferStatusEnqueued) return;
  }
  queue_->reserve(this);
}

void CommandBufferImpl::commit_now() {
  if (committed_.exchange(true)) {
    return fail(soft_message(described(), ": commit: it is committed already; a command buffer runs once."));
  }
  const auto report =
      std::exchange(encoder_open_, false)
          ? soft_message(described(), ": commit: an encoder is open; call its endEncoding first.")
          : std::string();
  if (!report.empty()) note(report);
  settings_ = device_settings();
  {
    const std::lock_guard lock(mutex_);
    status_ = MTL::CommandBufferStatusCommitted;
    times_.kernel_start = now();
  }
  queue_->accept(NS::RetainPtr(this));
  // After the rest, because it may throw: the buffer still runs, to its error.
  if (!report.empty()) report_failure(report);
}

void CommandBufferImpl::execute() {
  {
    const std::lock_guard lock(mutex_);
    status_ = MTL::CommandBufferStatusScheduled;
    times_.kernel_end = times_.gpu_start = now();
  }
  const auto self = NS::RetainPtr(this);
  if (scheduled_handlers_.empty()) {
    scheduled();
  } else {
    queue_->call_back([self] {
      self->call(self->scheduled_handlers_, "scheduled");
      self->scheduled();
    });
  }
  run_steps();
  // Before anybody is told: who hears that all has ended may end the process, and kernels belong to its
  // interpreter.
  kept_.clear();
  for (const auto& step : steps_) step->release();
  {
    const std::lock_guard lock(mutex_);
    times_.gpu_end = now();
    finished_ = true;
    status_ = failure_count_ == 0 ? MTL::CommandBufferStatusCompleted : MTL::CommandBufferStatusError;
    changed_.notify_all();
  }
  queue_->completed();
  if (completed_handlers_.empty()) return finish();
  queue_->call_back([self] {
    self->call(self->completed_handlers_, "completed");
    self->finish();
  });
}

void CommandBufferImpl::scheduled() {
  const std::lock_guard lock(mutex_);
  scheduled_handled_ = true;
  changed_.notify_all();
}

void CommandBufferImpl::run_steps() {
  bool failed;
  {
    const std::lock_guard lock(mutex_);
    failed = failure_count_ != 0;
  }
  const std::uint64_t seed = Random::mix(Random::mix(settings_.seed) + number_);
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    Step& step = *steps_[i];
    if (failed) {
      step.give_up(described() + " failed.");
      continue;
    }
    MTL::CommandBufferError code = MTL::CommandBufferErrorInternal;
    std::string text;
    try {
      step.run({settings_, Random::mix(seed + i)});
      if (step.report() != nullptr) step.report()->completed();
      continue;
    } catch (const HangError& error) {
      code = MTL::CommandBufferErrorTimeout;
      text = error.what();
    } catch (const StallError& error) {
      code = MTL::CommandBufferErrorTimeout;
      text = error.what();
    } catch (const std::bad_alloc&) {
      code = MTL::CommandBufferErrorOutOfMemory;
      text = soft_message("out of memory; use fewer OS threads or smaller threadgroups.");
    } catch (const std::exception& error) {
      text = error.what();
    }
    failed = true;
    step_failed(i, code, text);
  }
}

void CommandBufferImpl::step_failed(std::size_t index, MTL::CommandBufferError code,
                                    const std::string& text) {
  std::string where = described();
  if (EncoderReport* const report = steps_[index]->report()) {
    report->state = MTL::CommandEncoderErrorStateFaulted;
    if (!report->label.empty()) where += ", encoder '" + report->label + "'";
  }
  const std::string full = text + " (" + where + ")";
  {
    const std::lock_guard lock(mutex_);
    ++failure_count_;
    failures_.push_back({code, full});
  }
  report_failure_quietly(full);
}

void CommandBufferImpl::call(std::vector<MTL::HandlerFunction>& handlers, const char* kind) {
  // What handlers captured is released here, before anybody who waits is told.
  for (const MTL::HandlerFunction& handler : std::exchange(handlers, {})) {
    try {
      handler(this);
    } catch (const std::exception& error) {
      report_failure_quietly(soft_message(described(), ": a ", kind, " handler threw: ", error.what(),
                                          "; handlers must not throw."));
    }
  }
}

void CommandBufferImpl::finish() {
  const std::lock_guard lock(mutex_);
  completed_handled_ = true;
  changed_.notify_all();
}

void CommandBufferImpl::wait_scheduled() {
  std::unique_lock lock(mutex_);
  if (status_ < MTL::CommandBufferStatusCommitted) {
    lock.unlock();
    return fail(soft_message(described(),
                             ": waitUntilScheduled: it is not committed, so that it would wait for "
                             "ever; call commit first."));
  }
  if (queue_->calls_back_here()) return;
  changed_.wait(lock, [&] { return scheduled_handled_; });
}

void CommandBufferImpl::wait_completed() {
  std::unique_lock lock(mutex_);
  if (status_ < MTL::CommandBufferStatusCommitted) {
    lock.unlock();
    return fail(soft_message(described(),
                             ": waitUntilCompleted: it is not committed, so that it would wait for "
                             "ever; call commit first."));
  }
  // From a handler of the same queue, the buffer's own handlers would have to wait for this call.
  const bool in_handler = queue_->calls_back_here();
  const auto over = [&] { return in_handler ? finished_ : completed_handled_; };
  // What this call waits for may as well run here: two threads need not wake each other.
  while (!over()) {
    lock.unlock();
    const bool helped = queue_->help();
    lock.lock();
    if (!helped) break;
  }
  changed_.wait(lock, over);
}

CommandBufferImpl::Times CommandBufferImpl::times() const {
  const std::lock_guard lock(mutex_);
  return times_;
}

MTL::CommandBufferStatus CommandBufferImpl::state() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

}  // namespace isometal::soft
