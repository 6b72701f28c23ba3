// msl/conversion.h - static_cast, construction and casts of vectors, as the rewriter writes them.
// Owned by the front end (python/isometal/soft/msl/*.py), not by the headers. See CONVENTIONS.md.
#pragma once

template <class T>
struct __msl_is_bool_vector {
  static constexpr __constant bool value = false;
};

// vec<T, N> for a T that may be bool, where it need not be deduced.
template <class T, int N>
struct __msl_vector_type {
  using type = vec<T, N>;
};
template <int N>
struct __msl_vector_type<bool, N> {
  using type = __msl_bool_vector<N>;
};
template <class T, int N>
using __msl_any_vector = typename __msl_vector_type<T, N>::type;

template <int N>
struct __msl_is_bool_vector<__msl_bool_vector<N>> {
  static constexpr __constant bool value = true;
};

/// What static_cast<T>(x), and T(x) for vectors, mean in Metal.
template <class T, class U>
MSL_INLINE constexpr T __msl_cast(U x) {
  constexpr int to = __msl_vector_traits<T>::size;
  constexpr int from = __msl_vector_traits<U>::size;
  using element = typename __msl_vector_traits<T>::value_type;
  if constexpr (__is_same(T, U)) {
    return x;
  } else if constexpr (__msl_is_bool_vector<T>::value && from == to) {
    if constexpr (to == 2)
      return T{x[0] != 0, x[1] != 0};
    else if constexpr (to == 3)
      return T{x[0] != 0, x[1] != 0, x[2] != 0};
    else
      return T{x[0] != 0, x[1] != 0, x[2] != 0, x[3] != 0};
  } else if constexpr (__msl_is_bool_vector<U>::value && from == to) {
    if constexpr (to == 2)
      return T{element(x.x), element(x.y)};
    else if constexpr (to == 3)
      return T{element(x.x), element(x.y), element(x.z)};
    else
      return T{element(x.x), element(x.y), element(x.z), element(x.w)};
  } else if constexpr (to > 0 && from > 0) {
    static_assert(to == from, "vectors of different sizes");
    using source = typename __msl_vector_traits<U>::value_type;
    // clang makes an invalid conversion of half to bfloat and back; float holds both.
    if constexpr ((__is_same(source, half) && __is_same(element, __bf16)) ||
                  (__is_same(source, __bf16) && __is_same(element, half)))
      return __builtin_convertvector(__builtin_convertvector(x, vec<float, to>), T);
    else
      return __builtin_convertvector(x, T);
  } else if constexpr (__msl_is_bool_vector<T>::value) {
    const bool all = static_cast<bool>(x);
    if constexpr (to == 2)
      return T{all, all};
    else if constexpr (to == 3)
      return T{all, all, all};
    else
      return T{all, all, all, all};
  } else if constexpr (to > 0 && __is_convertible(U, T) && !__is_arithmetic(U) && !__is_same(U, __bf16)) {
    return static_cast<T>(x);  // a class that converts itself
  } else if constexpr (to > 0) {
    return T(__msl_cast<element>(x));
  } else if constexpr ((__is_same(U, half) && __is_same(T, __bf16)) ||
                       (__is_same(U, __bf16) && __is_same(T, half))) {
    return static_cast<T>(static_cast<float>(x));
  } else {
    return static_cast<T>(x);
  }
}

/// (T)x for a vector type T: __msl_cast_operator<T>()->*x, which binds as tightly as a cast.
template <class T>
struct __msl_cast_operator {
  template <class U>
  MSL_INLINE constexpr T operator->*(U x) const {
    return __msl_cast<T>(x);
  }
};

template <class V, class U>
MSL_INLINE constexpr auto __msl_part(U x) {
  if constexpr (__msl_vector_traits<U>::size > 0)
    return x;
  else
    return __msl_cast<typename __msl_vector_traits<V>::value_type>(x);
}

/// V(a, b, ...) of several scalars and vectors.
template <class V, class... U>
MSL_INLINE constexpr V __msl_vector(U... parts) {
  return V{__msl_part<V>(parts)...};
}
