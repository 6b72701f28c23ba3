// csrc/soft/metal/library_factory.cpp: how the device makes libraries: from data, files and source.
#include <cstddef>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include "soft/error.h"
#include "soft/metal/device.h"
#include "soft/metal/dispatch_data.h"
#include "soft/metal/library.h"
#include "soft/metal/settings.h"
#include "soft/validation.h"

namespace isometal::soft {
namespace {

class CompileOptionsImpl final : public MTL::CompileOptions {};

std::shared_ptr<CompileService> required_service() {
  auto service = compile_service();
  if (service != nullptr) return service;
  throw CompileError(CompileFailure::unsupported,
                     soft_message("no compile service is registered, so kernels cannot be compiled; import "
                                  "isometal.soft, or call isometal::soft::set_compile_service."));
}

/// Opens a library with `open(service)`. The caller owns the result.
template <typename Open>
MTL::Library* open_library(Open open) {
  const auto service = required_service();
  return new LibraryImpl(std::make_shared<const OpenLibrary>(service, open(*service)));
}

std::vector<std::byte> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) {
    throw CompileError(CompileFailure::file_not_found,
                       soft_message("newLibrary: cannot read the file '", path, "'."));
  }
  std::vector<std::byte> bytes(static_cast<std::size_t>(file.tellg()));
  file.seekg(0);
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (!file) {
    throw CompileError(CompileFailure::file_not_found,
                       soft_message("newLibrary: the file '", path, "' ended while it was read."));
  }
  return bytes;
}

MTL::Library* open_file(const std::string& path) {
  const std::vector<std::byte> bytes = read_file(path);
  return open_library([&](CompileService& service) { return service.open_metallib(bytes, path); });
}

MathMode math_mode_of(const MTL::CompileOptions* options) {
  switch (options->mathMode()) {
    case MTL::MathModeSafe:
      return MathMode::safe;
    case MTL::MathModeRelaxed:
      return MathMode::relaxed;
    case MTL::MathModeFast:
      return MathMode::fast;
  }
  return MathMode::fast;
}

SourceOptions source_options(const MTL::CompileOptions* options) {
  SourceOptions result;
  result.bfloat = device_settings().bfloat;
  if (options == nullptr) return result;
  if (options->libraryType() != MTL::LibraryTypeExecutable) {
    throw CompileError(
        CompileFailure::unsupported,
        soft_message("newLibrary: dynamic libraries are not implemented; use LibraryTypeExecutable."));
  }
  result.language_version = static_cast<std::uint32_t>(options->languageVersion());
  result.math_mode = math_mode_of(options);
  result.precise_functions = options->mathFloatingPointFunctions() == MTL::MathFloatingPointFunctionsPrecise;
  result.max_threads_per_threadgroup = static_cast<std::uint32_t>(options->maxTotalThreadsPerThreadgroup());
  const NS::Dictionary* const macros = options->preprocessorMacros();
  if (macros == nullptr) return result;
  auto* const names = macros->keyEnumerator<NS::String>();
  while (const NS::String* const name = names->nextObject()) {
    result.macros.emplace_back(text_of(name), text_of(macros->object(name)->description()));
  }
  return result;
}

/// The caller owns the result; with warnings, `*error` tells them.
MTL::Library* open_source(const NS::String* source, const MTL::CompileOptions* options, NS::Error** error) {
  MTL::Library* const library = open_library(
      [&](CompileService& service) { return service.open_source(text_of(source), source_options(options)); });
  const std::string& warnings = impl_of<LibraryImpl>(library).opened().warnings();
  if (!warnings.empty() && error != nullptr) {
    *error = make_error(library_error_domain(), static_cast<NS::Integer>(MTL::LibraryErrorCompileWarning),
                        warnings);
  }
  return library;
}

}  // namespace
}  // namespace isometal::soft

using namespace isometal::soft;

namespace MTL {

Library* Device::newDefaultLibrary() {
  NS::Error* error = nullptr;
  Library* const library = or_error(
      &error, [] { return open_library([](CompileService& service) { return service.open_default(); }); });
  // No argument takes the reason to the caller.
  if (library == nullptr) report_failure_quietly(text_of(error->localizedDescription()));
  return library;
}

Library* Device::newLibrary(const NS::String* filepath, NS::Error** error) {
  return or_error(error, [&] { return open_file(text_of(filepath)); });
}

Library* Device::newLibrary(const NS::URL* url, NS::Error** error) {
  return or_error(error, [&] {
    const char* const path = url == nullptr ? nullptr : url->fileSystemRepresentation();
    if (path != nullptr) return open_file(path);
    throw CompileError(CompileFailure::file_not_found, soft_message("newLibrary: the URL names no file."));
  });
}

Library* Device::newLibrary(const dispatch_data_t data, NS::Error** error) {
  return or_error(error, [&] {
    if (data == nullptr) {
      throw CompileError(CompileFailure::invalid_library, soft_message("newLibrary: the data is null."));
    }
    return open_library([&](CompileService& service) { return service.open_metallib(data->bytes, "data"); });
  });
}

Library* Device::newLibrary(const NS::String* source, const MTL::CompileOptions* options, NS::Error** error) {
  return or_error(error, [&] { return open_source(source, options, error); });
}

void Device::newLibrary(const NS::String* pSource, const MTL::CompileOptions* pOptions,
                        const MTL::NewLibraryCompletionHandlerFunction& completionHandler) {
  const auto options =
      pOptions == nullptr ? NS::SharedPtr<CompileOptions>() : NS::TransferPtr(pOptions->copy());
  impl_of<DeviceImpl>(this).compile_later([this, source = keep(pSource), options, completionHandler] {
    NS::Error* error = nullptr;
    const auto library = NS::TransferPtr(newLibrary(source.get(), options.get(), &error));
    completionHandler(library.get(), error);
  });
}

CompileOptions* CompileOptions::alloc() {
  return new CompileOptionsImpl;
}

CompileOptions* CompileOptions::init() {
  return this;
}

CompileOptions* CompileOptions::clone() const {
  return new CompileOptionsImpl(static_cast<const CompileOptionsImpl&>(*this));
}

bool CompileOptions::fastMathEnabled() const {
  return math_mode_ == MathModeFast;
}

LanguageVersion CompileOptions::languageVersion() const {
  return language_version_;
}

LibraryType CompileOptions::libraryType() const {
  return library_type_;
}

MathFloatingPointFunctions CompileOptions::mathFloatingPointFunctions() const {
  return functions_;
}

MathMode CompileOptions::mathMode() const {
  return math_mode_;
}

NS::UInteger CompileOptions::maxTotalThreadsPerThreadgroup() const {
  return max_threads_;
}

LibraryOptimizationLevel CompileOptions::optimizationLevel() const {
  return optimization_level_;
}

NS::Dictionary* CompileOptions::preprocessorMacros() const {
  return macros_.get();
}

bool CompileOptions::preserveInvariance() const {
  return preserve_invariance_;
}

void CompileOptions::setFastMathEnabled(bool fastMathEnabled) {
  math_mode_ = fastMathEnabled ? MathModeFast : MathModeSafe;
  functions_ = fastMathEnabled ? MathFloatingPointFunctionsFast : MathFloatingPointFunctionsPrecise;
}

void CompileOptions::setLanguageVersion(MTL::LanguageVersion languageVersion) {
  language_version_ = languageVersion;
}

void CompileOptions::setLibraryType(MTL::LibraryType libraryType) {
  library_type_ = libraryType;
}

void CompileOptions::setMathFloatingPointFunctions(
    MTL::MathFloatingPointFunctions mathFloatingPointFunctions) {
  functions_ = mathFloatingPointFunctions;
}

void CompileOptions::setMathMode(MTL::MathMode mathMode) {
  math_mode_ = mathMode;
}

void CompileOptions::setMaxTotalThreadsPerThreadgroup(NS::UInteger maxTotalThreadsPerThreadgroup) {
  max_threads_ = maxTotalThreadsPerThreadgroup;
}

void CompileOptions::setOptimizationLevel(MTL::LibraryOptimizationLevel optimizationLevel) {
  optimization_level_ = optimizationLevel;
}

void CompileOptions::setPreprocessorMacros(const NS::Dictionary* preprocessorMacros) {
  macros_ = keep(preprocessorMacros);
}

void CompileOptions::setPreserveInvariance(bool preserveInvariance) {
  preserve_invariance_ = preserveInvariance;
}

}  // namespace MTL
