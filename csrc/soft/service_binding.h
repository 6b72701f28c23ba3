// csrc/soft/service_binding.h: the compile service of the C++ device, for Python to implement.
#pragma once

#include <nanobind/nanobind.h>

namespace isometal::soft {

void bind_service(nanobind::module_& m);

}  // namespace isometal::soft
