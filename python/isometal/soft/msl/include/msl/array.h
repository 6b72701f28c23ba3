// isometal: msl/array.h
// <metal_array>: array<T, N>, an aggregate in any address space.
#pragma once

namespace metal {

#define MSL_ARRAY_ELEMENTS(qualified, ...)                           \
  MSL_FUNC constexpr qualified T& operator[](size_t i) __VA_ARGS__ { \
    return __elements[i];                                            \
  }                                                                  \
  MSL_FUNC constexpr qualified T& at(size_t i) __VA_ARGS__ {         \
    return __elements[i];                                            \
  }                                                                  \
  MSL_FUNC constexpr qualified T& front() __VA_ARGS__ {              \
    return __elements[0];                                            \
  }                                                                  \
  MSL_FUNC constexpr qualified T& back() __VA_ARGS__ {               \
    return __elements[N - 1];                                        \
  }                                                                  \
  MSL_FUNC constexpr qualified T* data() __VA_ARGS__ {               \
    return __elements;                                               \
  }                                                                  \
  MSL_FUNC constexpr qualified T* begin() __VA_ARGS__ {              \
    return __elements;                                               \
  }                                                                  \
  MSL_FUNC constexpr qualified T* end() __VA_ARGS__ {                \
    return __elements + N;                                           \
  }

template <class T, size_t N>
struct array {
  using value_type = T;
  using size_type = size_t;

  T __elements[N];

  MSL_FUNC static constexpr size_t size() { return N; }
  MSL_FUNC static constexpr bool empty() { return N == 0; }
  MSL_ARRAY_ELEMENTS(__private, __private)
  MSL_ARRAY_ELEMENTS(__global, __global)
  MSL_ARRAY_ELEMENTS(__local, __local)
  MSL_ARRAY_ELEMENTS(const, const)
  MSL_ARRAY_ELEMENTS(const __private, const __private)
  MSL_ARRAY_ELEMENTS(const __global, const __global)
  MSL_ARRAY_ELEMENTS(const __local, const __local)
  MSL_ARRAY_ELEMENTS(const __constant, const __constant)
  MSL_COPIES(array)
};
#undef MSL_ARRAY_ELEMENTS

}  // namespace metal
