// csrc/metal_bindings/elementwise.cpp: elementwise ops.
#include "ops/elementwise.h"

#include "metal_bindings/metal.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace isometal::bindings {
namespace {

template <launch::BinaryOp Op>
Array binary(const Metal& metal, const Array& a, const Array& b) {
  nb::gil_scoped_release release;
  return ops::binary(*metal, Op, a, b);
}

}  // namespace

void bind_elementwise(nb::class_<Metal>& metal) {
  metal.def("add", &binary<launch::BinaryOp::kAdd>, "a"_a, "b"_a)
      .def("subtract", &binary<launch::BinaryOp::kSubtract>, "a"_a, "b"_a)
      .def("multiply", &binary<launch::BinaryOp::kMultiply>, "a"_a, "b"_a)
      .def("divide", &binary<launch::BinaryOp::kDivide>, "a"_a, "b"_a);
}

}  // namespace isometal::bindings
