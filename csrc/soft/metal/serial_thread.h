// csrc/soft/metal/serial_thread.h: tasks that run one after the other, on a thread of their own or on one
// that waits for them.
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

  /// Runs the next task here, and returns true. False where there is none, or where one is being run.
  bool help();

  /// True in a task.
  bool is_current() const;

 private:
  struct State;
  static void serve(State& state);

  std::shared_ptr<State> state_;
  std::thread thread_;
};

}  // namespace isometal::soft
