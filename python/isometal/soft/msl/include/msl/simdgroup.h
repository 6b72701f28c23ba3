// isometal: msl/simdgroup.h
// <metal_simdgroup>, <metal_quadgroup>: what the 32 lanes of a simdgroup, or the 4 of a quadgroup, do
// together.
//
// Each function is an AIR function under its Metal name. As on Apple there are none for 64-bit integers, bool
// and bfloat.
#pragma once

// Declarations of functions of one value, of a value and a lane or distance, and of a value and what fills
// the gap. `args` is (name), which is AIR's name too.
#define MSL_LANES_1(args, T, suffix) MSL_DECLARE(MSL_LANES_1_, MSL_LIST args, T, suffix)
#define MSL_LANES_1_(name, T, suffix) T name(T x) __asm("air." #name "." suffix) MSL_TOGETHER;
#define MSL_LANES_2(args, T, suffix) MSL_DECLARE(MSL_LANES_2_, MSL_LIST args, T, suffix)
#define MSL_LANES_2_(name, T, suffix) T name(T x, ushort lane) __asm("air." #name "." suffix) MSL_TOGETHER;
#define MSL_LANES_FILL(args, T, suffix) MSL_DECLARE(MSL_LANES_FILL_, MSL_LIST args, T, suffix)
#define MSL_LANES_FILL_(name, size, T, suffix)                                                  \
  T name(T x, T fill, ushort delta, ushort modulo) __asm("air." #name "." suffix) MSL_TOGETHER; \
  MSL_FUNC T name(T x, T fill, ushort delta) {                                                  \
    return name(x, fill, delta, size);                                                          \
  }

#define MSL_LANES(ARITY, args) MSL_FLOATS(ARITY, args) MSL_INTEGERS_TO_32(ARITY, args)

// All functions of a group that are named alike: `group` is simd or quad, `size` its number of lanes.
#define MSL_GROUP(group, size)                                           \
  MSL_LANES(MSL_LANES_1, (group##_broadcast_first))                      \
  MSL_LANES(MSL_LANES_1, (group##_max))                                  \
  MSL_LANES(MSL_LANES_1, (group##_min))                                  \
  MSL_LANES(MSL_LANES_1, (group##_product))                              \
  MSL_LANES(MSL_LANES_1, (group##_sum))                                  \
  MSL_LANES(MSL_LANES_1, (group##_prefix_exclusive_product))             \
  MSL_LANES(MSL_LANES_1, (group##_prefix_exclusive_sum))                 \
  MSL_LANES(MSL_LANES_1, (group##_prefix_inclusive_product))             \
  MSL_LANES(MSL_LANES_1, (group##_prefix_inclusive_sum))                 \
  MSL_INTEGERS_TO_32(MSL_LANES_1, (group##_and))                         \
  MSL_INTEGERS_TO_32(MSL_LANES_1, (group##_or))                          \
  MSL_INTEGERS_TO_32(MSL_LANES_1, (group##_xor))                         \
  MSL_LANES(MSL_LANES_2, (group##_broadcast))                            \
  MSL_LANES(MSL_LANES_2, (group##_shuffle))                              \
  MSL_LANES(MSL_LANES_2, (group##_shuffle_down))                         \
  MSL_LANES(MSL_LANES_2, (group##_shuffle_rotate_down))                  \
  MSL_LANES(MSL_LANES_2, (group##_shuffle_rotate_up))                    \
  MSL_LANES(MSL_LANES_2, (group##_shuffle_up))                           \
  MSL_LANES(MSL_LANES_2, (group##_shuffle_xor))                          \
  MSL_LANES(MSL_LANES_FILL, (group##_shuffle_and_fill_down, size))       \
  MSL_LANES(MSL_LANES_FILL, (group##_shuffle_and_fill_up, size))         \
  bool group##_all(bool x) __asm("air." #group "_all") MSL_TOGETHER;     \
  bool group##_any(bool x) __asm("air." #group "_any") MSL_TOGETHER;     \
  bool group##_is_first() __asm("air." #group "_is_first") MSL_TOGETHER; \
  bool group##_is_helper_thread() __asm("air." #group "_is_helper_thread") MSL_PURE;

// A vote: one bit for each lane of the group.
#define MSL_VOTE(group, Bits, every)                                                         \
  class group##_vote {                                                                       \
   public:                                                                                   \
    using vote_t = Bits;                                                                     \
    MSL_FUNC explicit constexpr group##_vote(vote_t v = 0) : votes(v) {}                     \
    MSL_FUNC explicit constexpr operator vote_t() const { return votes; }                    \
    MSL_FUNC constexpr bool all() const { return (votes & vote_t(every)) == vote_t(every); } \
    MSL_FUNC constexpr bool any() const { return (votes & vote_t(every)) != 0; }             \
                                                                                             \
   private:                                                                                  \
    vote_t votes;                                                                            \
  };                                                                                         \
  MSL_FUNC group##_vote group##_ballot(bool x) {                                             \
    return group##_vote(__air_##group##_ballot(x));                                          \
  }                                                                                          \
  MSL_FUNC group##_vote group##_active_threads_mask() {                                      \
    return group##_vote(__air_##group##_active_threads_mask());                              \
  }

ushort __air_get_simdgroup_size() __asm("air.get_simdgroup_size.i16") MSL_PURE;
ulong __air_simd_ballot(bool x) __asm("air.simd_ballot.i64") MSL_TOGETHER;
ulong __air_simd_active_threads_mask() __asm("air.simd_active_threads_mask.i64") MSL_TOGETHER;
ushort __air_quad_ballot(bool x) __asm("air.quad_ballot") MSL_TOGETHER;
ushort __air_quad_active_threads_mask() __asm("air.quad_active_threads_mask") MSL_TOGETHER;

namespace metal {
MSL_GROUP(simd, __air_get_simdgroup_size())
MSL_GROUP(quad, 4)
MSL_VOTE(simd, ulong, 0xffffffff)
MSL_VOTE(quad, ushort, 0xf)
}  // namespace metal

#undef MSL_GROUP
#undef MSL_LANES
#undef MSL_LANES_1
#undef MSL_LANES_1_
#undef MSL_LANES_2
#undef MSL_LANES_2_
#undef MSL_LANES_FILL
#undef MSL_LANES_FILL_
#undef MSL_VOTE
