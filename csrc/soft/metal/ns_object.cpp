// csrc/soft/metal/ns_object.cpp: counting of owners, and what Object's methods do unless a class says
// otherwise.
#include <Foundation/Foundation.hpp>
#include <cstdint>

#include "soft/error.h"
#include "soft/metal/foundation.h"

namespace NS::detail {

void retain(const Counted* object) {
  if (object != nullptr && !object->immortal_) object->count_.fetch_add(1, std::memory_order_relaxed);
}

void release(const Counted* object) {
  if (object == nullptr || object->immortal_) return;
  // The last owner must see what the others did to the object.
  if (object->count_.fetch_sub(1, std::memory_order_acq_rel) == 1) const_cast<Counted*>(object)->destroy();
}

UInteger retain_count(const Counted* object) {
  if (object == nullptr) return 0;
  return object->immortal_ ? UIntegerMax : object->count_.load(std::memory_order_relaxed);
}

Counted* copy(const Counted* object) {
  return object == nullptr ? nullptr : object->clone();
}

Counted* Counted::clone() const {
  retain(this);
  return const_cast<Counted*>(this);
}

UInteger Counted::hash_value() const {
  return reinterpret_cast<std::uintptr_t>(this) >> 4;
}

bool Counted::equals(const Object* other) const {
  return this == other;
}

String* Counted::text() const {
  return isometal::soft::make_string(isometal::soft::soft_message("object at ", this));
}

}  // namespace NS::detail
