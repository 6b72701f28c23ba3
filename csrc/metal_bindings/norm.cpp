// csrc/metal_bindings/norm.cpp: norms and rotary positions.
#include "ops/norm.h"

#include "metal_bindings/metal.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace isometal::bindings {
namespace {

Array rms_norm(const Metal& metal, const Array& x, const Array* weight, double eps) {
  nb::gil_scoped_release release;
  return ops::norm(*metal, launch::NormOp::kRms, x, weight, nullptr, eps);
}

Array layer_norm(const Metal& metal, const Array& x, const Array* weight, const Array* bias, double eps) {
  nb::gil_scoped_release release;
  return ops::norm(*metal, launch::NormOp::kLayer, x, weight, bias, eps);
}

Array rope(const Metal& metal, const Array& x, std::int64_t dims, bool traditional, double base, double scale,
           std::int64_t offset, const Array* offsets, const Array* freqs) {
  launch::Rope wanted;
  wanted.dims = dims;
  wanted.traditional = traditional;
  wanted.base = base;
  wanted.scale = scale;
  wanted.offset = offset;
  nb::gil_scoped_release release;
  return ops::rope(*metal, wanted, x, freqs, offsets);
}

}  // namespace

void bind_norm(nb::class_<Metal>& metal) {
  metal.def("rms_norm", &rms_norm, "x"_a, "weight"_a.none(), "eps"_a)
      .def("layer_norm", &layer_norm, "x"_a, "weight"_a.none(), "bias"_a.none(), "eps"_a)
      .def("rope", &rope, "x"_a, "dims"_a, "traditional"_a, "base"_a, "scale"_a, "offset"_a,
           "offsets"_a.none(), "freqs"_a.none(), "offsets, one for each batch entry, replace offset.");
}

}  // namespace isometal::bindings
