// csrc/metal_bindings/matmul.cpp: matrix products.
#include "ops/matmul.h"

#include "metal_bindings/metal.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace isometal::bindings {
namespace {

Array matmul(const Metal& metal, const Array& a, const Array& b) {
  nb::gil_scoped_release release;
  return ops::matmul(*metal, a, b);
}

}  // namespace

void bind_matmul(nb::class_<Metal>& metal) {
  metal.def("matmul", &matmul, "a"_a, "b"_a);
}

}  // namespace isometal::bindings
