// csrc/metal_bindings/elementwise.cpp: elementwise ops.
#include "ops/elementwise.h"

#include "arguments.h"
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

template <launch::UnaryOp Op>
Array unary(const Metal& metal, const Array& x) {
  nb::gil_scoped_release release;
  return ops::unary(*metal, Op, x);
}

Array astype(const Metal& metal, const Array& x, nb::handle dtype) {
  const DType type = dtype_argument(dtype);
  nb::gil_scoped_release release;
  return ops::astype(*metal, x, type);
}

Array causal_mask(const Metal& metal, std::int64_t q_len, std::int64_t kv_len, nb::handle dtype) {
  const DType type = dtype_argument(dtype);
  nb::gil_scoped_release release;
  return ops::causal_mask(*metal, q_len, kv_len, type);
}

}  // namespace

void bind_elementwise(nb::class_<Metal>& metal) {
  metal.def("add", &binary<launch::BinaryOp::kAdd>, "a"_a, "b"_a)
      .def("subtract", &binary<launch::BinaryOp::kSubtract>, "a"_a, "b"_a)
      .def("multiply", &binary<launch::BinaryOp::kMultiply>, "a"_a, "b"_a)
      .def("divide", &binary<launch::BinaryOp::kDivide>, "a"_a, "b"_a)
      .def("negative", &unary<launch::UnaryOp::kNegative>, "x"_a)
      .def("silu", &unary<launch::UnaryOp::kSilu>, "x"_a)
      .def("gelu", &unary<launch::UnaryOp::kGelu>, "x"_a)
      .def("gelu_tanh", &unary<launch::UnaryOp::kGeluTanh>, "x"_a)
      .def("gelu_fast", &unary<launch::UnaryOp::kGeluFast>, "x"_a)
      .def("astype", &astype, "x"_a, "dtype"_a, nb::sig("def astype(self, x: Array, dtype: str) -> Array"))
      .def("causal_mask", &causal_mask, "q_len"_a, "kv_len"_a, "dtype"_a,
           nb::sig("def causal_mask(self, q_len: int, kv_len: int, dtype: str) -> Array"));
}

}  // namespace isometal::bindings
