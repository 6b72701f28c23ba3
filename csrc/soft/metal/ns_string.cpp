// csrc/soft/metal/ns_string.cpp: strings, kept as UTF-8.
#include <Foundation/Foundation.hpp>
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "soft/error.h"
#include "soft/metal/foundation.h"
#include "soft/metal/unicode.h"
#include "soft/validation.h"

namespace isometal::soft {

std::string text_of(const NS::String* string) {
  return string == nullptr ? std::string() : string->utf8String();
}

NS::String* make_string(std::string_view text) {
  std::string clean(text.substr(0, text.find('\0')));
  if (!is_utf8(clean)) {
    std::replace_if(clean.begin(), clean.end(), [](char c) { return (c & 0x80) != 0; }, '?');
  }
  return NS::String::string(clean.c_str(), NS::UTF8StringEncoding);
}

namespace {

bool expressible(std::string_view utf8, NS::StringEncoding encoding) {
  return encoding == NS::UTF8StringEncoding || (encoding == NS::ASCIIStringEncoding && is_ascii(utf8));
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::u16string folded(const NS::String* string, bool fold) {
  std::string text = text_of(string);
  if (fold) std::transform(text.begin(), text.end(), text.begin(), lower);
  return to_utf16(text);
}

}  // namespace
}  // namespace isometal::soft

using namespace isometal::soft;

namespace NS {

String* detail_constant_string(const char* text) {
  // Never destroyed, as the strings in it.
  static std::mutex* const mutex = new std::mutex;
  static auto* const strings = new std::unordered_map<std::string, String*>;
  const std::lock_guard lock(*mutex);
  String*& string = (*strings)[text];
  if (string == nullptr) {
    string = new String;
    string->utf8_ = text;
    string->make_immortal();
  }
  return string;
}

String* String::string() {
  return alloc()->init()->autorelease();
}

String* String::string(const String* pString) {
  return alloc()->init(pString)->autorelease();
}

String* String::string(const char* pString, StringEncoding encoding) {
  String* const string = alloc()->init(pString, encoding);
  return string == nullptr ? nullptr : string->autorelease();
}

String* String::alloc() {
  return new String;
}

String* String::init() {
  return this;
}

String* String::init(const String* pString) {
  utf8_ = text_of(pString);
  return this;
}

String* String::init(const char* pString, StringEncoding encoding) {
  if (pString == nullptr) {
    report_failure_quietly(soft_message("String::init: the characters are null; they must not be."));
  } else if (is_utf8(pString) && expressible(pString, encoding)) {
    utf8_ = pString;
    return this;
  }
  release();
  return nullptr;
}

String* String::init(void* pBytes, UInteger len, StringEncoding encoding, bool freeBuffer) {
  std::string text(static_cast<const char*>(pBytes), pBytes == nullptr ? 0 : len);
  if (freeBuffer) std::free(pBytes);
  if (is_utf8(text) && expressible(text, encoding)) {
    utf8_ = std::move(text);
    return this;
  }
  release();
  return nullptr;
}

unichar String::character(UInteger index) const {
  const std::u16string units = to_utf16(utf8_);
  if (index < units.size()) return units[index];
  report_failure(soft_message("String::character: index is ", index, "; the string has ", units.size(), "."));
  return 0;
}

UInteger String::length() const {
  return is_ascii(utf8_) ? utf8_.size() : to_utf16(utf8_).size();
}

const char* String::cString(StringEncoding encoding) const {
  return expressible(utf8_, encoding) ? utf8_.c_str() : nullptr;
}

const char* String::utf8String() const {
  return utf8_.c_str();
}

UInteger String::maximumLengthOfBytes(StringEncoding encoding) const {
  return encoding == UTF8StringEncoding ? 3 * length() : encoding == ASCIIStringEncoding ? length() : 0;
}

UInteger String::lengthOfBytes(StringEncoding encoding) const {
  return expressible(utf8_, encoding) ? utf8_.size() : 0;
}

bool String::isEqualToString(const String* pString) const {
  return pString != nullptr && utf8_ == pString->utf8_;
}

Range String::rangeOfString(const String* pString, StringCompareOptions options) const {
  const Range nothing(static_cast<UInteger>(NotFound), 0);
  constexpr StringCompareOptions kKnown =
      CaseInsensitiveSearch | LiteralSearch | BackwardsSearch | AnchoredSearch;
  const std::u16string text = folded(this, (options & CaseInsensitiveSearch) != 0);
  const std::u16string part = folded(pString, (options & CaseInsensitiveSearch) != 0);
  if ((options & ~kKnown) != 0 || part.empty() || part.size() > text.size()) return nothing;
  const bool backwards = (options & BackwardsSearch) != 0;
  std::size_t found = backwards ? text.rfind(part) : text.find(part);
  if ((options & AnchoredSearch) != 0) {
    const std::size_t anchor = backwards ? text.size() - part.size() : 0;
    found = text.compare(anchor, part.size(), part) == 0 ? anchor : std::u16string::npos;
  }
  return found == std::u16string::npos ? nothing : Range(found, part.size());
}

const char* String::fileSystemRepresentation() const {
  return utf8_.c_str();
}

String* String::stringByAppendingString(const String* pString) const {
  String* const result = alloc()->init(this);
  result->utf8_ += text_of(pString);
  return result->autorelease();
}

ComparisonResult String::caseInsensitiveCompare(const String* pString) const {
  const int order = folded(this, true).compare(folded(pString, true));
  return order < 0 ? OrderedAscending : order > 0 ? OrderedDescending : OrderedSame;
}

UInteger String::hash_value() const {
  return std::hash<std::string>()(utf8_);
}

bool String::equals(const Object* other) const {
  return isEqualToString(dynamic_cast<const String*>(other));
}

String* String::text() const {
  return const_cast<String*>(this)->retain()->autorelease();
}

}  // namespace NS
