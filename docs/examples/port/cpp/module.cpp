// The Python module `row_mean_host`, for tests.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "row_mean.h"
#if ISOMETAL_SOFT
#include "soft/service_binding.h"
#endif

namespace nb = nanobind;

NB_MODULE(row_mean_host, m) {
  // Kernels are compiled by Python, from whichever thread wants one: it must not find the GIL taken.
  m.def("row_mean", &row_mean, nb::call_guard<nb::gil_scoped_release>());
#if ISOMETAL_SOFT
  isometal::soft::bind_service(m);
#endif
}
