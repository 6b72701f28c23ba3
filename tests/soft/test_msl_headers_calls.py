"""Which AIR functions a call in Metal becomes, and its type: overloads, implicit conversions, namespaces, fast math."""

from __future__ import annotations

import functools
import re

import msl_headers
import pytest

# Variables of every type stand ready: f is a float, f3 a float3, h2 a half2, b a bfloat, i4 an int4; xi points to an
# int of the thread; z and z3 are a bool and a bool3.
TYPES = {
    "f": "float",
    "h": "half",
    "b": "bfloat",
    "c": "char",
    "uc": "uchar",
    "s": "short",
    "us": "ushort",
    "i": "int",
    "u": "uint",
    "l": "long",
    "ul": "ulong",
}

#: expression: its type and the AIR functions that it calls. The precise flavour, by default.
MATH = {
    "exp(f)": ("float", "exp.f32"),
    "exp(f3)": ("float3", "exp.v3f32"),
    "exp(h)": ("half", "exp.f16"),
    "exp(h4)": ("half4", "exp.v4f16"),
    "exp(b)": ("float", "exp.f32"),
    "abs(f)": ("float", "fabs.f32"),
    "abs(h2)": ("half2", "fabs.v2f16"),
    "abs(b)": ("float", "fabs.f32"),
    "abs(i)": ("int", "abs.s.i32"),
    "abs(us3)": ("ushort3", "abs.u.v3i16"),
    "max(f, h)": None,
    "max(f, 0.0f)": ("float", "fmax.f32"),
    "max(f4, 0.0f)": ("float4", "fmax.v4f32"),
    "max(f4, 0)": ("float4", "fmax.v4f32"),
    "max(h, h)": ("half", "fmax.f16"),
    "max(b, b)": ("float", "fmax.f32"),
    "max(i, 3)": ("int", "max.s.i32"),
    "max(u, 3u)": ("uint", "max.u.i32"),
    "max(i, u)": None,
    "min(c, c)": ("char", "min.s.i8"),
    "min(ul4, ul4)": ("ulong4", "min.u.v4i64"),
    "clamp(f, 0.0f, 1.0f)": ("float", "clamp.f32"),
    "clamp(f2, 0.0f, 1.0f)": ("float2", "clamp.v2f32"),
    "clamp(b, b, b)": ("float", "clamp.f32"),
    "clamp(i, 0, 7)": ("int", "clamp.s.i32"),
    "clamp(us, us, us)": ("ushort", "clamp.u.i16"),
    "mix(f3, f3, 0.5f)": ("float3", "mix.v3f32"),
    "saturate(h)": ("half", "saturate.f16"),
    "sign(f2)": ("float2", "sign.v2f32"),
    "step(0.5f, f4)": ("float4", "step.v4f32"),
    "smoothstep(0.0f, 1.0f, f)": ("float", "smoothstep.f32"),
    "pow(f, 2)": ("float", "pow.f32"),
    "pow(h, s)": ("half", "pow.f16"),
    "pow(f3, f3)": ("float3", "pow.v3f32"),
    "powr(f, f)": ("float", "powr.f32"),
    "atan2(f, f)": ("float", "atan2.f32"),
    "fmod(h2, h2)": ("half2", "fmod.v2f16"),
    "divide(f, f)": ("float", "divide.f32"),
    "copysign(f, h)": None,
    "copysign(h, h)": ("half", "copysign.f16"),
    "nextafter(f, f)": ("float", "nextafter.f32"),
    "fma(h, h, h)": ("half", "fma.f16"),
    "fma(f4, f4, f4)": ("float4", "fma.v4f32"),
    "max3(f, f, f)": ("float", "fmax3.f32"),
    "median3(i, i, i)": ("int", "median3.s.i32"),
    "min3(uc2, uc2, uc2)": ("uchar2", "min3.u.v2i8"),
    "fmedian3(h, h, h)": ("half", "fmedian3.f16"),
    "ldexp(f, i)": ("float", "ldexp.f32"),
    "ldexp(h3, i3)": ("half3", "ldexp.v3f16"),
    "ilogb(f)": ("int", "ilogb.f32"),
    "frexp(f, *xi)": ("float", "frexp.f32"),
    "modf(f, f)": ("float", "modf.f32"),
    "sincos(f2, f2)": ("float2", "sincos.v2f32"),
    "precise::exp(f)": ("float", "exp.f32"),
    "precise::exp(h)": ("float", "exp.f32"),
    "precise::sqrt(b)": ("float", "sqrt.f32"),
    "precise::max(f4, f4)": ("float4", "fmax.v4f32"),
    "fast::exp(f)": ("float", "fast_exp.f32"),
    "fast::sincos(f, f)": ("float", "fast_sincos.f32"),
    "fast::rsqrt(f3)": ("float3", "fast_rsqrt.v3f32"),
    "__metal_exp(f, __METAL_PRECISE_MATH__)": ("float", "exp.f32"),
    "__metal_exp(f, __METAL_FAST_MATH__)": ("float", "fast_exp.f32"),
    "__metal_exp(b, __METAL_MAYBE_FAST_MATH__)": ("float", "exp.f32"),
    "__metal_ldexp(f, i, __METAL_FAST_MATH__)": ("float", "fast_ldexp.f32"),
    "__metal_frexp(f, xi)": ("float", "frexp.f32"),
    "__metal_fmin3(f, f, f, __METAL_PRECISE_MATH__)": ("float", "fmin3.f32"),
}
FAST_MATH = {
    "exp(f)": ("float", "fast_exp.f32"),
    "exp(b)": ("float", "fast_exp.f32"),
    "max(f2, f2)": ("float2", "fast_fmax.v2f32"),
    "sincos(f, f)": ("float", "fast_sincos.f32"),
    "exp(h)": ("half", "exp.f16"),
    "fma(f, f, f)": ("float", "fma.f32"),
    "copysign(f, f)": ("float", "copysign.f32"),
    "precise::exp(f)": ("float", "exp.f32"),
    "length(f2)": ("float", "dot.v2f32 fast_sqrt.f32"),
    "precise::length(f2)": ("float", "dot.v2f32 sqrt.f32"),
    "__metal_exp(f, __METAL_MAYBE_FAST_MATH__)": ("float", "fast_exp.f32"),
}
INTEGER = {
    "absdiff(i, i)": ("uint", "abs_diff.s.i32"),
    "absdiff(c4, c4)": ("uchar4", "abs_diff.s.v4i8"),
    "absdiff(ul, ul)": ("ulong", "abs_diff.u.i64"),
    "addsat(s, s)": ("short", "add_sat.s.i16"),
    "subsat(uc, uc)": ("uchar", "sub_sat.u.i8"),
    "hadd(i2, i2)": ("int2", "hadd.s.v2i32"),
    "rhadd(u, u)": ("uint", "rhadd.u.i32"),
    "mulhi(l, l)": ("long", "mul_hi.s.i64"),
    "madhi(u, u, u)": ("uint", "mad_hi.u.i32"),
    "madsat(i, i, i)": ("int", "mad_sat.s.i32"),
    "mul24(i, i)": ("int", "mul24.s.i32"),
    "mad24(u3, u3, u3)": ("uint3", "mad24.u.v3i32"),
    "popcount(uc)": ("uchar", "popcount.i8"),
    "popcount(l)": ("long", "popcount.i64"),
    "clz(i)": ("int", "clz.i32"),
    "ctz(us2)": ("ushort2", "ctz.v2i16"),
    "reverse_bits(u)": ("uint", "reverse_bits.i32"),
    "rotate(i4, i4)": ("int4", "rotate.v4i32"),
    "extract_bits(i, 3, 5)": ("int", "extract_bits.s.i32"),
    "insert_bits(uc, uc, 0u, 4u)": ("uchar", "insert_bits.u.i8"),
}
GEOMETRIC = {
    "dot(f4, f4)": ("float", "dot.v4f32"),
    "dot(h2, h2)": ("half", "dot.v2f16"),
    "length(f3)": ("float", "dot.v3f32 sqrt.f32"),
    "length_squared(h3)": ("half", "dot.v3f16"),
    "distance(f2, f2)": ("float", "dot.v2f32 sqrt.f32"),
    "normalize(h4)": ("half4", "dot.v4f16 rsqrt.f16"),
    "cross(f3, f3)": ("float3", ""),
    "reflect(f3, f3)": ("float3", "dot.v3f32"),
}
RELATIONAL = {
    "isnan(f)": ("bool", ""),
    "isnan(b)": ("bool", ""),
    "isnan(h3)": ("bool3", ""),
    "isinf(f)": ("bool", "fabs.f32"),
    "isfinite(h2)": ("bool2", "fabs.v2f16"),
    "signbit(f4)": ("bool4", ""),
    "isordered(f, f)": ("bool", ""),
    "any(z3)": ("bool", ""),
    "select(f3, f3, z3)": ("float3", ""),
    "select(i, i, z)": ("int", ""),
    "select(b, b, z)": ("bfloat", ""),
    "as_type<uint>(f)": ("uint", ""),
    "as_type<half2>(u)": ("half2", ""),
}
LANES = {
    "simd_sum(f)": ("float", "simd_sum.f32"),
    "simd_sum(h4)": ("half4", "simd_sum.v4f16"),
    "simd_sum(i > 0)": ("int", "simd_sum.s.i32"),
    "simd_sum(uc)": ("uchar", "simd_sum.u.i8"),
    "simd_sum(b)": None,
    "simd_sum(l)": None,
    "simd_and(u2)": ("uint2", "simd_and.u.v2i32"),
    "simd_and(f)": None,
    "simd_prefix_exclusive_sum(i)": ("int", "simd_prefix_exclusive_sum.s.i32"),
    "simd_broadcast(f, 3)": ("float", "simd_broadcast.f32"),
    "simd_broadcast_first(us)": ("ushort", "simd_broadcast_first.u.i16"),
    "simd_shuffle_xor(f2, 1)": ("float2", "simd_shuffle_xor.v2f32"),
    "simd_shuffle_rotate_down(h, us)": ("half", "simd_shuffle_rotate_down.f16"),
    "simd_shuffle_and_fill_up(f, f, 1)": ("float", "get_simdgroup_size.i16 simd_shuffle_and_fill_up.f32"),
    "simd_shuffle_and_fill_down(c, c, 1, 8)": ("char", "simd_shuffle_and_fill_down.s.i8"),
    "quad_shuffle_and_fill_up(f, f, 1)": ("float", "quad_shuffle_and_fill_up.f32"),
    "quad_max(i3)": ("int3", "quad_max.s.v3i32"),
    "simd_all(f > 0)": ("bool", "simd_all"),
    "simd_is_first()": ("bool", "simd_is_first"),
    "simd_is_helper_thread()": ("bool", "simd_is_helper_thread"),
    "simd_ballot(z)": ("simd_vote", "simd_ballot.i64"),
    "simd_ballot(z).all()": ("bool", "simd_ballot.i64"),
    "static_cast<ulong>(simd_ballot(z))": ("ulong", "simd_ballot.i64"),
    "simd_active_threads_mask()": ("simd_vote", "simd_active_threads_mask.i64"),
    "quad_ballot(z)": ("quad_vote", "quad_ballot"),
    "quad_active_threads_mask()": ("quad_vote", "quad_active_threads_mask"),
    "threadgroup_barrier(mem_flags::mem_threadgroup)": ("void", "wg.barrier"),
    "simdgroup_barrier(mem_flags::mem_none)": ("void", "simdgroup.barrier"),
    "__metal_simd_shuffle_down(us, 3)": ("ushort", "simd_shuffle_down.u.i16"),
    "__metal_simd_sum(f)": ("float", "simd_sum.f32"),
    "__metal_get_simdgroup_size(us)": ("ushort", "get_simdgroup_size.i16"),
    "is_uniform(u)": ("bool", "is_uniform.i32"),
}
PACK = {
    "pack_float_to_unorm4x8(f4)": ("uint", "pack.unorm4x8.v4f32"),
    "pack_half_to_snorm2x16(h2)": ("uint", "pack.snorm2x16.v2f16"),
    "unpack_snorm4x8_to_float(u)": ("float4", "unpack.snorm4x8.v4f32"),
    "unpack_unorm10a2_to_half(u)": ("half4", "unpack.unorm.rgb10a2.v4f16"),
}


def parameters() -> str:
    scalars = [f"{type_} {name}" for name, type_ in TYPES.items()]
    vectors = [f"{type_}{n} {name}{n}" for name, type_ in TYPES.items() for n in (2, 3, 4)]
    return ", ".join(["bool z", "bool3 z3", "__private int* xi", *scalars, *vectors])


@functools.cache
def compiled(family: str, fast_math: bool) -> list[str]:
    """What each expression of a family calls, in its order; types are asserted in the source."""
    expressions = {e: expected for e, expected in FAMILIES[family].items() if expected is not None}
    source = "using namespace metal;\n" + "\n".join(
        f'extern "C" {type_} case_{i}({parameters()}) {{\n'
        f'  static_assert(is_same_v<decltype({e}), {type_}>, "{e}");\n  return {e};\n}}'
        for i, (e, (type_, _)) in enumerate(expressions.items())
    )
    text = msl_headers.ir(source, "-O1", fast_math=fast_math)
    bodies = re.findall(r"define [^\n]*@case_\d+\(.*?\n}", text, re.S)
    return [" ".join(call.removeprefix("air.") for call in msl_headers.calls(body)) for body in bodies]


FAMILIES = {
    "math": MATH,
    "fast math": FAST_MATH,
    "integer": INTEGER,
    "geometric": GEOMETRIC,
    "relational": RELATIONAL,
    "lanes": LANES,
    "pack": PACK,
}


@pytest.mark.parametrize("family", FAMILIES)
def test_calls(family: str) -> None:
    expected = {e: names[1] for e, names in FAMILIES[family].items() if names is not None}
    found = dict(zip(expected, compiled(family, family == "fast math"), strict=True))
    assert found == expected


@pytest.mark.parametrize(
    "expression", [e for family in FAMILIES.values() for e, expected in family.items() if expected is None]
)
def test_ambiguous_and_unknown_calls_are_errors(expression: str) -> None:
    compilation = msl_headers.run(
        f"using namespace metal;\nvoid f({parameters()}) {{ {expression}; }}", "-fsyntax-only"
    )
    assert len(compilation.errors_only()) == 1
    assert re.match("call to '\\w+' is ambiguous|no matching function for call", compilation.errors_only()[0])
