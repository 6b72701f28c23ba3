// csrc/soft/metal/library.cpp: functions, found and specialised.
#include "soft/metal/library.h"

#include <algorithm>

#include "soft/error.h"
#include "soft/metal/data_types.h"
#include "soft/metal/device.h"
#include "soft/metal/function_constants.h"
#include "soft/validation.h"

namespace isometal::soft {

NS::ErrorDomain library_error_domain() {
  return MTLSTR("MTLLibraryErrorDomain");
}

NS::Error* error_of_current_exception() {
  MTL::LibraryError code = MTL::LibraryErrorInternal;
  std::string text;
  try {
    throw;
  } catch (const CompileError& error) {
    text = error.what();
    switch (error.failure) {
      case CompileFailure::unsupported:
      case CompileFailure::invalid_library:
        code = MTL::LibraryErrorUnsupported;
        break;
      case CompileFailure::internal:
        code = MTL::LibraryErrorInternal;
        break;
      case CompileFailure::compile:
        code = MTL::LibraryErrorCompileFailure;
        break;
      case CompileFailure::function_not_found:
        code = MTL::LibraryErrorFunctionNotFound;
        break;
      case CompileFailure::file_not_found:
        code = MTL::LibraryErrorFileNotFound;
        break;
    }
  } catch (const std::exception& error) {
    text = error.what();
  }
  return make_error(library_error_domain(), static_cast<NS::Integer>(code), text);
}

FunctionImpl::FunctionImpl(std::shared_ptr<const OpenLibrary> library, std::string function,
                           std::string shown_name)
    : library_(std::move(library)),
      function_(std::move(function)),
      name_(NS::RetainPtr(make_string(shown_name))),
      declared_(library_->service().function_constants(library_->id(), function_)) {}

void FunctionImpl::specialise(const MTL::FunctionConstantValues* values) {
  constants_ = chosen_constants(function_, declared_, values);
}

CompileRequest FunctionImpl::request() const {
  for (const FunctionConstant& constant : declared_) {
    if (!constant.required || constants_.count(constant.index) != 0) continue;
    throw CompileError(CompileFailure::function_not_found,
                       soft_message("function '", function_, "' needs its constant '", constant.name,
                                    "'; get the function with newFunction(name, constantValues, error)."));
  }
  CompileRequest request;
  request.library = library_->id();
  request.function = function_;
  request.constants = constants_;
  return request;
}

LibraryImpl::LibraryImpl(std::shared_ptr<const OpenLibrary> opened) : opened_(std::move(opened)) {
  std::vector<NS::SharedPtr<NS::String>> names;
  for (const std::string& name : opened_->functions()) {
    names.push_back(NS::TransferPtr(NS::String::alloc()->init(name.c_str(), NS::UTF8StringEncoding)));
  }
  names_ = NS::RetainPtr(make_array(names));
}

NS::SharedPtr<FunctionImpl> LibraryImpl::find(const std::string& name, const std::string& shown_name) const {
  const auto& functions = opened_->functions();
  if (std::find(functions.begin(), functions.end(), name) == functions.end()) return nullptr;
  return NS::TransferPtr(new FunctionImpl(opened_, name, shown_name));
}

namespace {

class FunctionConstantImpl final : public MTL::FunctionConstant {
 public:
  explicit FunctionConstantImpl(const isometal::soft::FunctionConstant& declared)
      : declared_(declared), name_(NS::RetainPtr(make_string(declared.name))) {}

  const isometal::soft::FunctionConstant& declared() const { return declared_; }
  NS::String* name_object() const { return name_.get(); }

 private:
  isometal::soft::FunctionConstant declared_;
  NS::SharedPtr<NS::String> name_;
};

class FunctionDescriptorImpl final : public MTL::FunctionDescriptor {};

FunctionImpl& impl(const MTL::Function* function) {
  return impl_of<FunctionImpl>(function);
}

LibraryImpl& impl(const MTL::Library* library) {
  return impl_of<LibraryImpl>(library);
}

/// The caller owns the result. Throws CompileError.
MTL::Function* specialised(const MTL::Library* library, const std::string& name,
                           const std::string& shown_name, const MTL::FunctionConstantValues* values,
                           MTL::FunctionOptions options) {
  auto function = impl(library).find(name, shown_name);
  if (!function) {
    throw CompileError(CompileFailure::function_not_found,
                       soft_message("the library has no function '", name, "'; it has ",
                                    impl(library).opened().functions().size(), " others."));
  }
  function->specialise(values);
  function->options_given = options;
  return function->retain();
}

}  // namespace
}  // namespace isometal::soft

using namespace isometal::soft;

namespace MTL {

NS::UInteger FunctionConstant::index() const {
  return impl_of<FunctionConstantImpl>(this).declared().index;
}

NS::String* FunctionConstant::name() const {
  return impl_of<FunctionConstantImpl>(this).name_object();
}

bool FunctionConstant::required() const {
  return impl_of<FunctionConstantImpl>(this).declared().required;
}

DataType FunctionConstant::type() const {
  return data_type(impl_of<FunctionConstantImpl>(this).declared().type_name);
}

Device* Function::device() const {
  return &the_device();
}

NS::Dictionary* Function::functionConstantsDictionary() const {
  std::vector<NS::SharedPtr<NS::Object>> owners;
  std::vector<const NS::Object*> names;
  std::vector<const NS::Object*> constants;
  for (const auto& declared : impl(this).declared()) {
    auto* const constant = new FunctionConstantImpl(declared);
    owners.push_back(NS::TransferPtr(static_cast<NS::Object*>(constant)));
    names.push_back(constant->name_object());
    constants.push_back(constant);
  }
  return NS::Dictionary::dictionary(constants.data(), names.data(), names.size());
}

FunctionType Function::functionType() const {
  return FunctionTypeKernel;
}

NS::String* Function::label() const {
  return impl(this).label_object();
}

NS::String* Function::name() const {
  return impl(this).name_object();
}

FunctionOptions Function::options() const {
  return impl(this).options_given;
}

void Function::setLabel(const NS::String* label) {
  impl(this).label(label);
}

FunctionDescriptor* FunctionDescriptor::alloc() {
  return new FunctionDescriptorImpl;
}

FunctionDescriptor* FunctionDescriptor::functionDescriptor() {
  return alloc()->init()->autorelease();
}

FunctionDescriptor* FunctionDescriptor::init() {
  return this;
}

FunctionDescriptor* FunctionDescriptor::clone() const {
  return new FunctionDescriptorImpl(static_cast<const FunctionDescriptorImpl&>(*this));
}

FunctionConstantValues* FunctionDescriptor::constantValues() const {
  return constant_values_.get();
}

NS::String* FunctionDescriptor::name() const {
  return name_.get();
}

FunctionOptions FunctionDescriptor::options() const {
  return options_;
}

NS::String* FunctionDescriptor::specializedName() const {
  return specialized_name_.get();
}

void FunctionDescriptor::setConstantValues(const MTL::FunctionConstantValues* constantValues) {
  constant_values_ = constantValues == nullptr ? NS::SharedPtr<FunctionConstantValues>()
                                               : NS::TransferPtr(constantValues->copy());
}

void FunctionDescriptor::setName(const NS::String* name) {
  name_ = keep(name);
}

void FunctionDescriptor::setOptions(MTL::FunctionOptions options) {
  options_ = options;
}

void FunctionDescriptor::setSpecializedName(const NS::String* specializedName) {
  specialized_name_ = keep(specializedName);
}

Device* Library::device() const {
  return &the_device();
}

NS::Array* Library::functionNames() const {
  return impl(this).names();
}

NS::String* Library::label() const {
  return impl(this).label_object();
}

Function* Library::newFunction(const NS::String* functionName) {
  try {
    const std::string name = text_of(functionName);
    const auto function = impl(this).find(name, name);
    return function ? function.get()->retain() : nullptr;
  } catch (const std::exception& error) {
    // This overload has no way to say why: what is no misuse of the API but a fault in the library is still
    // said.
    report_failure_quietly(error.what());
    return nullptr;
  }
}

Function* Library::newFunction(const NS::String* name, const MTL::FunctionConstantValues* constantValues,
                               NS::Error** error) {
  const std::string text = text_of(name);
  return or_error(error, [&] { return specialised(this, text, text, constantValues, FunctionOptionNone); });
}

Function* Library::newFunction(const MTL::FunctionDescriptor* descriptor, NS::Error** error) {
  return or_error(error, [&] {
    if (descriptor == nullptr) {
      throw CompileError(CompileFailure::function_not_found,
                         soft_message("newFunction: the descriptor is null."));
    }
    const std::string name = text_of(descriptor->name());
    const std::string shown = text_of(descriptor->specializedName());
    return specialised(this, name, shown.empty() ? name : shown, descriptor->constantValues(),
                       descriptor->options());
  });
}

void Library::newFunction(const NS::String* pFunctionName, const MTL::FunctionConstantValues* pConstantValues,
                          const MTL::FunctionCompletionHandlerFunction& completionHandler) {
  auto* const descriptor = FunctionDescriptor::functionDescriptor();
  descriptor->setName(pFunctionName);
  descriptor->setConstantValues(pConstantValues);
  newFunction(descriptor, completionHandler);
}

void Library::newFunction(const MTL::FunctionDescriptor* pDescriptor,
                          const MTL::FunctionCompletionHandlerFunction& completionHandler) {
  const auto descriptor =
      pDescriptor == nullptr ? NS::SharedPtr<FunctionDescriptor>() : NS::TransferPtr(pDescriptor->copy());
  the_device().compile_later([library = NS::RetainPtr(this), descriptor, completionHandler] {
    NS::Error* error = nullptr;
    const auto function = NS::TransferPtr(library->newFunction(descriptor.get(), &error));
    completionHandler(function.get(), error);
  });
}

void Library::setLabel(const NS::String* label) {
  impl(this).label(label);
}

LibraryType Library::type() const {
  return LibraryTypeExecutable;
}

}  // namespace MTL
