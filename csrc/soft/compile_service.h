// csrc/soft/compile_service.h - how the C++ device gets kernels without knowing how code is made.
// Python implements the interface (service_binding.cpp), because LLVM lives there; C++ tests implement it
// with kernels written by hand.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "soft/kernel_abi.h"
#include "soft/reflection.h"

namespace isometal::soft {

using LibraryId = std::uint64_t;

enum class MathMode : std::uint8_t { safe, relaxed, fast };

struct SourceOptions {
  std::vector<std::pair<std::string, std::string>> macros;  ///< as -DNAME=VALUE
  std::uint32_t language_version = 0;   ///< major << 16 | minor, as MTL::LanguageVersion; 0: the newest
  MathMode math_mode = MathMode::fast;  ///< Metal's default
  bool precise_functions = false;       ///< sin, exp, ...: the precise variants where source does not say
  std::uint32_t max_threads_per_threadgroup = 0;  ///< 0: as the kernels say
  bool bfloat = true;                             ///< the device has the type
};

struct OpenedLibrary {
  LibraryId id = 0;
  std::vector<std::string> functions;  ///< names of all kernels
  std::string warnings;                ///< of the compiler; may be empty
};

/// A function constant's value, as bytes in memory order.
struct ConstantValue {
  std::string type_name;  ///< in MSL: "bool" (one byte), "uint", "float4", ...
  std::vector<std::byte> bytes;
};

struct CompileRequest {
  LibraryId library = 0;
  std::string function;
  std::map<std::uint32_t, ConstantValue> constants;  ///< by index
  bool observed = false;  ///< compile with calls of abi::MemoryObserver (abi::kObserved)
};

struct CompiledKernel {
  const abi::Kernel* kernel = nullptr;  ///< valid as long as `keep_alive` is held
  KernelReflection reflection;
  std::shared_ptr<const void> keep_alive;
};

enum class CompileFailure : std::uint8_t {
  unsupported,         ///< well-formed, but not for this device
  internal,            ///< a fault of ours
  compile,             ///< the source or the AIR is at fault
  function_not_found,  ///< or a function constant is missing or of another type
  file_not_found,
  invalid_library,  ///< the bytes are no metallib that we can read
};

/// What every method below throws; `what()` is the text for the user, diagnostics included.
class CompileError : public std::runtime_error {
 public:
  CompileError(CompileFailure kind, const std::string& text) : std::runtime_error(text), failure(kind) {}
  CompileFailure failure;
};

/// Methods are called from any thread, several at a time, never with a lock of the device held. An exception
/// other than CompileError counts as CompileFailure::internal.
class CompileService {
 public:
  virtual ~CompileService() = default;

  /// Opens a .metallib. The bytes need not outlive the call. `origin` is a path or a label for messages.
  virtual OpenedLibrary open_metallib(std::span<const std::byte> bytes, const std::string& origin) = 0;

  /// Compiles MSL source.
  virtual OpenedLibrary open_source(const std::string& source, const SourceOptions& options) = 0;

  /// The kernels that the project ships (MTL::Device::newDefaultLibrary).
  virtual OpenedLibrary open_default() = 0;

  /// The function constants that a kernel declares. Separate from opening: it has to read the kernel's AIR.
  virtual std::vector<FunctionConstant> function_constants(LibraryId library,
                                                           const std::string& function) = 0;

  /// Native code for a kernel.
  virtual CompiledKernel compile(const CompileRequest& request) = 0;

  /// Nobody will ask for this library again; kernels stay valid through their keep_alive. Never throws.
  virtual void close(LibraryId library) noexcept = 0;
};

/// Makes `service` the process's compile service; null removes it. Libraries keep the one that opened them.
void set_compile_service(std::shared_ptr<CompileService> service);

/// The process's compile service, or null.
std::shared_ptr<CompileService> compile_service();

}  // namespace isometal::soft
