// csrc/soft/metal/ns_autorelease_pool.cpp: the pools of a thread, which are one stack of objects with marks
// in it.
#include <Foundation/Foundation.hpp>
#include <cstddef>
#include <cstdio>
#include <thread>
#include <vector>

#include "soft/error.h"
#include "soft/validation.h"

namespace isometal::soft {
namespace {

class Pool;

/// Set when a thread's stack is destroyed: what is autoreleased later, by destructors of other thread-local
/// variables, can only be leaked.
thread_local bool stack_gone = false;

struct Stack {
  std::vector<const NS::detail::Counted*> objects;
  std::vector<Pool*> pools;

  void release_down_to(std::size_t size) {
    while (objects.size() > size) {
      const NS::detail::Counted* const object = objects.back();
      objects.pop_back();
      NS::detail::release(object);  // may autorelease others, which then go next
    }
  }

  ~Stack();
};

thread_local Stack stack;

class Pool final : public NS::AutoreleasePool {
 public:
  void enter() {
    owner_ = std::this_thread::get_id();
    mark_ = stack.objects.size();
    stack.pools.push_back(this);
    entered_ = true;
  }

  static void discard(Pool* pool) { delete pool; }

 private:
  void destroy() override {
    if (entered_ && owner_ != std::this_thread::get_id()) {
      return report_failure_quietly(soft_message(
          "AutoreleasePool::release: the pool belongs to another thread; release it on the thread "
          "that made it."));
    }
    if (!entered_) return discard(this);
    stack.release_down_to(mark_);
    while (!stack.pools.empty()) {
      Pool* const last = stack.pools.back();
      stack.pools.pop_back();
      discard(last);
      if (last == this) return;
    }
  }

  std::thread::id owner_;
  std::size_t mark_ = 0;
  bool entered_ = false;
};

Stack::~Stack() {
  release_down_to(0);
  for (Pool* pool : pools) Pool::discard(pool);
  pools.clear();
  stack_gone = true;
}

}  // namespace
}  // namespace isometal::soft

namespace NS {

void detail::autorelease(const Counted* object) {
  if (object != nullptr && !isometal::soft::stack_gone) isometal::soft::stack.objects.push_back(object);
}

AutoreleasePool* AutoreleasePool::alloc() {
  return new isometal::soft::Pool;
}

AutoreleasePool* AutoreleasePool::init() {
  static_cast<isometal::soft::Pool*>(this)->enter();
  return this;
}

void AutoreleasePool::drain() {
  release();
}

void AutoreleasePool::addObject(Object* pObject) {
  detail::autorelease(pObject);
}

void AutoreleasePool::showPools() {
  const auto& stack = isometal::soft::stack;
  std::fprintf(stderr, "[soft] %zu autoreleased objects in %zu pools of this thread.\n", stack.objects.size(),
               stack.pools.size());
}

}  // namespace NS
