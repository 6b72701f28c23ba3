// csrc/exchange_out.cpp: Arrays to Python consumers: DLPack capsules and the buffer protocol.
#include <Python.h>

#include <memory>
#include <utility>

#include "checked.h"
#include "dlpack.h"
#include "error.h"
#include "exchange.h"

namespace nb = nanobind;

namespace isometal {
namespace {

std::uint8_t dlpack_code(DTypeKind kind) {
  switch (kind) {
    case DTypeKind::kBool:
      return dlpack::kBool;
    case DTypeKind::kInt:
      return dlpack::kInt;
    case DTypeKind::kUInt:
      return dlpack::kUInt;
    case DTypeKind::kFloat:
      return dlpack::kFloat;
    case DTypeKind::kBFloat:
      return dlpack::kBFloat;
  }
  return dlpack::kUInt;
}

/// The tensor, and everything that it points to, in one block that its deleter frees.
template <typename Managed>
struct Export {
  Managed managed{};
  Array array;
  Dims shape;
  Dims strides;

  Export(Array exported, std::int32_t device)
      : array(std::move(exported)), shape(array.shape()), strides(array.strides()) {
    dlpack::Tensor& tensor = managed.tensor;
    if (device == dlpack::kDeviceMetal) {
      tensor.data = array.buffer()->device()->handle();
      tensor.byte_offset = static_cast<std::uint64_t>(array.offset() * itemsize(array.dtype()));
    } else {
      tensor.data = const_cast<std::byte*>(array.data());
    }
    tensor.device = {device, 0};
    tensor.ndim = static_cast<std::int32_t>(shape.size());
    const DTypeInfo& type = info(array.dtype());
    tensor.dtype = {dlpack_code(type.kind), static_cast<std::uint8_t>(type.itemsize * 8), 1};
    tensor.shape = shape.data();
    tensor.strides = strides.data();
    managed.context = this;
    managed.deleter = destroy;
  }

  static void destroy(Managed* self) { delete static_cast<Export*>(self->context); }
};

template <typename Managed>
std::optional<Array> own_array(const Managed& managed) {
  if (managed.deleter != &Export<Managed>::destroy ||
      managed.tensor.device.device_type != dlpack::kDeviceMetal)
    return std::nullopt;
  return static_cast<const Export<Managed>*>(managed.context)->array;
}

template <typename Managed>
nb::object to_capsule(std::unique_ptr<Export<Managed>> exported) {
  PyObject* capsule = PyCapsule_New(&exported->managed, Managed::kCapsuleName, [](PyObject* dying) {
    // A consumer that took the tensor renamed the capsule.
    if (!PyCapsule_IsValid(dying, Managed::kCapsuleName)) return;
    auto* managed = static_cast<Managed*>(PyCapsule_GetPointer(dying, Managed::kCapsuleName));
    managed->deleter(managed);
  });
  if (capsule == nullptr) throw nb::python_error();
  exported.release();
  return nb::steal(capsule);
}

const char* format_of(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
      return "f";
    case DType::kFloat16:
      return "e";
    case DType::kInt32:
      return "i";
    case DType::kInt64:
      return "q";
    case DType::kUInt32:
      return "I";
    case DType::kBool:
      return "?";
    case DType::kBFloat16:
      return nullptr;  // the protocol has no such format
  }
  return nullptr;
}

const char* bits_format_of(DType dtype) {
  switch (itemsize(dtype)) {
    case 1:
      return "B";
    case 2:
      return "H";
    case 4:
      return "I";
    default:
      return "Q";
  }
}

bool asks(int flags, int what) {
  return (flags & what) == what;
}

/// Why a consumer with these flags cannot have the array; null if it can.
const char* refusal(const Array& array, const char* format, int flags) {
  if (format == nullptr) {
    return "[array] the buffer protocol has no bfloat16; use view_bits() for its bits, or numpy.asarray.";
  }
  if (asks(flags, PyBUF_WRITABLE) && array.readonly()) {
    return "[array] the memory is read-only; ask for a read-only buffer, or copy the array.";
  }
  const bool row_major = array.is_contiguous();
  const bool ok_without_strides = asks(flags, PyBUF_STRIDES) || row_major;
  const auto column_major = [&array] {
    Layout flipped = array.layout();
    flipped.shape = Dims(array.shape().rbegin(), array.shape().rend());
    flipped.strides = Dims(array.strides().rbegin(), array.strides().rend());
    return is_contiguous(flipped);
  };
  if (!ok_without_strides || (asks(flags, PyBUF_C_CONTIGUOUS) && !row_major) ||
      (asks(flags, PyBUF_F_CONTIGUOUS) && !column_major()) ||
      (asks(flags, PyBUF_ANY_CONTIGUOUS) && !row_major && !column_major())) {
    return "[array] the view is not contiguous in the order asked for; use contiguous() first.";
  }
  return nullptr;
}

}  // namespace

void wait_for(const Array& array) {
  if (array.buffer()->device() == nullptr) return;
  nb::gil_scoped_release release;
  array.buffer()->wait();
}

std::optional<Array> own_metal_array(const dlpack::Managed& managed) {
  return own_array(managed);
}

std::optional<Array> own_metal_array(const dlpack::ManagedVersioned& managed) {
  return own_array(managed);
}

nb::object export_dlpack(const Array& array, const DlpackRequest& request) {
  if (request.device == dlpack::kDeviceMetal) {
    if (array.buffer()->device() == nullptr)
      throw nb::buffer_error("[array] the array lies in host memory, not in a Metal buffer; ask for (1, 0).");
    if (request.copy == CopyMode::kAlways)
      throw nb::buffer_error("[array] a copy would lie in host memory; copy on the device first.");
  }
  // Nothing orders what a consumer does on a queue of its own after what was encoded here.
  wait_for(array);
  const bool copy = request.copy == CopyMode::kAlways;
  Array exported = copy ? array.copy() : array;
  if (request.versioned) {
    auto managed = std::make_unique<Export<dlpack::ManagedVersioned>>(std::move(exported), request.device);
    managed->managed.version = {dlpack::kMajorVersion, dlpack::kMinorVersion};
    managed->managed.flags =
        (managed->array.readonly() ? dlpack::kFlagReadOnly : 0) | (copy ? dlpack::kFlagIsCopied : 0);
    return to_capsule(std::move(managed));
  }
  if (exported.readonly()) {
    throw nb::buffer_error(
        "[array] the memory is read-only, which DLPack before 1.0 cannot say; pass max_version=(1, 0), or "
        "copy=True.");
  }
  return to_capsule(std::make_unique<Export<dlpack::Managed>>(std::move(exported), request.device));
}

int get_buffer(const Array& array, bool as_bits, PyObject* exporter, Py_buffer* view, int flags) {
  view->obj = nullptr;
  const char* format = as_bits ? bits_format_of(array.dtype()) : format_of(array.dtype());
  if (const char* reason = refusal(array, format, flags)) {
    PyErr_SetString(PyExc_BufferError, reason);
    return -1;
  }
  wait_for(array);
  const std::size_t rank = array.ndim();
  // Shape, then strides; one more element keeps the block non-empty for 0-d arrays.
  auto dims = std::make_unique<Py_ssize_t[]>(2 * rank + 1);
  for (std::size_t axis = 0; axis < rank; ++axis) {
    dims[axis] = array.shape()[axis];
    // Only a stride that is never walked can be too large to count bytes.
    dims[rank + axis] = checked_mul(array.strides()[axis], itemsize(array.dtype())).value_or(0);
  }
  view->buf = const_cast<std::byte*>(array.data());
  view->len = array.nbytes();
  view->itemsize = itemsize(array.dtype());
  view->readonly = array.readonly() ? 1 : 0;
  view->ndim = static_cast<int>(rank);
  view->format = asks(flags, PyBUF_FORMAT) ? const_cast<char*>(format) : nullptr;
  view->shape = asks(flags, PyBUF_ND) ? dims.get() : nullptr;
  view->strides = asks(flags, PyBUF_STRIDES) ? dims.get() + rank : nullptr;
  view->suboffsets = nullptr;
  view->internal = dims.release();
  Py_INCREF(exporter);
  view->obj = exporter;
  return 0;
}

void release_buffer(Py_buffer* view) {
  delete[] static_cast<Py_ssize_t*>(view->internal);
}

}  // namespace isometal
