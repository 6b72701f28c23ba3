"""Definitions on other processors: no library calls, the same bits, and what replaces missing instructions."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from intrinsic_checks import SAMPLES, check_convert, check_fma, check_unary, find_check
from intrinsic_jit import DRIVER, DTYPES, Compiled, apply, compile_text, host_features, invoke, name_of
from intrinsic_lanes import FULL_MASK, check_reduction, check_shuffle
from intrinsic_matrices import check_product
from intrinsic_values import Array, floats

from isometal.soft.ir import parse_instruction
from isometal.soft.lower import llvm
from isometal.soft.lower.intrinsics import Features, definition, legalise, rendezvous, support
from isometal.soft.lower.intrinsics.features import MODERN
from isometal.soft.lower.kernel import lower_kernel

DECLARATIONS = (Path(__file__).parent / "data" / "air_intrinsics.txt").read_text().splitlines()
X86 = "x86_64-unknown-linux-gnu"
ARM = "aarch64-unknown-linux-gnu"
OLD = llvm.Target(X86, "x86-64-v2", "")
NEWER = llvm.Target(X86, "x86-64-v3", "+avx2,+fma,+f16c")
TARGETS = {
    "x86-64-v2": (OLD, Features.of(X86, "")),
    "x86-64-v3": (NEWER, Features.of(X86, NEWER.features)),
    "host": (llvm.host(), host_features()),
    "aarch64": (llvm.Target(ARM, "generic", ""), Features.of(ARM, "")),
}
#: Only this machine's architecture can also run.
RUNNABLE = [t for t in TARGETS if TARGETS[t][0].triple.split("-")[0] == llvm.host().triple.split("-")[0]]
MATRICES = [
    "air.simdgroup_matrix_8x8_multiply_accumulate." + ".".join(f"v64{t}" for t in types)
    for types in (("f16", "f16", "f16", "f16"), ("bf16", "bf16", "bf16", "bf16"), ("f32", "f16", "bf16", "f32"))
]


def undefined_symbols(text: str, target: llvm.Target) -> set[str]:
    """What the compiled module would have to be linked with."""
    module = llvm.parse(text)
    llvm.optimise(module, target, vectorise=True)
    defined = {f.name for f in module.functions if not f.is_declaration}
    assembly: str = target.machine().emit_assembly(module)
    called = set(re.findall(r"^\t(?:callq?|bl|b|jmp)[ \t]+\*?([A-Za-z_][\w.]*)", assembly, re.MULTILINE))
    labels = set(re.findall(r"^([\w.]+):", assembly, re.MULTILINE))
    return {name for name in called - defined - labels if not name.startswith(".L")}


def exported(text: str) -> str:
    """Definitions that stay although nothing calls them."""
    return text.replace("define internal", "define").replace("alwaysinline", "")


@pytest.mark.parametrize("target", TARGETS)
def test_no_library_calls(target: str) -> None:
    """All of Apple's intrinsics, and the same of bfloat and vectors, in one module a type of function."""
    machine, features = TARGETS[target]
    texts, needs = {}, set()
    for declaration in DECLARATIONS + _relatives():
        found = definition(declaration, features) or rendezvous(name_of(declaration), features)
        assert found is not None, declaration
        if found.text:
            texts[name_of(declaration)] = "\n".join([found.text, *sorted(found.helpers)])
            needs |= found.needs
    assert len(texts) > 250
    symbols = undefined_symbols("\n".join([*sorted(needs), *map(exported, texts.values())]), machine)
    allowed = {"memcpy", "memset"}
    # Without fused multiply-add in hardware LLVM's fma would be fmaf: then the definitions do without it.
    assert {s for s in symbols if "isometal.lane" not in s} <= allowed


def _relatives() -> list[str]:
    one = [f"declare {t} @air.{o}.{s}({t})" for o in ("exp", "sin", "floor", "sign") for t, s in _SHORT]
    two = [f"declare {t} @air.{o}.{s}({t}, {t})" for o in ("fmin", "pow", "fdim") for t, s in _SHORT]
    three = [f"declare {t} @air.{o}.{s}({t}, {t}, {t})" for o in ("fma", "mix", "clamp") for t, s in _SHORT]
    simd = [f"declare {t} @air.simd_{o}.{s}({t})" for o in ("sum", "min") for t, s in _SHORT if "8" not in t]
    return one + two + three + simd


_SHORT = [("half", "f16"), ("bfloat", "bf16"), ("<3 x half>", "v3f16"), ("<4 x bfloat>", "v4bf16")]


@pytest.mark.parametrize("target", RUNNABLE)
@pytest.mark.parametrize("operation", ["exp", "log", "sin", "tan", "atan", "tanh", "sqrt", "rsqrt", "round"])
def test_same_bits_on_every_processor(operation: str, target: str) -> None:
    machine, features = TARGETS[target]
    x = floats("f32", 20000, 7)
    declaration = f"declare float @air.{operation}.f32(float)"
    got = apply(declaration, x, features=features, target=machine)
    assert np.array_equal(got, apply(declaration, x), equal_nan=True)


@pytest.mark.parametrize("target", RUNNABLE)
@pytest.mark.parametrize("spelling", ["f32", "f16", "bf16"])
def test_fma_rounds_once_everywhere(spelling: str, target: str) -> None:
    machine, features = TARGETS[target]
    text = {"f32": "float", "f16": "half", "bf16": "bfloat"}[spelling]
    options = {"target": machine, "features": features}
    check_fma(f"declare {text} @air.fma.{spelling}({text}, {text}, {text})", spelling, options)


@pytest.mark.parametrize("spelling", ["f16", "bf16"])
def test_short_floats_without_instructions(spelling: str) -> None:
    """Every half and bfloat through integer arithmetic."""
    old: dict[str, object] = {"target": OLD, "features": Features(False, False, False)}
    options = old if "x86-64-v2" in RUNNABLE else {"features": Features(False, False, False)}
    text = {"f16": "half", "bf16": "bfloat"}[spelling]
    check_unary(f"declare {text} @air.floor.{spelling}({text})", "floor", spelling, options)
    check_unary(f"declare {text} @air.exp.{spelling}({text})", "exp", spelling, options)
    check_convert(
        f"declare {text} @air.convert.f.{spelling}.f.f32(float)", ("f", spelling, "f", "f32", None, None), options
    )
    every = np.arange(1 << 16, dtype=np.uint16).view(DTYPES[spelling])
    wide = apply(f"declare float @air.convert.f.f32.f.{spelling}({text})", every, **options)  # type: ignore[arg-type]
    keep = ~(np.abs(every.astype(np.float32)) < 2.0**-126)
    assert np.array_equal(wide[keep], every.astype(np.float32)[keep], equal_nan=True)


@pytest.mark.parametrize("target", RUNNABLE)
def test_lanes_on_every_processor(target: str) -> None:
    machine, features = TARGETS[target]
    options = {"target": machine, "features": features}
    for name in ("sum.f16", "max.bf16", "prefix_inclusive_sum.f32", "product.u.i8", "min.s.i64"):
        for mask in (FULL_MASK, 0x0F0F1234):
            check_reduction(f"air.simd_{name}", mask, options)
    check_shuffle("air.simd_shuffle_and_fill_up.u.v2i32", 0xFF00FFFF, options)
    for name in MATRICES:
        check_product(name, options)


def test_features_of_targets() -> None:
    assert Features.of(X86, "+avx2,+f16c,+fma,-avx512bf16") == MODERN
    assert Features.of(X86, "") == Features(False, False, False)
    assert Features.of(X86, "+fma,+f16c,+avx512bf16,+avx512vl").bfloat_conversion
    assert Features.of("arm64-apple-macosx14.0.0", "") == Features(True, True, True)


_CLAIMS = {
    "fused_multiply_add": "define float @f(float %x) { %y = call float @llvm.fma.f32(float %x, float %x, float %x)\n"
    "ret float %y }\ndeclare float @llvm.fma.f32(float, float, float)",
    "half_conversion": "define half @f(half %x) { %y = fpext half %x to float\n%z = fadd float %y, 1.0\n"
    "%w = fptrunc float %z to half\nret half %w }",
    "bfloat_conversion": "define bfloat @f(float %x) { %y = fptrunc float %x to bfloat\nret bfloat %y }",
}


@pytest.mark.parametrize("claim", _CLAIMS)
@pytest.mark.parametrize(
    "features",
    [
        *("", "+fma", "+f16c", "+avx512f", "+avx512f,-f16c", "-f16c,+avx512f", "+avx512bf16", "+avx512bf16,+avx512vl"),
        *("+avx512bf16,-avx512bw,+avx512vl", "+avx512bf16,+avx512vl,-f16c", "+fma,+f16c,-avx", "+avx512f,-avx2"),
    ],
)
def test_no_feature_is_claimed_that_llvm_does_not_use(features: str, claim: str) -> None:
    """Whatever a hypervisor hides: kernels must not need library functions that nobody links."""
    claimed = getattr(Features.of(X86, features), claim)
    text = _CLAIMS[claim]
    assert not (claimed and undefined_symbols(text, llvm.Target(X86, "x86-64", features)))


NOTHING = Features(False, False, False)
INSTRUCTIONS = [
    "%r = fadd {t} %a, %b",
    "%r = fsub fast {t} %a, %b",
    "%r = fmul {t} %a, %b",
    "%r = fdiv {t} {one}, %b",
    "%r = frem {t} %a, %b",
    "%r = call {t} @llvm.fmuladd.{s}({t} %a, {t} %b, {t} %a)",
]


def _run_legalised(line: str, element: str, features: Features) -> tuple[Array, Array, Array]:
    """Two arrays and the results of an instruction, legalised and compiled for a processor without instructions."""
    replaced = legalise(parse_instruction(line), features)
    assert replaced is not None, line
    text = {"f16": "half", "bf16": "bfloat", "f32": "float"}[element]
    definitions = [definition(d, features) for d in replaced.declarations if "@air." in d]
    needs = {d for d in replaced.declarations if "@llvm." in d}
    bodies = []
    for found in definitions:
        assert found is not None
        needs |= found.needs
        bodies.append(found.text)
    lines = [DRIVER, "%n = load i64, ptr %arguments"]
    for i, name in enumerate(("out", "x", "y")):
        lines.append(f"%s{i} = getelementptr i64, ptr %arguments, i64 {i + 1}\n%{name} = load ptr, ptr %s{i}")
    lines += ["br label %loop", "loop:", "%i = phi i64 [ 0, %0 ], [ %next, %loop ]"]
    for name, source in (("a", "x"), ("b", "y")):
        lines.append(f"%at.{name} = getelementptr {text}, ptr %{source}, i64 %i")
        lines.append(f"%{name} = load {text}, ptr %at.{name}")
    lines += [*replaced.lines, f"%to = getelementptr {text}, ptr %out, i64 %i", f"store {text} %r, ptr %to"]
    lines += ["%next = add i64 %i, 1", "%more = icmp ult i64 %next, %n", "br i1 %more, label %loop, label %done"]
    module = "\n".join([*sorted(needs), *bodies, *lines, "done:", "ret void", "}"])
    target = OLD if "x86-64-v2" in RUNNABLE else llvm.host()
    assert not undefined_symbols(module, target) - {"memcpy", "memset"}, line
    x, y = floats(element, SAMPLES, 110, -9.0, 9.0), floats(element, SAMPLES, 111, -9.0, 9.0)[::-1].copy()
    out = np.zeros_like(x)
    # The first slot is the number itself here, not a pointer.
    code: Compiled = compile_text(module, target)
    invoke(code, [len(x), out.ctypes.data, x.ctypes.data, y.ctypes.data])
    return x, y, out


@pytest.mark.parametrize("element", ["f16", "bf16"])
@pytest.mark.parametrize("pattern", INSTRUCTIONS)
def test_legalised_arithmetic(pattern: str, element: str) -> None:
    text, one = {"f16": ("half", "0xH3C00"), "bf16": ("bfloat", "0xR3F80")}[element]
    line = pattern.format(t=text, s=element, one=one)
    x, y, got = _run_legalised(line, element, NOTHING)
    a, b = x.astype(np.float32), y.astype(np.float32)
    with np.errstate(all="ignore"):
        model = {"fadd": a + b, "fsub": a - b, "fmul": a * b, "fdiv": 1 / b, "frem": np.fmod(a, b)}
        wanted = model.get(line.split()[2], a * b + a).astype(x.dtype)
    tiny = np.abs(wanted.astype(np.float64)) < 2.0**-125
    assert np.array_equal(got[~tiny], wanted[~tiny], equal_nan=True)


@pytest.mark.parametrize(
    ("line", "lines"),
    [
        ("%r = fptrunc float %x to bfloat", ["%r = call bfloat @air.convert.f.bf16.f.f32(float %x)"]),
        ("%r = fpext bfloat %x to float", ["%r = call float @air.convert.f.f32.f.bf16(bfloat %x)"]),
        ("%r = fpext half %x to float", ["%r = call float @air.convert.f.f32.f.f16(half %x)"]),
        ("%r = sitofp i32 %x to half", ["%r = call half @air.convert.f.f16.s.i32(i32 %x)"]),
        ("%r = uitofp i64 %x to bfloat", ["%r = call bfloat @air.convert.f.bf16.u.i64(i64 %x)"]),
        (
            "%r = fptosi half %x to i32",
            ["%r.l0 = call float @air.convert.f.f32.f.f16(half %x)", "%r = fptosi float %r.l0 to i32"],
        ),
        (
            "%r = fcmp nnan olt half %x, 0xH3C00",
            [
                "%r.l0 = call float @air.convert.f.f32.f.f16(half %x)",
                "%r.l1 = call float @air.convert.f.f32.f.f16(half 0xH3C00)",
                "%r = fcmp nnan olt float %r.l0, %r.l1",
            ],
        ),
        (
            "%r = fadd <2 x bfloat> %x, splat (bfloat 0xR3F80), !fpmath !3",
            [
                "%r.l0 = call <2 x float> @air.convert.f.v2f32.f.v2bf16(<2 x bfloat> %x)",
                "%r.l1 = call <2 x float> @air.convert.f.v2f32.f.v2bf16(<2 x bfloat> splat ( bfloat 0xR3F80 ))",
                "%r.l2 = fadd <2 x float> %r.l0, %r.l1",
                "%r = call <2 x bfloat> @air.convert.f.v2bf16.f.v2f32(<2 x float> %r.l2)",
            ],
        ),
    ],
)
def test_legalised_lines(line: str, lines: list[str]) -> None:
    found = legalise(parse_instruction(line), NOTHING)
    assert found is not None
    assert found.lines == lines
    assert all(definition(d) is not None for d in found.declarations)


@pytest.mark.parametrize(
    "line",
    [
        "%r = fadd float %a, %b",
        "%r = fneg bfloat %a",
        "%r = fcmp olt bfloat %a, %b",
        "%r = select i1 %c, half %a, half %b",
        "%r = fptosi bfloat %a to i32",
        "%r = load half, ptr %p",
        "store half %a, ptr %p",
        "%r = call float @llvm.fmuladd.f32(float %a, float %b, float %c)",
    ],
)
def test_what_every_target_can(line: str) -> None:
    assert legalise(parse_instruction(line), NOTHING) is None


def test_what_has_instructions_stays() -> None:
    every = Features(True, True, True)
    for line in ("%r = fadd bfloat %a, %b", "%r = fptrunc float %a to half", "%r = fcmp olt half %a, %b"):
        assert legalise(parse_instruction(line), every) is None
    assert legalise(parse_instruction("%r = fadd half %a, %b"), MODERN) is None
    assert legalise(parse_instruction("%r = fadd bfloat %a, %b"), MODERN) is not None
    assert legalise(parse_instruction("%r = frem float %a, %b"), every) is not None


def test_support_stands_in_for_the_library() -> None:
    """Instructions that were not legalised, on a processor that has none for them."""
    assert undefined_symbols(_UNPREPARED, OLD) == {"__truncsfbf2", "__truncsfhf2", "__extendhfsf2"}
    assert undefined_symbols(_UNPREPARED + support(), OLD) == set()
    if "x86-64-v2" not in RUNNABLE:
        return
    x, y = floats("f32", SAMPLES, 112), np.zeros(SAMPLES + len(floats("f32", 0, 0)), np.float32)
    code = compile_text(_UNPREPARED + support(), OLD)
    invoke(code, [len(x), y.ctypes.data, x.ctypes.data])
    with np.errstate(all="ignore"):
        wanted = x.astype(np.float16).astype(np.float32).astype(DTYPES["bf16"]).astype(np.float32)
    keep = ~(np.abs(wanted) < 2.0**-126)
    assert np.array_equal(y[keep], wanted[keep], equal_nan=True)


_UNPREPARED = f"""{DRIVER}
%n = load i64, ptr %arguments
%s1 = getelementptr i64, ptr %arguments, i64 1
%out = load ptr, ptr %s1
%s2 = getelementptr i64, ptr %arguments, i64 2
%in = load ptr, ptr %s2
br label %loop
loop:
%i = phi i64 [ 0, %0 ], [ %next, %loop ]
%at = getelementptr float, ptr %in, i64 %i
%x = load float, ptr %at
%half = fptrunc float %x to half
%back = fpext half %half to float
%bfloat = fptrunc float %back to bfloat
%result = fpext bfloat %bfloat to float
%to = getelementptr float, ptr %out, i64 %i
store float %result, ptr %to
%next = add i64 %i, 1
%more = icmp ult i64 %next, %n
br i1 %more, label %loop, label %done
done:
ret void
}}
"""


_KERNEL = """
define void @short(ptr addrspace(1) %x, ptr addrspace(1) %y, i32 %i) {
  %at = zext i32 %i to i64
  %px = getelementptr bfloat, ptr addrspace(1) %x, i64 %at
  %a = load bfloat, ptr addrspace(1) %px, align 2
  %wide = fpext bfloat %a to float
  %floor = call float @air.floor.f32(float %wide)
  %narrow = fptrunc float %floor to bfloat
  %sum = fadd bfloat %narrow, %a
  %half = call half @air.convert.f.f16.f.bf16(bfloat %sum)
  %more = fmul half %half, 0xH4000
  %all = call half @air.simd_sum.f16(half %more)
  %py = getelementptr half, ptr addrspace(1) %y, i64 %at
  store half %all, ptr addrspace(1) %py, align 2
  ret void
}
declare float @air.floor.f32(float)
declare half @air.convert.f.f16.f.bf16(bfloat)
declare half @air.simd_sum.f16(half)
!air.kernel = !{!0}
!0 = !{ptr @short, !1, !2}
!1 = !{}
!2 = !{!3, !4, !5}
!3 = !{i32 0, !"air.buffer", !"air.location_index", i32 0, i32 1, !"air.read", !"air.address_space", i32 1}
!4 = !{i32 1, !"air.buffer", !"air.location_index", i32 1, i32 1, !"air.read_write", !"air.address_space", i32 1}
!5 = !{i32 2, !"air.thread_position_in_grid", !"air.arg_type_name", !"uint", !"air.arg_name", !"i"}
!air.compile_options = !{!6}
!6 = !{!"air.compile.denorms_disable"}
"""


@pytest.mark.parametrize("target", TARGETS)
def test_kernels_call_no_library(target: str) -> None:
    machine, features = TARGETS[target]
    lowered = lower_kernel(_KERNEL, "short", target=machine)
    assert undefined_symbols(lowered.ir, machine) <= {"memset", "memcpy"}
    assert ("@__truncsfbf2" in lowered.ir) == (not features.complete)
    # What was legalised does not need the functions that are there for what was not.
    assert not re.search(r"call \w+ @__", lowered.ir)
    assert "fadd bfloat" not in lowered.ir or features.bfloat_conversion


@pytest.mark.parametrize("declaration", [d for d in DECLARATIONS if find_check(d) is not None][::9], ids=name_of)
def test_without_any_instructions(declaration: str) -> None:
    """A sample of Apple's intrinsics as they are written for the oldest processors."""
    check = find_check(declaration)
    assert check is not None
    check({"features": NOTHING} | ({"target": OLD} if "x86-64-v2" in RUNNABLE else {}))
