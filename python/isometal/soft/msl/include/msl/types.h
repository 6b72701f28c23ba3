// isometal: msl/types.h
// Scalar and vector types. Metal's compiler has them built in: they need no #include.
#pragma once

#include <msl/macros.h>

typedef unsigned char uchar;
typedef unsigned short ushort;
typedef unsigned int uint;
typedef unsigned long ulong;
typedef __bf16 bfloat;

// In Metal int8_t is char: there is no third 8-bit type.
typedef char int8_t;
typedef short int16_t;
typedef int int32_t;
typedef long int64_t;
typedef uchar uint8_t;
typedef ushort uint16_t;
typedef uint uint32_t;
typedef ulong uint64_t;
typedef __SIZE_TYPE__ size_t;
typedef __PTRDIFF_TYPE__ ptrdiff_t;
typedef long intptr_t;
typedef ulong uintptr_t;

template <class T, int N>
using vec = T __attribute__((ext_vector_type(N)));

#define MSL_VECTORS_OF(T) \
  typedef vec<T, 2> T##2; \
  typedef vec<T, 3> T##3; \
  typedef vec<T, 4> T##4;
MSL_NUMBERS(MSL_VECTORS_OF)
#undef MSL_VECTORS_OF

// __msl_vector_traits<T>: the element and the size of a vector type; of any other type the type itself and 0.
template <class T>
struct __msl_unqualified_vector_traits {
  using value_type = T;
  static constexpr __constant int size = 0;
};
template <class T, int N>
struct __msl_unqualified_vector_traits<T __attribute__((ext_vector_type(N)))> {
  using value_type = T;
  static constexpr __constant int size = N;
};
template <class T>
struct __msl_vector_traits : __msl_unqualified_vector_traits<__remove_cv(T)> {};

#include <msl/bool_vector.h>

namespace metal {
using ::bfloat;
using ::int16_t;
using ::int32_t;
using ::int64_t;
using ::int8_t;
using ::intptr_t;
using ::ptrdiff_t;
using ::size_t;
using ::uchar;
using ::uint;
using ::uint16_t;
using ::uint32_t;
using ::uint64_t;
using ::uint8_t;
using ::uintptr_t;
using ::ulong;
using ::ushort;
using ::vec;
#define MSL_VECTORS_OF(T) \
  using ::T##2;           \
  using ::T##3;           \
  using ::T##4;
MSL_NUMBERS(MSL_VECTORS_OF)
#undef MSL_VECTORS_OF
using ::bool2;
using ::bool3;
using ::bool4;
}  // namespace metal

/// The bits of `x` as a value of type T, which must have the same size.
template <class T, class U>
MSL_FUNC constexpr T as_type(U x) {
  static_assert(sizeof(T) == sizeof(U), "as_type: the two types have different sizes");
  return __builtin_bit_cast(T, x);
}
namespace metal {
using ::as_type;
}
