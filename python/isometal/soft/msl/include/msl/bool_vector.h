// isometal: msl/bool_vector.h
// bool2, bool3, bool4. clang's vectors have no element type bool in this language, so these are structs of
// bool.
#pragma once

#include <msl/copies.h>

template <int N>
struct __msl_bool_vector;

#define MSL_SUBSCRIPTS(T)                                                             \
  MSL_FUNC constexpr __private T& operator[](int i) __private {                       \
    return (&x)[i];                                                                   \
  }                                                                                   \
  MSL_FUNC constexpr T operator[](int i) const {                                      \
    return (&x)[i];                                                                   \
  }                                                                                   \
  MSL_NOT_FOR_TEMPORARIES MSL_FUNC constexpr __global T& operator[](int i) __global { \
    return (&x)[i];                                                                   \
  }                                                                                   \
  MSL_FUNC constexpr T operator[](int i) const __global {                             \
    return (&x)[i];                                                                   \
  }                                                                                   \
  MSL_NOT_FOR_TEMPORARIES MSL_FUNC constexpr __local T& operator[](int i) __local {   \
    return (&x)[i];                                                                   \
  }                                                                                   \
  MSL_FUNC constexpr T operator[](int i) const __local {                              \
    return (&x)[i];                                                                   \
  }                                                                                   \
  MSL_FUNC constexpr T operator[](int i) const __constant {                           \
    return (&x)[i];                                                                   \
  }

template <>
struct alignas(2) __msl_bool_vector<2> {
  bool x, y;
  __msl_bool_vector() = default;
  MSL_COPIES(__msl_bool_vector)
  MSL_SUBSCRIPTS(bool)

  /// From what clang's comparison of two vectors gives: elements 0 or -1.
  template <class V>
  MSL_FUNC static constexpr __msl_bool_vector __from_mask(V mask) {
    return __msl_bool_vector{mask.x != 0, mask.y != 0};
  }
};

template <>
struct alignas(4) __msl_bool_vector<3> {
  bool x, y, z;
  __msl_bool_vector() = default;
  MSL_COPIES(__msl_bool_vector)
  MSL_SUBSCRIPTS(bool)

  template <class V>
  MSL_FUNC static constexpr __msl_bool_vector __from_mask(V mask) {
    return __msl_bool_vector{mask.x != 0, mask.y != 0, mask.z != 0};
  }
};

template <>
struct alignas(4) __msl_bool_vector<4> {
  bool x, y, z, w;
  __msl_bool_vector() = default;
  MSL_COPIES(__msl_bool_vector)
  MSL_SUBSCRIPTS(bool)

  template <class V>
  MSL_FUNC static constexpr __msl_bool_vector __from_mask(V mask) {
    return __msl_bool_vector{mask.x != 0, mask.y != 0, mask.z != 0, mask.w != 0};
  }
};

typedef __msl_bool_vector<2> bool2;
typedef __msl_bool_vector<3> bool3;
typedef __msl_bool_vector<4> bool4;

template <int N>
struct __msl_unqualified_vector_traits<__msl_bool_vector<N>> {
  using value_type = bool;
  static constexpr __constant int size = N;
};

#define MSL_BOOL_OPERATOR(op, elementwise)                                                         \
  MSL_FUNC constexpr bool2 operator op(bool2 a, bool2 b) {                                         \
    return bool2{bool(a.x elementwise b.x), bool(a.y elementwise b.y)};                            \
  }                                                                                                \
  MSL_FUNC constexpr bool3 operator op(bool3 a, bool3 b) {                                         \
    return bool3{bool(a.x elementwise b.x), bool(a.y elementwise b.y), bool(a.z elementwise b.z)}; \
  }                                                                                                \
  MSL_FUNC constexpr bool4 operator op(bool4 a, bool4 b) {                                         \
    return bool4{bool(a.x elementwise b.x), bool(a.y elementwise b.y), bool(a.z elementwise b.z),  \
                 bool(a.w elementwise b.w)};                                                       \
  }
// Both operands are values: && and || of vectors do not short-circuit in Metal either.
MSL_BOOL_OPERATOR(&&, &)
MSL_BOOL_OPERATOR(||, |)
MSL_BOOL_OPERATOR(&, &)
MSL_BOOL_OPERATOR(|, |)
MSL_BOOL_OPERATOR(^, ^)
MSL_BOOL_OPERATOR(==, ==)
MSL_BOOL_OPERATOR(!=, !=)
#undef MSL_BOOL_OPERATOR

MSL_FUNC constexpr bool2 operator!(bool2 a) {
  return bool2{!a.x, !a.y};
}
MSL_FUNC constexpr bool3 operator!(bool3 a) {
  return bool3{!a.x, !a.y, !a.z};
}
MSL_FUNC constexpr bool4 operator!(bool4 a) {
  return bool4{!a.x, !a.y, !a.z, !a.w};
}
