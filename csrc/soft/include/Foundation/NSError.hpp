// Foundation/NSError.hpp - why something failed.
#pragma once

#include "NSDictionary.hpp"
#include "NSObject.hpp"
#include "NSSharedPtr.hpp"
#include "NSString.hpp"
#include "NSTypes.hpp"

namespace NS {

using ErrorDomain = class String*;

inline const ErrorDomain CocoaErrorDomain = MTLSTR("NSCocoaErrorDomain");
inline const ErrorDomain POSIXErrorDomain = MTLSTR("NSPOSIXErrorDomain");
inline const ErrorDomain OSStatusErrorDomain = MTLSTR("NSOSStatusErrorDomain");
inline const ErrorDomain MachErrorDomain = MTLSTR("NSMachErrorDomain");

using ErrorUserInfoKey = class String*;

inline const ErrorUserInfoKey UnderlyingErrorKey = MTLSTR("NSUnderlyingError");
inline const ErrorUserInfoKey LocalizedDescriptionKey = MTLSTR("NSLocalizedDescription");
inline const ErrorUserInfoKey LocalizedFailureReasonErrorKey = MTLSTR("NSLocalizedFailureReason");
inline const ErrorUserInfoKey LocalizedRecoverySuggestionErrorKey = MTLSTR("NSLocalizedRecoverySuggestion");
inline const ErrorUserInfoKey LocalizedRecoveryOptionsErrorKey = MTLSTR("NSLocalizedRecoveryOptions");
inline const ErrorUserInfoKey RecoveryAttempterErrorKey = MTLSTR("NSRecoveryAttempter");
inline const ErrorUserInfoKey HelpAnchorErrorKey = MTLSTR("NSHelpAnchor");
inline const ErrorUserInfoKey DebugDescriptionErrorKey = MTLSTR("NSDebugDescription");
inline const ErrorUserInfoKey LocalizedFailureErrorKey = MTLSTR("NSLocalizedFailure");
inline const ErrorUserInfoKey StringEncodingErrorKey = MTLSTR("NSStringEncoding");
inline const ErrorUserInfoKey URLErrorKey = MTLSTR("NSURL");
inline const ErrorUserInfoKey FilePathErrorKey = MTLSTR("NSFilePath");

class Error : public Copying<Error> {
 public:
  static Error* error(ErrorDomain domain, Integer code, class Dictionary* pDictionary);

  static Error* alloc();
  Error* init();
  Error* init(ErrorDomain domain, Integer code, class Dictionary* pDictionary);

  Integer code() const;
  ErrorDomain domain() const;
  class Dictionary* userInfo() const;

  class String* localizedDescription() const;
  class Array* localizedRecoveryOptions() const;
  class String* localizedRecoverySuggestion() const;
  class String* localizedFailureReason() const;

 protected:
  Error() = default;
  String* text() const override;

 private:
  SharedPtr<String> domain_;
  Integer code_ = 0;
  SharedPtr<Dictionary> user_info_;
};

}  // namespace NS
