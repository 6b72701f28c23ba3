// csrc/arguments.cpp: checks and conversions of Python arguments.
#include "arguments.h"

#include <Python.h>
#include <nanobind/stl/string.h>

#include <string>

#include "dlpack.h"
#include "error.h"

namespace nb = nanobind;

namespace isometal {
namespace {

std::string repr_of(nb::handle value) {
  return nb::cast<std::string>(nb::repr(value));
}

std::int64_t integer(nb::handle value, const char* what) {
  nb::object number = nb::steal(PyNumber_Index(value.ptr()));
  if (!number.is_valid()) {
    PyErr_Clear();
    throw DTypeError(array_message(what, " holds ", repr_of(value), "; every entry must be an integer."));
  }
  int overflow = 0;
  const long long result = PyLong_AsLongLongAndOverflow(number.ptr(), &overflow);
  if (overflow != 0) {
    throw ShapeError(array_message(what, " holds an integer beyond 64 bits; the entries must fit."));
  }
  return result;
}

/// The entries of a short sequence. Its length is asked for first, so that a huge one is not read.
std::vector<nb::object> entries(nb::handle value, const char* what, const char* of) {
  const bool text = PyUnicode_Check(value.ptr()) || PyBytes_Check(value.ptr());
  if (text || !PySequence_Check(value.ptr())) {
    throw DTypeError(array_message(what, " is ", repr_of(value), "; it must be a sequence of ", of, "."));
  }
  const Py_ssize_t length = PySequence_Size(value.ptr());
  if (length < 0) throw nb::python_error();
  if (static_cast<std::size_t>(length) > kMaxRank) {
    throw ShapeError(array_message(what, " has ", length, " entries; at most ", kMaxRank, " are supported."));
  }
  std::vector<nb::object> result;
  for (Py_ssize_t i = 0; i < length; ++i) {
    nb::object entry = nb::steal(PySequence_GetItem(value.ptr(), i));
    if (!entry.is_valid()) throw nb::python_error();
    result.push_back(std::move(entry));
  }
  return result;
}

Slice resolve(nb::handle value, std::int64_t dim, std::size_t axis) {
  if (!PySlice_Check(value.ptr())) {
    throw DTypeError(
        array_message("entry ", axis, " of slices is ", repr_of(value), "; it must be a slice."));
  }
  Py_ssize_t start = 0;
  Py_ssize_t stop = 0;
  Py_ssize_t step = 0;
  if (PySlice_Unpack(value.ptr(), &start, &stop, &step) < 0) {
    nb::python_error error;
    if (!error.matches(PyExc_ValueError) && !error.matches(PyExc_TypeError)) throw error;
    const std::string text = repr_of(value);
    if (error.matches(PyExc_TypeError))
      throw DTypeError(array_message(text, " does not hold integers; it must."));
    throw ShapeError(array_message(text, " has a step of 0 on axis ", axis, "; it must not be 0."));
  }
  PySlice_AdjustIndices(dim, &start, &stop, step);
  return {start, stop, step};
}

}  // namespace

Dims dims_argument(nb::handle value, const char* what) {
  Dims result;
  for (const nb::object& entry : entries(value, what, "integers")) result.push_back(integer(entry, what));
  return result;
}

Dims shape_argument(nb::handle value) {
  if (PyIndex_Check(value.ptr())) return {integer(value, "shape")};
  return dims_argument(value, "shape");
}

DType dtype_argument(nb::handle value) {
  std::string text;
  if (!nb::try_cast(value, text)) {
    throw DTypeError(
        array_message("dtype is ", repr_of(value), "; pass one of the names ", dtype_names(), "."));
  }
  const auto dtype = dtype_from_name(text);
  if (!dtype)
    throw DTypeError(array_message("dtype ", text, " is not supported; supported: ", dtype_names(), "."));
  return *dtype;
}

CopyMode copy_argument(nb::handle value) {
  if (value.is_none()) return CopyMode::kIfNeeded;
  if (value.ptr() == Py_True) return CopyMode::kAlways;
  if (value.ptr() == Py_False) return CopyMode::kNever;
  throw DTypeError(array_message("copy is ", repr_of(value), "; it must be True, False or None."));
}

std::vector<Slice> slices_argument(nb::handle value, const Dims& shape) {
  const std::vector<nb::object> given = entries(value, "slices", "slices");
  if (given.size() != shape.size()) {
    throw ShapeError(
        array_message(given.size(), " slices for ", shape.size(), " dimensions; give one per dimension."));
  }
  std::vector<Slice> result;
  for (std::size_t axis = 0; axis < given.size(); ++axis)
    result.push_back(resolve(given[axis], shape[axis], axis));
  return result;
}

bool wants_versioned(nb::handle max_version) {
  if (max_version.is_none()) return false;
  const Dims version = dims_argument(max_version, "max_version");
  if (version.size() != 2) {
    throw ShapeError(array_message("max_version is ", to_string(version), "; it must be (major, minor)."));
  }
  return version[0] >= dlpack::kMajorVersion;
}

std::int32_t dlpack_device_argument(nb::handle stream, nb::handle dl_device) {
  if (!stream.is_none()) {
    throw ShapeError(array_message("stream is ", repr_of(stream),
                                   "; memory of the CPU and of Metal has no streams: pass None."));
  }
  if (dl_device.is_none()) return dlpack::kDeviceCpu;
  const Dims device = dims_argument(dl_device, "dl_device");
  if (device == Dims{dlpack::kDeviceCpu, 0}) return dlpack::kDeviceCpu;
  if (device == Dims{dlpack::kDeviceMetal, 0}) return dlpack::kDeviceMetal;
  const std::string message =
      array_message("dl_device is ", to_string(device),
                    "; this memory can be shared with the CPU, (1, 0), and with Metal, (8, 0).");
  throw nb::buffer_error(message.c_str());
}

}  // namespace isometal
