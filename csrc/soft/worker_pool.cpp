// csrc/soft/worker_pool.cpp: who works for whom.
#include "soft/worker_pool.h"

#include <algorithm>
#include <chrono>
#include <system_error>
#include <thread>

#if defined(__unix__)
#include <pthread.h>
#endif

namespace isometal::soft {
namespace {

constexpr std::chrono::milliseconds kInterval{20};

WorkerPool* pool = nullptr;

}  // namespace

WorkerPool& WorkerPool::shared() {
  // Never destroyed: its threads sleep in it until the process ends.
  static const bool made = [] {
    pool = new WorkerPool;
#if defined(__unix__)
    pthread_atfork(nullptr, nullptr, [] { pool = new WorkerPool; });
#endif
    return true;
  }();
  static_cast<void>(made);
  return *pool;
}

void WorkerPool::offer(Job& job, unsigned helpers) {
  const std::lock_guard lock(mutex_);
  job.wanted_ = helpers;
  jobs_.push_back(&job);
  // As many threads as jobs want at once, less those that are about to be free anyway, would be a guess; as
  // many as the largest dispatch wanted is enough, since every dispatch also works itself.
  try {
    for (; threads_ < helpers; ++threads_) std::thread([this] { serve(); }).detach();
  } catch (const std::system_error&) {
    // The caller does the work with those that there are.
  }
  for (unsigned i = std::min(helpers, sleeping_); i != 0; --i) offered_.notify_one();
}

void WorkerPool::finish(Job& job, const std::function<void()>& waiting) {
  std::unique_lock lock(mutex_);
  std::erase(jobs_, &job);
  while (!job.idle_.wait_for(lock, kInterval, [&] { return job.active_ == 0; })) {
    lock.unlock();
    waiting();
    lock.lock();
  }
}

void WorkerPool::serve() {
  std::unique_lock lock(mutex_);
  for (;;) {
    while (jobs_.empty()) {
      ++sleeping_;
      offered_.wait(lock);
      --sleeping_;
    }
    Job& job = *jobs_.front();
    if (--job.wanted_ == 0) jobs_.pop_front();
    ++job.active_;
    lock.unlock();
    job.work_();
    lock.lock();
    // Under the lock: its owner may destroy the job as soon as it sees that nobody is at work.
    if (--job.active_ == 0) job.idle_.notify_one();
  }
}

}  // namespace isometal::soft
