// Foundation/NSString.hpp - immutable text.
#pragma once

#include <cstddef>
#include <string>

#include "NSObjCRuntime.hpp"
#include "NSObject.hpp"
#include "NSRange.hpp"
#include "NSTypes.hpp"

namespace NS {

_NS_ENUM(NS::UInteger, StringEncoding){
    ASCIIStringEncoding = 1,
    NEXTSTEPStringEncoding = 2,
    JapaneseEUCStringEncoding = 3,
    UTF8StringEncoding = 4,
    ISOLatin1StringEncoding = 5,
    SymbolStringEncoding = 6,
    NonLossyASCIIStringEncoding = 7,
    ShiftJISStringEncoding = 8,
    ISOLatin2StringEncoding = 9,
    UnicodeStringEncoding = 10,
    WindowsCP1251StringEncoding = 11,
    WindowsCP1252StringEncoding = 12,
    WindowsCP1253StringEncoding = 13,
    WindowsCP1254StringEncoding = 14,
    WindowsCP1250StringEncoding = 15,
    ISO2022JPStringEncoding = 21,
    MacOSRomanStringEncoding = 30,
    UTF16StringEncoding = UnicodeStringEncoding,
    UTF16BigEndianStringEncoding = 0x90000100,
    UTF16LittleEndianStringEncoding = 0x94000100,
    UTF32StringEncoding = 0x8c000100,
    UTF32BigEndianStringEncoding = 0x98000100,
    UTF32LittleEndianStringEncoding = 0x9c000100,
};

_NS_OPTIONS(NS::UInteger, StringCompareOptions){
    CaseInsensitiveSearch = 1,    LiteralSearch = 2,          BackwardsSearch = 4,
    AnchoredSearch = 8,           NumericSearch = 64,         DiacriticInsensitiveSearch = 128,
    WidthInsensitiveSearch = 256, ForcedOrderingSearch = 512, RegularExpressionSearch = 1024,
};

using unichar = unsigned short;

/// Text in Unicode; indices and lengths count UTF-16 units, as in Cocoa. Of the encodings, ASCII, UTF-8 and
/// ISO Latin 1 are implemented: creating a string in another, or from bytes that are not of the encoding,
/// gives null.
class String : public Copying<String> {
 public:
  static String* string();
  static String* string(const String* pString);
  static String* string(const char* pString, StringEncoding encoding);

  static String* alloc();
  String* init();
  String* init(const String* pString);
  String* init(const char* pString, StringEncoding encoding);
  /// With `freeBuffer`, the string takes the bytes over: they must come from malloc.
  String* init(void* pBytes, UInteger len, StringEncoding encoding, bool freeBuffer);

  unichar character(UInteger index) const;
  UInteger length() const;

  /// Null where the encoding cannot express the string. Valid as long as the string is.
  const char* cString(StringEncoding encoding) const;
  const char* utf8String() const;
  UInteger maximumLengthOfBytes(StringEncoding encoding) const;
  UInteger lengthOfBytes(StringEncoding encoding) const;

  bool isEqualToString(const String* pString) const;
  /// CaseInsensitiveSearch (ASCII letters), LiteralSearch, BackwardsSearch, AnchoredSearch; another option
  /// finds nothing: {NotFound, 0}.
  Range rangeOfString(const String* pString, StringCompareOptions options) const;

  const char* fileSystemRepresentation() const;
  String* stringByAppendingString(const String* pString) const;
  ComparisonResult caseInsensitiveCompare(const String* pString) const;

 protected:
  String() = default;
  UInteger hash_value() const override;
  bool equals(const Object* other) const override;
  String* text() const override;

 private:
  friend String* detail_constant_string(const char* text);
  std::string utf8_;
};

/// The one, immortal string of this text.
String* detail_constant_string(const char* text);

}  // namespace NS

/// A constant string; never released.
#define MTLSTR(literal) (::NS::detail_constant_string("" literal ""))
