// csrc/dispatcher/pool.h: small helpers around metal-cpp.
#pragma once

#include <Foundation/Foundation.hpp>
#include <string>

namespace isometal {

/// The pool of a call: what Metal autoreleases goes when the call returns.
class Pool {
 public:
  Pool() : pool_(NS::AutoreleasePool::alloc()->init()) {}
  ~Pool() { pool_->release(); }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

 private:
  NS::AutoreleasePool* pool_;
};

inline std::string error_text(const NS::Error* error) {
  if (error == nullptr || error->localizedDescription() == nullptr) return "Metal gave no reason";
  return error->localizedDescription()->utf8String();
}

}  // namespace isometal
