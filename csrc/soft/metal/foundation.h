// csrc/soft/metal/foundation.h: between C++ values and Foundation's objects.
#pragma once

#include <Foundation/Foundation.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace isometal::soft {

/// Empty for null.
std::string text_of(const NS::String* string);

/// Autoreleased. Bytes that are not UTF-8 are replaced by '?'.
NS::String* make_string(std::string_view text);

/// Autoreleased, with `description` as its localizedDescription.
NS::Error* make_error(NS::ErrorDomain domain, NS::Integer code, std::string_view description);

/// Autoreleased.
template <class T>
NS::Array* make_array(const std::vector<NS::SharedPtr<T>>& objects) {
  std::vector<const NS::Object*> pointers;
  for (const auto& object : objects) pointers.push_back(object.get());
  return NS::Array::array(pointers.data(), pointers.size());
}

/// A reference that a const method's argument is to be kept by: Apple's signatures take const pointers.
template <class T>
NS::SharedPtr<T> keep(const T* object) {
  return NS::RetainPtr(const_cast<T*>(object));
}

/// What a getter returns of an object that a class keeps.
template <class T>
T* shown(const NS::SharedPtr<T>& object) {
  return object.get();
}

/// A pool for the current scope.
class PoolScope {
 public:
  PoolScope() : pool_(NS::AutoreleasePool::alloc()->init()) {}
  ~PoolScope() { pool_->release(); }
  PoolScope(const PoolScope&) = delete;
  PoolScope& operator=(const PoolScope&) = delete;

 private:
  NS::AutoreleasePool* pool_;
};

}  // namespace isometal::soft
