// Foundation/NSEnumerator.hpp - walking through a collection.
#pragma once

#include <cstddef>
#include <vector>

#include "NSObject.hpp"
#include "NSSharedPtr.hpp"
#include "NSTypes.hpp"

namespace NS {

class FastEnumeration : public Referencing<FastEnumeration> {
 protected:
  FastEnumeration() = default;
  Object* next_object();
  class Array* remaining_objects();

  std::vector<SharedPtr<Object>> objects_;
  std::size_t next_ = 0;
};

template <class _ObjectType>
class Enumerator : public Referencing<Enumerator<_ObjectType>, FastEnumeration> {
 public:
  /// Null at the end.
  _ObjectType* nextObject() { return static_cast<_ObjectType*>(this->next_object()); }
  /// Those that nextObject has not returned yet.
  class Array* allObjects() { return this->remaining_objects(); }

 private:
  friend class Array;
  friend class Dictionary;

  static Enumerator* over(std::vector<SharedPtr<Object>> objects) {
    auto* result = new Enumerator;
    result->objects_ = std::move(objects);
    return result->autorelease();
  }
};

}  // namespace NS
