// isometal: msl/packed_vector.h
// packed_float3 and its like: vectors with the alignment of their element. They convert to and from the
// aligned vectors, and calculate as those.
#pragma once

template <class T, int N>
struct __msl_packed_vector;

// For objects in any writable address space: one of them each would be as good as the copy assignment, which
// has to know them all.
#define MSL_PACKED_ASSIGNMENTS(N, SET)                              \
  MSL_FUNC constexpr __msl_packed_vector& operator=(vec<T, N> v) {  \
    SET;                                                            \
    return *this;                                                   \
  }                                                                 \
  MSL_FUNC constexpr __msl_packed_vector& operator+=(vec<T, N> v) { \
    return *this = vec<T, N>(*this) + v;                            \
  }                                                                 \
  MSL_FUNC constexpr __msl_packed_vector& operator-=(vec<T, N> v) { \
    return *this = vec<T, N>(*this) - v;                            \
  }                                                                 \
  MSL_FUNC constexpr __msl_packed_vector& operator*=(vec<T, N> v) { \
    return *this = vec<T, N>(*this) * v;                            \
  }                                                                 \
  MSL_FUNC constexpr __msl_packed_vector& operator/=(vec<T, N> v) { \
    return *this = vec<T, N>(*this) / v;                            \
  }

#define MSL_PACKED_VECTOR(N, MEMBERS, PARAMETERS, FROM_ELEMENTS, FROM_VECTOR, SET)          \
  template <class T>                                                                        \
  struct __msl_packed_vector<T, N> {                                                        \
    using __element = T;                                                                    \
    T MEMBERS;                                                                              \
    __msl_packed_vector() = default;                                                        \
    MSL_COPIES(__msl_packed_vector)                                                         \
    MSL_FUNC constexpr __msl_packed_vector(vec<T, N> v) : FROM_VECTOR {}                    \
    MSL_FUNC constexpr __msl_packed_vector(vec<T, N> v) __constant : FROM_VECTOR {}         \
    MSL_FUNC constexpr __msl_packed_vector(PARAMETERS) : FROM_ELEMENTS {}                   \
    MSL_FUNC constexpr __msl_packed_vector(PARAMETERS) __constant : FROM_ELEMENTS {}        \
    MSL_FUNC constexpr operator vec<T, N>() const { return vec<T, N>{MEMBERS}; }            \
    MSL_FUNC constexpr operator vec<T, N>() const __global { return vec<T, N>{MEMBERS}; }   \
    MSL_FUNC constexpr operator vec<T, N>() const __local { return vec<T, N>{MEMBERS}; }    \
    MSL_FUNC constexpr operator vec<T, N>() const __constant { return vec<T, N>{MEMBERS}; } \
    MSL_SUBSCRIPTS(T)                                                                       \
    MSL_PACKED_ASSIGNMENTS(N, MSL_LIST(SET))                                                \
  };

MSL_PACKED_VECTOR(2, MSL_LIST(x, y), MSL_LIST(T a, T b), MSL_LIST(x(a), y(b)), MSL_LIST(x(v.x), y(v.y)),
                  MSL_LIST(x = v.x, y = v.y))
MSL_PACKED_VECTOR(3, MSL_LIST(x, y, z), MSL_LIST(T a, T b, T c), MSL_LIST(x(a), y(b), z(c)),
                  MSL_LIST(x(v.x), y(v.y), z(v.z)), MSL_LIST(x = v.x, y = v.y, z = v.z))
MSL_PACKED_VECTOR(4, MSL_LIST(x, y, z, w), MSL_LIST(T a, T b, T c, T d), MSL_LIST(x(a), y(b), z(c), w(d)),
                  MSL_LIST(x(v.x), y(v.y), z(v.z), w(v.w)), MSL_LIST(x = v.x, y = v.y, z = v.z, w = v.w))
#undef MSL_PACKED_VECTOR
#undef MSL_PACKED_ASSIGNMENTS

// With a vector or another packed vector clang converts by itself; with a scalar it does not. The scalar
// becomes an element, whatever its type.
#define MSL_PACKED_WITH_SCALAR(op)                                                            \
  template <class T, int N>                                                                   \
  MSL_FUNC constexpr vec<T, N> operator op(__msl_packed_vector<T, N> a,                       \
                                           typename __msl_packed_vector<T, N>::__element b) { \
    return vec<T, N>(a) op b;                                                                 \
  }                                                                                           \
  template <class T, int N>                                                                   \
  MSL_FUNC constexpr vec<T, N> operator op(typename __msl_packed_vector<T, N>::__element a,   \
                                           __msl_packed_vector<T, N> b) {                     \
    return a op vec<T, N>(b);                                                                 \
  }
MSL_PACKED_WITH_SCALAR(+)
MSL_PACKED_WITH_SCALAR(-)
MSL_PACKED_WITH_SCALAR(*)
MSL_PACKED_WITH_SCALAR(/)
#undef MSL_PACKED_WITH_SCALAR

#define MSL_PACKED_OF(T)                           \
  typedef __msl_packed_vector<T, 2> packed_##T##2; \
  typedef __msl_packed_vector<T, 3> packed_##T##3; \
  typedef __msl_packed_vector<T, 4> packed_##T##4; \
  namespace metal {                                \
  using ::packed_##T##2;                           \
  using ::packed_##T##3;                           \
  using ::packed_##T##4;                           \
  }
MSL_NUMBERS(MSL_PACKED_OF)
#undef MSL_PACKED_OF

namespace metal {
template <class T, int N>
using packed_vec = ::__msl_packed_vector<T, N>;
}
