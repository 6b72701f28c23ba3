// csrc/soft/metal/unicode.h: the little of Unicode that strings need.
#pragma once

#include <string>
#include <string_view>

namespace isometal::soft {

bool is_ascii(std::string_view text);

/// Well-formed: no overlong forms, surrogates or numbers beyond U+10FFFF.
bool is_utf8(std::string_view text);

/// Of well-formed UTF-8.
std::u16string to_utf16(std::string_view utf8);

}  // namespace isometal::soft
