// csrc/soft/python_signals.h: lets Ctrl-C reach those who wait without the GIL.
#pragma once

#include <nanobind/nanobind.h>

namespace isometal::soft {

/// Takes the GIL and runs Python's signal handlers. True if one raised: that is this thread's error then,
/// which throwing nanobind::python_error passes on.
inline bool signals_raised() {
  nanobind::gil_scoped_acquire acquire;
  return PyErr_CheckSignals() != 0;
}

}  // namespace isometal::soft
