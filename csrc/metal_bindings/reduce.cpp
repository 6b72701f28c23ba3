// csrc/metal_bindings/reduce.cpp: reductions.
#include "ops/reduce.h"

#include "arguments.h"
#include "metal_bindings/metal.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace isometal::bindings {
namespace {

template <launch::ReduceOp Op>
Array reduce(const Metal& metal, const Array& x, nb::handle axes, bool keepdims) {
  const Dims reduced = dims_argument(axes, "axes");
  nb::gil_scoped_release release;
  return ops::reduce(*metal, Op, x, reduced, keepdims);
}

}  // namespace

void bind_reduce(nb::class_<Metal>& metal) {
  metal
      .def("sum", &reduce<launch::ReduceOp::kSum>, "x"_a, "axes"_a, "keepdims"_a,
           nb::sig("def sum(self, x: Array, axes: collections.abc.Sequence[int], keepdims: bool) -> Array"))
      .def("mean", &reduce<launch::ReduceOp::kMean>, "x"_a, "axes"_a, "keepdims"_a,
           nb::sig("def mean(self, x: Array, axes: collections.abc.Sequence[int], keepdims: bool) -> Array"))
      .def("max", &reduce<launch::ReduceOp::kMax>, "x"_a, "axes"_a, "keepdims"_a,
           nb::sig("def max(self, x: Array, axes: collections.abc.Sequence[int], keepdims: bool) -> Array"));
}

}  // namespace isometal::bindings
