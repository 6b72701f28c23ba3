// csrc/soft/metal/ns_url.cpp: file URLs.
#include <Foundation/Foundation.hpp>
#include <cctype>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include "soft/metal/foundation.h"

using namespace isometal::soft;

namespace NS {
namespace {

constexpr std::string_view kScheme = "file://";
constexpr std::string_view kHex = "0123456789ABCDEF";

std::string percent_encoded(std::string_view path) {
  std::string result;
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || std::string_view("/-._~").find(c) != std::string_view::npos) {
      result += c;
    } else {
      result += '%';
      result += kHex[byte >> 4];
      result += kHex[byte & 15];
    }
  }
  return result;
}

std::string percent_decoded(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto digit = [&](std::size_t at) {
      return at < text.size()
                 ? kHex.find(static_cast<char>(std::toupper(static_cast<unsigned char>(text[at]))))
                 : std::string_view::npos;
    };
    const std::size_t high = digit(i + 1);
    const std::size_t low = digit(i + 2);
    if (text[i] == '%' && high < kHex.size() && low < kHex.size()) {
      result += static_cast<char>(high << 4 | low);
      i += 2;
    } else {
      result += text[i];
    }
  }
  return result;
}

}  // namespace

URL* URL::fileURLWithPath(const String* pPath) {
  return alloc()->initFileURLWithPath(pPath)->autorelease();
}

URL* URL::alloc() {
  return new URL;
}

URL* URL::init() {
  return this;
}

URL* URL::init(const String* pString) {
  url_ = text_of(pString);
  if (url_.rfind(kScheme, 0) == 0) path_ = percent_decoded(std::string_view(url_).substr(kScheme.size()));
  return this;
}

URL* URL::initFileURLWithPath(const String* pPath) {
  path_ = std::filesystem::absolute(text_of(pPath)).string();
  url_ = std::string(kScheme) + percent_encoded(path_);
  return this;
}

const char* URL::fileSystemRepresentation() const {
  return path_.empty() ? nullptr : path_.c_str();
}

bool URL::equals(const Object* other) const {
  const auto* const url = dynamic_cast<const URL*>(other);
  return url != nullptr && url->url_ == url_;
}

UInteger URL::hash_value() const {
  return std::hash<std::string>()(url_);
}

String* URL::text() const {
  return make_string(url_);
}

}  // namespace NS
