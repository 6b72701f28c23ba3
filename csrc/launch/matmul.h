// csrc/launch/matmul.h: plans of the op matmul, by the kernels of gemm or gemv.
#pragma once

#include "launch/plan.h"
#include "layout.h"

namespace isometal::launch {

struct MatmulChoice {
  Choice gemm;  ///< a forced variant takes all products
  Choice gemv;
};

/// Operands that the kernels cannot read where they lie, because neither their rows nor their columns are
/// contiguous. They are to be copied first.
struct MatmulCopies {
  bool a = false, b = false;
  bool operator==(const MatmulCopies&) const = default;
};

/// Both take layouts (batch..., m, k) and (batch..., k, n) with equal batches, by strides of 0 where they
/// broadcast.
MatmulCopies matmul_copies(const Layout& a, const Layout& b, const MatmulChoice& choice = {});

/// out = a b, in (batch..., m, n), contiguous: operands 0, 1 and 2. For k = 0 it is 0.
Plan matmul(DType dtype, const Layout& a, const Layout& b, const MatmulChoice& choice = {});

}  // namespace isometal::launch
