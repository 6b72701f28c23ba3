// csrc/soft/executor.cpp: one dispatch, from its checks to the exception that it ends with.
#include "soft/executor.h"

#include <chrono>

#include "soft/participant.h"
#include "soft/worker_pool.h"

namespace isometal::soft {
namespace {

using Clock = std::chrono::steady_clock;

/// Waking a thread takes about as long as many a small dispatch, which is then best left alone.
constexpr std::chrono::microseconds kHelpAfter{30};
constexpr std::chrono::milliseconds kAskEvery{20};

/// The dispatching thread: fetches help once that pays, and asks from time to time whether it should stop.
class Dispatcher final : public Caller {
 public:
  Dispatcher(SharedRun& run, std::function<void()> help) : run_(run), job_(std::move(help)) {}

  void between_threadgroups() override {
    const Clock::time_point now = Clock::now();
    if (!helped_ && run_.threads > 1 && now - start_ > kHelpAfter) {
      helped_ = true;
      WorkerPool::shared().offer(job_, run_.threads - 1);
    }
    ask(now);
  }

  /// After the caller's own share: waits for the helpers.
  void finish() {
    if (!helped_) return;
    WorkerPool::shared().finish(job_, [&] {
      try {
        ask(Clock::now());
      } catch (...) {
        run_.fail();
      }
    });
  }

 private:
  void ask(Clock::time_point now) {
    if (stopped_ || now - asked_ < kAskEvery || !run_.dispatch.interrupted) return;
    asked_ = now;
    // One answer is enough, be it an exception: helpers may still be at work when it has come.
    stopped_ = true;
    if (run_.dispatch.interrupted()) {
      throw Cancelled(soft_message("kernel '", run_.dispatch.kernel->name(), "' was interrupted."));
    }
    stopped_ = false;
  }

  SharedRun& run_;
  WorkerPool::Job job_;
  bool helped_ = false;
  bool stopped_ = false;
  Clock::time_point start_ = Clock::now();
  Clock::time_point asked_ = start_;
};

template <typename Policy>
void execute(SharedRun& run) {
  Dispatcher dispatcher(run, [&run] {
    // What a helper cannot allocate is the dispatch's failure, not the pool's.
    try {
      Participant<Policy>(run, nullptr).work();
    } catch (...) {
      run.fail();
    }
  });
  Participant<Policy>(run, &dispatcher).work();
  dispatcher.finish();
  run.rethrow();
}

void execute(SharedRun& run) {
  if (run.dispatch.mode == Mode::kShuffled) return execute<ShuffledPolicy>(run);
  if (run.dispatch.observer != nullptr) return execute<ObservedPolicy>(run);
  execute<FastPolicy>(run);
}

}  // namespace

void run(const Dispatch& dispatch) {
  if (dispatch.kernel == nullptr)
    throw ValidationError(soft_message("a dispatch without a kernel; set one."));
  if (dispatch.threads > kMaxOsThreads) {
    throw ValidationError(soft_message("a dispatch on ", dispatch.threads, " OS threads; at most ",
                                       kMaxOsThreads, " are possible."));
  }
  SharedRun shared(dispatch, dispatch.threads == 0 ? default_threads() : dispatch.threads);
  const DispatchInfo info{*dispatch.kernel, shared.grid, shared.threads};
  if (dispatch.observer != nullptr) dispatch.observer->dispatch_begin(info);
  try {
    execute(shared);
  } catch (...) {
    if (dispatch.observer != nullptr) dispatch.observer->dispatch_end(info, false);
    throw;
  }
  if (dispatch.observer != nullptr) dispatch.observer->dispatch_end(info, true);
}

}  // namespace isometal::soft
