// csrc/exchange_in.cpp: memory from Python producers: DLPack capsules and the buffer protocol.
#include <Python.h>
#include <nanobind/stl/string.h>

#include <bit>
#include <cstring>
#include <exception>
#include <string>
#include <utility>

#include "checked.h"
#include "dlpack.h"
#include "error.h"
#include "exchange.h"

namespace nb = nanobind;

namespace isometal {
namespace {

std::string type_name_of(nb::handle object) {
  return nb::cast<std::string>(nb::str(nb::type_name(object.type())));
}

/// Calls `release` with the GIL and without disturbing a pending exception. The last view may die on any
/// thread.
template <typename F>
void release_under_gil(F&& release) noexcept {
  if (!nb::is_alive())
    return;  // after the interpreter's end its objects must not be touched: the memory is the OS's
  nb::gil_scoped_acquire gil;
  nb::error_scope pending;
  release();
}

/// What an exception says, ready to stand in the middle of a sentence.
std::string text_of(const nb::python_error& error) {
  std::string text = nb::cast<std::string>(nb::str(error.value()));
  while (!text.empty() && text.back() == '.') text.pop_back();
  return text;
}

// ---- DLPack ----

std::optional<DTypeKind> kind_of(std::uint8_t code) {
  switch (code) {
    case dlpack::kInt:
      return DTypeKind::kInt;
    case dlpack::kUInt:
      return DTypeKind::kUInt;
    case dlpack::kFloat:
      return DTypeKind::kFloat;
    case dlpack::kBFloat:
      return DTypeKind::kBFloat;
    case dlpack::kBool:
      return DTypeKind::kBool;
    default:
      return std::nullopt;
  }
}

std::string name_of(const dlpack::DataType& type) {
  std::string text;
  switch (type.code) {
    case dlpack::kInt:
      text = "int";
      break;
    case dlpack::kUInt:
      text = "uint";
      break;
    case dlpack::kFloat:
      text = "float";
      break;
    case dlpack::kBFloat:
      text = "bfloat";
      break;
    case dlpack::kComplex:
      text = "complex";
      break;
    case dlpack::kBool:
      text = "bool";
      break;
    default:
      text = "dlpack type code " + std::to_string(type.code) + " of bits ";
  }
  text += std::to_string(type.bits);
  return type.lanes == 1 ? text : text + "x" + std::to_string(type.lanes);
}

/// Throws unless the memory is the CPU's.
void require_cpu(std::int64_t device_type, std::int64_t device_id) {
  if (device_type == dlpack::kDeviceCpu) return;
  throw ShapeError(array_message("the memory is on DLPack device (", device_type, ", ", device_id,
                                 "); only the CPU, (1, 0), can be read: move it there first."));
}

/// All but where the memory is.
Foreign describe(const dlpack::Tensor& tensor, std::shared_ptr<void> owner) {
  if (tensor.ndim < 0 || tensor.ndim > static_cast<std::int32_t>(kMaxRank)) {
    throw ShapeError(
        array_message("the producer gave ", tensor.ndim, " dimensions; 0 to ", kMaxRank, " are supported."));
  }
  if (tensor.ndim > 0 && tensor.shape == nullptr) {
    throw ShapeError(array_message("the producer gave a null shape for ", tensor.ndim, " dimensions."));
  }
  Foreign foreign;
  foreign.owner = std::move(owner);
  foreign.type_name = name_of(tensor.dtype);
  foreign.itemsize = tensor.dtype.lanes == 1 && tensor.dtype.bits % 8 == 0 ? tensor.dtype.bits / 8 : 0;
  const auto kind = kind_of(tensor.dtype.code);
  if (kind) foreign.dtype = dtype_from_kind(*kind, foreign.itemsize);
  const auto rank = static_cast<std::size_t>(tensor.ndim);
  if (rank > 0) foreign.shape.assign(tensor.shape, tensor.shape + rank);
  if (tensor.strides != nullptr && rank > 0) {
    foreign.byte_strides.assign(tensor.strides, tensor.strides + rank);
  } else {
    foreign.byte_strides = contiguous_layout(foreign.shape).strides;
  }
  if (element_count(foreign.shape) > 0) {
    for (std::int64_t& stride : foreign.byte_strides) {
      const auto bytes = checked_mul(stride, foreign.itemsize);
      if (!bytes) {
        throw ShapeError(
            array_message("the producer gave a stride of ", stride, " elements; it must lie in memory."));
      }
      stride = *bytes;
    }
  }
  return foreign;
}

Foreign describe_on_cpu(const dlpack::Tensor& tensor, std::shared_ptr<void> owner) {
  require_cpu(tensor.device.device_type, tensor.device.device_id);
  Foreign foreign = describe(tensor, std::move(owner));
  if (tensor.data != nullptr) foreign.first = static_cast<std::byte*>(tensor.data) + tensor.byte_offset;
  return foreign;
}

template <typename Managed>
MetalTensor describe_on_metal(const std::shared_ptr<Managed>& managed) {
  const dlpack::Tensor& tensor = managed->tensor;
  if (tensor.device.device_type != dlpack::kDeviceMetal) {
    throw ShapeError(array_message("the memory is on DLPack device (", tensor.device.device_type, ", ",
                                   tensor.device.device_id, "), but its producer said Metal, (8, 0)."));
  }
  if (auto own = own_metal_array(*managed)) return {std::move(own), nullptr, 0, {}};
  return {std::nullopt, tensor.data, tensor.byte_offset, describe(tensor, managed)};
}

/// Takes over the tensor in the capsule if the capsule is of that kind.
template <typename Managed>
std::shared_ptr<Managed> take(nb::handle capsule) {
  if (!PyCapsule_IsValid(capsule.ptr(), Managed::kCapsuleName)) return nullptr;
  auto* managed = static_cast<Managed*>(PyCapsule_GetPointer(capsule.ptr(), Managed::kCapsuleName));
  if (PyCapsule_SetName(capsule.ptr(), Managed::kUsedName) != 0) throw nb::python_error();
  return std::shared_ptr<Managed>(managed, [](Managed* taken) {
    release_under_gil([taken] {
      if (taken->deleter != nullptr) taken->deleter(taken);
    });
  });
}

/// As take; throws ShapeError for another major version, of which no more may be read.
std::shared_ptr<dlpack::ManagedVersioned> take_versioned(nb::handle capsule) {
  auto versioned = take<dlpack::ManagedVersioned>(capsule);
  if (versioned != nullptr && versioned->version.major != dlpack::kMajorVersion) {
    throw ShapeError(array_message("the producer speaks DLPack ", versioned->version.major, ".",
                                   versioned->version.minor, "; version ", dlpack::kMajorVersion,
                                   " is understood."));
  }
  return versioned;
}

[[noreturn]] void refuse_capsule(nb::handle capsule) {
  throw DTypeError(array_message("__dlpack__ returned ", type_name_of(capsule),
                                 "; it must return a capsule that holds a fresh DLPack tensor."));
}

Foreign from_capsule(nb::handle capsule) {
  if (auto versioned = take_versioned(capsule)) {
    Foreign foreign = describe_on_cpu(versioned->tensor, versioned);
    foreign.readonly = (versioned->flags & dlpack::kFlagReadOnly) != 0;
    foreign.copied = (versioned->flags & dlpack::kFlagIsCopied) != 0;
    return foreign;
  }
  if (auto unversioned = take<dlpack::Managed>(capsule))
    return describe_on_cpu(unversioned->tensor, unversioned);
  refuse_capsule(capsule);
}

/// Asks for a capsule in the newest form first; producers from before an argument answer it with TypeError.
nb::object request_capsule(nb::handle object, CopyMode mode) {
  nb::object method = object.attr("__dlpack__");
  nb::object version = nb::make_tuple(dlpack::kMajorVersion, dlpack::kMinorVersion);
  if (mode == CopyMode::kNever) {
    try {
      return method(nb::arg("max_version") = version, nb::arg("copy") = false);
    } catch (nb::python_error& error) {
      if (!error.matches(PyExc_TypeError)) throw;
    }
  }
  try {
    return method(nb::arg("max_version") = version);
  } catch (nb::python_error& error) {
    if (!error.matches(PyExc_TypeError)) throw;
  }
  return method();
}

void require_cpu(nb::handle object) {
  if (!nb::hasattr(object, "__dlpack_device__")) return;
  nb::object device = object.attr("__dlpack_device__")();
  std::pair<std::int64_t, std::int64_t> pair;
  if (!nb::isinstance<nb::tuple>(device) || nb::len(device) != 2 || !nb::try_cast(device[0], pair.first) ||
      !nb::try_cast(device[1], pair.second)) {
    throw DTypeError(array_message("__dlpack_device__ returned ", nb::cast<std::string>(nb::repr(device)),
                                   "; it must return two integers."));
  }
  require_cpu(pair.first, pair.second);
}

Foreign from_dlpack(nb::handle object, CopyMode mode) {
  require_cpu(object);
  return from_capsule(request_capsule(object, mode));
}

// ---- buffer protocol ----

std::optional<DTypeKind> kind_of_format(char code) {
  if (code == '?') return DTypeKind::kBool;
  if (std::strchr("bhilqn", code) != nullptr) return DTypeKind::kInt;
  if (std::strchr("BHILQN", code) != nullptr) return DTypeKind::kUInt;
  if (std::strchr("efd", code) != nullptr) return DTypeKind::kFloat;
  return std::nullopt;
}

/// The struct-module format of one element, if it is a plain number in this machine's byte order.
std::optional<DType> dtype_of_format(std::string format, std::int64_t itemsize) {
  constexpr char kNative = std::endian::native == std::endian::little ? '<' : '>';
  if (!format.empty() && (format[0] == '@' || format[0] == '=' || format[0] == kNative || itemsize == 1)) {
    if (std::strchr("@=<>!", format[0]) != nullptr) format.erase(0, 1);
  }
  if (format.size() != 1) return std::nullopt;
  const auto kind = kind_of_format(format[0]);
  return kind ? dtype_from_kind(*kind, itemsize) : std::nullopt;
}

Foreign from_buffer(nb::handle object) {
  auto* view = new Py_buffer{};
  if (PyObject_GetBuffer(object.ptr(), view, PyBUF_RECORDS_RO) != 0) {
    delete view;
    throw nb::python_error();
  }
  std::shared_ptr<void> owner(view, [](void* held) {
    release_under_gil([held] { PyBuffer_Release(static_cast<Py_buffer*>(held)); });
    delete static_cast<Py_buffer*>(held);
  });
  Foreign foreign;
  const std::string format = view->format == nullptr ? "B" : view->format;
  foreign.type_name = "of buffer format '" + format + "'";
  foreign.dtype = dtype_of_format(format, view->itemsize);
  foreign.itemsize = view->itemsize;
  foreign.first = static_cast<std::byte*>(view->buf);
  foreign.readonly = view->readonly != 0;
  foreign.owner = std::move(owner);
  for (int axis = 0; axis < view->ndim; ++axis) {
    foreign.shape.push_back(view->shape[axis]);
    foreign.byte_strides.push_back(view->strides[axis]);
  }
  return foreign;
}

}  // namespace

MetalTensor import_metal(nb::handle object) {
  const nb::object capsule = request_capsule(object, CopyMode::kIfNeeded);
  if (auto versioned = take_versioned(capsule)) {
    MetalTensor tensor = describe_on_metal(versioned);
    tensor.foreign.readonly = (versioned->flags & dlpack::kFlagReadOnly) != 0;
    return tensor;
  }
  if (auto unversioned = take<dlpack::Managed>(capsule)) return describe_on_metal(unversioned);
  refuse_capsule(capsule);
}

Foreign import_foreign(nb::handle object, CopyMode mode) {
  // Classes carry their instances' methods, but export nothing.
  const bool has_dlpack = !PyType_Check(object.ptr()) && nb::hasattr(object, "__dlpack__");
  const bool has_buffer = PyObject_CheckBuffer(object.ptr()) != 0;
  if (!has_dlpack && !has_buffer) {
    throw DTypeError(array_message("cannot read ", type_name_of(object),
                                   "; pass an object that exports DLPack or the buffer protocol."));
  }
  if (!has_dlpack) {
    try {
      return from_buffer(object);
    } catch (nb::python_error& error) {
      if (!error.matches(PyExc_BufferError) && !error.matches(PyExc_ValueError)) throw;
      throw DTypeError(array_message("cannot read ", type_name_of(object), ": ", text_of(error),
                                     "; copy it to a plain array."));
    }
  }
  std::string reason;  // empty where the memory, not the protocol, was the trouble
  std::exception_ptr refused;
  try {
    return from_dlpack(object, mode);
  } catch (nb::python_error& error) {
    // NumPy refuses read-only memory this way before 2.1, and bfloat16 in every version.
    if (!error.matches(PyExc_BufferError) && !error.matches(PyExc_TypeError) &&
        !error.matches(PyExc_ValueError))
      throw;
    reason = text_of(error);
  } catch (const ShapeError&) {
    // A GPU array that lives in shared memory may still show it to the CPU through its buffer.
    refused = std::current_exception();
  }
  if (has_buffer) {
    try {
      return from_buffer(object);
    } catch (nb::python_error& error) {
      if (!error.matches(PyExc_BufferError) && !error.matches(PyExc_ValueError)) throw;
    }
  }
  if (refused) std::rethrow_exception(refused);
  throw DTypeError(array_message("cannot read ", type_name_of(object), ": ", reason,
                                 "; pass it in a supported dtype, or pass its bits to from_bits."));
}

}  // namespace isometal
