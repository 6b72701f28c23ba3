// csrc/exchange.h: arrays in and out of Python: DLPack capsules and the buffer protocol.
#pragma once

#include <nanobind/nanobind.h>

#include <cstdint>
#include <optional>

#include "array.h"
#include "foreign.h"

namespace isometal {

/// The memory behind `object`, by DLPack or, where that is absent or refused, by the buffer protocol. `mode`
/// is passed on to the producer. Throws DTypeError if the object exports neither, ShapeError if its memory is
/// not on the CPU.
Foreign import_foreign(nanobind::handle object, CopyMode mode);

/// Returns when the elements may be read; others run Python meanwhile. Throws BackendError.
void wait_for(const Array& array);

/// What `__dlpack__` returns.
struct DlpackRequest {
  bool versioned = false;
  CopyMode copy = CopyMode::kIfNeeded;
};
nanobind::object export_dlpack(const Array& array, const DlpackRequest& request);

/// Bodies of the slots Py_bf_getbuffer and Py_bf_releasebuffer; with `as_bits`, elements are shown as
/// unsigned integers.
int get_buffer(const Array& array, bool as_bits, PyObject* exporter, Py_buffer* view, int flags);
void release_buffer(Py_buffer* view);

}  // namespace isometal
