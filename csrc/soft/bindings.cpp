// csrc/soft/bindings.cpp: kernels and dispatches for Python. Thin: arguments in, run, errors out.
#include "soft/bindings.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "soft/dispatch_rules.h"
#include "soft/executor.h"
#include "soft/python_signals.h"
#include "soft/reflection_binding.h"
#include "soft/service_binding.h"
#include "soft/session_binding.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace isometal::soft {
namespace {

using Sizes = std::tuple<std::uint64_t, std::uint64_t, std::uint64_t>;

Extent to_extent(const Sizes& sizes) {
  return {std::get<0>(sizes), std::get<1>(sizes), std::get<2>(sizes)};
}

std::uint32_t checked_index(std::uint32_t index) {
  if (index < abi::kArguments) return index;
  throw ValidationError(soft_message("no binding ", index, "; bindings are 0 to ", abi::kArguments - 1, "."));
}

/// A kernel and what keeps its code in memory. Python's garbage collector is told of the owner, which may
/// refer back to the kernel.
struct OwnedKernel {
  KernelReflection reflection;
  LoadedKernel kernel;
  nb::object owner;
};

int traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  if (nb::inst_ready(self)) Py_VISIT(nb::inst_ptr<OwnedKernel>(self)->owner.ptr());
  return 0;
}

int clear(PyObject* self) {
  if (nb::inst_ready(self)) nb::inst_ptr<OwnedKernel>(self)->owner.reset();
  return 0;
}

PyType_Slot kernel_slots[] = {
    {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
    {Py_tp_clear, reinterpret_cast<void*>(clear)},
    {0, nullptr},
};

/// Whether the kernel says that it writes to what is bound at an index.
bool writes(const KernelReflection& kernel, std::uint32_t index) {
  return std::any_of(kernel.arguments.begin(), kernel.arguments.end(), [&](const auto& argument) {
    return argument.kind == ArgumentKind::buffer && argument.index == index &&
           argument.access != ArgumentAccess::read;
  });
}

/// The memory of the bound objects, held for the duration of a dispatch.
class Buffers {
 public:
  explicit Buffers(std::size_t count) { views_.reserve(count); }
  ~Buffers() {
    for (Py_buffer& view : views_) PyBuffer_Release(&view);
  }
  Buffers(const Buffers&) = delete;
  Buffers& operator=(const Buffers&) = delete;

  /// What is not writable where it should be is for the rules of a dispatch to refuse.
  BoundMemory bind(std::uint32_t index, nb::handle object, bool writable) {
    Py_buffer view;
    const bool as_wanted = writable && PyObject_GetBuffer(object.ptr(), &view, PyBUF_WRITABLE) == 0;
    if (!as_wanted) {
      PyErr_Clear();
      if (PyObject_GetBuffer(object.ptr(), &view, PyBUF_SIMPLE) != 0) refuse(index, nb::python_error());
    }
    views_.push_back(view);
    const void* const address = view.len == 0 ? nullptr : view.buf;
    return {true, address, static_cast<std::uint64_t>(view.len), 0,
            writable && !as_wanted ? "read-only memory" : ""};
  }

 private:
  [[noreturn]] static void refuse(std::uint32_t index, const nb::python_error& reason) {
    const bool expected = reason.matches(PyExc_BufferError) || reason.matches(PyExc_TypeError) ||
                          reason.matches(PyExc_ValueError);
    if (!expected) throw reason;
    std::string text = nb::cast<std::string>(nb::str(reason.value()));
    while (text.ends_with('.')) text.pop_back();
    throw ValidationError(soft_message("buffer ", index, " cannot be used (", text,
                                       "); pass an object with contiguous memory."));
  }

  std::vector<Py_buffer> views_;
};

std::tuple<std::uint32_t, nb::object> to_binding(nb::handle item) {
  std::tuple<std::uint32_t, nb::object> parts;
  if (!nb::try_cast(item, parts))
    throw nb::type_error("[soft] a binding is a tuple (index, object or None).");
  checked_index(std::get<0>(parts));
  return parts;
}

Mode to_mode(const std::string& name) {
  if (name == "fast") return Mode::kFast;
  if (name == "shuffled") return Mode::kShuffled;
  throw ValidationError(soft_message("no mode '", name, "'; modes are 'fast' and 'shuffled'."));
}

void dispatch(const OwnedKernel& kernel, nb::list buffers,
              const std::vector<std::tuple<std::uint32_t, std::uint64_t>>& threadgroup_lengths,
              const Sizes& grid, const Sizes& threadgroup, bool grid_is_threads, const std::string& mode,
              std::uint64_t seed, unsigned threads) {
  DispatchRequest request;
  request.grid = to_extent(grid);
  request.threadgroup = to_extent(threadgroup);
  for (const auto& [index, bytes] : threadgroup_lengths)
    request.threadgroup_lengths[checked_index(index)] = bytes;
  Buffers memory(buffers.size());
  for (nb::handle item : buffers) {
    const auto [index, object] = to_binding(item);
    request.buffers[index] =
        object.is_none() ? BoundMemory() : memory.bind(index, object, writes(kernel.reflection, index));
  }
  const std::string wrong =
      check_dispatch(kernel.reflection, ThreadgroupLimits::of(kernel.reflection), request);
  if (!wrong.empty()) throw ValidationError(soft_message(wrong));

  Dispatch what;
  what.kernel = &kernel.kernel;
  what.grid = to_size(*request.grid);
  what.threadgroup = to_size(request.threadgroup);
  what.grid_is_threads = grid_is_threads;
  what.mode = to_mode(mode);
  what.seed = seed;
  // Here and not in run: reading the environment is safe while no other Python thread changes it.
  what.threads = threads == 0 ? default_threads() : threads;
  what.interrupted = signals_raised;
  for (std::size_t i = 0; i < abi::kArguments; ++i) {
    what.buffers[i] = const_cast<void*>(request.buffers[i].address);
    what.threadgroup_lengths[i] = static_cast<std::uint32_t>(request.threadgroup_lengths[i]);
  }
  try {
    nb::gil_scoped_release release;
    run(what);
  } catch (const Cancelled&) {
    // What a signal handler raised, KeyboardInterrupt as a rule, is this thread's error by now.
    throw nb::python_error();
  }
}

/// Raises the class of that name in isometal.soft.errors.
void raise(const char* name, const char* text) {
  try {
    const nb::object type = nb::module_::import_("isometal.soft.errors").attr(name);
    PyErr_SetString(type.ptr(), text);
  } catch (nb::python_error& error) {
    error.restore();
  }
}

void translate(const std::exception_ptr& thrown, void*) {
  try {
    std::rethrow_exception(thrown);
  } catch (const HangError& error) {
    raise("HangError", error.what());
  } catch (const ValidationError& error) {
    raise("ValidationError", error.what());
  } catch (const SoftError& error) {
    raise("SoftDeviceError", error.what());
  }
}

}  // namespace

void bind(nb::module_& m) {
  nb::register_exception_translator(translate);

  nb::class_<OwnedKernel>(
      m, "SoftKernel", nb::type_slots(kernel_slots),
      "A kernel of the software Metal device whose code is in memory (csrc/soft/kernel_abi.h).")
      .def(
          "__init__",
          [](OwnedKernel* self, std::uintptr_t address, nb::handle reflection, nb::object owner) {
            KernelReflection about = to_reflection(reflection);
            LoadedKernel kernel(reinterpret_cast<const abi::Kernel*>(address), about.name, about.sites);
            new (self) OwnedKernel{std::move(about), std::move(kernel), std::move(owner)};
          },
          "address"_a, "reflection"_a, "owner"_a = nb::none(),
          nb::sig("def __init__(self, address: int, reflection: object, owner: object = None) -> None"),
          "address: of the abi::Kernel. reflection: an isometal.soft.reflection.KernelReflection, by which "
          "dispatches are\n"
          "checked. owner: what keeps the code in memory; it lives as long as the kernel does.\n\n"
          "ValidationError where the tables at address break the ABI.")
      .def_prop_ro("name", [](const OwnedKernel& self) { return self.kernel.name(); })
      .def_prop_ro("site_count", [](const OwnedKernel& self) { return self.kernel.code().site_count; })
      .def_prop_ro("threadgroup_bytes",
                   [](const OwnedKernel& self) { return self.kernel.code().threadgroup_bytes; });

  m.def(
      "soft_dispatch", &dispatch, "kernel"_a, "buffers"_a, "threadgroup_lengths"_a, "grid"_a, "threadgroup"_a,
      "grid_is_threads"_a, "mode"_a = "fast", "seed"_a = 0, "threads"_a = 0,
      nb::sig("def soft_dispatch(kernel: SoftKernel, buffers: list[tuple[int, object]], "
              "threadgroup_lengths: collections.abc.Sequence[tuple[int, int]], grid: tuple[int, int, int], "
              "threadgroup: tuple[int, int, int], grid_is_threads: bool, mode: str = 'fast', seed: int = 0, "
              "threads: int = 0) -> None"),
      "Runs the kernel over the grid, without the GIL, and returns when it is done.\n\n"
      "buffers: (index, object with contiguous memory, which is used in place, or None). "
      "threadgroup_lengths: "
      "(index,\n"
      "bytes). mode: 'fast' or 'shuffled', by seed. threads: OS threads at most; 0 for "
      "soft_default_threads().\n\n"
      "ValidationError for what Metal's API validation refuses, HangError for a barrier that not all threads "
      "reach,\n"
      "KeyboardInterrupt (or what else a signal handler raises) between two threadgroups.");
  m.def("soft_default_threads", &default_threads,
        "OS threads of a dispatch that does not say: ISOMETAL_SOFT_THREADS, or the processors of this "
        "process.\n\n"
        "SoftDeviceError where the variable is no number from 1 to 1024.");
  bind_service(m);
  bind_session(m);
}

}  // namespace isometal::soft
