// isometal: msl/array.h
// <metal_array>: array<T, N>, an aggregate in any address space.
#pragma once

namespace metal {

#define MSL_ARRAY_ELEMENTS(prefix, qualified)                             \
  prefix MSL_FUNC constexpr qualified T& operator[](size_t i) qualified { \
    return __elements[i];                                                 \
  }                                                                       \
  prefix MSL_FUNC constexpr qualified T& at(size_t i) qualified {         \
    return __elements[i];                                                 \
  }                                                                       \
  prefix MSL_FUNC constexpr qualified T& front() qualified {              \
    return __elements[0];                                                 \
  }                                                                       \
  prefix MSL_FUNC constexpr qualified T& back() qualified {               \
    return __elements[N - 1];                                             \
  }                                                                       \
  prefix MSL_FUNC constexpr qualified T* data() qualified {               \
    return __elements;                                                    \
  }                                                                       \
  prefix MSL_FUNC constexpr qualified T* begin() qualified {              \
    return __elements;                                                    \
  }                                                                       \
  prefix MSL_FUNC constexpr qualified T* end() qualified {                \
    return __elements + N;                                                \
  }

template <class T, size_t N>
struct array {
  using value_type = T;
  using size_type = size_t;

  T __elements[N];

  MSL_FUNC static constexpr size_t size() { return N; }
  MSL_FUNC static constexpr bool empty() { return N == 0; }
  MSL_ARRAY_ELEMENTS(, __private)
  MSL_ARRAY_ELEMENTS(MSL_NOT_FOR_TEMPORARIES, __global)
  MSL_ARRAY_ELEMENTS(MSL_NOT_FOR_TEMPORARIES, __local)
  MSL_ARRAY_ELEMENTS(, const)
  MSL_ARRAY_ELEMENTS(, const __private)
  MSL_ARRAY_ELEMENTS(, const __global)
  MSL_ARRAY_ELEMENTS(, const __local)
  MSL_ARRAY_ELEMENTS(, const __constant)
  MSL_COPIES(array)
};
#undef MSL_ARRAY_ELEMENTS

}  // namespace metal
