// isometal: msl/macros.h
// Attributes and lists of types from which the headers are made. C++ for OpenCL; never seen by the user's
// preprocessor.
#pragma once

#pragma OPENCL EXTENSION cl_khr_fp16 : enable

#define MSL_FUNC inline __attribute__((always_inline))

// In front of methods that change objects in device and threadgroup memory. clang counts all address spaces
// as possible for a temporary; templates come last, so that it is taken as an object of the thread.
#define MSL_NOT_FOR_TEMPORARIES template <class = void>

// An AIR function that depends on its arguments only, one that reads memory, one that writes it, one that
// lanes do together.
#define MSL_PURE __attribute__((const, nothrow))
#define MSL_READS __attribute__((pure, convergent, nothrow))
#define MSL_WRITES __attribute__((nothrow))
#define MSL_TOGETHER __attribute__((convergent, nothrow))

// Unwraps a list that contains commas.
#define MSL_LIST(...) __VA_ARGS__
// Expands the arguments before DECLARE sees how many they are.
#define MSL_DECLARE(DECLARE, ...) DECLARE(__VA_ARGS__)

// X(..., type, AIR's suffix of the type) for a scalar and its vectors.
#define MSL_WIDTHS(X, args, T, suffix) \
  X(args, T, #suffix)                  \
  X(args, T##2, "v2" #suffix)          \
  X(args, T##3, "v3" #suffix)          \
  X(args, T##4, "v4" #suffix)
// As above, where AIR's suffix says signed or unsigned.
#define MSL_SIGNED_WIDTHS(X, args, T, sign, suffix) \
  X(args, T, #sign "." #suffix)                     \
  X(args, T##2, #sign ".v2" #suffix)                \
  X(args, T##3, #sign ".v3" #suffix)                \
  X(args, T##4, #sign ".v4" #suffix)

#define MSL_FLOAT(X, args) MSL_WIDTHS(X, args, float, f32)
#define MSL_HALF(X, args) MSL_WIDTHS(X, args, half, f16)
#define MSL_FLOATS(X, args) MSL_FLOAT(X, args) MSL_HALF(X, args)

#define MSL_SIGNED_INTEGERS_TO_32(X, args)  \
  MSL_SIGNED_WIDTHS(X, args, char, s, i8)   \
  MSL_SIGNED_WIDTHS(X, args, short, s, i16) \
  MSL_SIGNED_WIDTHS(X, args, int, s, i32)
#define MSL_UNSIGNED_INTEGERS_TO_32(X, args) \
  MSL_SIGNED_WIDTHS(X, args, uchar, u, i8)   \
  MSL_SIGNED_WIDTHS(X, args, ushort, u, i16) \
  MSL_SIGNED_WIDTHS(X, args, uint, u, i32)
#define MSL_INTEGERS_TO_32(X, args) MSL_SIGNED_INTEGERS_TO_32(X, args) MSL_UNSIGNED_INTEGERS_TO_32(X, args)
#define MSL_INTEGERS(X, args)              \
  MSL_INTEGERS_TO_32(X, args)              \
  MSL_SIGNED_WIDTHS(X, args, long, s, i64) \
  MSL_SIGNED_WIDTHS(X, args, ulong, u, i64)
// All integers where AIR's suffix does not say signed or unsigned.
#define MSL_SIGNLESS_INTEGERS(X, args) \
  MSL_WIDTHS(X, args, char, i8)        \
  MSL_WIDTHS(X, args, uchar, i8)       \
  MSL_WIDTHS(X, args, short, i16)      \
  MSL_WIDTHS(X, args, ushort, i16)     \
  MSL_WIDTHS(X, args, int, i32)        \
  MSL_WIDTHS(X, args, uint, i32) MSL_WIDTHS(X, args, long, i64) MSL_WIDTHS(X, args, ulong, i64)

// X(T) for every scalar type that has vectors, without bool.
#define MSL_NUMBERS(X) \
  X(char) X(uchar) X(short) X(ushort) X(int) X(uint) X(long) X(ulong) X(half) X(bfloat) X(float)
