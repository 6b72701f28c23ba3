// csrc/launch/softmax.h: plans of softmax over any axes.
#pragma once

#include "launch/plan.h"
#include "layout.h"

namespace isometal::launch {

/// How a softmax over some axes of x is computed.
struct SoftmaxForm {
  enum class Way : std::uint8_t {
    kRows,     ///< x as it lies: `rows` is its layout with the axes as one, the last
    kColumns,  ///< x as it lies, which is (outer, size, columns)
    kCopied,   ///< x with its axes in `order`, contiguous, is (outer, size); so is the result
  };
  Way way = Way::kRows;
  Layout rows;
  Dims order;
  std::int64_t outer = 1, size = 1, columns = 1;
};

/// `axes` are sorted and unique; x is not empty.
SoftmaxForm softmax_form(const Layout& x, const Dims& axes, const Choice& choice);

/// out = softmax(x): operands 1 and 0. `out` is contiguous, in the shape of x. The first is for rows of a
/// layout whose last axis is contiguous, the second for (outer, size, columns) that is contiguous.
///
/// Variants: "row_simdgroup" (rows of up to 768), "row_register" (up to 16384), "row_loop", "row_split", and
/// "column" where x can be read as columns.
Plan softmax_rows(DType dtype, const Layout& rows, const Choice& choice);
Plan softmax_columns(DType dtype, std::int64_t outer, std::int64_t size, std::int64_t columns);

}  // namespace isometal::launch
