// csrc/soft/bindings.h: the software device in the module isometal._core.
#pragma once

#include <nanobind/nanobind.h>

namespace isometal::soft {

void bind(nanobind::module_& m);

}  // namespace isometal::soft
