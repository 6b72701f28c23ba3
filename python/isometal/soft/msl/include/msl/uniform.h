// isometal: msl/uniform.h
// <metal_uniform>: uniform<T>, a promise to the compiler that all threads have the same value. Here it is a
// plain value.
#pragma once

namespace metal {

template <class T>
struct uniform {
  T __value;
  MSL_FUNC constexpr operator T() const { return __value; }
  MSL_FUNC constexpr operator T() const __constant { return __value; }
  uniform() = default;
  MSL_FUNC explicit constexpr uniform(T value) : __value(value) {}
  MSL_FUNC explicit constexpr uniform(T value) __constant : __value(value) {}
  template <class U, class = enable_if_t<!is_same_v<T, U>>>
  MSL_FUNC constexpr uniform(uniform<U> other) : __value(T(other.__value)) {}
};

template <class T>
MSL_FUNC constexpr uniform<T> make_uniform(T value) {
  return uniform<T>(value);
}

// Of two uniform operands the result is uniform; with any other operand the conversion makes it a plain
// value.
#define MSL_UNIFORM_BINARY(op)                                      \
  template <class T, class U>                                       \
  MSL_FUNC constexpr auto operator op(uniform<T> a, uniform<U> b) { \
    return make_uniform(a.__value op b.__value);                    \
  }
MSL_UNIFORM_BINARY(+)
MSL_UNIFORM_BINARY(-)
MSL_UNIFORM_BINARY(*)
MSL_UNIFORM_BINARY(/)
MSL_UNIFORM_BINARY(%)
MSL_UNIFORM_BINARY(&)
MSL_UNIFORM_BINARY(|)
MSL_UNIFORM_BINARY(^)
MSL_UNIFORM_BINARY(<<)
MSL_UNIFORM_BINARY(>>)
MSL_UNIFORM_BINARY(==)
MSL_UNIFORM_BINARY(!=)
MSL_UNIFORM_BINARY(<)
MSL_UNIFORM_BINARY(<=)
MSL_UNIFORM_BINARY(>)
MSL_UNIFORM_BINARY(>=)
MSL_UNIFORM_BINARY(&&)
MSL_UNIFORM_BINARY(||)
#undef MSL_UNIFORM_BINARY

#define MSL_UNIFORM_UNARY(op)                         \
  template <class T>                                  \
  MSL_FUNC constexpr auto operator op(uniform<T> a) { \
    return make_uniform(op a.__value);                \
  }
MSL_UNIFORM_UNARY(+)
MSL_UNIFORM_UNARY(-)
MSL_UNIFORM_UNARY(~)
MSL_UNIFORM_UNARY(!)
#undef MSL_UNIFORM_UNARY

#define MSL_IS_UNIFORM(T, suffix) bool is_uniform(T x) __asm("air.is_uniform." suffix) MSL_PURE;
MSL_IS_UNIFORM(bool, "i1")
MSL_IS_UNIFORM(char, "i8")
MSL_IS_UNIFORM(uchar, "i8")
MSL_IS_UNIFORM(short, "i16")
MSL_IS_UNIFORM(ushort, "i16")
MSL_IS_UNIFORM(int, "i32")
MSL_IS_UNIFORM(uint, "i32")
MSL_IS_UNIFORM(long, "i64")
MSL_IS_UNIFORM(ulong, "i64")
MSL_IS_UNIFORM(half, "f16")
MSL_IS_UNIFORM(float, "f32")
#undef MSL_IS_UNIFORM

}  // namespace metal
