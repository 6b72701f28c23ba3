// csrc/soft/metal/serial_thread.cpp: who runs the next task.
#include "soft/metal/serial_thread.h"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <utility>

#include "soft/error.h"
#include "soft/metal/foundation.h"
#include "soft/validation.h"

namespace isometal::soft {

struct SerialThread::State {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::function<void()>> tasks;
  bool stopping = false;
  bool running = false;               ///< a task is being run
  std::atomic<std::thread::id> id{};  ///< of who runs it

  /// With the lock, which is free while the task runs.
  void run_next(std::unique_lock<std::mutex>& lock) {
    std::function<void()> task = std::move(tasks.front());
    tasks.pop_front();
    running = true;
    id = std::this_thread::get_id();
    lock.unlock();
    try {
      const PoolScope pool;
      task();
      task = nullptr;  // what it holds may be released by this, in the pool's scope
    } catch (const std::exception& error) {
      report_failure_quietly(soft_message("a task of the device failed: ", error.what()));
    }
    lock.lock();
    id = std::thread::id();
    running = false;
  }
};

SerialThread::SerialThread() : state_(std::make_shared<State>()) {}

SerialThread::~SerialThread() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  state_->changed.notify_all();
  if (!thread_.joinable()) return;
  if (is_current()) {
    thread_.detach();
  } else {
    thread_.join();
  }
}

bool SerialThread::is_current() const {
  return state_->id.load() == std::this_thread::get_id();
}

void SerialThread::post(std::function<void()> task) {
  {
    const std::lock_guard lock(state_->mutex);
    state_->tasks.push_back(std::move(task));
    // The thread shares the state, because it may outlive this object.
    if (!thread_.joinable()) thread_ = std::thread([state = state_] { serve(*state); });
    // Who runs a task looks for the next one.
    if (state_->running) return;
  }
  state_->changed.notify_one();
}

bool SerialThread::help() {
  const std::shared_ptr<State> state = state_;  // the task may end this object
  std::unique_lock lock(state->mutex);
  if (state->running || state->tasks.empty()) return false;
  state->run_next(lock);
  const bool wake = state->stopping || !state->tasks.empty();
  lock.unlock();
  if (wake) state->changed.notify_one();
  return true;
}

void SerialThread::serve(State& state) {
  std::unique_lock lock(state.mutex);
  while (true) {
    state.changed.wait(lock, [&] { return !state.running && (state.stopping || !state.tasks.empty()); });
    if (state.tasks.empty()) return;
    state.run_next(lock);
  }
}

}  // namespace isometal::soft
