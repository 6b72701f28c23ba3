// Foundation/NSArray.hpp - an immutable sequence of objects.
#pragma once

#include <vector>

#include "NSEnumerator.hpp"
#include "NSObject.hpp"
#include "NSSharedPtr.hpp"
#include "NSTypes.hpp"

namespace NS {

class Array : public Copying<Array> {
 public:
  static Array* array();
  static Array* array(const Object* pObject);
  static Array* array(const Object* const* pObjects, UInteger count);

  static Array* alloc();
  Array* init();
  Array* init(const Object* const* pObjects, UInteger count);

  /// Null, and a validation failure, where there is no such index.
  template <class _Object = Object>
  _Object* object(UInteger index) const {
    return static_cast<_Object*>(object_at(index));
  }

  UInteger count() const;
  Enumerator<Object>* objectEnumerator() const;

 protected:
  Array() = default;
  UInteger hash_value() const override;
  bool equals(const Object* other) const override;
  String* text() const override;

 private:
  Object* object_at(UInteger index) const;

  std::vector<SharedPtr<Object>> objects_;
};

}  // namespace NS
