// Foundation/NSObject.hpp - reference counting and the root class.
//
// Ownership is Cocoa's: what comes from alloc, new..., copy or Create... belongs to the caller, who must
// release it; everything else is autoreleased. Objects live on the heap and are handled through pointers
// only.
//
// Where Apple's header sends Objective-C messages, objects here are C++ objects. One difference shows: a
// message to nil does nothing there, a call on a null pointer is a fault here, retain, release and
// autorelease excepted.
#pragma once

#include <atomic>

#include "NSDefines.hpp"
#include "NSTypes.hpp"

namespace NS {

class Object;
class String;

namespace detail {

/// What every object has: a count of owners, and what Object's methods ask of a class.
class Counted {
 public:
  Counted& operator=(const Counted&) = delete;

 protected:
  Counted() = default;
  /// A copy has one owner, whatever the original has.
  Counted(const Counted&) {}
  virtual ~Counted() = default;

  /// What copy() returns: an object with one more owner. Immutable classes return themselves.
  virtual Counted* clone() const;
  virtual UInteger hash_value() const;
  virtual bool equals(const Object* other) const;
  /// An autoreleased text.
  virtual String* text() const;
  /// The last owner has gone.
  virtual void destroy() { delete this; }

  /// Never destroyed, whatever the count: constant strings, the device.
  void make_immortal() { immortal_ = true; }

 private:
  friend void retain(const Counted* object);
  friend void release(const Counted* object);
  friend UInteger retain_count(const Counted* object);
  friend Counted* copy(const Counted* object);

  mutable std::atomic<UInteger> count_{1};
  bool immortal_ = false;
};

// These accept null. They are not inline: the compiler would conclude from `this` that it is not null.
void retain(const Counted* object);
void release(const Counted* object);
void autorelease(const Counted* object);
UInteger retain_count(const Counted* object);
Counted* copy(const Counted* object);

}  // namespace detail

/// Adds the counting methods of class `_Class` to `_Base`.
template <class _Class, class _Base = Object>
class Referencing : public _Base {
 public:
  _Class* retain() {
    detail::retain(this);
    return static_cast<_Class*>(this);
  }

  void release() { detail::release(this); }

  _Class* autorelease() {
    detail::autorelease(this);
    return static_cast<_Class*>(this);
  }

  UInteger retainCount() const { return detail::retain_count(this); }
};

/// A class whose objects can be copied.
template <class _Class, class _Base = Object>
class Copying : public Referencing<_Class, _Base> {
 public:
  /// The caller owns the copy.
  _Class* copy() const { return static_cast<_Class*>(detail::copy(this)); }
};

template <class _Class, class _Base = Object>
class SecureCoding : public Referencing<_Class, _Base> {};

class Object : public Referencing<Object, detail::Counted> {
 public:
  UInteger hash() const { return hash_value(); }
  bool isEqual(const Object* pObject) const { return equals(pObject); }
  String* description() const { return text(); }
  String* debugDescription() const { return text(); }

 protected:
  Object() = default;
  Object(const Object&) = default;
  ~Object() override = default;
};

}  // namespace NS
