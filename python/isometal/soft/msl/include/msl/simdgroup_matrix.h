// isometal: msl/simdgroup_matrix.h
// <metal_simdgroup_matrix>: 8 x 8 matrices that a simdgroup holds together, two elements in each lane.
//
// In AIR a lane's share is a vector of 64 elements, of which elements 0 and 1 are real.
#pragma once

#define MSL_MATRIX_SPACE(T, s, space, number)                                                                \
  vec<T, 64> __air_matrix_load(const volatile space T* source, ulong elements_per_row, ulong2 origin,        \
                               bool transpose) __asm("air.simdgroup_matrix_8x8_load.v64" #s ".p" #number #s) \
      MSL_READS;                                                                                             \
  void __air_matrix_store(                                                                                   \
      vec<T, 64> matrix, volatile space T* target, ulong elements_per_row, ulong2 origin,                    \
      bool transpose) __asm("air.simdgroup_matrix_8x8_store.v64" #s ".p" #number #s) MSL_TOGETHER;
#define MSL_MATRIX(T, s)                                                                                    \
  MSL_MATRIX_SPACE(T, s, __global, 1)                                                                       \
  MSL_MATRIX_SPACE(T, s, __local, 3)                                                                        \
  vec<T, 64> __air_matrix_filled(T x) __asm("air.simdgroup_matrix_8x8_init_filled.v64" #s "." #s) MSL_PURE; \
  vec<T, 64> __air_matrix_diagonal(T x) __asm("air.simdgroup_matrix_8x8_init_diag.v64" #s "." #s) MSL_PURE;
MSL_MATRIX(half, f16)
MSL_MATRIX(bfloat, bf16)
MSL_MATRIX(float, f32)
#undef MSL_MATRIX
#undef MSL_MATRIX_SPACE

// A x B + C with elements of type D: an overload for all element types, as functions of a class for each D.
template <class D>
struct __air_matrix_product;
#define MSL_PRODUCT(D, d, A, a, B, b, C, c)                                              \
  static vec<D, 64> multiply_accumulate(vec<A, 64> x, vec<B, 64> y, vec<C, 64> z) __asm( \
      "air.simdgroup_matrix_8x8_multiply_accumulate.v64" #d ".v64" #a ".v64" #b ".v64" #c) MSL_TOGETHER;
#define MSL_PRODUCTS_OF_THREE(D, d, A, a, B, b) \
  MSL_PRODUCT(D, d, A, a, B, b, half, f16)      \
  MSL_PRODUCT(D, d, A, a, B, b, bfloat, bf16)   \
  MSL_PRODUCT(D, d, A, a, B, b, float, f32)
#define MSL_PRODUCTS_OF_TWO(D, d, A, a)           \
  MSL_PRODUCTS_OF_THREE(D, d, A, a, half, f16)    \
  MSL_PRODUCTS_OF_THREE(D, d, A, a, bfloat, bf16) \
  MSL_PRODUCTS_OF_THREE(D, d, A, a, float, f32)
#define MSL_PRODUCTS(D, d)                  \
  template <>                               \
  struct __air_matrix_product<D> {          \
    MSL_PRODUCTS_OF_TWO(D, d, half, f16)    \
    MSL_PRODUCTS_OF_TWO(D, d, bfloat, bf16) \
    MSL_PRODUCTS_OF_TWO(D, d, float, f32)   \
  };
MSL_PRODUCTS(half, f16)
MSL_PRODUCTS(bfloat, bf16)
MSL_PRODUCTS(float, f32)
#undef MSL_PRODUCTS
#undef MSL_PRODUCTS_OF_TWO
#undef MSL_PRODUCTS_OF_THREE
#undef MSL_PRODUCT

namespace metal {

template <class T, int Cols, int Rows = Cols>
struct simdgroup_matrix {
  static_assert(is_floating_point_v<T>, "a simdgroup_matrix has elements of type half, bfloat or float");
  static_assert(Cols == 8 && Rows == 8, "a simdgroup_matrix has 8 rows and 8 columns");

  using value_type = T;
  using storage_type = vec<T, 64>;

  simdgroup_matrix() = default;
  MSL_FUNC explicit simdgroup_matrix(T diagonal) : storage(__air_matrix_diagonal(diagonal)) {}
  MSL_FUNC explicit simdgroup_matrix(storage_type elements) : storage(elements) {}

  /// The two elements that this lane holds.
  MSL_FUNC __private vec<T, 2>& thread_elements() __private { return *(__private vec<T, 2>*)&storage; }
  MSL_FUNC const __private vec<T, 2>& thread_elements() const __private {
    return *(const __private vec<T, 2>*)&storage;
  }

  storage_type storage;
};

typedef simdgroup_matrix<half, 8, 8> simdgroup_half8x8;
typedef simdgroup_matrix<bfloat, 8, 8> simdgroup_bfloat8x8;
typedef simdgroup_matrix<float, 8, 8> simdgroup_float8x8;

template <class T, int Cols, int Rows = Cols>
MSL_FUNC simdgroup_matrix<T, Cols, Rows> make_filled_simdgroup_matrix(T value) {
  return simdgroup_matrix<T, Cols, Rows>(__air_matrix_filled(value));
}
template <class T, int Cols, int Rows = Cols>
MSL_FUNC simdgroup_matrix<T, Cols, Rows> make_diagonal_simdgroup_matrix(T value) {
  return simdgroup_matrix<T, Cols, Rows>(__air_matrix_diagonal(value));
}

/// `origin` is (column, row) of the first element; with `transpose` memory holds the matrix by columns.
#define MSL_MATRIX_MEMORY(space)                                                                             \
  template <class T, int Cols, int Rows>                                                                     \
  MSL_FUNC void simdgroup_load(__private simdgroup_matrix<T, Cols, Rows>& d, const volatile space T* source, \
                               ulong elements_per_row = Cols, ulong2 origin = ulong2(0),                     \
                               bool transpose = false) {                                                     \
    d.storage = __air_matrix_load(source, elements_per_row, origin, transpose);                              \
  }                                                                                                          \
  template <class T, int Cols, int Rows>                                                                     \
  MSL_FUNC void simdgroup_store(const simdgroup_matrix<T, Cols, Rows>& a, volatile space T* target,          \
                                ulong elements_per_row = Cols, ulong2 origin = ulong2(0),                    \
                                bool transpose = false) {                                                    \
    __air_matrix_store(a.storage, target, elements_per_row, origin, transpose);                              \
  }
MSL_MATRIX_MEMORY(__global)
MSL_MATRIX_MEMORY(__local)
#undef MSL_MATRIX_MEMORY

/// d = a x b + c
template <class D, class A, class B, class C, int N, int M, int K>
MSL_FUNC void simdgroup_multiply_accumulate(__private simdgroup_matrix<D, N, M>& d,
                                            const simdgroup_matrix<A, K, M>& a,
                                            const simdgroup_matrix<B, N, K>& b,
                                            const simdgroup_matrix<C, N, M>& c) {
  d.storage = __air_matrix_product<D>::multiply_accumulate(a.storage, b.storage, c.storage);
}

/// d = a x b
template <class D, class A, class B, int N, int M, int K>
MSL_FUNC void simdgroup_multiply(__private simdgroup_matrix<D, N, M>& d, const simdgroup_matrix<A, K, M>& a,
                                 const simdgroup_matrix<B, N, K>& b) {
  d.storage = __air_matrix_product<D>::multiply_accumulate(a.storage, b.storage, __air_matrix_filled(D(0)));
}

template <class T, int N, int M, int K>
MSL_FUNC simdgroup_matrix<T, N, M> operator*(const simdgroup_matrix<T, K, M>& a,
                                             const simdgroup_matrix<T, N, K>& b) {
  simdgroup_matrix<T, N, M> d;
  simdgroup_multiply(d, a, b);
  return d;
}

}  // namespace metal
