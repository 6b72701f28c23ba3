// csrc/soft/metal/library.h: libraries and their functions.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "soft/compile_service.h"
#include "soft/metal/access.h"

namespace isometal::soft {

/// What the service opened; closes it at the end. Functions and pipelines share it.
class OpenLibrary {
 public:
  OpenLibrary(std::shared_ptr<CompileService> service, OpenedLibrary opened)
      : service_(std::move(service)), opened_(std::move(opened)) {}
  ~OpenLibrary() { service_->close(opened_.id); }
  OpenLibrary(const OpenLibrary&) = delete;
  OpenLibrary& operator=(const OpenLibrary&) = delete;

  LibraryId id() const { return opened_.id; }
  const std::vector<std::string>& functions() const { return opened_.functions; }
  const std::string& warnings() const { return opened_.warnings; }
  CompileService& service() const { return *service_; }

 private:
  std::shared_ptr<CompileService> service_;
  OpenedLibrary opened_;
};

class FunctionImpl final : public Labelled<MTL::Function> {
 public:
  FunctionImpl(std::shared_ptr<const OpenLibrary> library, std::string function, std::string shown_name);

  /// Binds values. Throws CompileError.
  void specialise(const MTL::FunctionConstantValues* values);

  const std::vector<FunctionConstant>& declared() const { return declared_; }
  const OpenLibrary& library() const { return *library_; }
  std::shared_ptr<const OpenLibrary> shared_library() const { return library_; }
  const std::string& function() const { return function_; }
  NS::String* name_object() const { return name_.get(); }
  /// Throws CompileError where a constant that the function needs has no value.
  CompileRequest request() const;

  MTL::FunctionOptions options_given = MTL::FunctionOptionNone;

 private:
  std::shared_ptr<const OpenLibrary> library_;
  std::string function_;
  NS::SharedPtr<NS::String> name_;
  std::vector<FunctionConstant> declared_;
  std::map<std::uint32_t, ConstantValue> constants_;
};

class LibraryImpl final : public Labelled<MTL::Library> {
 public:
  explicit LibraryImpl(std::shared_ptr<const OpenLibrary> opened);

  const OpenLibrary& opened() const { return *opened_; }
  NS::Array* names() const { return names_.get(); }

  /// Null where there is no such function. Throws what the service throws.
  NS::SharedPtr<FunctionImpl> find(const std::string& name, const std::string& shown_name) const;

 private:
  std::shared_ptr<const OpenLibrary> opened_;
  NS::SharedPtr<NS::Array> names_;
};

/// The domain of errors of libraries, functions and pipelines.
NS::ErrorDomain library_error_domain();

/// Runs `make` and turns what it throws into `*error`, which may be null, and a null result.
template <typename Make>
auto or_error(NS::Error** error, Make make) -> decltype(make());

/// The error for the exception that is being handled. Autoreleased.
NS::Error* error_of_current_exception();

template <typename Make>
auto or_error(NS::Error** error, Make make) -> decltype(make()) {
  if (error != nullptr) *error = nullptr;
  try {
    return make();
  } catch (...) {
    NS::Error* const text = error_of_current_exception();
    if (error != nullptr) *error = text;
    return nullptr;
  }
}

}  // namespace isometal::soft
