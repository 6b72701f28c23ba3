// Forms that projects write, next to everything.metal: a seed of the fuzzer, and compiled by test_msl_projects.py.
#include <metal_stdlib>
#include <metal_simdgroup_matrix>
#pragma METAL fp math_mode(safe)
using namespace metal;

constant bool has_mask [[function_constant(0)]];
constexpr constant float weights[4] = {1, 2, 4, 8};
constant half2 pair(1, 2);

struct Block { half scale; char values[2]; };
struct Params { float4x4 m; float2 points[3]; packed_float3 p; bool3 flags; int64_t strides[2]; };

struct Box {
  float3 low, high;
  Box(float3 a, float size) : low(a), high(a.x + size, a.y, a.z) {}
  float3 middle() const thread { return (low + high) / 2; }
};

struct Sum { template <typename T> T operator()(T a, T b) const { return a + b; } };

template <typename T> void unpack(device const Block* b, short i, thread T& x) { x = b->values[i] * b->scale; }
void negate(device const Block* b, short i, thread float4& x) { x = -float(b->values[i]); }

template <typename block_t, short N, void (*f)(device const block_t*, short, thread float4&)>
kernel void get(device const block_t* blocks [[buffer(0)]], device float4* out [[buffer(1)]],
                uint i [[thread_position_in_grid]]) {
  for (short j = 0; j < N; ++j) {
    float4 x(0), y(1, 2, x.xy);
    f(blocks + i, j, x);
    out[i * N + j] = x + y;
  }
}
typedef decltype(get<Block, 2, unpack>) get_t;
template [[host_name("get_unpack")]] kernel get_t get<Block, 2, unpack>;
template [[host_name("get_negate")]] kernel get_t get<Block, 2, negate>;

template <typename T, typename U> T converted(U x) { T a = T(x), b(a); return a + (T)b; }

template <typename T, typename Op, int N = 4>
[[kernel]] void fold(device const T* in [[buffer(0)]], device T* out [[buffer(1)]],
                     device const bool* mask [[buffer(2), function_constant(has_mask)]],
                     constant Params& p [[buffer(3)]], threadgroup T* shared [[threadgroup(0)]],
                     uint3 tid [[thread_position_in_grid]], ushort lane [[thread_index_in_simdgroup]]) {
  static_assert(N > 1, "several");
  threadgroup float tile[8][8 + 1];
  vec<T, N> v = *(device const vec<T, N>*)(in + tid.x * N);
  T total = T(0);
  for (ushort i = 0; i < N; i++) total = Op()(total, has_mask && mask[i] ? v[i] : T(0));
  if constexpr (is_same_v<T, half>) total += T(weights[1]); else total += converted<T>(1.0f);
  tile[lane % 8][0] = simd_sum(float(total));
  shared[lane] = T(tile[lane % 8][0]) + T(p.flags.x) + T(Box(p.p, 1).middle().y);
  simdgroup_barrier(mem_flags::mem_threadgroup);
  simdgroup_matrix<float, 8, 8> c = make_filled_simdgroup_matrix<float, 8, 8>(0.5f);
  c.thread_elements()[0] += precise::exp(fast::max(float(shared[0]), 0.0f));
  out[tid.x] = T(c.thread_elements()[0]) + T(pair.y) + T((p.m * float4(p.points[1], 0, 1)).x);
}
#define FOLD(name, T) template [[host_name("fold_" #name)]] [[kernel]] decltype(fold<T, Sum>) fold<T, Sum>;
FOLD(float32, float)
FOLD(float16, half)
FOLD(bfloat16, bfloat)
