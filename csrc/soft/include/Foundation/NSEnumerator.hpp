// Foundation/NSEnumerator.hpp - walking through a collection.
#pragma once

#include "NSObject.hpp"
#include "NSTypes.hpp"

namespace NS {

class FastEnumeration : public Referencing<FastEnumeration> {
 protected:
  FastEnumeration() = default;
  virtual Object* next_object() = 0;
  virtual class Array* remaining_objects() = 0;
};

template <class _ObjectType>
class Enumerator : public Referencing<Enumerator<_ObjectType>, FastEnumeration> {
 public:
  /// Null at the end.
  _ObjectType* nextObject() { return static_cast<_ObjectType*>(this->next_object()); }
  /// Those that nextObject has not returned yet.
  class Array* allObjects() { return this->remaining_objects(); }
};

}  // namespace NS
