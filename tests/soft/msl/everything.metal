// One of everything that the rewriter looks at: the seed of the fuzzer, and a source that must compile.
#include <metal_stdlib>
using namespace metal;

typedef half float16_t;
using pair = float2;
template <typename T>
using lane = vec<T, 2>;

constant bool has_bias [[function_constant(10)]];
constant int scale [[function_constant(11)]];
constant int twice = scale * 2;
constant float table[4] = {0.5, 1.0, 2.0f, 4.0};
constexpr constant int kThreads = 64;

enum class Mode : int { sum, product };

struct Params {
  int count;
  float weights[2];
  packed_float3 origin;
};

template <typename T>
struct complex {
  T re, im;
  constexpr complex(T re, T im) thread : re(re), im(im) {}
  constexpr complex(T re, T im) constant : re(re), im(im) {}
  constexpr complex() thread : re(0), im(0) {}
  T norm() const thread { return re * re + im * im; }
  T norm() const device { return re * re + im * im; }
  static complex make(T x);
  static constexpr constant int size = 2;
};
template <typename T>
constexpr constant int complex<T>::size;
template <typename T>
complex<T> complex<T>::make(T x) {
  return {x, x};
}
template <typename T>
complex<T> operator+(complex<T> a, complex<T> b) {
  return complex<T>(a.re + b.re, a.im + b.im);
}

struct Add {
  template <typename T>
  T operator()(T a, T b) {
    return a + b;
  }
};

namespace detail {
template <typename T, int N>
inline T total(const thread T (&values)[N]) {
  T result = T(0);
#pragma clang loop unroll(full)
  for (int i = 0; i < N; i++) {
    result += values[i];
  }
  return result;
}
inline float pick(float2 v, bool second) {
  return second ? v.y : v.x;
}
template <typename... T>
inline float all_of(T... x) {
  return (static_cast<float>(x) + ...);
}
}  // namespace detail

template <typename T, int N, typename Op = Add>
[[kernel, max_total_threads_per_threadgroup(N * 2)]] void reduce(
    const device T* in [[buffer(0)]],
    device T* out [[buffer(1)]],
    constant Params& params [[buffer(2)]],
    const device T* bias [[buffer(3), function_constant(has_bias)]],
    threadgroup T* scratch [[threadgroup(0)]],
    uint3 gid [[threadgroup_position_in_grid]],
    ushort lane_id [[thread_index_in_simdgroup]],
    uint lid [[thread_index_in_threadgroup]]) {
  threadgroup T partial[N], total;
  T values[4] = {in[lid], in[lid + 1], T(params.weights[0]), T(table[lid % 4])};
  T sum = simd_sum(detail::total(values));
  if constexpr (N > 32) {
    partial[lid % N] = sum;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    sum = Op()(partial[0], partial[N - 1]);
  }
  if (lid == 0) total = sum;
  simdgroup_barrier(mem_flags::mem_none);
  scratch[lid] = has_bias ? static_cast<T>(bias[lid] * T(twice)) : T(0);
  out[gid.x * kThreads + lid] = scratch[lid] + (lane_id > 3 ? total : sum);
}

#define instantiate(name, ...) template [[host_name(name)]] [[kernel]] decltype(reduce<__VA_ARGS__>) reduce<__VA_ARGS__>;
instantiate("reduce_float_64", float, 64) instantiate("reduce_half_8", half, 8, Add)

kernel void vectors(device float4* a, device const int4* b, constant float& eps, device half2* h,
                    uint i [[thread_position_in_grid]]) {
  float4 x = float4(a[i].xy, 1, eps);
  float2 v(x.x, 2.0);
  bool4 mask = x < a[i];
  x += select(float4(b[i]), x, mask && !(b[i] == 3));
  h[i] = half2(v) * 0.5;
  h[i] *= 2.0f;
  const pair p = pair(detail::pick(v, any(mask)), detail::all_of(1, 2.5f, uint8_t(3)));
  lane<float> l = lane<float>(p);
  a[i] = as_type<float4>(as_type<uint4>(x) ^ uint4(1u)) + l.xyxy;
}

kernel void classes(device complex<float>* z, constant complex<float>* c, device atomic_uint* counter,
                    uint i [[thread_position_in_grid]]) {
  complex<float> x = i % 2 ? z[i] : c[i];
  auto scaled = [&](float s) { return complex<float>(x.re * s, x.im * s); };
  z[i] = x + scaled(z[i].norm()) + complex<float>::make(3);
  simdgroup_float8x8 m = make_filled_simdgroup_matrix<float, 8, 8>(x.re);
  simdgroup_multiply_accumulate(m, m, m, m);
  z[i].im = m.thread_elements()[0];
  switch (static_cast<Mode>(i % 2)) {
    case Mode::sum:
      atomic_fetch_add_explicit(counter, 1u, memory_order_relaxed);
      break;
    default:
      z[i] = *c;
  }
}
