// csrc/soft/metal/serial_thread.cpp: the loop of a queue's thread.
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
  std::atomic<std::thread::id> id{};
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
    if (!thread_.joinable()) thread_ = std::thread([state = state_] { run(*state); });
  }
  state_->changed.notify_one();
}

void SerialThread::run(State& state) {
  state.id = std::this_thread::get_id();
  std::unique_lock lock(state.mutex);
  while (true) {
    state.changed.wait(lock, [&] { return state.stopping || !state.tasks.empty(); });
    if (state.tasks.empty()) return;
    std::function<void()> task = std::move(state.tasks.front());
    state.tasks.pop_front();
    lock.unlock();
    try {
      const PoolScope pool;
      task();
      task = nullptr;  // what it holds may be released by this, in the pool's scope
    } catch (const std::exception& error) {
      report_failure_quietly(soft_message("a task of the device failed: ", error.what()));
    }
    lock.lock();
  }
}

}  // namespace isometal::soft
