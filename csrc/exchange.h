// csrc/exchange.h: arrays in and out of Python: DLPack capsules and the buffer protocol.
#pragma once

#include <nanobind/nanobind.h>

#include <cstdint>
#include <optional>

#include "array.h"
#include "dlpack.h"
#include "foreign.h"

namespace isometal {

/// The memory behind `object`, by DLPack or, where that is absent or refused, by the buffer protocol. `mode`
/// is passed on to the producer. Throws DTypeError if the object exports neither, ShapeError if its memory is
/// not on the CPU.
Foreign import_foreign(nanobind::handle object, CopyMode mode);

/// A tensor in a Metal buffer, as DLPack gives it.
struct MetalTensor {
  std::optional<Array> own;  ///< of export_dlpack; then the rest says nothing
  void* buffer = nullptr;    ///< an MTL::Buffer*
  std::uint64_t byte_offset = 0;
  Foreign foreign;  ///< without `first`
};

/// What `object`, whose `__dlpack_device__` says Metal, exports by DLPack. Throws ShapeError where it is on
/// another device after all.
MetalTensor import_metal(nanobind::handle object);

/// The Array of a tensor that export_dlpack made for Metal; nullopt for those of others.
std::optional<Array> own_metal_array(const dlpack::Managed& managed);
std::optional<Array> own_metal_array(const dlpack::ManagedVersioned& managed);

/// Returns when the elements may be read; others run Python meanwhile. Throws BackendError.
void wait_for(const Array& array);

/// What `__dlpack__` returns.
struct DlpackRequest {
  bool versioned = false;
  CopyMode copy = CopyMode::kIfNeeded;
  std::int32_t device = dlpack::kDeviceCpu;
};
nanobind::object export_dlpack(const Array& array, const DlpackRequest& request);

/// Bodies of the slots Py_bf_getbuffer and Py_bf_releasebuffer; with `as_bits`, elements are shown as
/// unsigned integers.
int get_buffer(const Array& array, bool as_bits, PyObject* exporter, Py_buffer* view, int flags);
void release_buffer(Py_buffer* view);

}  // namespace isometal
