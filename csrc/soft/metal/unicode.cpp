// csrc/soft/metal/unicode.cpp: decoding of UTF-8.
#include "soft/metal/unicode.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace isometal::soft {
namespace {

/// Reads the code point at `position` and goes beyond it; nothing where the bytes are not well-formed.
std::optional<std::uint32_t> next_code_point(std::string_view text, std::size_t& position) {
  const auto byte = [&](std::size_t at) {
    return static_cast<std::uint32_t>(static_cast<unsigned char>(text[at]));
  };
  const std::uint32_t first = byte(position);
  if (first < 0x80) return ++position, first;
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || length > text.size() - position) return std::nullopt;
  std::uint32_t code = first & (0x7Fu >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(position + i) & 0xC0) != 0x80) return std::nullopt;
    code = code << 6 | (byte(position + i) & 0x3F);
  }
  constexpr std::uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (code < kLeast[length] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return std::nullopt;
  position += length;
  return code;
}

}  // namespace

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; });
}

bool is_utf8(std::string_view text) {
  for (std::size_t position = 0; position < text.size();) {
    if (!next_code_point(text, position)) return false;
  }
  return true;
}

std::u16string to_utf16(std::string_view utf8) {
  std::u16string units;
  for (std::size_t position = 0; position < utf8.size();) {
    const auto code = next_code_point(utf8, position);
    if (!code) break;
    if (*code < 0x10000) {
      units += static_cast<char16_t>(*code);
    } else {
      units += static_cast<char16_t>(0xD800 + ((*code - 0x10000) >> 10));
      units += static_cast<char16_t>(0xDC00 + (*code & 0x3FF));
    }
  }
  return units;
}

}  // namespace isometal::soft
