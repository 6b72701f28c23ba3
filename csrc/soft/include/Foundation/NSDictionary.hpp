// Foundation/NSDictionary.hpp - an immutable map from objects to objects.
#pragma once

#include <utility>
#include <vector>

#include "NSEnumerator.hpp"
#include "NSObject.hpp"
#include "NSSharedPtr.hpp"
#include "NSTypes.hpp"

namespace NS {

/// Keys are compared with isEqual and kept in the order given; of equal keys the last one counts.
class Dictionary : public NS::Copying<Dictionary> {
 public:
  static Dictionary* dictionary();
  static Dictionary* dictionary(const Object* pObject, const Object* pKey);
  static Dictionary* dictionary(const Object* const* pObjects, const Object* const* pKeys, UInteger count);

  static Dictionary* alloc();
  Dictionary* init();
  Dictionary* init(const Object* const* pObjects, const Object* const* pKeys, UInteger count);

  template <class _KeyType = Object>
  Enumerator<_KeyType>* keyEnumerator() const {
    return Enumerator<_KeyType>::over(keys());
  }

  /// Null where there is no such key.
  template <class _Object = Object>
  _Object* object(const Object* pKey) const {
    return static_cast<_Object*>(object_for(pKey));
  }

  UInteger count() const;

 protected:
  Dictionary() = default;
  bool equals(const Object* other) const override;
  String* text() const override;

 private:
  Object* object_for(const Object* key) const;
  std::vector<SharedPtr<Object>> keys() const;

  std::vector<std::pair<SharedPtr<Object>, SharedPtr<Object>>> entries_;
};

}  // namespace NS
