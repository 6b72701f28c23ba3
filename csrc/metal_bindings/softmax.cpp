// csrc/metal_bindings/softmax.cpp: softmax.
#include "ops/softmax.h"

#include "arguments.h"
#include "metal_bindings/metal.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace isometal::bindings {
namespace {

Array softmax(const Metal& metal, const Array& x, nb::handle axes) {
  const Dims reduced = dims_argument(axes, "axes");
  nb::gil_scoped_release release;
  return ops::softmax(*metal, x, reduced);
}

}  // namespace

void bind_softmax(nb::class_<Metal>& metal) {
  metal.def("softmax", &softmax, "x"_a, "axes"_a,
            nb::sig("def softmax(self, x: Array, axes: collections.abc.Sequence[int]) -> Array"));
}

}  // namespace isometal::bindings
