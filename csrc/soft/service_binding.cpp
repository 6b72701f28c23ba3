// csrc/soft/service_binding.cpp: the compile service that Python implements
// (python/isometal/soft/service.py). Calls may come from any thread and take the GIL; what Python raises
// becomes a CompileError.
#include "soft/service_binding.h"

#include <nanobind/stl/map.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "soft/compile_service.h"
#include "soft/error.h"
#include "soft/reflection_binding.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace isometal::soft {
namespace {

/// A Python object that C++ may hold and drop on any thread, also when the interpreter is gone.
std::shared_ptr<PyObject> held(nb::object object) {
  return {object.release().ptr(), [](PyObject* pointer) {
            if (!Py_IsInitialized()) return;
            nb::gil_scoped_acquire acquire;
            Py_DECREF(pointer);
          }};
}

CompileFailure failure_of(nb::handle error) {
  static const std::map<std::string, CompileFailure> names{
      {"unsupported", CompileFailure::unsupported},
      {"compile", CompileFailure::compile},
      {"function_not_found", CompileFailure::function_not_found},
      {"file_not_found", CompileFailure::file_not_found},
      {"invalid_library", CompileFailure::invalid_library},
  };
  const nb::object module = nb::module_::import_("isometal.soft.service");
  const auto found = names.find(nb::cast<std::string>(module.attr("failure_of")(error)));
  return found == names.end() ? CompileFailure::internal : found->second;
}

/// Calls `call` with the GIL. What Python raises becomes a CompileError with the same text.
template <typename Call>
auto with_python(Call call) {
  if (!Py_IsInitialized()) {
    throw CompileError(CompileFailure::internal,
                       soft_message("the Python interpreter that compiles kernels has ended."));
  }
  nb::gil_scoped_acquire acquire;
  try {
    return call();
  } catch (nb::python_error& error) {
    CompileFailure failure = CompileFailure::internal;
    std::string text;
    try {
      failure = failure_of(error.value());
      text = nb::cast<std::string>(nb::str(error.value()));
      // The type says what the text of an unexpected error may not.
      if (failure == CompileFailure::internal) text = std::string(error.what());
    } catch (const std::exception&) {
      text = error.what();
    }
    throw CompileError(failure, text);
  } catch (const SoftError& error) {
    throw CompileError(CompileFailure::internal, error.what());
  } catch (const nb::cast_error&) {
    throw CompileError(CompileFailure::internal, soft_message("the compile service gave a wrong type."));
  }
}

FunctionConstant to_constant(nb::handle from) {
  return {nb::cast<std::string>(from.attr("name")), nb::cast<std::string>(from.attr("type_name")),
          nb::cast<std::uint32_t>(from.attr("index")), nb::cast<bool>(from.attr("required"))};
}

const char* name_of(MathMode mode) {
  switch (mode) {
    case MathMode::safe:
      return "safe";
    case MathMode::relaxed:
      return "relaxed";
    case MathMode::fast:
      return "fast";
  }
  return "fast";
}

class PythonService final : public CompileService {
 public:
  explicit PythonService(nb::object object) : object_(held(std::move(object))) {}

  OpenedLibrary open_metallib(std::span<const std::byte> bytes, const std::string& origin) override {
    return opened([&](nb::handle self) {
      return self.attr("open_metallib")(nb::bytes(bytes.data(), bytes.size()), origin);
    });
  }

  OpenedLibrary open_source(const std::string& source, const SourceOptions& options) override {
    return opened([&](nb::handle self) {
      const nb::object type = nb::module_::import_("isometal.soft.service").attr("SourceOptions");
      return self.attr("open_source")(
          source, type(options.macros, options.language_version, name_of(options.math_mode),
                       options.precise_functions, options.max_threads_per_threadgroup, options.bfloat));
    });
  }

  OpenedLibrary open_default() override {
    return opened([](nb::handle self) { return self.attr("open_default")(); });
  }

  std::vector<FunctionConstant> function_constants(LibraryId library, const std::string& function) override {
    return with_python([&] {
      std::vector<FunctionConstant> constants;
      for (nb::handle constant : self().attr("function_constants")(library, function)) {
        constants.push_back(to_constant(constant));
      }
      return constants;
    });
  }

  CompiledKernel compile(const CompileRequest& request) override {
    return with_python([&] {
      nb::dict constants;
      for (const auto& [index, value] : request.constants) {
        constants[nb::int_(index)] =
            nb::make_tuple(value.type_name, nb::bytes(value.bytes.data(), value.bytes.size()));
      }
      const nb::tuple answer = nb::cast<nb::tuple>(
          self().attr("compile")(request.library, request.function, constants, request.observed));
      CompiledKernel compiled;
      compiled.kernel = reinterpret_cast<const abi::Kernel*>(nb::cast<std::uintptr_t>(answer[0]));
      compiled.reflection = to_reflection(answer[1]);
      compiled.keep_alive = held(nb::object(answer[2]));
      return compiled;
    });
  }

  void close(LibraryId library) noexcept override {
    try {
      with_python([&] { self().attr("close")(library); });
    } catch (const std::exception& error) {
      // Nobody can be told, and nothing is lost but memory.
      (void)error;
    }
  }

 private:
  nb::handle self() const { return object_.get(); }

  template <typename Open>
  OpenedLibrary opened(Open open) {
    return with_python([&] {
      auto [id, functions, warnings] =
          nb::cast<std::tuple<LibraryId, std::vector<std::string>, std::string>>(open(self()));
      return OpenedLibrary{id, std::move(functions), std::move(warnings)};
    });
  }

  std::shared_ptr<PyObject> object_;
};

/// What the device does with the service, on a thread that Python knows nothing of.
struct Probe {
  OpenedLibrary library;
  std::vector<FunctionConstant> constants;
  CompiledKernel compiled;
  std::string failure;

  void run(CompileService& service, const std::string& bytes, CompileRequest request) {
    try {
      library = service.open_metallib(std::as_bytes(std::span(bytes)), "probe");
      request.library = library.id;
      constants = service.function_constants(library.id, request.function);
      compiled = service.compile(request);
    } catch (const CompileError& error) {
      failure = std::to_string(static_cast<int>(error.failure)) + ' ' + error.what();
    }
    if (library.id != 0) service.close(library.id);
  }
};

nb::dict probe(nb::bytes bytes, const std::string& function,
               const std::map<std::uint32_t, std::pair<std::string, nb::bytes>>& constants) {
  const auto service = compile_service();
  if (service == nullptr) throw SoftError(soft_message("no compile service is registered."));
  CompileRequest request;
  request.function = function;
  for (const auto& [index, value] : constants) {
    const auto* data = static_cast<const std::byte*>(value.second.data());
    request.constants[index] = {value.first, {data, data + value.second.size()}};
  }
  const std::string copy(static_cast<const char*>(bytes.data()), bytes.size());
  Probe found;
  {
    nb::gil_scoped_release release;
    std::thread([&] { found.run(*service, copy, request); }).join();
  }
  nb::list arguments;
  for (const ArgumentReflection& argument : found.compiled.reflection.arguments) {
    arguments.append(nb::make_tuple(argument.name, argument.type_name, static_cast<int>(argument.kind),
                                    static_cast<int>(argument.access), static_cast<int>(argument.space),
                                    argument.index, argument.type_size, argument.alignment,
                                    argument.required_bytes, argument.used));
  }
  nb::list declared;
  for (const FunctionConstant& constant : found.constants) {
    declared.append(nb::make_tuple(constant.name, constant.type_name, constant.index, constant.required));
  }
  nb::dict answer;
  answer["failure"] = found.failure;
  answer["functions"] = found.library.functions;
  answer["constants"] = declared;
  answer["arguments"] = arguments;
  answer["sites"] = found.compiled.reflection.sites;
  answer["site_count"] = found.compiled.kernel == nullptr ? 0 : found.compiled.kernel->site_count;
  return answer;
}

}  // namespace

void bind_service(nb::module_& m) {
  m.def(
      "soft_set_compile_service",
      [](nb::object service) {
        std::shared_ptr<CompileService> made;
        if (!service.is_none()) made = std::make_shared<PythonService>(std::move(service));
        // The old one's destructor may wait for the GIL on another thread.
        nb::gil_scoped_release release;
        set_compile_service(std::move(made));
      },
      "service"_a.none(), nb::sig("def soft_set_compile_service(service: object | None) -> None"),
      "Makes an isometal.soft.service.Service the one that the C++ device compiles kernels with; None "
      "removes it.");
  m.def("soft_probe_compile_service", &probe, "metallib"_a, "function"_a, "constants"_a,
        nb::sig("def soft_probe_compile_service(metallib: bytes, function: str, constants: dict[int, "
                "tuple[str, bytes]]) "
                "-> dict[str, typing.Any]"),
        "For tests: what the C++ device gets when it opens a library and compiles a function.");
}

}  // namespace isometal::soft
