// isometal: msl/geometric.h
// <metal_geometric>: vectors as geometry. The dot product is an AIR function, the rest is made from it.
#pragma once

#define MSL_DOT(T, N, air) T dot(T##N x, T##N y) __asm("air." air) MSL_PURE;

// The functions of one namespace and one type; sqrt, rsqrt and dot are looked up in that namespace.
#define MSL_GEOMETRY(T, N)                                           \
  MSL_FUNC T length_squared(T##N x) {                                \
    return dot(x, x);                                                \
  }                                                                  \
  MSL_FUNC T length(T##N x) {                                        \
    return sqrt(dot(x, x));                                          \
  }                                                                  \
  MSL_FUNC T distance_squared(T##N x, T##N y) {                      \
    return length_squared(x - y);                                    \
  }                                                                  \
  MSL_FUNC T distance(T##N x, T##N y) {                              \
    return length(x - y);                                            \
  }                                                                  \
  MSL_FUNC T##N normalize(T##N x) {                                  \
    return x * rsqrt(dot(x, x));                                     \
  }                                                                  \
  MSL_FUNC T##N faceforward(T##N n, T##N incident, T##N reference) { \
    return dot(reference, incident) < T(0) ? n : -n;                 \
  }                                                                  \
  MSL_FUNC T##N reflect(T##N incident, T##N n) {                     \
    return incident - T(2) * dot(n, incident) * n;                   \
  }                                                                  \
  MSL_FUNC T##N refract(T##N incident, T##N n, T eta) {              \
    T cosine = dot(n, incident);                                     \
    T k = T(1) - eta * eta * (T(1) - cosine * cosine);               \
    if (k < T(0)) return T##N(T(0));                                 \
    return eta * incident - (eta * cosine + sqrt(k)) * n;            \
  }
#define MSL_GEOMETRY_OF(T, suffix, prefix) \
  MSL_DOT(T, 2, prefix "dot.v2" suffix)    \
  MSL_DOT(T, 3, prefix "dot.v3" suffix)    \
  MSL_DOT(T, 4, prefix "dot.v4" suffix)    \
  MSL_GEOMETRY(T, 2)                       \
  MSL_GEOMETRY(T, 3)                       \
  MSL_GEOMETRY(T, 4)                       \
  MSL_FUNC T##3 cross(T##3 x, T##3 y) {    \
    return x.yzx * y.zxy - x.zxy * y.yzx;  \
  }

namespace metal {
MSL_GEOMETRY_OF(float, "f32", "")
MSL_GEOMETRY_OF(half, "f16", "")
namespace precise {
MSL_GEOMETRY_OF(float, "f32", "")
}
namespace fast {
MSL_GEOMETRY_OF(float, "f32", "")
}
}  // namespace metal

#undef MSL_DOT
#undef MSL_GEOMETRY
#undef MSL_GEOMETRY_OF
