// csrc/metal_helpers.h: what every user of metal-cpp needs.
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

inline NS::String* text_object(const std::string& text) {
  return NS::String::string(text.c_str(), NS::UTF8StringEncoding);
}

/// What Metal says of an error, `otherwise` where it says nothing.
inline std::string error_text(const NS::Error* error, const char* otherwise) {
  if (error == nullptr || error->localizedDescription() == nullptr) return otherwise;
  return error->localizedDescription()->utf8String();
}

}  // namespace isometal
