// csrc/soft/metal/ns_collections.cpp: arrays, dictionaries and walking through them.
#include <Foundation/Foundation.hpp>
#include <algorithm>
#include <string>

#include "soft/error.h"
#include "soft/metal/foundation.h"
#include "soft/validation.h"

using namespace isometal::soft;

namespace NS {

Object* FastEnumeration::next_object() {
  return next_ < objects_.size() ? objects_[next_++].get() : nullptr;
}

Array* FastEnumeration::remaining_objects() {
  const auto first = objects_.begin() + static_cast<std::ptrdiff_t>(next_);
  next_ = objects_.size();
  return make_array(std::vector<SharedPtr<Object>>(first, objects_.end()));
}

Array* Array::array() {
  return alloc()->init()->autorelease();
}

Array* Array::array(const Object* pObject) {
  return array(&pObject, 1);
}

Array* Array::array(const Object* const* pObjects, UInteger count) {
  Array* const array = alloc()->init(pObjects, count);
  return array == nullptr ? nullptr : array->autorelease();
}

Array* Array::alloc() {
  return new Array;
}

Array* Array::init() {
  return this;
}

Array* Array::init(const Object* const* pObjects, UInteger count) {
  for (UInteger i = 0; i < count; ++i) {
    if (pObjects[i] == nullptr) {
      release();
      report_failure(soft_message("Array::init: object ", i, " is null; arrays hold objects only."));
      return nullptr;
    }
    objects_.push_back(keep(pObjects[i]));
  }
  return this;
}

UInteger Array::count() const {
  return objects_.size();
}

Enumerator<Object>* Array::objectEnumerator() const {
  return Enumerator<Object>::over(objects_);
}

Object* Array::object_at(UInteger index) const {
  if (index < objects_.size()) return objects_[index].get();
  report_failure(soft_message("Array::object: index is ", index, "; the array has ", objects_.size(), "."));
  return nullptr;
}

UInteger Array::hash_value() const {
  return objects_.size();
}

bool Array::equals(const Object* other) const {
  const auto* const array = dynamic_cast<const Array*>(other);
  return array != nullptr &&
         std::equal(objects_.begin(), objects_.end(), array->objects_.begin(), array->objects_.end(),
                    [](const auto& a, const auto& b) { return a->isEqual(b.get()); });
}

String* Array::text() const {
  std::string result = "(";
  for (const auto& object : objects_) {
    if (result.size() > 1) result += ", ";
    result += text_of(object->description());
  }
  return make_string(result + ")");
}

Dictionary* Dictionary::dictionary() {
  return alloc()->init()->autorelease();
}

Dictionary* Dictionary::dictionary(const Object* pObject, const Object* pKey) {
  return dictionary(&pObject, &pKey, 1);
}

Dictionary* Dictionary::dictionary(const Object* const* pObjects, const Object* const* pKeys,
                                   UInteger count) {
  Dictionary* const dictionary = alloc()->init(pObjects, pKeys, count);
  return dictionary == nullptr ? nullptr : dictionary->autorelease();
}

Dictionary* Dictionary::alloc() {
  return new Dictionary;
}

Dictionary* Dictionary::init() {
  return this;
}

Dictionary* Dictionary::init(const Object* const* pObjects, const Object* const* pKeys, UInteger count) {
  for (UInteger i = 0; i < count; ++i) {
    if (pObjects[i] == nullptr || pKeys[i] == nullptr) {
      release();
      report_failure(
          soft_message("Dictionary::init: entry ", i, " is null; dictionaries hold objects only."));
      return nullptr;
    }
    const auto same = [&](const auto& entry) { return entry.first->isEqual(pKeys[i]); };
    const auto found = std::find_if(entries_.begin(), entries_.end(), same);
    if (found != entries_.end()) {
      found->second = keep(pObjects[i]);
    } else {
      entries_.emplace_back(keep(pKeys[i]), keep(pObjects[i]));
    }
  }
  return this;
}

UInteger Dictionary::count() const {
  return entries_.size();
}

Object* Dictionary::object_for(const Object* key) const {
  if (key == nullptr) return nullptr;
  for (const auto& [candidate, object] : entries_) {
    if (candidate->isEqual(key)) return object.get();
  }
  return nullptr;
}

std::vector<SharedPtr<Object>> Dictionary::keys() const {
  std::vector<SharedPtr<Object>> result;
  for (const auto& entry : entries_) result.push_back(entry.first);
  return result;
}

bool Dictionary::equals(const Object* other) const {
  const auto* const dictionary = dynamic_cast<const Dictionary*>(other);
  if (dictionary == nullptr || dictionary->count() != count()) return false;
  return std::all_of(entries_.begin(), entries_.end(), [&](const auto& entry) {
    return entry.second->isEqual(dictionary->object_for(entry.first.get()));
  });
}

String* Dictionary::text() const {
  std::string result = "{";
  for (const auto& [key, object] : entries_) {
    if (result.size() > 1) result += ", ";
    result += text_of(key->description()) + " = " + text_of(object->description());
  }
  return make_string(result + "}");
}

}  // namespace NS
