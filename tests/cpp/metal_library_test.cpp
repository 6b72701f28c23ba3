// tests/cpp/metal_library_test.cpp: libraries, functions with constants, pipelines and their reflection.
#include <dispatch/dispatch.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>

#include "check.h"
#include "metal_fake_service.h"
#include "metal_support.h"

using namespace metal_test;
using isometal::soft::fake_service;

namespace {

NS::SharedPtr<NS::String> named(const char* name) {
  return NS::TransferPtr(NS::String::alloc()->init(name, NS::UTF8StringEncoding));
}

/// A file that is gone at the end of the scope.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& bytes)
      : path(std::filesystem::temp_directory_path() / ("isometal-metal-test-" + std::to_string(getpid()))) {
    std::ofstream(path, std::ios::binary) << bytes;
  }
  ~TemporaryFile() { std::filesystem::remove(path); }

  const std::filesystem::path path;
};

/// Waits for an asynchronous call.
class Signal {
 public:
  void set() {
    const std::lock_guard lock(mutex_);
    done_ = true;
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return done_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool done_ = false;
};

}  // namespace

TEST_CASE(a_library_is_made_of_data) {
  const Pool pool;
  const Bench bench;
  const char bytes[] = "FAKE library";
  const dispatch_data_t data =
      dispatch_data_create(bytes, sizeof(bytes), dispatch_get_main_queue(), DISPATCH_DATA_DESTRUCTOR_DEFAULT);
  CHECK_EQUAL(dispatch_data_get_size(data), sizeof(bytes));
  NS::Error* error = nullptr;
  const auto library = NS::TransferPtr(bench.device->newLibrary(data, &error));
  dispatch_release(data);
  CHECK(error == nullptr);
  CHECK(library->functionNames()->count() > 3);
  CHECK(library->type() == MTL::LibraryTypeExecutable);
}

TEST_CASE(a_library_is_made_of_a_file) {
  const Pool pool;
  const Bench bench;
  const TemporaryFile file("FAKE library");
  NS::Error* error = nullptr;
  const auto path = named(file.path.c_str());
  const auto by_path = NS::TransferPtr(bench.device->newLibrary(path.get(), &error));
  const auto by_url = NS::TransferPtr(bench.device->newLibrary(NS::URL::fileURLWithPath(path.get()), &error));
  CHECK(by_path && by_url);
  CHECK(bench.device->newLibrary(named("/no/such/file").get(), &error) == nullptr);
  CHECK_EQUAL(error->code(), static_cast<NS::Integer>(MTL::LibraryErrorFileNotFound));
  CHECK(text(error).find("'/no/such/file'") != std::string::npos);
}

TEST_CASE(data_that_is_no_library_is_an_error) {
  const Pool pool;
  const Bench bench;
  const dispatch_data_t data = dispatch_data_create("junk", 4, nullptr, DISPATCH_DATA_DESTRUCTOR_DEFAULT);
  NS::Error* error = nullptr;
  CHECK(bench.device->newLibrary(data, &error) == nullptr);
  CHECK(text(error).find("is no metallib") != std::string::npos);
  CHECK(bench.device->newLibrary(data, nullptr) == nullptr);  // who does not ask is not told
  dispatch_release(data);
}

TEST_CASE(source_goes_to_the_service_with_its_options) {
  const Pool pool;
  const Bench bench;
  const auto options = NS::TransferPtr(MTL::CompileOptions::alloc()->init());
  CHECK(options->fastMathEnabled());
  options->setFastMathEnabled(false);
  options->setLanguageVersion(MTL::LanguageVersion3_1);
  options->setPreprocessorMacros(NS::Dictionary::dictionary(NS::Number::number(32), MTLSTR("TILE")));
  NS::Error* error = nullptr;
  const auto library = NS::TransferPtr(bench.device->newLibrary(MTLSTR("kernel"), options.get(), &error));
  CHECK(library && error == nullptr);
  const auto& seen = fake_service().last_options;
  CHECK(seen.math_mode == isometal::soft::MathMode::safe && seen.precise_functions);
  CHECK_EQUAL(seen.language_version, 196609u);
  CHECK_EQUAL(seen.macros.size(), 1u);
  CHECK(seen.macros[0].first == "TILE" && seen.macros[0].second == "32");
}

TEST_CASE(diagnostics_reach_the_caller) {
  const Pool pool;
  const Bench bench;
  NS::Error* error = nullptr;
  CHECK(bench.device->newLibrary(MTLSTR("#error"), nullptr, &error) == nullptr);
  CHECK_EQUAL(error->code(), static_cast<NS::Integer>(MTL::LibraryErrorCompileFailure));
  CHECK_EQUAL(text(error->domain()), "MTLLibraryErrorDomain");
  CHECK(text(error).find("program_source:1:2: error") != std::string::npos);
  const auto warned = NS::TransferPtr(bench.device->newLibrary(MTLSTR("#warning"), nullptr, &error));
  CHECK(warned);
  CHECK_EQUAL(error->code(), static_cast<NS::Integer>(MTL::LibraryErrorCompileWarning));
}

TEST_CASE(libraries_and_pipelines_are_made_in_the_background) {
  const Pool pool;
  const Bench bench;
  const std::thread::id here = std::this_thread::get_id();
  Signal done;
  std::string failure;
  NS::SharedPtr<MTL::ComputePipelineState> pipeline;
  bool elsewhere = false;
  bench.device->newLibrary(MTLSTR("#error"), nullptr, [&](MTL::Library* library, NS::Error* error) {
    if (library == nullptr) failure = text(error);
  });
  bench.device->newLibrary(MTLSTR("kernel"), nullptr, [&](MTL::Library* library, NS::Error*) {
    library->newFunction(MTLSTR("add"), nullptr, [&](MTL::Function* function, NS::Error*) {
      bench.device->newComputePipelineState(function, [&](MTL::ComputePipelineState* made, NS::Error*) {
        pipeline = NS::RetainPtr(made);
        elsewhere = std::this_thread::get_id() != here;
        done.set();
      });
    });
  });
  done.wait();
  CHECK(failure.find("program_source:1:2: error") != std::string::npos);
  CHECK(pipeline && elsewhere);
}

TEST_CASE(a_library_is_open_as_long_as_something_uses_it) {
  const Pool pool;
  Bench bench;
  const int before = fake_service().open_libraries;
  auto library =
      NS::TransferPtr(bench.device->newLibrary(MTLSTR("kernel"), nullptr, static_cast<NS::Error**>(nullptr)));
  CHECK_EQUAL(fake_service().open_libraries, before + 1);
  auto function = NS::TransferPtr(library->newFunction(MTLSTR("add")));
  library.reset();
  NS::Error* error = nullptr;
  auto pipeline = NS::TransferPtr(bench.device->newComputePipelineState(function.get(), &error));
  function.reset();
  CHECK_EQUAL(fake_service().open_libraries, before + 1);
  CHECK(!fake_service().last_code.expired());
  pipeline.reset();
  CHECK_EQUAL(fake_service().open_libraries, before);
  CHECK(fake_service().last_code.expired());
}

TEST_CASE(functions_are_found_by_name) {
  const Pool pool;
  const Bench bench;
  const auto function = NS::TransferPtr(bench.library->newFunction(MTLSTR("add")));
  CHECK_EQUAL(text(function->name()), "add");
  CHECK(function->functionType() == MTL::FunctionTypeKernel);
  CHECK(bench.library->newFunction(MTLSTR("subtract")) == nullptr);
  NS::Error* error = nullptr;
  CHECK(bench.library->newFunction(MTLSTR("subtract"), nullptr, &error) == nullptr);
  CHECK_EQUAL(error->code(), static_cast<NS::Integer>(MTL::LibraryErrorFunctionNotFound));
  CHECK(text(error).find("no function 'subtract'") != std::string::npos);
}

TEST_CASE(function_constants_are_set_by_index_name_or_range) {
  const Pool pool;
  Bench bench;
  const auto constants = NS::TransferPtr(MTL::FunctionConstantValues::alloc()->init());
  const std::int32_t factors[] = {2, 7};
  constants->setConstantValues(factors, MTL::DataTypeInt, NS::Range(0, 2));
  const bool yes = true;
  constants->setConstantValue(&yes, MTL::DataTypeBool, MTLSTR("name_only"));
  const auto copy = NS::TransferPtr(constants->copy());
  constants->reset();
  bench.pipeline("scale", copy.get());
  const auto& seen = fake_service().last_request.constants;
  CHECK_EQUAL(seen.size(), 2u);  // index 1 is not the function's
  CHECK(seen.at(0).type_name == "int" && seen.at(0).bytes[0] == std::byte{2});
  CHECK(seen.at(3).type_name == "bool" && seen.at(3).bytes.size() == 1);
}

TEST_CASE(missing_or_mistyped_constants_are_errors) {
  const Pool pool;
  const Bench bench;
  NS::Error* error = nullptr;
  CHECK(bench.library->newFunction(MTLSTR("scale"), nullptr, &error) == nullptr);
  CHECK(text(error).find("its constant 'factor' (int, index 0) has no value") != std::string::npos);
  const auto constants = NS::TransferPtr(MTL::FunctionConstantValues::alloc()->init());
  const float value = 2;
  constants->setConstantValue(&value, MTL::DataTypeFloat, NS::UInteger{0});
  CHECK(bench.library->newFunction(MTLSTR("scale"), constants.get(), &error) == nullptr);
  CHECK(text(error).find("is set as float; it is declared as int") != std::string::npos);
  // Without constants it can be looked at, but makes no pipeline.
  const auto function = NS::TransferPtr(bench.library->newFunction(MTLSTR("scale")));
  auto* const declared =
      function->functionConstantsDictionary()->object<MTL::FunctionConstant>(MTLSTR("factor"));
  CHECK(declared->index() == 0 && declared->required() && declared->type() == MTL::DataTypeInt);
  CHECK(bench.device->newComputePipelineState(function.get(), &error) == nullptr);
  CHECK(text(error).find("needs its constant 'factor'") != std::string::npos);
  const Failures failures;
  constants->setConstantValue(&value, MTL::DataTypeTexture, NS::UInteger{0});
  CHECK(failures.have("MTL::DataType 58 is no type of a function constant"));
}

TEST_CASE(a_descriptor_names_a_specialised_function) {
  const Pool pool;
  const Bench bench;
  auto* const descriptor = MTL::FunctionDescriptor::functionDescriptor();
  const std::int32_t factor = 3;
  const auto constants = NS::TransferPtr(MTL::FunctionConstantValues::alloc()->init());
  constants->setConstantValue(&factor, MTL::DataTypeInt, MTLSTR("factor"));
  descriptor->setName(MTLSTR("scale"));
  descriptor->setSpecializedName(MTLSTR("scale_by_3"));
  descriptor->setConstantValues(constants.get());
  NS::Error* error = nullptr;
  const auto function = NS::TransferPtr(bench.library->newFunction(descriptor, &error));
  CHECK_EQUAL(text(function->name()), "scale_by_3");
  CHECK(NS::TransferPtr(bench.device->newComputePipelineState(function.get(), &error)));
}

TEST_CASE(a_pipeline_tells_its_limits) {
  const Pool pool;
  Bench bench;
  MTL::ComputePipelineState* const add = bench.pipeline("add");
  CHECK_EQUAL(add->maxTotalThreadsPerThreadgroup(), 1024u);
  CHECK_EQUAL(add->threadExecutionWidth(), 32u);
  CHECK_EQUAL(add->staticThreadgroupMemoryLength(), 0u);
  CHECK_EQUAL(bench.pipeline("reverse")->staticThreadgroupMemoryLength(), 1024u);
  CHECK_EQUAL(bench.pipeline("append")->maxTotalThreadsPerThreadgroup(), 1u);
}

TEST_CASE(a_test_may_have_pipelines_allow_fewer_threads) {
  const Pool pool;
  Bench bench;
  isometal::soft::DeviceSettings settings;
  settings.max_threads = 96;
  const Settings scope(settings);
  CHECK_EQUAL(bench.pipeline("add")->maxTotalThreadsPerThreadgroup(), 96u);
  CHECK_EQUAL(bench.pipeline("append")->maxTotalThreadsPerThreadgroup(), 1u);
}

TEST_CASE(a_pipeline_reflects_its_arguments) {
  const Pool pool;
  Bench bench;
  const auto* const reflection = bench.pipeline("reverse")->reflection();
  CHECK_EQUAL(reflection->arguments()->count(), 3u);
  auto* const in = reflection->arguments()->object<MTL::Argument>(0);
  CHECK(text(in->name()) == "in" && in->index() == 0 && in->access() == MTL::BindingAccessReadOnly);
  CHECK(in->bufferDataType() == MTL::DataTypeUInt && in->bufferDataSize() == 4 && in->isActive());
  auto* const scratch = reflection->bindings()->object<MTL::Binding>(2);
  CHECK(scratch->type() == MTL::BindingTypeThreadgroupMemory && text(scratch->name()) == "scratch");
  CHECK_EQUAL(static_cast<MTL::ThreadgroupBinding*>(scratch)->threadgroupMemoryDataSize(), 4u);
  // Built-in arguments have no index and are not listed; unused ones are.
  const auto* const add = bench.pipeline("add")->reflection();
  CHECK_EQUAL(add->bindings()->count(), 4u);
  CHECK(!add->bindings()->object<MTL::Binding>(3)->isUsed());
  MTL::AutoreleasedComputePipelineReflection out = nullptr;
  NS::Error* error = nullptr;
  const auto function = NS::TransferPtr(bench.library->newFunction(MTLSTR("add")));
  const auto again = NS::TransferPtr(
      bench.device->newComputePipelineState(function.get(), MTL::PipelineOptionArgumentInfo, &out, &error));
  CHECK(out == again->reflection());
}

TEST_CASE(a_pipeline_descriptor_sets_limits) {
  const Pool pool;
  const Bench bench;
  const auto function = NS::TransferPtr(bench.library->newFunction(MTLSTR("add")));
  const auto descriptor = NS::TransferPtr(MTL::ComputePipelineDescriptor::alloc()->init());
  descriptor->setComputeFunction(function.get());
  descriptor->setMaxTotalThreadsPerThreadgroup(256);
  descriptor->setLabel(MTLSTR("adder"));
  NS::Error* error = nullptr;
  const auto make = [&] {
    return NS::TransferPtr(
        bench.device->newComputePipelineState(descriptor.get(), MTL::PipelineOptionNone, nullptr, &error));
  };
  const auto pipeline = make();
  CHECK_EQUAL(pipeline->maxTotalThreadsPerThreadgroup(), 256u);
  CHECK_EQUAL(text(pipeline->label()), "adder");
  descriptor->setRequiredThreadsPerThreadgroup(MTL::Size(64, 8, 1));
  CHECK(!make());
  CHECK(text(error).find("requiredThreadsPerThreadgroup is 64x8x1; the pipeline allows at most 256") !=
        std::string::npos);
  descriptor->setMaxTotalThreadsPerThreadgroup(2048);
  CHECK(!make());
  CHECK(text(error).find("maxTotalThreadsPerThreadgroup is 2048") != std::string::npos);
  descriptor->reset();
  CHECK(!make());
  CHECK(text(error).find("the function is null") != std::string::npos);
}

TEST_CASE(what_cannot_run_makes_no_pipeline) {
  const Pool pool;
  Bench bench;
  CHECK_THROWS(std::runtime_error, "declares 40000 bytes of threadgroup memory; the device has 32768",
               bench.pipeline("too_static"));
  NS::Error* error = nullptr;
  const auto function = NS::TransferPtr(bench.library->newFunction(MTLSTR("broken")));
  CHECK(bench.device->newComputePipelineState(function.get(), &error) == nullptr);
  CHECK_EQUAL(error->code(), static_cast<NS::Integer>(MTL::LibraryErrorInternal));
  CHECK_EQUAL(text(error), "the compiler broke");
}

TEST_CASE(without_a_compile_service_there_are_no_libraries) {
  const Pool pool;
  const Bench bench;
  const auto service = isometal::soft::compile_service();
  isometal::soft::set_compile_service(nullptr);
  NS::Error* error = nullptr;
  CHECK(bench.device->newLibrary(MTLSTR("kernel"), nullptr, &error) == nullptr);
  CHECK(text(error).find("no compile service is registered") != std::string::npos);
  const Failures failures;
  CHECK(bench.device->newDefaultLibrary() == nullptr);
  CHECK(failures.have("no compile service is registered"));
  isometal::soft::set_compile_service(service);
}
