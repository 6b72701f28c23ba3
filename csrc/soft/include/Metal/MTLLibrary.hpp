// Metal/MTLLibrary.hpp - kernels by name, from a .metallib or from source.
#pragma once

#include <functional>

#include "../Foundation/Foundation.hpp"
#include "MTLDataType.hpp"
#include "MTLDefines.hpp"
#include "MTLFunctionDescriptor.hpp"
#include "MTLTypes.hpp"

namespace MTL {

class Device;
class Function;
class FunctionConstantValues;

_MTL_ENUM(NS::UInteger, FunctionType){
    FunctionTypeVertex = 1,       FunctionTypeFragment = 2, FunctionTypeKernel = 3, FunctionTypeVisible = 5,
    FunctionTypeIntersection = 6, FunctionTypeMesh = 7,     FunctionTypeObject = 8,
};

_MTL_ENUM(NS::UInteger, LanguageVersion){
    LanguageVersion1_0 = 65536,  LanguageVersion1_1 = 65537,  LanguageVersion1_2 = 65538,
    LanguageVersion2_0 = 131072, LanguageVersion2_1 = 131073, LanguageVersion2_2 = 131074,
    LanguageVersion2_3 = 131075, LanguageVersion2_4 = 131076, LanguageVersion3_0 = 196608,
    LanguageVersion3_1 = 196609, LanguageVersion3_2 = 196610, LanguageVersion4_0 = 262144,
};

_MTL_ENUM(NS::Integer, LibraryType){
    LibraryTypeExecutable = 0,
    LibraryTypeDynamic = 1,
};

_MTL_ENUM(NS::Integer, LibraryOptimizationLevel){
    LibraryOptimizationLevelDefault = 0,
    LibraryOptimizationLevelSize = 1,
};

_MTL_ENUM(NS::Integer, MathMode){
    MathModeSafe = 0,
    MathModeRelaxed = 1,
    MathModeFast = 2,
};

_MTL_ENUM(NS::Integer, MathFloatingPointFunctions){
    MathFloatingPointFunctionsFast = 0,
    MathFloatingPointFunctionsPrecise = 1,
};

_MTL_ENUM(NS::UInteger, LibraryError){
    LibraryErrorUnsupported = 1,    LibraryErrorInternal = 2,         LibraryErrorCompileFailure = 3,
    LibraryErrorCompileWarning = 4, LibraryErrorFunctionNotFound = 5, LibraryErrorFileNotFound = 6,
};

using FunctionCompletionHandlerFunction = std::function<void(MTL::Function* pFunction, NS::Error* pError)>;

class FunctionConstant : public NS::Referencing<FunctionConstant> {
 public:
  NS::UInteger index() const;
  NS::String* name() const;
  bool required() const;
  DataType type() const;

 protected:
  FunctionConstant() = default;
};

class Function : public NS::Referencing<Function> {
 public:
  Device* device() const;
  /// Name to FunctionConstant.
  NS::Dictionary* functionConstantsDictionary() const;
  FunctionType functionType() const;
  NS::String* label() const;
  NS::String* name() const;
  FunctionOptions options() const;
  void setLabel(const NS::String* label);

 protected:
  Function() = default;
};

class CompileOptions : public NS::Copying<CompileOptions> {
 public:
  static CompileOptions* alloc();
  CompileOptions* init();

  bool fastMathEnabled() const;
  LanguageVersion languageVersion() const;
  LibraryType libraryType() const;
  MathFloatingPointFunctions mathFloatingPointFunctions() const;
  MathMode mathMode() const;
  NS::UInteger maxTotalThreadsPerThreadgroup() const;
  LibraryOptimizationLevel optimizationLevel() const;
  NS::Dictionary* preprocessorMacros() const;
  bool preserveInvariance() const;

  /// As Apple's: false sets safe math and precise functions, true fast ones.
  void setFastMathEnabled(bool fastMathEnabled);
  void setLanguageVersion(MTL::LanguageVersion languageVersion);
  /// Dynamic libraries are not implemented: newLibrary refuses them.
  void setLibraryType(MTL::LibraryType libraryType);
  void setMathFloatingPointFunctions(MTL::MathFloatingPointFunctions mathFloatingPointFunctions);
  void setMathMode(MTL::MathMode mathMode);
  void setMaxTotalThreadsPerThreadgroup(NS::UInteger maxTotalThreadsPerThreadgroup);
  void setOptimizationLevel(MTL::LibraryOptimizationLevel optimizationLevel);
  /// String to String or Number.
  void setPreprocessorMacros(const NS::Dictionary* preprocessorMacros);
  void setPreserveInvariance(bool preserveInvariance);

 protected:
  CompileOptions() = default;
  CompileOptions* clone() const override;

 private:
  LanguageVersion language_version_ = LanguageVersion4_0;
  LibraryType library_type_ = LibraryTypeExecutable;
  MathFloatingPointFunctions functions_ = MathFloatingPointFunctionsFast;
  MathMode math_mode_ = MathModeFast;
  NS::UInteger max_threads_ = 0;
  LibraryOptimizationLevel optimization_level_ = LibraryOptimizationLevelDefault;
  NS::SharedPtr<NS::Dictionary> macros_;
  bool preserve_invariance_ = false;
};

class Library : public NS::Referencing<Library> {
 public:
  Device* device() const;
  NS::Array* functionNames() const;
  NS::String* label() const;

  /// Null where there is none of the name. A function that needs constants can be looked at, not run.
  Function* newFunction(const NS::String* functionName);
  Function* newFunction(const NS::String* name, const MTL::FunctionConstantValues* constantValues,
                        NS::Error** error);
  Function* newFunction(const MTL::FunctionDescriptor* descriptor, NS::Error** error);
  void newFunction(const NS::String* pFunctionName, const MTL::FunctionConstantValues* pConstantValues,
                   const MTL::FunctionCompletionHandlerFunction& completionHandler);
  void newFunction(const MTL::FunctionDescriptor* pDescriptor,
                   const MTL::FunctionCompletionHandlerFunction& completionHandler);

  void setLabel(const NS::String* label);
  LibraryType type() const;

 protected:
  Library() = default;
};

}  // namespace MTL
