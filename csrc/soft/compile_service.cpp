// csrc/soft/compile_service.cpp: where the process's compile service is kept.
#include "soft/compile_service.h"

#include <mutex>

namespace isometal::soft {
namespace {

struct Registry {
  std::mutex mutex;
  std::shared_ptr<CompileService> service;
};

/// Never destroyed: at exit, the service's own world (an interpreter) is gone before ours.
Registry& registry() {
  static Registry* const instance = new Registry;
  return *instance;
}

}  // namespace

void set_compile_service(std::shared_ptr<CompileService> service) {
  // The old service goes after the lock: its destructor may call back.
  const std::lock_guard lock(registry().mutex);
  registry().service.swap(service);
}

std::shared_ptr<CompileService> compile_service() {
  const std::lock_guard lock(registry().mutex);
  return registry().service;
}

}  // namespace isometal::soft
