// csrc/soft/metal/ns_error.cpp: errors.
#include <Foundation/Foundation.hpp>

#include "soft/error.h"
#include "soft/metal/foundation.h"

using namespace isometal::soft;

namespace isometal::soft {

NS::Error* make_error(NS::ErrorDomain domain, NS::Integer code, std::string_view description) {
  return NS::Error::error(domain, code,
                          NS::Dictionary::dictionary(make_string(description), NS::LocalizedDescriptionKey));
}

}  // namespace isometal::soft

namespace NS {

Error* Error::error(ErrorDomain domain, Integer code, class Dictionary* pDictionary) {
  return alloc()->init(domain, code, pDictionary)->autorelease();
}

Error* Error::alloc() {
  return new Error;
}

Error* Error::init() {
  return init(MTLSTR(""), 0, nullptr);
}

Error* Error::init(ErrorDomain domain, Integer code, class Dictionary* pDictionary) {
  domain_ = RetainPtr(domain);
  code_ = code;
  user_info_ = pDictionary != nullptr ? RetainPtr(pDictionary) : TransferPtr(Dictionary::alloc()->init());
  return this;
}

Integer Error::code() const {
  return code_;
}

ErrorDomain Error::domain() const {
  return domain_.get();
}

Dictionary* Error::userInfo() const {
  return user_info_.get();
}

String* Error::localizedDescription() const {
  if (auto* const text = user_info_->object<String>(LocalizedDescriptionKey)) return text;
  std::ostringstream out;
  out << "The operation could not be completed. (" << text_of(domain_.get()) << " error " << code_ << ".)";
  return make_string(out.str());
}

Array* Error::localizedRecoveryOptions() const {
  return user_info_->object<Array>(LocalizedRecoveryOptionsErrorKey);
}

String* Error::localizedRecoverySuggestion() const {
  return user_info_->object<String>(LocalizedRecoverySuggestionErrorKey);
}

String* Error::localizedFailureReason() const {
  return user_info_->object<String>(LocalizedFailureReasonErrorKey);
}

String* Error::text() const {
  std::ostringstream out;
  out << "Error Domain=" << text_of(domain_.get()) << " Code=" << code_ << " \""
      << localizedDescription()->utf8String() << '"';
  return make_string(out.str());
}

}  // namespace NS
