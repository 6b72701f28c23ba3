// Foundation/NSURL.hpp - where a file is.
#pragma once

#include <string>

#include "NSObject.hpp"
#include "NSString.hpp"

namespace NS {

/// A `file://` URL. Another scheme has no path: fileSystemRepresentation returns null.
class URL : public Copying<URL> {
 public:
  static URL* fileURLWithPath(const class String* pPath);

  static URL* alloc();
  URL* init();
  URL* init(const class String* pString);
  URL* initFileURLWithPath(const class String* pPath);

  const char* fileSystemRepresentation() const;

 protected:
  URL() = default;
  bool equals(const Object* other) const override;
  UInteger hash_value() const override;
  String* text() const override;

 private:
  std::string url_;
  std::string path_;
};

}  // namespace NS
