"""Definitions of AIR's intrinsics (`air.*`) as LLVM IR text: what one thread does alone, and what lanes do together.

A name is `air.`, an operation, and the types that select an overload: `air.fmax.v4f32`, `air.min.u.i16`,
`air.convert.f.bf16.s.i32`. Both AIR sources, Apple's bitcode and our own headers, use the names below.

Types
    F   f16 f32 bf16, or a vector of two to four of them: v2f32 v3f16 v4bf16
    I   i8 i16 i32 i64, or a vector: v4i32
    S   s. or u. in front of I where signedness matters: s.i32 u.v2i8
    X   F or S.I: what simdgroup functions take (f32, s.i32, u.v2i32)
    [fast_]   the name with and without the prefix; both have the same definition, the precise one

Mathematics: every argument and the result have the type F
    air.[fast_]OP.F        acos acosh asin asinh atan atanh ceil cos cosh cospi exp exp10 exp2 fabs floor fract log
                           log10 log2 rint round rsqrt saturate sign sin sinh sinpi sqrt tan tanh tanpi trunc
    air.[fast_]OP.F        of two: atan2 copysign divide fdim fmax fmin fmod nextafter pow powr; step(edge, x)
    air.[fast_]OP.F        of three: clamp(x, low, high) fma fmax3 fmedian3 fmin3 mix(x, y, a) smoothstep(low, high, x)
    air.[fast_]ldexp.F     (F, I32 exponent), the exponent has as many elements as F
    air.[fast_]ilogb.F     (F) -> I32
    air.[fast_]frexp.F     (F, ptr I32) -> F fraction; the exponent goes to the pointer
    air.[fast_]modf.F      (F, ptr F) -> F fractional part; the integral part goes to the pointer
    air.[fast_]sincos.F    (F, ptr F) -> F sine; the cosine goes to the pointer
    air.[fast_]dot.vNF     (vNF, vNF) -> F scalar
    air.[fast_]OP.F        (F) -> i1 or <N x i1>: isnan isinf isfinite isnormal signbit
Integers
    air.OP.S.I             abs; of two: abs_diff add_sat hadd max min mul24 mul_hi rhadd sub_sat;
                           of three: clamp mad24 mad_hi mad_sat max3 median3 min3
    air.OP.I               bswap popcount reverse_bits; of two: rotate
    air.OP.I               clz ctz: (I) or (I, i1 zero_is_undefined, ignored)
    air.extract_bits.S.I   (I, i32 offset, i32 bits)
    air.insert_bits.S.I    (I base, I insert, i32 offset, i32 bits); also without S
    air.OP.vNi1            all any: (<N x i1>) -> i1
Conversions
    air.convert.D.S        D and S are f.F, s.I, u.I or u.i1 (u.v4i1): all pairs. Behind them .sat, for integers, and
                           then a rounding .rte .rtz .rtp .rtn: air.convert.f.f16.f.f32.rtz, air.convert.u.i8.s.i32.sat
    air.pack.K.vNF         (vNF) -> i32 and
    air.unpack.K.vNF       (i32) -> vNF; K is unorm4x8 snorm4x8 unorm2x16 snorm2x16 unorm.rgb10a2 snorm.rgb10a2;
                           F is f32 or f16
Memory
    air.atomic.SPACE.OP.T  SPACE is global or local. T is i32, i64 or f32 for load store xchg cmpxchg.weak; S.i32, S.i64
                           for add sub min max and or xor; f32 for add sub min max
        load               (ptr, i32 order, i32 scope, i1 volatile) -> T
        store              (ptr, T, i32 order, i32 scope, i1 volatile)
        others             (ptr, T, i32 order, i32 scope, i1 volatile) -> T old value
        cmpxchg.weak       (ptr, ptr expected, T desired, i32 order, i32 order of failure, i32 scope, i1 volatile)
                           -> T old value, which also goes to `expected`
    air.atomic.fence       (i32 memory_flags, i32 order, i32 scope)
Of the thread and the compiler
    air.get_simdgroup_size.I       () -> 32
    air.is_uniform.T               (T) -> i1 true
    air.normalize_function_constant_predicate.i8   (i8) -> i8, x != 0
    air.simd_is_helper_thread, air.quad_is_helper_thread   () -> i1 false
Simdgroup matrices; M is v64f32, v64f16 or v64bf16, P is p0 p1 p2 p3 with the element type: p1f32, p3bf16
    air.simdgroup_matrix_8x8_init_filled.M.F   (F) -> M
    air.simdgroup_matrix_8x8_init_diag.M.F     (F) -> M
    air.simdgroup_matrix_8x8_load.M.P          (ptr, i64 elements_per_row, <2 x i64> origin, i1 transpose) -> M, or
                                               (ptr, <2 x i64> size, <2 x i64> strides, <2 x i64> origin) -> M
    air.simdgroup_matrix_8x8_store.M.P         (M, ptr, ...) likewise
    An origin and strides have the column's number first. With strides, element (r, c) is at strides[0] (c + origin[0])
    + strides[1] (r + origin[1]). With elements_per_row the origin is one of memory: column origin[0] and row origin[1],
    transposed or not. (For Metal's transposed load Apple's compiler swaps both strides and origin.)
    All but init_filled call ``@isometal.lane`` for the lane that they are in.

Rendezvous: `rendezvous(name)`, one per simdgroup
    air.wg.barrier air.simdgroup.barrier       (i32 memory_flags, i32 scope)
    air.simd_OP.X  air.quad_OP.X               (X) -> X: sum product min max, and or xor (S.I or I), broadcast_first,
                                               prefix_inclusive_sum prefix_exclusive_sum prefix_inclusive_product
                                               prefix_exclusive_product
    air.simd_OP.X  air.quad_OP.X               (X, i16 lane or delta or mask) -> X: broadcast shuffle shuffle_up
                                               shuffle_down shuffle_xor shuffle_rotate_up shuffle_rotate_down
    air.simd_OP.X  air.quad_OP.X               (X, X fill, i16 delta, i16 modulo) -> X: shuffle_and_fill_up
                                               shuffle_and_fill_down
    air.simd_all air.simd_any air.quad_all air.quad_any      (i1) -> i1
    air.simd_ballot.i64 (i1) -> i64            air.quad_ballot (i1) -> i16
    air.simd_active_threads_mask.i64 () -> i64 air.quad_active_threads_mask () -> i16
    air.simd_is_first air.quad_is_first        () -> i1
    air.simdgroup_matrix_8x8_multiply_accumulate.D.A.B.C     (A, B, C) -> D, each one M

Of function constants, `air.is_function_constant_defined` and `air.function_constant_predicate` are the lowering's.
"""

from isometal.soft.lower.intrinsics.definition import ANY_SUBNORMALS, Definition
from isometal.soft.lower.intrinsics.features import Features
from isometal.soft.lower.intrinsics.legalise import Legalised, legalise, support
from isometal.soft.lower.intrinsics.lookup import definition
from isometal.soft.lower.intrinsics.rendezvous import Rendezvous, rendezvous

__all__ = [
    "ANY_SUBNORMALS",
    "Definition",
    "Features",
    "Legalised",
    "Rendezvous",
    "definition",
    "legalise",
    "rendezvous",
    "support",
]
