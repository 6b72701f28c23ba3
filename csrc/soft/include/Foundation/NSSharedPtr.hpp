// Foundation/NSSharedPtr.hpp - a smart pointer to a reference-counted object.
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

#include "NSDefines.hpp"

namespace NS {

/// Holds one reference. Works with every class that has retain() and release().
template <class _Class>
class SharedPtr {
  template <class _OtherClass>
  using IfConvertible = std::enable_if_t<std::is_convertible_v<_OtherClass*, _Class*>>;

 public:
  SharedPtr() = default;
  SharedPtr(std::nullptr_t) noexcept {}
  SharedPtr(const SharedPtr& other) noexcept : object_(retained(other.object_)) {}
  SharedPtr(SharedPtr&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}

  template <class _OtherClass>
  SharedPtr(const SharedPtr<_OtherClass>& other, IfConvertible<_OtherClass>* = nullptr) noexcept
      : object_(retained(static_cast<_Class*>(other.get()))) {}

  template <class _OtherClass>
  SharedPtr(SharedPtr<_OtherClass>&& other, IfConvertible<_OtherClass>* = nullptr) noexcept
      : object_(other.get()) {
    other.detach();
  }

  ~SharedPtr() { reset(); }

  SharedPtr& operator=(const SharedPtr& other) {
    SharedPtr(other).swap(*this);
    return *this;
  }

  SharedPtr& operator=(SharedPtr&& other) {
    SharedPtr(std::move(other)).swap(*this);
    return *this;
  }

  template <class _OtherClass>
  std::enable_if_t<std::is_convertible_v<_OtherClass*, _Class*>, SharedPtr&> operator=(
      const SharedPtr<_OtherClass>& other) {
    SharedPtr(other).swap(*this);
    return *this;
  }

  template <class _OtherClass>
  std::enable_if_t<std::is_convertible_v<_OtherClass*, _Class*>, SharedPtr&> operator=(
      SharedPtr<_OtherClass>&& other) {
    SharedPtr(std::move(other)).swap(*this);
    return *this;
  }

  _Class* get() const { return object_; }
  _Class* operator->() const { return object_; }
  explicit operator bool() const { return object_ != nullptr; }

  /// Gives the reference up.
  void reset() {
    if (_Class* old = std::exchange(object_, nullptr)) old->release();
  }

  /// Forgets the object without releasing it.
  void detach() { object_ = nullptr; }

  template <class _OtherClass>
  friend SharedPtr<_OtherClass> RetainPtr(_OtherClass* ptr);
  template <class _OtherClass>
  friend SharedPtr<_OtherClass> TransferPtr(_OtherClass* ptr);

 private:
  static _Class* retained(_Class* object) {
    if (object != nullptr) object->retain();
    return object;
  }

  void swap(SharedPtr& other) noexcept { std::swap(object_, other.object_); }

  _Class* object_ = nullptr;
};

/// A new reference beside the caller's.
template <class _Class>
_NS_INLINE SharedPtr<_Class> RetainPtr(_Class* pObject) {
  SharedPtr<_Class> result;
  result.object_ = SharedPtr<_Class>::retained(pObject);
  return result;
}

/// Takes the caller's reference over.
template <class _Class>
_NS_INLINE SharedPtr<_Class> TransferPtr(_Class* pObject) {
  SharedPtr<_Class> result;
  result.object_ = pObject;
  return result;
}

template <class _ClassLhs, class _ClassRhs>
_NS_INLINE bool operator==(const SharedPtr<_ClassLhs>& lhs, const SharedPtr<_ClassRhs>& rhs) {
  return lhs.get() == rhs.get();
}

template <class _ClassLhs, class _ClassRhs>
_NS_INLINE bool operator!=(const SharedPtr<_ClassLhs>& lhs, const SharedPtr<_ClassRhs>& rhs) {
  return lhs.get() != rhs.get();
}

}  // namespace NS
