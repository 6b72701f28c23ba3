// csrc/metal_bindings/attention.cpp: scaled_dot_product_attention.
#include "ops/attention.h"

#include <nanobind/stl/optional.h>

#include <optional>

#include "metal_bindings/metal.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace isometal::bindings {
namespace {

Array attention(const Metal& metal, const Array& q, const Array& k, const Array& v, float scale,
                const std::optional<Array>& mask, bool causal) {
  nb::gil_scoped_release release;
  auto kind = causal ? launch::AttentionMask::kCausal : launch::AttentionMask::kNone;
  if (mask)
    kind = mask->dtype() == DType::kBool ? launch::AttentionMask::kBool : launch::AttentionMask::kAdditive;
  return ops::attention(*metal, q, k, v, scale, kind, mask ? &*mask : nullptr);
}

}  // namespace

void bind_attention(nb::class_<Metal>& metal) {
  metal.def("scaled_dot_product_attention", &attention, "q"_a, "k"_a, "v"_a, "scale"_a, "mask"_a = nb::none(),
            "causal"_a = false);
}

}  // namespace isometal::bindings
