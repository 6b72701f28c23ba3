"""Types of the Metal headers: sizes, vectors, packed and bool vectors, traits, limits, matrices, arrays, macros."""

from __future__ import annotations

import math
import subprocess

import msl_headers
import numpy as np
import pytest

SIZES = {"char": 1, "uchar": 1, "short": 2, "ushort": 2, "half": 2, "bfloat": 2, "int": 4, "uint": 4, "float": 4}
SIZES |= {"long": 8, "ulong": 8}


def assert_static(assertions: list[str], *, declarations: str = "", library: bool = True) -> None:
    """Each assertion holds at compile time."""
    using = "using namespace metal;\n" if library else ""
    source = using + declarations + "\n" + "\n".join(f"static_assert({assertion});" for assertion in assertions)
    compilation = msl_headers.run(source, "-fsyntax-only", library=library)
    assert compilation.errors == ""


def test_sizes_and_alignments_need_no_include() -> None:
    # Metal Shading Language, tables 2.2 to 2.4: three elements take the room of four, unless they are packed.
    expected = [f"sizeof({t}) == {size} && alignof({t}) == {size}" for t, size in SIZES.items()]
    for type_, size in SIZES.items():
        expected += [
            f"sizeof({type_}{n}) == {size * m} && alignof({type_}{n}) == {size * m}"
            for n, m in ((2, 2), (3, 4), (4, 4))
        ]
        expected += [
            f"sizeof(packed_{type_}{n}) == {size * n} && alignof(packed_{type_}{n}) == {size}" for n in (2, 3, 4)
        ]
    expected += [f"sizeof(bool{n}) == {m} && alignof(bool{n}) == {m}" for n, m in ((2, 2), (3, 4), (4, 4))]
    expected += ["sizeof(size_t) == 8", "sizeof(ptrdiff_t) == 8", "char(-1) < 0", "uint64_t(-1) > 0"]
    expected += ["__is_same(int8_t, char)", "__is_same(uint16_t, ushort)", "__is_same(int64_t, long)"]
    assert_static(expected, library=False)


def test_without_include_there_is_no_library() -> None:
    compilation = msl_headers.run("void f(float x) { metal::exp(x); }", "-fsyntax-only", library=False)
    assert compilation.errors_only() == ["no type named 'exp' in namespace 'metal'"]


def test_traits() -> None:
    assert_static(
        [
            "is_same_v<remove_addrspace_t<const __global float>, const float>",
            "is_same_v<remove_addrspace_t<__constant float>, float>",
            "is_same_v<remove_addrspace_t<__local half4>, half4>",
            "is_same_v<remove_addrspace_t<int>, int>",
            "is_same_v<remove_cv_t<const volatile int>, int> && is_same_v<remove_const_t<const half>, half>",
            "is_same_v<remove_reference_t<__global int&>, __global int>",
            "is_same_v<remove_pointer_t<__global int*>, __global int>",
            "is_same_v<make_signed_t<uint2>, int2> && is_same_v<make_unsigned_t<char>, uchar>",
            "is_same_v<make_unsigned_t<int64_t>, uint64_t> && is_same_v<decay_t<const float>, float>",
            "is_same<int, int32_t>::value && !is_same<int, uint>() && is_same_v<int, int>",
            "is_integral_v<bool> && is_integral<char>::value && !is_integral_v<half> && !is_integral_v<int2>",
            "is_floating_point_v<const bfloat> && is_floating_point<half>::value && !is_floating_point_v<int>",
            "is_arithmetic_v<bfloat> && is_arithmetic_v<ulong> && !is_arithmetic_v<float2>",
            "is_signed_v<char> && is_signed_v<half> && is_signed_v<bfloat> && !is_signed_v<uint>",
            "is_unsigned_v<uchar> && !is_unsigned_v<float>",
            "is_pointer_v<__global int*> && !is_pointer_v<int> && is_const_v<const int>",
            "is_convertible_v<bfloat, float> && is_convertible_v<int, float> && !is_convertible_v<half, bfloat>",
            "!is_convertible_v<float4, half4> && is_constructible_v<float2, float>",
            "is_same_v<conditional_t<true, int, float>, int> && is_same_v<conditional<false, int, float>::type, float>",
            "is_same_v<enable_if_t<true, int>, int>",
            "_disjunction<is_same<int, float>, true_type>::value && !_conjunction<true_type, false_type>::value",
            "!disjunction<>::value && conjunction<>::value && negation<false_type>::value",
            "integral_constant<int, 7>::value == 7 && integral_constant<int, 7>() == 7 && bool_constant<true>()",
            "is_same_v<make_scalar_t<bool3>, bool> && is_same_v<make_scalar_t<half>, half>",
            "__msl_vector_traits<const float4>::size == 4 && __msl_vector_traits<int>::size == 0",
            "is_same_v<common_type_t<int, float>, float>",
            "is_same_v<common_type<short, const int&, long>::type, long>",
            "rank<int[2][3]>::value == 2 && extent<int[2][3], 1>::value == 3 && is_compound_v<float4>",
            "is_enum_v<mem_flags> && is_same_v<underlying_type_t<mem_flags>, int>",
        ]
    )


INTEGERS = {
    "char": np.int8,
    "uchar": np.uint8,
    "short": np.int16,
    "ushort": np.uint16,
    "int": np.int32,
    "uint": np.uint32,
    "long": np.int64,
    "ulong": np.uint64,
}


@pytest.mark.parametrize("type_", INTEGERS)
def test_limits_of_integers(type_: str) -> None:
    info = np.iinfo(INTEGERS[type_])
    literal = {"ulong": "u"}.get(type_, "")
    assert_static(
        [
            f"numeric_limits<{type_}>::max() == {info.max}{literal}",
            f"numeric_limits<{type_}>::min() == {info.min + 1 if info.min else 0}L - {int(bool(info.min))}",
            f"numeric_limits<{type_}>::lowest() == numeric_limits<{type_}>::min()",
            f"numeric_limits<{type_}>::digits == {info.bits - (info.min < 0)}",
            f"numeric_limits<{type_}>::digits10 == {int((info.bits - (info.min < 0)) * math.log10(2))}",
            f"numeric_limits<{type_}>::is_integer && numeric_limits<{type_}>::is_signed == {str(info.min < 0).lower()}",
        ]
    )


# bfloat16: 8 exponent bits as float32, 7 fraction bits.
FLOATS = {
    "float": (24, 2.0**-126, (2 - 2.0**-23) * 2.0**127, 128),
    "half": (11, 2.0**-14, 65504.0, 16),
    "bfloat": (8, 2.0**-126, (2 - 2.0**-7) * 2.0**127, 128),
}


@pytest.mark.parametrize("type_", FLOATS)
def test_limits_of_floating_point(type_: str) -> None:
    digits, smallest, largest, exponent = FLOATS[type_]
    limits = f"numeric_limits<{type_}>"
    assert_static(
        [
            f"float({limits}::max()) == {largest.hex()}f && float({limits}::lowest()) == -{largest.hex()}f",
            f"float({limits}::min()) == {smallest.hex()}f",
            f"float({limits}::denorm_min()) == {(smallest * 2.0 ** (1 - digits)).hex()}f",
            f"float({limits}::epsilon()) == {(2.0 ** (1 - digits)).hex()}f && float({limits}::round_error()) == 0.5f",
            f"float({limits}::infinity()) == __builtin_inff() && -{limits}::infinity() < {limits}::lowest()",
            f"{limits}::quiet_NaN() != {limits}::quiet_NaN()",
            f"{limits}::digits == {digits} && {limits}::max_exponent == {exponent} && !{limits}::is_integer",
            f"{limits}::digits10 == {int((digits - 1) * math.log10(2))}",
            f"{limits}::has_infinity && {limits}::is_signed",
        ]
    )


def test_limits_of_bool_and_of_what_is_no_number() -> None:
    assert_static(
        [
            "numeric_limits<bool>::max() && !numeric_limits<bool>::min() && numeric_limits<bool>::digits == 1",
            "!numeric_limits<float2>::is_specialized && numeric_limits<const int>::max() == 2147483647",
        ]
    )


def test_bits_and_bool_vectors_are_constant_expressions() -> None:
    assert_static(
        [
            "as_type<uint>(1.0f) == 0x3f800000 && as_type<float>(0x40000000) == 2",
            "as_type<ushort>(half(2)) == 0x4000",
            "all(bool3{true, true, true}) && !all(bool2{true, false}) && any(bool4{false, false, true, false})",
            "all((bool2{true, false} || bool2{false, true}) && !bool2{false, false})",
            "all((bool2{true, false} ^ bool2{true, true}) == bool2{false, true})",
            "all((bool3{true, true, false} & bool3{true, false, false}) != bool3{false, true, true})",
            "determinant(float2x2(1.0f, 2.0f, 3.0f, 4.0f)) == -2",
            "determinant(float3x3(1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f, 7.0f, 8.0f, 10.0f)) == -3",
            "determinant(float4x4(1, 2, 3, 4, 2, 5, 7, 1, 3, 1, 2, 6, 9, 8, 7, 3)) == -204",
            "transpose(float2x3(1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f)) == float3x2(1.0f, 4.0f, 2.0f, 5.0f, 3.0f, 6.0f)",
            "float2x2(2.0f) == float2x2(2.0f, 0.0f, 0.0f, 2.0f) && -float2x2(1.0f) != float2x2(1.0f)",
            "(float2x2(2.0f) + float2x2(1.0f)) * 2.0f == 2 * float2x2(3.0f)",
            "numbers[2] == 7 && numbers.size() == 3 && array<half, 5>::size() == 5",
            "make_uniform(6) / make_uniform(4) == 1 && make_uniform(2.0f) * make_uniform(0.5f) > 0.5f",
        ],
        declarations="constexpr __constant array<int, 3> numbers = {{5, 6, 7}};",
    )


def test_packed_vectors_in_every_address_space() -> None:
    text = msl_headers.ir(
        "constexpr __constant packed_float3 c = {1.0f, 2.0f, 3.0f};\n"
        "constexpr __constant packed_float3 d = packed_float3(float3{4.0f, 5.0f, 6.0f});\n"
        "void f(__global packed_float3* g, __local packed_float3* l, const __constant packed_float3* k) {\n"
        "  g[0] = c; g[1] = 2.0f * d; g[2] = k[0] * g[3] - l[1]; l[2] = -g[4]; g[5].y = k[1][2]; g[6] += l[3];\n"
        "  packed_float3 p = g[7]; p *= 2.0f; g[8] = p; g[9] = p / 3.0f; l[4] = k[2];\n"
        "}\n"
    )
    assert "addrspacecast ptr addrspace(4)" not in text
    assert "constant %struct.__msl_packed_vector { float 1.000000e+00, float 2.000000e+00, float 3.000000e+00 }" in text
    assert "store float 1.200000e+01" in text
    assert "align 16" not in text


def test_objects_are_copied_between_address_spaces() -> None:
    msl_headers.ir(
        "using namespace metal;\n"
        "void f(__global float4x4* m, const __constant float4x4* cm, __local float4x4* lm, __global array<int, 3>* a,\n"
        "       const __constant array<int, 3>* ca, __global bool3* b, int n) {\n"
        "  float4x4 x = cm[0]; m[1] = x * lm[2]; lm[0] = m[0]; m[n][n].y = 2; m[2][n] = float4(n); m[3] = cm[n];\n"
        "  array<int, 3> y = ca[0]; y[n] = 4; a[0] = y; a[1] = ca[1]; a[2][n] = y.back() + ca[2][n];\n"
        "  b[0] = b[1] || !b[2]; b[n][n] = true; bool3 z = b[3]; b[4] = z;\n"
        "}\n"
    )


def test_simd_types_of_shared_headers() -> None:
    assert_static(
        [
            "is_same_v<simd_float4, float4> && is_same_v<simd::uint3, uint3> && is_same_v<vector_int2, int2>",
            "is_same_v<simd_float4x4, float4x4> && is_same_v<matrix_half3x3, half3x3>",
            "is_same_v<simd::float2x2, float2x2>",
        ]
    )


def test_logging_is_of_metal_3_2() -> None:
    source = (
        'constexpr __constant metal::os_log logger("a", "b");\n'
        'void f(int n) { logger.log_debug("%d", n); metal::os_log_default.log("x"); metal::os_log().log_info("y"); }'
    )
    assert msl_headers.ir(source, version=320)
    assert msl_headers.run(source, "-fsyntax-only", version=310).errors_only()


# ---- what the user's preprocessor sees

APPLE_HEADERS = sorted(path.name for path in (msl_headers.INCLUDE / "preprocess").iterdir() if path.is_file())


def preprocess(source: str) -> str:
    result = subprocess.run(
        [msl_headers.ZIG, "clang", *msl_headers.LANGUAGE, "-E", "-P", "-I", msl_headers.INCLUDE / "preprocess", "-"],
        input=source,
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout


@pytest.mark.parametrize("header", [*APPLE_HEADERS, "simd/simd.h"])
def test_headers_for_the_preprocessor_hold_macros_only(header: str) -> None:
    assert preprocess(f"#include <{header}>\n#include <{header}>\n#ifndef METAL_FUNC\nno macro\n#endif\n").strip() == ""


def test_the_headers_that_mlx_and_apple_name_exist() -> None:
    assert set(APPLE_HEADERS) >= {
        *("metal_stdlib", "metal_math", "metal_common", "metal_integer", "metal_relational", "metal_geometric"),
        *(
            "metal_simdgroup",
            "metal_simdgroup_matrix",
            "metal_quadgroup",
            "metal_atomic",
            "metal_compute",
            "metal_limits",
        ),
        *(
            "metal_type_traits",
            "metal_types",
            "metal_array",
            "metal_uniform",
            "metal_matrix",
            "metal_pack",
            "metal_logging",
        ),
    }


CONSTANTS = {
    "E": math.e,
    "LOG2E": math.log2(math.e),
    "LOG10E": math.log10(math.e),
    "LN2": math.log(2),
    "LN10": math.log(10),
    "PI": math.pi,
    "PI_2": math.pi / 2,
    "PI_4": math.pi / 4,
    "1_PI": 1 / math.pi,
    "2_PI": 2 / math.pi,
    "2_SQRTPI": 2 / math.sqrt(math.pi),
    "SQRT2": math.sqrt(2),
    "SQRT1_2": math.sqrt(0.5),
}


def test_macros_are_the_numbers_that_they_name() -> None:
    expected = {f"M_{name}_F": np.float32(value) for name, value in CONSTANTS.items()}
    expected |= {f"M_{name}_H": np.float32(np.float16(value)) for name, value in CONSTANTS.items()}
    expected |= {"FLT_MAX": np.finfo(np.float32).max, "FLT_MIN": np.finfo(np.float32).tiny}
    expected |= {"FLT_EPSILON": np.finfo(np.float32).eps, "MAXFLOAT": np.finfo(np.float32).max}
    expected |= {"HALF_MAX": np.float32(65504), "HALF_MIN": np.float32(2**-14), "HALF_EPSILON": np.float32(2**-10)}
    integers = {
        "INT_MAX": 2**31 - 1,
        "INT_MIN": -(2**31),
        "UINT_MAX": 2**32 - 1,
        "SHRT_MIN": -(2**15),
        "UCHAR_MAX": 255,
    }
    integers |= {"CHAR_BIT": 8, "LONG_MAX": 2**63 - 1, "FLT_MANT_DIG": 24, "HALF_DIG": 3, "FLT_MIN_EXP": -125}
    assertions = [f"float({name}) == {float(value).hex()}f" for name, value in expected.items()]
    assertions += [f"{name} == {value}" for name, value in integers.items()]
    assertions += ["INFINITY > FLT_MAX", "NAN != NAN", "HUGE_VALF == INFINITY", "HUGE_VALH > HALF_MAX"]
    assertions += ["LONG_MIN == -LONG_MAX - 1", "ULONG_MAX + 1 == 0", "__is_same(decltype(M_PI_H), half)"]
    text = preprocess("#include <metal_stdlib>\n" + "\n".join(f"static_assert({a});" for a in assertions))
    assert msl_headers.run(text, "-fsyntax-only").errors == ""
