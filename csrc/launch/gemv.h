// csrc/launch/gemv.h: plans of products of a matrix with a few vectors.
#pragma once

#include "launch/plan.h"
#include "launch/product.h"

namespace isometal::launch {

/// Whether one side of out is short enough for gemv, and the matrix readable; the vectors may lie anyhow.
bool fits_gemv(const Product& product);

/// out = a b: operands 0, 1 and 2. Variants: shallow and deep (see metal/gemv.metal), each with "_split" for
/// three splits of k.
Plan gemv(DType dtype, const Product& product, const Choice& choice);

}  // namespace isometal::launch
