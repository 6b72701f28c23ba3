// isometal: msl/relational.h
// <metal_relational>: questions about values. As on Apple, they are comparisons and bit patterns, not AIR
// functions.
#pragma once

namespace metal {

MSL_FUNC constexpr bool any(bool2 x) {
  return x.x || x.y;
}
MSL_FUNC constexpr bool any(bool3 x) {
  return x.x || x.y || x.z;
}
MSL_FUNC constexpr bool any(bool4 x) {
  return x.x || x.y || x.z || x.w;
}
MSL_FUNC constexpr bool all(bool2 x) {
  return x.x && x.y;
}
MSL_FUNC constexpr bool all(bool3 x) {
  return x.x && x.y && x.z;
}
MSL_FUNC constexpr bool all(bool4 x) {
  return x.x && x.y && x.z && x.w;
}

// `condition` gives lanes of 0 and -1 for vectors, bool for scalars.
#define MSL_QUESTION(name, T, condition)        \
  MSL_FUNC bool name(T x) {                     \
    return condition;                           \
  }                                             \
  MSL_QUESTION_OF_VECTOR(name, T, 2, condition) \
  MSL_QUESTION_OF_VECTOR(name, T, 3, condition) \
  MSL_QUESTION_OF_VECTOR(name, T, 4, condition)
#define MSL_QUESTION_OF_VECTOR(name, T, N, condition) \
  MSL_FUNC bool##N name(T##N x) {                     \
    return bool##N::__from_mask(condition);           \
  }

// Bits is the integer with T's size. `exponent` is the pattern of an infinity.
#define MSL_QUESTIONS(T, Bits, exponent, smallest_normal)         \
  MSL_QUESTION(isnan, T, x != x)                                  \
  MSL_QUESTION(isinf, T, fabs(x) == as_type<T>(Bits(exponent)))   \
  MSL_QUESTION(isfinite, T, fabs(x) < as_type<T>(Bits(exponent))) \
  MSL_QUESTION(isnormal, T,                                       \
               (fabs(x) >= as_type<T>(Bits(smallest_normal))) & (fabs(x) < as_type<T>(Bits(exponent))))
MSL_QUESTIONS(float, int, 0x7f800000, 0x00800000)
MSL_QUESTIONS(half, short, 0x7c00, 0x0400)
#undef MSL_QUESTIONS
#undef MSL_QUESTION
#undef MSL_QUESTION_OF_VECTOR

#define MSL_QUESTIONS(T, Bits, N)                               \
  MSL_FUNC bool##N signbit(T##N x) {                            \
    return bool##N::__from_mask(as_type<Bits##N>(x) < Bits(0)); \
  }                                                             \
  MSL_FUNC bool##N isordered(T##N x, T##N y) {                  \
    return bool##N::__from_mask((x == x) & (y == y));           \
  }                                                             \
  MSL_FUNC bool##N isunordered(T##N x, T##N y) {                \
    return bool##N::__from_mask((x != x) | (y != y));           \
  }
#define MSL_QUESTIONS_OF(T, Bits)       \
  MSL_FUNC bool signbit(T x) {          \
    return as_type<Bits>(x) < 0;        \
  }                                     \
  MSL_FUNC bool isordered(T x, T y) {   \
    return x == x && y == y;            \
  }                                     \
  MSL_FUNC bool isunordered(T x, T y) { \
    return x != x || y != y;            \
  }                                     \
  MSL_QUESTIONS(T, Bits, 2)             \
  MSL_QUESTIONS(T, Bits, 3)             \
  MSL_QUESTIONS(T, Bits, 4)
MSL_QUESTIONS_OF(float, int)
MSL_QUESTIONS_OF(half, short)
#undef MSL_QUESTIONS_OF
#undef MSL_QUESTIONS

// select(a, b, c) is c ? b : a, element by element.
#define MSL_SELECT(T)                                                                 \
  MSL_FUNC constexpr T select(T a, T b, bool c) {                                     \
    return c ? b : a;                                                                 \
  }                                                                                   \
  MSL_FUNC constexpr T##2 select(T##2 a, T##2 b, bool2 c) {                           \
    return T##2 {c.x ? b.x : a.x, c.y ? b.y : a.y};                                   \
  }                                                                                   \
  MSL_FUNC constexpr T##3 select(T##3 a, T##3 b, bool3 c) {                           \
    return T##3 {c.x ? b.x : a.x, c.y ? b.y : a.y, c.z ? b.z : a.z};                  \
  }                                                                                   \
  MSL_FUNC constexpr T##4 select(T##4 a, T##4 b, bool4 c) {                           \
    return T##4 {c.x ? b.x : a.x, c.y ? b.y : a.y, c.z ? b.z : a.z, c.w ? b.w : a.w}; \
  }
MSL_NUMBERS(MSL_SELECT)
MSL_SELECT(bool)
#undef MSL_SELECT

}  // namespace metal
