"""What AIR's metadata says of a kernel, and what becomes of hostile metadata."""

from __future__ import annotations

import json

import pytest

from isometal.soft import usage
from isometal.soft.errors import LoweringError
from isometal.soft.metadata import condition_symbols, kernel_names, reflect
from isometal.soft.reflection import Argument, Field, FunctionConstant, KernelReflection, Site

HEAD = """
!air.version = !{!0}
!air.language_version = !{!1}
!air.compile_options = !{!2, !3}
!llvm.ident = !{!4}
!0 = !{i32 2, i32 6, i32 0}
!1 = !{!"Metal", i32 3, i32 1, i32 0}
!2 = !{!"air.compile.denorms_disable"}
!3 = !{!"air.compile.fast_math_disable"}
!4 = !{!"a compiler"}
"""
FULL = (
    HEAD
    + r"""
!air.kernel = !{!10, !11}
!air.function_constants = !{!20, !21}
!10 = !{ptr @"scale and \22add\22", !12, !13, !14}
!11 = !{ptr @other, !12, !12}
!12 = !{}
!13 = !{!30, !31, !32, !33, !34, !35}
!14 = !{!"air.max_work_group_size", i32 256}
!20 = !{ptr addrspace(2) @c.MTL_FC_INIT_3_b, !"bool", !"use_c", i32 3, i1 true}
!21 = !{ptr addrspace(2) @n.MTL_FC_INIT_7_i, !"uint2", !"n", i32 7, i1 false}
!30 = !{i32 0, !"air.buffer", !"air.location_index", i32 4, i32 1, !"air.read", !"air.address_space", i32 1, !"air.arg_type_size", i32 16, !"air.arg_type_align_size", i32 16, !"air.arg_type_name", !"float4", !"air.arg_name", !"a"}
!31 = !{i32 1, !"air.function_constant", !40, !"air.buffer", !"air.location_index", i32 0, i32 1, !"air.read_write", !"air.address_space", i32 1, !"air.arg_type_size", i32 2, !"air.arg_type_align_size", i32 2, !"air.arg_type_name", !"half", !"air.arg_name", !"c"}
!32 = !{i32 2, !"air.buffer", !"air.buffer_size", i32 24, !"air.location_index", i32 2, i32 1, !"air.read", !"air.address_space", i32 2, !"air.struct_type_info", !41, !"air.arg_type_size", i32 24, !"air.arg_type_align_size", i32 8, !"air.arg_type_name", !"Params", !"air.arg_name", !"p"}
!33 = !{i32 3, !"air.buffer", !"air.location_index", i32 0, i32 1, !"air.read_write", !"air.address_space", i32 3, !"air.arg_type_size", i32 4, !"air.arg_type_align_size", i32 4, !"air.arg_type_name", !"float", !"air.arg_name", !"shared"}
!34 = !{i32 4, !"air.thread_position_in_grid", !"air.arg_type_name", !"uint", !"air.arg_name", !"i"}
!35 = !{i32 5, !"air.thread_index_in_simdgroup", !"air.arg_type_name", !"uint", !"air.arg_name", !"lane", !"air.arg_unused"}
!40 = !{ptr addrspace(2) @predicate, !"bool", !"use_c"}
!41 = !{i32 0, i32 4, i32 3, !"int", !"shape", !"air.struct_type_info", !42, i32 16, i32 8, i32 0, !"Inner", !"inner"}
!42 = !{i32 0, i32 4, i32 0, !"float", !"x", i32 4, i32 4, i32 0, !"float", !"y"}
"""  # noqa: E501
)
NAME = 'scale and "add"'


def test_all_of_it_is_read():
    found = reflect(FULL, NAME)
    assert found == KernelReflection(
        name=NAME,
        arguments=(
            Argument("a", "float4", "buffer", index=4, type_size=16, alignment=16, required_bytes=16),
            Argument(
                "c",
                "half",
                "buffer",
                access="read_write",
                type_size=2,
                alignment=2,
                required_bytes=2,
                condition="use_c",
            ),
            Argument(
                "p",
                "Params",
                "buffer",
                space="constant",
                index=2,
                type_size=24,
                alignment=8,
                required_bytes=24,
                fields=(
                    Field("shape", "int", 0, 4, 3),
                    Field("inner", "Inner", 16, 8, 0, (Field("x", "float", 0, 4), Field("y", "float", 4, 4))),
                ),
            ),
            Argument(
                "shared",
                "float",
                "threadgroup",
                access="read_write",
                space="threadgroup",
                type_size=4,
                alignment=4,
                required_bytes=4,
            ),
            Argument("i", "uint", "builtin", builtin="thread_position_in_grid"),
            Argument("lane", "uint", "builtin", builtin="thread_index_in_simdgroup", used=False),
        ),
        constants=(FunctionConstant("use_c", "bool", 3), FunctionConstant("n", "uint2", 7, required=False)),
        max_threads_per_threadgroup=256,
        declared_threads=256,
        air_version=(2, 6),
        language_version=(3, 1),
        options=("denorms_disable", "fast_math_disable"),
        producer="a compiler",
    )
    assert found.flushes_denormals
    assert not found.fast_math
    assert [a.title for a in found.bindings] == [
        "buffer 0 (c)",
        "buffer 2 (p)",
        "buffer 4 (a)",
        "threadgroup 0 (shared)",
    ]


def test_kernels_and_conditions_are_listed():
    assert kernel_names(FULL) == [NAME, "other"]
    assert condition_symbols(FULL, NAME) == {"use_c": "@predicate"}
    assert reflect(FULL, "other").arguments == ()


def test_a_missing_kernel_is_an_error_that_lists_those_there():
    with pytest.raises(
        LoweringError, match=r"'nothing' has no entry in !air.kernel; it lists scale and \"add\", other\."
    ):
        reflect(FULL, "nothing")
    with pytest.raises(LoweringError, match="it lists none"):
        reflect("define void @f() {\n  ret void\n}\n", "f")


def test_it_goes_through_json_and_back():
    found = reflect(FULL, NAME)
    assert KernelReflection.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_only_keeps_what_its_conditions_keep():
    found = reflect(FULL, NAME)
    assert found.only({"use_c": True}) == found
    assert [a.name for a in found.only({"use_c": False}).arguments] == ["a", "p", "shared", "i", "lane"]
    with pytest.raises(KeyError):
        found.only({})


def test_it_prints_as_a_table():
    assert str(reflect(FULL, NAME)).split("\n") == [
        'kernel scale and "add"',
        "  Metal 3.1, AIR 2.6, precise math, denormals flushed",
        "  at most 256 threads per threadgroup, 0 bytes of threadgroup memory, 3 buffers",
        "  arguments",
        "    binding                    name    type    access             bytes  note",
        "    buffer 4                   a       float4  device read",
        "    buffer 0                   c       half    device read_write         if use_c",
        "    buffer 2                   p       Params  constant read      24",
        "    threadgroup 0              shared  float   threadgroup",
        "    thread_position_in_grid    i       uint",
        "    thread_index_in_simdgroup  lane    uint                              unused",
        "  function constants",
        "    index  name   type",
        "    3      use_c  bool",
        "    7      n      uint2  optional",
    ]


def test_of_a_compiled_kernel_the_table_tells_its_memory():
    compiled = KernelReflection("k", (), static_threadgroup_bytes=512, sites=(Site(0, "start"),))
    assert "at most 1024 threads per threadgroup, 512 bytes of threadgroup memory" in str(compiled)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("!10 = !{ptr @", "!10 = !{i32 1, ptr @", "does not begin with a function"),
        ("!10 = !{ptr @", '!10 = !{!"', "metadata !10 cannot be read"),
        ("!12, !13, !14}", "!12}", "lists no arguments"),
        ("!12, !13, !14}", "!12, i32 13}", "has 13 where a node is needed"),
        ("i32 4, i32 1", "i32 -4, i32 1", "-4 as location_index, where a number is needed"),
        ('!"air.location_index", i32 4, i32 1,', "", "buffer 'a' in address space 1"),
        ('!"air.address_space", i32 3', '!"air.address_space", i32 9', "buffer 'shared' in address space 9"),
        ('!"air.arg_name", !"a"', '!"air.arg_name", i32 3', "3 as arg_name, where printable text is needed"),
        ('!"air.arg_name", !"a"', r'!"air.arg_name", !"\1B[2J"', "where printable text is needed"),
        ("!30 = !{i32 0, ", "!30 = !{i32 0, i32 1, ", "1 as the kind of an argument"),
        ('!"float", !"y"}', '!"float"}', "4 operands for a struct's member, where 5 are needed"),
        ("!42 = !{i32 0, ", "!42 = !{", "4 as a member's name, where printable text is needed"),
        ("!20 = !{ptr addrspace(2) @c.MTL_FC_INIT_3_b,", "!20 = !{", "4 operands for a function constant"),
        ('!"air.struct_type_info", !42,', '!"air.struct_type_info", !41,', "structs nested more than 16 deep"),
        (
            '!40 = !{ptr addrspace(2) @predicate, !"bool", !"use_c"}',
            "!40 = !{}",
            "0 operands for an argument's condition",
        ),
    ],
)
def test_hostile_metadata_is_an_error(old, new, message):
    assert old in FULL
    with pytest.raises(LoweringError) as caught:
        reflect(FULL.replace(old, new, 1), NAME)
    assert message in str(caught.value)


@pytest.mark.parametrize(("limit", "expected"), [("i32 256", 256), ("i32 5000", 1024), ("i32 0", 1024)])
def test_the_limit_of_threads(limit, expected):
    text = FULL.replace('!"air.max_work_group_size", i32 256', f'!"air.max_work_group_size", {limit}')
    assert reflect(text, NAME).max_threads_per_threadgroup == expected


USES = """
@k.a = internal addrspace(3) global [10 x float] undef, align 4
@f.b = internal unnamed_addr addrspace(3) global { i8, <4 x float> } undef, align 16
@other.c = internal addrspace(3) global [1000 x float] undef, align 4
declare float @air.simd_sum.f32(float)
declare float @air.nextafter.f32(float, float)
define void @f() {
  store float 1.0, ptr addrspace(3) @f.b
  %x = call float @air.simd_sum.f32(float 1.0)
  ret void
}
define void @k(ptr addrspace(1) %a, i32 %lane) {
  store float 1.0, ptr addrspace(3) @k.a
  call void @f()
  ret void
}
define void @other() {
  store bfloat 0xR3F80, ptr addrspace(3) @other.c
  %x = call float @air.nextafter.f32(float 1.0, float 2.0)
  ret void
}
!air.kernel = !{!0, !1}
!0 = !{ptr @k, !2, !3}
!1 = !{ptr @other, !2, !2}
!2 = !{}
!3 = !{!4}
!4 = !{i32 1, !"air.thread_index_in_simdgroup", !"air.arg_type_name", !"uint", !"air.arg_name", !"lane"}
"""


def test_what_a_kernel_uses_is_what_its_code_reaches():
    assert usage.threadgroup_bytes(USES, "k") == 72
    assert usage.threadgroup_bytes(USES, "other") == 4000
    assert usage.features(USES, "k") == ("simdgroup reductions", "simdgroup indices")
    assert usage.features(USES, "other") == ("nextafter", "bfloat")


def test_the_least_version_and_gpu_have_all_that_is_used():
    uses = KernelReflection("k", (), features=("simdgroup matrices", "function constants"))
    assert uses.least_language_version == (2, 3)
    assert uses.least_gpu_family == 7
    plain = KernelReflection("k", ())
    assert (plain.least_language_version, plain.least_gpu_family) == ((1, 0), 0)
    needs = "  needs Metal 2.3, a GPU of Apple7 or later: simdgroup matrices, function constants"
    assert needs in str(uses).split("\n")
