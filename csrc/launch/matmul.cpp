// csrc/launch/matmul.cpp: gemv where a side of out is short, else gemm.
#include "launch/matmul.h"

#include <algorithm>

#include "launch/gemm.h"
#include "launch/gemv.h"

namespace isometal::launch {
namespace {

bool is_empty(const Layout& a, const Layout& b) {
  return std::find(a.shape.begin(), a.shape.end() - 1, 0) != a.shape.end() - 1 || b.shape.back() == 0;
}

bool takes_gemv(const Product& product, const MatmulChoice& choice) {
  return choice.gemm.forced.empty() && fits_gemv(product);
}

}  // namespace

MatmulCopies matmul_copies(const Layout& a, const Layout& b, const MatmulChoice& choice) {
  // What can be read stays so when batches become rows. Where k is 0, both can.
  if (is_empty(a, b) || (matrix(a).readable() && matrix(b).readable())) return {};
  const Product product = make_product(a, b);
  if (takes_gemv(product, choice)) return {};
  return {!product.a.readable(), !product.b.readable()};
}

Plan matmul(DType dtype, const Layout& a, const Layout& b, const MatmulChoice& choice) {
  if (is_empty(a, b)) return {};
  const Product product = make_product(a, b);
  return takes_gemv(product, choice) ? gemv(dtype, product, choice.gemv) : gemm(dtype, product, choice.gemm);
}

}  // namespace isometal::launch
