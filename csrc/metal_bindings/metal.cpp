// csrc/metal_bindings/metal.cpp: the device, its memory and its figures.
#include "metal_bindings/metal.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "arguments.h"
#include "error.h"
#include "exchange.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace isometal {
namespace bindings {

Metal::Metal(nb::callable loader) {
  // Called and let go of from any thread.
  const std::shared_ptr<PyObject> load(loader.release().ptr(), [](PyObject* held) {
    if (!nb::is_alive()) return;
    nb::gil_scoped_acquire acquire;
    Py_DECREF(held);
  });
  nb::gil_scoped_release release;
  dispatcher_ = Dispatcher::create(
      [load](std::string_view family, bool bfloat) {
        nb::gil_scoped_acquire acquire;
        const nb::object code = nb::borrow(load.get())(nb::str(family.data(), family.size()), bfloat);
        if (nb::isinstance<nb::str>(code))
          return KernelCode{KernelCode::Form::kSource, nb::cast<std::string>(code)};
        const nb::object path = nb::module_::import_("os").attr("fspath")(code);
        return KernelCode{KernelCode::Form::kMetallib, nb::cast<std::string>(path)};
      },
      [] {
        nb::gil_scoped_acquire acquire;
        if (PyErr_CheckSignals() != 0) throw nb::python_error();
      });
}

namespace {

nb::dict device_info(const Metal& metal) {
  const DeviceInfo facts = metal->info();
  nb::dict result;
  result["kind"] = facts.kind;
  result["name"] = facts.name;
  result["family"] = facts.family;
  result["memory_bytes"] = facts.memory_bytes;
  result["bfloat"] = facts.bfloat;
  return result;
}

nb::dict stats(const Metal& metal) {
  const MemoryStats memory = metal->memory_stats();
  const DispatchStats work = metal->dispatch_stats();
  nb::dict result;
  result["active_bytes"] = memory.active_bytes;
  result["cached_bytes"] = memory.cached_bytes;
  result["peak_bytes"] = memory.peak_bytes;
  result["allocations"] = memory.allocations;
  result["reuses"] = memory.reuses;
  result["dispatches"] = work.dispatches;
  result["barriers"] = work.barriers;
  result["command_buffers"] = work.command_buffers;
  result["pipelines"] = metal->pipeline_count();
  return result;
}

nb::list kernel_runs(const Metal& metal) {
  std::vector<KernelRuns> made;
  {
    nb::gil_scoped_release release;
    made = metal->kernel_runs();
  }
  nb::list result;
  for (const auto& [kernel, runs] : made) {
    nb::dict constants;
    for (const launch::Constant& constant : kernel) {
      const bool is_bool = constant.type == launch::Constant::Type::kBool;
      constants[nb::int_(constant.index)] =
          is_bool ? nb::object(nb::bool_(constant.bits != 0)) : nb::object(nb::int_(constant.bits));
    }
    const std::string_view family = launch::name(kernel.family()), name = kernel.name();
    result.append(nb::make_tuple(nb::str(family.data(), family.size()), nb::str(name.data(), name.size()),
                                 constants, runs));
  }
  return result;
}

std::optional<Array> adopt_array(const Metal& metal, const Array& array, bool in_place) {
  nb::gil_scoped_release release;
  return metal->adopt(array, in_place);
}

Array from_dlpack(const Metal& metal, nb::handle object) {
  MetalTensor tensor = import_metal(object);
  if (tensor.own && metal->holds(*tensor.own)) return *std::move(tensor.own);
#if ISOMETAL_SOFT
  throw BackendError(
      "[metal] the input lies in a Metal buffer of another library, and the software device cannot read it; "
      "move "
      "it to host memory first.");
#else
  nb::gil_scoped_release release;
  return metal->share(static_cast<MTL::Buffer*>(tensor.buffer), tensor.byte_offset,
                      std::move(tensor.foreign));
#endif
}

Array empty_array(const Metal& metal, nb::handle shape, nb::handle dtype) {
  const Dims dims = shape_argument(shape);
  const DType type = dtype_argument(dtype);
  nb::gil_scoped_release release;
  return metal->empty(dims, type);
}

void force(const Metal& metal, const std::string& family, std::string variant) {
  const auto* const found = std::find(launch::kFamilyNames.begin(), launch::kFamilyNames.end(), family);
  if (found == launch::kFamilyNames.end())
    throw ShapeError("[metal] '" + family + "' names no kernel family; they are the files of metal/.");
  metal->force(static_cast<launch::Family>(found - launch::kFamilyNames.begin()), std::move(variant));
}

}  // namespace
}  // namespace bindings

void bind_metal(nb::module_& m) {
  using bindings::Metal;
  nb::class_<Metal> type(
      m, "Metal",
      "The Metal device of this process, and the ops on it. Arrays that it returns lie in memory "
      "of the device; ops return before they are computed.");
  type.def(
          nb::init<nb::callable>(), "library"_a,
          nb::sig(
              "def __init__(self, library: collections.abc.Callable[[str, bool], str | os.PathLike[str]]) -> "
              "None"),
          "library(family, bfloat) is the Metal source of a kernel family, or the path of a metallib, for a "
          "device\n"
          "that has the type bfloat or one that has not. Raises BackendError where there is no device.")
      .def("info", &bindings::device_info, nb::sig("def info(self) -> dict[str, typing.Any]"),
           "kind (apple-gpu, apple-paravirtual or software), name, family, memory_bytes, bfloat.")
      .def("stats", &bindings::stats, nb::sig("def stats(self) -> dict[str, int]"),
           "Bytes active, cached and at the peak; allocations and reuses; dispatches, barriers, command "
           "buffers.")
      .def(
          "kernel_runs", &bindings::kernel_runs,
          nb::sig("def kernel_runs(self) -> list[tuple[str, str, dict[int, bool | int], int]]"),
          "For tests: family, name and function constants of every kernel that has a pipeline, and how often "
          "it has run.")
      .def("adopt", &bindings::adopt_array, "array"_a, "in_place"_a = false,
           "The array on this device: itself, its memory in place, or a copy. None where in_place is "
           "impossible.")
      .def("from_dlpack", &bindings::from_dlpack, "obj"_a,
           nb::sig("def from_dlpack(self, obj: typing.Any) -> Array"),
           "The array in a Metal buffer that obj exports by DLPack, device (8, 0), in place. Its producer "
           "must "
           "have\n"
           "finished its work. On the software device only what arrays of this device exported.")
      .def("empty", &bindings::empty_array, "shape"_a, "dtype"_a,
           nb::sig("def empty(self, shape: int | collections.abc.Sequence[int], dtype: str) -> Array"),
           "Uninitialised and contiguous.")
      .def(
          "holds", [](const Metal& metal, const Array& array) { return metal->holds(array); }, "array"_a,
          "True for an array in memory of this device.")
      .def(
          "flush", [](const Metal& metal) { metal->flush(); }, nb::call_guard<nb::gil_scoped_release>(),
          "Commit what is encoded; does not wait.")
      .def(
          "synchronize", [](const Metal& metal) { metal->synchronize(); },
          nb::call_guard<nb::gil_scoped_release>(),
          "Wait for everything. Raises BackendError where it failed.")
      .def(
          "poison", [](const Metal& metal, std::size_t bytes) { metal->poison(bytes); }, "bytes"_a,
          nb::call_guard<nb::gil_scoped_release>(),
          "Fill the memory that the next results of so many bytes may take with 0xFF.")
      .def("force", &bindings::force, "family"_a, "variant"_a,
           "For tests: use that variant of a kernel family wherever it can be, '' to undo.")
      .def(
          "shut_down", [](const Metal& metal) { metal->shut_down(); },
          nb::call_guard<nb::gil_scoped_release>(), "Wait, and refuse all further work.")
      .def(
          "set_cache_limit", [](const Metal& metal, std::size_t bytes) { metal->set_cache_limit(bytes); },
          "bytes"_a, nb::call_guard<nb::gil_scoped_release>(),
          "How many bytes of dead arrays to keep for reuse.");
  bindings::bind_attention(type);
  bindings::bind_copy(type);
  bindings::bind_elementwise(type);
  bindings::bind_matmul(type);
  bindings::bind_norm(type);
  bindings::bind_reduce(type);
  bindings::bind_softmax(type);
}

}  // namespace isometal
