// csrc/bindings.cpp: the module isometal._core. Thin: arguments in, core call, result out.
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "arguments.h"
#include "array.h"
#include "build_info.h"
#include "error.h"
#include "exchange.h"
#if ISOMETAL_METAL
#include "metal_bindings/metal.h"
#endif
#if ISOMETAL_SOFT
#include "soft/bindings.h"
#endif

namespace nb = nanobind;
using namespace nb::literals;
using isometal::Array;

namespace {

// A wheel for macOS may be built with the headers of another system's Python (cmake/macos_wheel.py).
static_assert(sizeof(void*) == SIZEOF_VOID_P && sizeof(long) == SIZEOF_LONG &&
              sizeof(wchar_t) == SIZEOF_WCHAR_T && sizeof(std::size_t) == SIZEOF_SIZE_T);

/// What a memoryview looks at when the elements are to be seen as unsigned integers.
struct ArrayBits {
  Array array;
};

constexpr const char* kUninitialised =
    "[array] the Array was never initialised; make it with asarray or empty.";

template <typename T>
const Array& array_of(PyObject* self) {
  if constexpr (std::is_same_v<T, Array>) {
    return *nb::inst_ptr<Array>(self);
  } else {
    return nb::inst_ptr<T>(self)->array;
  }
}

template <typename T>
int get_buffer(PyObject* self, Py_buffer* view, int flags) {
  view->obj = nullptr;
  // `Array.__new__(Array)` makes an object without an Array in it; slots, unlike methods, are called on it
  // too.
  if (!nb::inst_ready(self)) {
    PyErr_SetString(PyExc_BufferError, kUninitialised);
    return -1;
  }
  try {
    return isometal::get_buffer(array_of<T>(self), std::is_same_v<T, ArrayBits>, self, view, flags);
  } catch (nb::python_error& interrupted) {
    interrupted.restore();
    return -1;
  } catch (const isometal::BackendError& error) {
    PyErr_SetString(PyExc_BufferError, error.what());
    return -1;
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
    return -1;
  }
}

void release_buffer(PyObject*, Py_buffer* view) {
  isometal::release_buffer(view);
}

template <typename T>
PyType_Slot buffer_slots[] = {
    {Py_bf_getbuffer, reinterpret_cast<void*>(get_buffer<T>)},
    {Py_bf_releasebuffer, reinterpret_cast<void*>(release_buffer)},
    {0, nullptr},
};

nb::tuple to_tuple(const isometal::Dims& dims) {
  return nb::tuple(nb::cast(dims));
}

nb::object view_bits(const Array& array) {
  nb::object exporter = nb::cast(ArrayBits{array});
  nb::object view = nb::steal(PyMemoryView_FromObject(exporter.ptr()));
  if (!view.is_valid()) throw nb::python_error();
  return view;
}

Array asarray(nb::handle object, nb::handle copy) {
  const isometal::CopyMode mode = isometal::copy_argument(copy);
  if (nb::isinstance<Array>(object)) {
    if (!nb::inst_ready(object)) throw isometal::DTypeError(kUninitialised);
    const Array& array = *nb::inst_ptr<Array>(object);
    return mode == isometal::CopyMode::kAlways ? array.copy() : array;
  }
  isometal::Foreign foreign = isometal::import_foreign(object, mode);
  if (!foreign.dtype) {
    throw isometal::DTypeError(isometal::array_message(
        "dtype ", foreign.type_name, " is not supported; supported: ", isometal::dtype_names(), "."));
  }
  const isometal::DType dtype = *foreign.dtype;
  return isometal::adopt(std::move(foreign), dtype, mode);
}

Array from_bits(nb::handle object, nb::handle dtype_name, nb::handle copy) {
  const isometal::DType dtype = isometal::dtype_argument(dtype_name);
  const isometal::CopyMode mode = isometal::copy_argument(copy);
  isometal::Foreign foreign = isometal::import_foreign(object, mode);
  if (foreign.itemsize != isometal::itemsize(dtype)) {
    throw isometal::DTypeError(isometal::array_message(
        "elements ", foreign.type_name, " of ", foreign.itemsize, " bytes are not the bits of ",
        isometal::name(dtype), "; pass elements of ", isometal::itemsize(dtype), " bytes."));
  }
  return isometal::adopt(std::move(foreign), dtype, mode);
}

/// NumPy asks for this where the buffer protocol fails it: for bfloat16, which ml_dtypes defines for it.
nb::object to_numpy(const Array& array, nb::handle dtype, nb::handle copy) {
  const isometal::CopyMode mode = isometal::copy_argument(copy);
  nb::module_ numpy = nb::module_::import_("numpy");
  nb::module_ ml_dtypes = nb::module_::import_("ml_dtypes");
  nb::object own =
      array.dtype() == isometal::DType::kBFloat16
          ? nb::object(ml_dtypes.attr("bfloat16"))
          : nb::object(nb::str(isometal::name(array.dtype()).data(), isometal::name(array.dtype()).size()));
  nb::object values = numpy.attr("asarray")(view_bits(array)).attr("view")(own);
  const bool converts = !dtype.is_none() && !values.attr("dtype").equal(numpy.attr("dtype")(dtype));
  if (converts && mode == isometal::CopyMode::kNever) {
    throw isometal::ShapeError(isometal::array_message("copy=False, but ", isometal::name(array.dtype()),
                                                       " to ", nb::cast<std::string>(nb::str(dtype)),
                                                       " needs a copy; pass copy=None."));
  }
  if (converts) return values.attr("astype")(dtype);
  return mode == isometal::CopyMode::kAlways ? nb::object(values.attr("copy")()) : values;
}

Array reshape(const Array& array, nb::handle given) {
  const isometal::Dims shape = isometal::shape_argument(given);
  if (auto view = array.reshape(shape)) return std::move(*view);
  throw isometal::ShapeError(isometal::array_message("no view of shape ", isometal::to_string(array.shape()),
                                                     " with strides ", isometal::to_string(array.strides()),
                                                     " has the shape ", isometal::to_string(shape),
                                                     "; call contiguous() first, which copies."));
}

Array transpose(const Array& array, nb::handle axes) {
  if (!axes.is_none()) return array.transpose(isometal::dims_argument(axes, "axes"));
  isometal::Dims reversed;
  for (auto axis = static_cast<std::int64_t>(array.ndim()); axis-- > 0;) reversed.push_back(axis);
  return array.transpose(reversed);
}

Array contiguous(const Array& array) {
  nb::gil_scoped_release release;
  return array.contiguous();
}

nb::object dlpack(const Array& array, nb::handle stream, nb::handle max_version, nb::handle dl_device,
                  nb::handle copy) {
  const std::int32_t device = isometal::dlpack_device_argument(stream, dl_device);
  return isometal::export_dlpack(
      array, {isometal::wants_versioned(max_version), isometal::copy_argument(copy), device});
}

std::string repr(const Array& array) {
  return "<isometal._core.Array shape=" + isometal::to_string(array.shape()) +
         " dtype=" + std::string(isometal::name(array.dtype())) +
         " strides=" + isometal::to_string(array.strides()) + " offset=" + std::to_string(array.offset()) +
         (array.readonly() ? " readonly>" : ">");
}

nb::dict build_info() {
  const isometal::BuildInfo facts = isometal::build_info();
  nb::dict result;
  result["version"] = facts.version;
  result["compiler"] = facts.compiler;
  result["cxx_standard"] = facts.cxx_standard;
  result["build_type"] = facts.build_type;
  result["abi"] = facts.abi;
  result["platform"] = facts.platform;
  result["sanitizers"] = facts.sanitizers;
  result["default_backend"] = facts.default_backend;
  result["sources"] = facts.sources;
  return result;
}

/// The core's own exceptions; nanobind itself knows the standard ones.
void translate_errors(const std::exception_ptr& error, void*) {
  try {
    std::rethrow_exception(error);
  } catch (const isometal::DTypeError& dtype_error) {
    PyErr_SetString(PyExc_TypeError, dtype_error.what());
  } catch (const isometal::BackendError& backend_error) {
    const nb::object type = nb::module_::import_("isometal.errors").attr("BackendError");
    PyErr_SetString(type.ptr(), backend_error.what());
  }
}

void bind_array(nb::module_& m) {
  nb::class_<ArrayBits>(m, "_ArrayBits", nb::type_slots(buffer_slots<ArrayBits>));

  nb::class_<Array>(
      m, "Array", nb::type_slots(buffer_slots<Array>),
      "Typed strided view of shared memory: the storage of the native backend.\n\n"
      "Made by asarray, from_bits and empty. Views share the memory; nothing but contiguous() copies.")
      .def_prop_ro(
          "shape", [](const Array& a) { return to_tuple(a.shape()); },
          nb::sig("def shape(self) -> tuple[int, ...]"))
      .def_prop_ro(
          "strides", [](const Array& a) { return to_tuple(a.strides()); },
          nb::sig("def strides(self) -> tuple[int, ...]"),
          "In elements; negative or 0 where a view needs it.")
      .def_prop_ro("dtype", [](const Array& a) { return std::string(isometal::name(a.dtype())); })
      .def_prop_ro("offset", &Array::offset,
                   "Elements between the start of the buffer and the first element.")
      .def_prop_ro("ndim", &Array::ndim)
      .def_prop_ro("size", &Array::size)
      .def_prop_ro("nbytes", &Array::nbytes)
      .def_prop_ro("readonly", &Array::readonly)
      .def_prop_ro("is_contiguous", &Array::is_contiguous, "Row-major without gaps.")
      .def("transpose", &transpose, "axes"_a = nb::none(),
           nb::sig("def transpose(self, axes: collections.abc.Sequence[int] | None = None) -> Array"),
           "View with the axes in that order; None reverses them.")
      .def("reshape", &reshape, "shape"_a.none(),
           nb::sig("def reshape(self, shape: int | collections.abc.Sequence[int]) -> Array"),
           "View of another shape. ValueError where the strides allow none.")
      .def(
          "broadcast_to",
          [](const Array& a, nb::handle shape) { return a.broadcast_to(isometal::shape_argument(shape)); },
          "shape"_a.none(),
          nb::sig("def broadcast_to(self, shape: int | collections.abc.Sequence[int]) -> Array"),
          "View that repeats the array along new axes and axes of size 1, by strides of 0.")
      .def(
          "slice",
          [](const Array& a, nb::handle slices) {
            return a.slice(isometal::slices_argument(slices, a.shape()));
          },
          "slices"_a.none(),
          nb::sig("def slice(self, slices: collections.abc.Sequence[builtins.slice]) -> Array"),
          "View of part of the array: one slice per axis, by Python's rules.")
      .def("contiguous", &contiguous, "This array if it is contiguous, else a copy that is.")
      .def(
          "wait", [](const Array& array) { isometal::wait_for(array); },
          "Returns when a device has written the elements. Raises BackendError where it failed.")
      .def("view_bits", &view_bits, nb::sig("def view_bits(self) -> memoryview"),
           "The same memory as unsigned integers of the element's width, for dtypes that a consumer lacks.")
      .def("__dlpack__", &dlpack, nb::kw_only(), "stream"_a = nb::none(), "max_version"_a = nb::none(),
           "dl_device"_a = nb::none(), "copy"_a = nb::none(),
           nb::sig("def __dlpack__(self, *, stream: None = None, max_version: tuple[int, int] | None = None, "
                   "dl_device: tuple[int, int] | None = None, copy: bool | None = None) -> "
                   "typing_extensions.CapsuleType"))
      .def(
          "__dlpack_device__", [](const Array&) { return nb::make_tuple(1, 0); },
          nb::sig("def __dlpack_device__(self) -> tuple[int, int]"))
      .def("__array__", &to_numpy, "dtype"_a = nb::none(), "copy"_a = nb::none(),
           nb::sig("def __array__(self, dtype: typing.Any = None, copy: bool | None = None) -> typing.Any"),
           "A NumPy array of the same memory; bfloat16 as ml_dtypes.bfloat16.")
      .def("__repr__", &repr);

  m.def("asarray", &asarray, "obj"_a.none(), nb::kw_only(), "copy"_a = nb::none(),
        nb::sig("def asarray(obj: typing.Any, *, copy: bool | None = None) -> Array"),
        "The memory of an object that exports DLPack or the buffer protocol, which it keeps alive.\n\n"
        "copy=None copies only memory that cannot be shared (misaligned), False raises ValueError instead, "
        "True always\n"
        "copies. A copy is contiguous and writable.");
  m.def("from_bits", &from_bits, "obj"_a.none(), "dtype"_a.none(), nb::kw_only(), "copy"_a = nb::none(),
        nb::sig("def from_bits(obj: typing.Any, dtype: str, *, copy: bool | None = None) -> Array"),
        "As asarray, with the elements, whatever their type, taken as the bits of dtype: the way in for "
        "bfloat16.");
  m.def(
      "empty",
      [](nb::handle shape, nb::handle dtype) {
        return Array::empty(isometal::shape_argument(shape), isometal::dtype_argument(dtype));
      },
      "shape"_a.none(), "dtype"_a.none(),
      nb::sig("def empty(shape: int | collections.abc.Sequence[int], dtype: str) -> Array"),
      "Uninitialised contiguous memory, page-aligned, in whole pages of 16 KiB.");
}

}  // namespace

NB_MODULE(_core, m) {
  m.doc() = "Native core of isometal: array storage, the software Metal device, and facts about the build.";
  nb::register_exception_translator(translate_errors);
  m.def("version", [] { return isometal::build_info().version; });
  m.def("build_info", &build_info, nb::sig("def build_info() -> dict[str, typing.Any]"),
        "How this binary was built: version, compiler, cxx_standard, build_type, abi, platform, sanitizers,\n"
        "default_backend (None unless a release compiled one in).");
  bind_array(m);
#if ISOMETAL_SOFT
  isometal::soft::bind(m);
#endif
#if ISOMETAL_METAL
  isometal::bind_metal(m);
#endif
}
