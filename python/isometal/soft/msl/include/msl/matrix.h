// isometal: msl/matrix.h
// matrix<T, Columns, Rows>, float4x4 and its like: stored by columns, which are vectors. The types are built
// into Metal's compiler; determinant and transpose belong to <metal_matrix>.
#pragma once

namespace metal {

template <class T, int C, int R>
struct matrix {
  using __column = vec<T, R>;
  __column columns[C];

  matrix() = default;
  /// The diagonal is `x`, everything else zero.
  MSL_FUNC explicit constexpr matrix(T x) : columns{} {
    for (int i = 0; i < (C < R ? C : R); i++) columns[i][i] = x;
  }
  /// From the columns, or from all elements, column by column.
  template <class... U, class = enable_if_t<(sizeof...(U) > 1)>>
  MSL_FUNC constexpr matrix(U... parts) : columns{} {
    static_assert(sizeof...(U) == C || sizeof...(U) == C * R,
                  "a matrix is made of its columns, or of all its elements");
    if constexpr (sizeof...(U) == C) {
      int i = 0;
      ((columns[i++] = parts), ...);
    } else {
      int i = 0;
      ((columns[i / R][i % R] = T(parts), i++), ...);
    }
  }
  /// From a matrix of other elements.
  template <class U, class = enable_if_t<!is_same_v<T, U>>>
  MSL_FUNC explicit constexpr matrix(matrix<U, C, R> other) : columns{} {
    for (int i = 0; i < C; i++) columns[i] = __msl_cast<__column>(other.columns[i]);
  }

  MSL_FUNC constexpr __private __column& operator[](int i) __private { return columns[i]; }
  MSL_NOT_FOR_TEMPORARIES MSL_FUNC constexpr __global __column& operator[](int i) __global {
    return columns[i];
  }
  MSL_NOT_FOR_TEMPORARIES MSL_FUNC constexpr __local __column& operator[](int i) __local {
    return columns[i];
  }
  MSL_FUNC constexpr __column operator[](int i) const { return columns[i]; }
  MSL_FUNC constexpr __column operator[](int i) const __global { return columns[i]; }
  MSL_FUNC constexpr __column operator[](int i) const __local { return columns[i]; }
  MSL_FUNC constexpr __column operator[](int i) const __constant { return columns[i]; }
  MSL_COPIES(matrix)
};

#define MSL_MATRIX_ELEMENTWISE(op)                                                       \
  template <class T, int C, int R>                                                       \
  MSL_FUNC constexpr matrix<T, C, R> operator op(matrix<T, C, R> a, matrix<T, C, R> b) { \
    for (int i = 0; i < C; i++) a.columns[i] = a.columns[i] op b.columns[i];             \
    return a;                                                                            \
  }                                                                                      \
  template <class T, int C, int R>                                                       \
  MSL_FUNC constexpr __private matrix<T, C, R>& operator op## =                          \
      (__private matrix<T, C, R> & a, matrix<T, C, R> b) {                               \
    return a = a op b;                                                                   \
  }
MSL_MATRIX_ELEMENTWISE(+)
MSL_MATRIX_ELEMENTWISE(-)
#undef MSL_MATRIX_ELEMENTWISE

template <class T, int C, int R>
MSL_FUNC constexpr matrix<T, C, R> operator-(matrix<T, C, R> a) {
  for (int i = 0; i < C; i++) a.columns[i] = -a.columns[i];
  return a;
}
template <class T, int C, int R>
MSL_FUNC constexpr matrix<T, C, R> operator*(matrix<T, C, R> a, __msl_value_of<T> b) {
  for (int i = 0; i < C; i++) a.columns[i] = a.columns[i] * b;
  return a;
}
template <class T, int C, int R>
MSL_FUNC constexpr matrix<T, C, R> operator*(__msl_value_of<T> a, matrix<T, C, R> b) {
  return b * a;
}
template <class T, int C, int R>
MSL_FUNC constexpr vec<T, R> operator*(matrix<T, C, R> a, vec<T, C> b) {
  vec<T, R> result = a.columns[0] * b[0];
  for (int i = 1; i < C; i++) result += a.columns[i] * b[i];
  return result;
}
template <class T, int C, int R>
MSL_FUNC vec<T, C> operator*(vec<T, R> a, matrix<T, C, R> b) {
  vec<T, C> result;
  for (int i = 0; i < C; i++) result[i] = dot(a, b.columns[i]);
  return result;
}
template <class T, int C, int K, int R>
MSL_FUNC constexpr matrix<T, C, R> operator*(matrix<T, K, R> a, matrix<T, C, K> b) {
  matrix<T, C, R> result(T(0));
  for (int i = 0; i < C; i++) result.columns[i] = a * b.columns[i];
  return result;
}
template <class T, int C, int R>
MSL_FUNC constexpr bool operator==(matrix<T, C, R> a, matrix<T, C, R> b) {
  bool equal = true;
  for (int i = 0; i < C; i++)
    for (int j = 0; j < R; j++) equal = equal && a.columns[i][j] == b.columns[i][j];
  return equal;
}
template <class T, int C, int R>
MSL_FUNC constexpr bool operator!=(matrix<T, C, R> a, matrix<T, C, R> b) {
  return !(a == b);
}

template <class T, int C, int R>
MSL_FUNC constexpr matrix<T, R, C> transpose(matrix<T, C, R> a) {
  // clang crashes on a constant expression that writes elements of a vector without a value.
  matrix<T, R, C> result(T(0));
  for (int i = 0; i < C; i++)
    for (int j = 0; j < R; j++) result.columns[j][i] = a.columns[i][j];
  return result;
}

template <class T>
MSL_FUNC constexpr T determinant(matrix<T, 2, 2> a) {
  return a[0][0] * a[1][1] - a[1][0] * a[0][1];
}
template <class T>
MSL_FUNC constexpr T determinant(matrix<T, 3, 3> a) {
  return a[0][0] * (a[1][1] * a[2][2] - a[2][1] * a[1][2]) -
         a[1][0] * (a[0][1] * a[2][2] - a[2][1] * a[0][2]) +
         a[2][0] * (a[0][1] * a[1][2] - a[1][1] * a[0][2]);
}
/// The determinant of rows `i` and `j` of columns `c` and `c + 1`.
template <class T>
MSL_FUNC constexpr T __msl_minor(matrix<T, 4, 4> a, int c, int i, int j) {
  return a[c][i] * a[c + 1][j] - a[c + 1][i] * a[c][j];
}
template <class T>
MSL_FUNC constexpr T determinant(matrix<T, 4, 4> a) {
  // Laplace's expansion by the first two columns.
  return __msl_minor(a, 0, 0, 1) * __msl_minor(a, 2, 2, 3) -
         __msl_minor(a, 0, 0, 2) * __msl_minor(a, 2, 1, 3) +
         __msl_minor(a, 0, 0, 3) * __msl_minor(a, 2, 1, 2) +
         __msl_minor(a, 0, 1, 2) * __msl_minor(a, 2, 0, 3) -
         __msl_minor(a, 0, 1, 3) * __msl_minor(a, 2, 0, 2) +
         __msl_minor(a, 0, 2, 3) * __msl_minor(a, 2, 0, 1);
}

}  // namespace metal

#define MSL_MATRIX(T, C)                   \
  typedef metal::matrix<T, C, 2> T##C##x2; \
  typedef metal::matrix<T, C, 3> T##C##x3; \
  typedef metal::matrix<T, C, 4> T##C##x4; \
  namespace metal {                        \
  using ::T##C##x2;                        \
  using ::T##C##x3;                        \
  using ::T##C##x4;                        \
  }
MSL_MATRIX(float, 2)
MSL_MATRIX(float, 3)
MSL_MATRIX(float, 4)
MSL_MATRIX(half, 2)
MSL_MATRIX(half, 3)
MSL_MATRIX(half, 4)
#undef MSL_MATRIX
