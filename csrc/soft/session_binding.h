// csrc/soft/session_binding.h: MetalSession for Python.
#pragma once

#include <nanobind/nanobind.h>

namespace isometal::soft {

void bind_session(nanobind::module_& m);

}  // namespace isometal::soft
