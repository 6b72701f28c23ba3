// csrc/soft/metal/serial_thread.h: a thread that runs tasks one after the other.
#pragma once

#include <functional>
#include <memory>
#include <thread>

namespace isometal::soft {

/// The thread starts with the first task. The destructor returns when all tasks have run; called from a task,
/// it returns at once and the thread ends by itself after the tasks.
class SerialThread {
 public:
  SerialThread();
  ~SerialThread();
  SerialThread(const SerialThread&) = delete;
  SerialThread& operator=(const SerialThread&) = delete;

  /// Tasks have an autorelease pool each. A task must not throw; if it does, the failure is reported.
  void post(std::function<void()> task);

  /// True on the thread itself.
  bool is_current() const;

 private:
  struct State;
  static void run(State& state);

  std::shared_ptr<State> state_;
  std::thread thread_;
};

}  // namespace isometal::soft
