// csrc/soft/worker_pool.h: OS threads that help the dispatching ones. They sleep while there is nothing to
// do.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>

namespace isometal::soft {

class WorkerPool {
 public:
  /// The pool of this process. A forked child gets one of its own: threads do not survive a fork.
  static WorkerPool& shared();

  /// Work that its owner does itself and that others may share. It must not throw, and must return soon once
  /// there is nothing left to share.
  class Job {
   public:
    explicit Job(std::function<void()> work) : work_(std::move(work)) {}

   private:
    friend class WorkerPool;
    std::function<void()> work_;
    unsigned wanted_ = 0;  ///< helpers that may still join
    unsigned active_ = 0;  ///< helpers at work
    std::condition_variable idle_;
  };

  /// Lets up to `helpers` threads run the job's work beside the caller, from now until `finish`. Where the
  /// machine has no threads left, fewer come.
  void offer(Job& job, unsigned helpers);

  /// Lets nobody else join, and returns once no helper is at work. Meanwhile calls `waiting`, which must not
  /// throw, every few dozen milliseconds.
  void finish(Job& job, const std::function<void()>& waiting);

 private:
  void serve();

  std::mutex mutex_;
  std::condition_variable offered_;
  std::deque<Job*> jobs_;  ///< of those that want helpers; from the front
  unsigned threads_ = 0;
  unsigned sleeping_ = 0;
};

}  // namespace isometal::soft
