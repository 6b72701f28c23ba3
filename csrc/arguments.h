// csrc/arguments.h: Python arguments to the core's types, with the project's errors instead of overload
// listings.
#pragma once

#include <nanobind/nanobind.h>

#include <vector>

#include "dtype.h"
#include "foreign.h"
#include "layout.h"

namespace isometal {

/// A sequence of integers; `what` names it in messages. Throws DTypeError on other types, ShapeError on
/// integers beyond 64 bits and on more than kMaxRank of them.
Dims dims_argument(nanobind::handle value, const char* what);

/// As dims_argument; one integer stands for one dimension.
Dims shape_argument(nanobind::handle value);

DType dtype_argument(nanobind::handle value);
CopyMode copy_argument(nanobind::handle value);

/// One `slice` per dimension, resolved against `shape` by Python's rules.
std::vector<Slice> slices_argument(nanobind::handle value, const Dims& shape);

/// True if a tensor of DLPack 1 may be handed out, by `max_version`, which is None or two integers.
bool wants_versioned(nanobind::handle max_version);

/// The DLPack device type that `dl_device` asks for, the CPU's or Metal's; None asks for the CPU's. Throws
/// BufferError for others, ShapeError unless `stream` is None.
std::int32_t dlpack_device_argument(nanobind::handle stream, nanobind::handle dl_device);

}  // namespace isometal
