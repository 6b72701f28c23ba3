// isometal: msl/simd_types.h
// <simd/simd.h>: the names that a header shared with the host has for Metal's vectors and matrices.
#pragma once

#define MSL_SIMD_TYPE(T) \
  typedef T simd_##T;    \
  typedef T vector_##T;  \
  namespace simd {       \
  using ::T;             \
  }
#define MSL_SIMD_TYPES(T) MSL_SIMD_TYPE(T##2) MSL_SIMD_TYPE(T##3) MSL_SIMD_TYPE(T##4)
MSL_SIMD_TYPES(char)
MSL_SIMD_TYPES(uchar)
MSL_SIMD_TYPES(short)
MSL_SIMD_TYPES(ushort)
MSL_SIMD_TYPES(int)
MSL_SIMD_TYPES(uint)
MSL_SIMD_TYPES(long)
MSL_SIMD_TYPES(ulong)
MSL_SIMD_TYPES(half)
MSL_SIMD_TYPES(float)
#undef MSL_SIMD_TYPES
#undef MSL_SIMD_TYPE

#define MSL_SIMD_MATRIX(T) \
  typedef T simd_##T;      \
  typedef T matrix_##T;    \
  namespace simd {         \
  using ::T;               \
  }
#define MSL_SIMD_MATRICES(T, C) MSL_SIMD_MATRIX(T##C##x2) MSL_SIMD_MATRIX(T##C##x3) MSL_SIMD_MATRIX(T##C##x4)
MSL_SIMD_MATRICES(float, 2)
MSL_SIMD_MATRICES(float, 3)
MSL_SIMD_MATRICES(float, 4)
MSL_SIMD_MATRICES(half, 2)
MSL_SIMD_MATRICES(half, 3)
MSL_SIMD_MATRICES(half, 4)
#undef MSL_SIMD_MATRICES
#undef MSL_SIMD_MATRIX
