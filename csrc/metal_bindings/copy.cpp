// csrc/metal_bindings/copy.cpp: copies.
#include "ops/copy.h"

#include "arguments.h"
#include "metal_bindings/metal.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace isometal::bindings {
namespace {

Array contiguous(const Metal& metal, const Array& x) {
  nb::gil_scoped_release release;
  return ops::contiguous(*metal, x);
}

Array reshape(const Metal& metal, const Array& x, nb::handle shape) {
  const Dims dims = shape_argument(shape);
  nb::gil_scoped_release release;
  return ops::reshape(*metal, x, dims);
}

}  // namespace

void bind_copy(nb::class_<Metal>& metal) {
  metal.def("contiguous", &contiguous, "x"_a, "The array itself where it is contiguous, else a copy that is.")
      .def("reshape", &reshape, "x"_a, "shape"_a,
           nb::sig("def reshape(self, x: Array, shape: int | collections.abc.Sequence[int]) -> Array"),
           "A view where the strides allow one, else a copy.");
}

}  // namespace isometal::bindings
