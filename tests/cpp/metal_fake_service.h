// tests/cpp/metal_fake_service.h: a compile service without a compiler: kernels written by hand that obey
// kernel_abi.h. A "metallib" is any data that begins with FAKE; in "source", #error fails and #warning warns.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "soft/compile_service.h"

namespace isometal::soft {

class FakeService final : public CompileService {
 public:
  OpenedLibrary open_metallib(std::span<const std::byte> bytes, const std::string& origin) override;
  OpenedLibrary open_source(const std::string& source, const SourceOptions& options) override;
  OpenedLibrary open_default() override;
  std::vector<FunctionConstant> function_constants(LibraryId library, const std::string& function) override;
  CompiledKernel compile(const CompileRequest& request) override;
  void close(LibraryId library) noexcept override;

  std::atomic<int> open_libraries{0};

  // Read by a test when no other thread compiles.
  SourceOptions last_options;
  CompileRequest last_request;
  std::weak_ptr<const void> last_code;  ///< gone once nobody keeps the code of the last pipeline

 private:
  std::mutex mutex_;
};

/// The process's service for the tests: registered at the first call.
FakeService& fake_service();

}  // namespace isometal::soft
