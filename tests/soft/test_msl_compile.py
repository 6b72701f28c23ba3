"""Metal source to AIR: the shape of what comes out, and how the compiler is run."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import llvmlite.binding as llvm
import pytest

from isometal.soft.errors import MslError
from isometal.soft.metadata import reflect
from isometal.soft.msl import AirLibrary, compile_source, driver
from isometal.soft.msl.described import type_name
from isometal.soft.msl.ir_checks import source_name
from isometal.soft.msl.records import parse_records
from isometal.soft.msl.spaces import restore_spaces

HEADER = "#include <metal_stdlib>\nusing namespace metal;\n"
EVERYTHING = Path(__file__).with_name("msl") / "everything.metal"
ADD = """kernel void add(device const float* a [[buffer(0)]], device const float* b [[buffer(1)]],
    device float* c [[buffer(2)]], uint i [[thread_position_in_grid]]) { c[i] = a[i] + b[i]; }
"""


@pytest.fixture(scope="module")
def everything() -> AirLibrary:
    return compile_source(EVERYTHING.read_text(encoding="utf-8"), name=str(EVERYTHING), language_version=(3, 2))


def node(air: str, name: str) -> str:
    """The text of a metadata node."""
    found = re.search(rf"^{re.escape(name)} = (.*)$", air, re.MULTILINE)
    assert found is not None, f"no {name}"
    return found[1]


def kernel_node(air: str) -> list[str]:
    """Nodes of the kernel: function, outputs, arguments, limits."""
    (kernel,) = re.findall(r"!\d+", node(air, "!air.kernel"))
    return node(air, kernel).strip("!{}").split(", ")


def test_add_is_as_small_as_apples() -> None:
    air = compile_source(ADD).air("add")
    llvm.parse_assembly(air).verify()
    body = air[air.index("define") : air.index("\n}\n")].split("\n")
    assert [line.split(" = ")[-1].split()[0] for line in body[1:]] == [
        "zext",
        "getelementptr",
        "load",
        "getelementptr",
        "load",
        "fadd",
        "getelementptr",
        "store",
        "ret",
    ]
    assert 'target triple = "air64-apple-macosx14.0.0"' in air
    options = [node(air, n) for n in re.findall(r"!\d+", node(air, "!air.compile_options"))]
    assert options == [
        '!{!"air.compile.denorms_disable"}',
        '!{!"air.compile.fast_math_disable"}',
        '!{!"air.compile.framebuffer_fetch_enable"}',
    ]
    arguments = [node(air, n) for n in re.findall(r"!\d+", node(air, kernel_node(air)[2]))]
    assert arguments[0] == (
        '!{i32 0, !"air.buffer", !"air.location_index", i32 0, i32 1, !"air.read", !"air.address_space", i32 1, '
        '!"air.arg_type_size", i32 4, !"air.arg_type_align_size", i32 4, !"air.arg_type_name", !"float", '
        '!"air.arg_name", !"a"}'
    )
    assert arguments[2].count('"air.read_write"') == 1
    assert arguments[3] == (
        '!{i32 3, !"air.thread_position_in_grid", !"air.arg_type_name", !"uint", !"air.arg_name", !"i"}'
    )


def test_no_word_of_the_rewriter_and_no_generic_pointer_is_left(everything: AirLibrary) -> None:
    for kernel in everything.kernels:
        air = everything.air(kernel)
        llvm.parse_assembly(air).verify()
        code = re.sub(r'"?(%|@)[-\w$.]*__msl_bool_vector[-\w$.]*', "", air)
        assert "__msl_" not in code
        casts = [line for line in air.split("\n") if "addrspacecast" in line and not line.startswith("@llvm")]
        assert casts == []
        assert "addrspace(4)" not in air
        assert "nvptx" not in air
        assert "nvvm" not in air


def test_reflection_of_everything(everything: AirLibrary) -> None:
    assert everything.kernels == ("reduce_float_64", "reduce_half_8", "vectors", "classes")
    found = reflect(everything.air("reduce_half_8"), "reduce_half_8")
    assert found.max_threads_per_threadgroup == 16
    assert [(a.name, a.kind, a.index, a.type_name, a.space, a.access) for a in found.arguments[:5]] == [
        ("in", "buffer", 0, "half", "device", "read"),
        ("out", "buffer", 1, "half", "device", "read_write"),
        ("params", "buffer", 2, "Params", "constant", "read"),
        ("bias", "buffer", 3, "half", "device", "read"),
        ("scratch", "threadgroup", 0, "half", "threadgroup", "read_write"),
    ]
    assert [(a.name, a.builtin, a.type_name) for a in found.arguments[5:]] == [
        ("gid", "threadgroup_position_in_grid", "uint3"),
        ("lane_id", "thread_index_in_simdgroup", "ushort"),
        ("lid", "thread_index_in_threadgroup", "uint"),
    ]
    params = found.arguments[2]
    assert (params.required_bytes, params.type_size, params.alignment) == (24, 24, 4)
    assert [(f.name, f.type_name, f.offset, f.size, f.length) for f in params.fields] == [
        ("count", "int", 0, 4, 0),
        ("weights", "float", 4, 4, 2),
        ("origin", "packed_float3", 12, 12, 0),
    ]
    assert found.arguments[3].condition == "has_bias"
    assert [(c.name, c.index, c.type_name) for c in found.constants] == [("has_bias", 10, "bool"), ("scale", 11, "int")]


def test_threadgroup_variables_are_globals_of_address_space_3(everything: AirLibrary) -> None:
    found = re.findall(
        r"^(@\S+) = internal .*addrspace\(3\) global .* undef, align (\d+)$", everything.air("reduce_half_8"), re.M
    )
    assert sorted(name.split(".")[1] for name, _ in found) == ["partial", "total"] or len(found) in (1, 2)


def test_function_constants_have_apples_form() -> None:
    source = HEADER + (
        "constant int n [[function_constant(7)]];\nnamespace q { constant bool on [[function_constant(8)]]; }\n"
        "constant int twice = n * 2;\n"
        "kernel void k(device int* a, device int* b [[function_constant(on)]]) { a[0] = twice; if (q::on) b[0] = n; }\n"
    )
    air = compile_source(source).air("k")
    llvm.parse_assembly(air).verify()
    for line in (
        "@_Z1n.MTL_FC_INIT_7_i = internal unnamed_addr addrspace(2) externally_initialized constant i32 undef, section "
        '"air.fc_initializer", align 4',
        "@_ZL1n = internal unnamed_addr addrspace(2) global i32 undef, align 4",
        "@__metal_implicit_fc_pred_0 = internal addrspace(2) global i8 0, align 1",
    ):
        assert line in air.split("\n")
    constants = [node(air, name) for name in re.findall(r"!\d+", node(air, "!air.function_constants"))]
    assert constants == [
        '!{ptr addrspace(2) @_Z1n.MTL_FC_INIT_7_i, !"int", !"n", i32 7, i1 true}',
        '!{ptr addrspace(2) @_ZN1q2onE.MTL_FC_INIT_8_b, !"bool", !"on", i32 8, i1 true}',
    ]
    assert "@llvm.global_ctors = appending global [1 x" in air
    assert "@air.normalize_function_constant_predicate.i8(i8" in air


def test_unused_arguments_and_constants_are_left_out() -> None:
    source = HEADER + (
        "constant int n [[function_constant(0)]];\nkernel void k(device int* a, device int* b) { a[0] = 1; }\n"
        "kernel void l(device int* a) { a[0] = n; }\n"
    )
    library = compile_source(source)
    assert [a.used for a in reflect(library.air("k"), "k").arguments] == [True, False]
    assert "function_constants" not in library.air("k")
    assert "function_constants" in library.air("l")


@pytest.mark.parametrize(("fast", "option"), [(False, "fast_math_disable"), (True, "fast_math_enable")])
def test_fast_math(fast: bool, option: str) -> None:
    air = compile_source(
        HEADER + "kernel void k(device float* a) { a[0] = exp(a[1]) * a[2] / a[3]; }", fast_math=fast
    ).air("k")
    assert f"air.compile.{option}" in air
    assert ("@air.fast_exp.f32" in air) is fast
    assert ("fmul fast" in air or "fmul reassoc" in air or " fast float" in air) is fast


def test_rendezvous_are_convergent(everything: AirLibrary) -> None:
    air = everything.air("reduce_float_64")
    for name in ("air.wg.barrier", "air.simd_sum.f32", "air.simdgroup.barrier"):
        (group,) = re.findall(rf"declare [^\n]*@{re.escape(name)}\([^\n]*(#\d+)", air)
        assert "convergent" in node(air, f"attributes {group}".replace("attributes ", "attributes ")), name


def test_source_is_compiled_with_macros_and_include_folders(tmp_path: Path) -> None:
    (tmp_path / "value.h").write_text("#define VALUE SCALE * 2\n")
    source = HEADER + '#include "value.h"\nkernel void k(device int* a) { a[0] = VALUE; }\n'
    air = compile_source(source, macros=["SCALE=21"], include_dirs=[tmp_path]).air("k")
    assert "store i32 42" in air


def test_includes_are_found_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "value.h").write_text("#define VALUE 7\n")
    path = tmp_path / "k.metal"
    path.write_text('#include "value.h"\nkernel void k(device int* a) { a[0] = VALUE; }\n')
    assert "store i32 7" in compile_source(path.read_text(), name=str(path)).air("k")
    with pytest.raises(MslError, match=r"'value\.h' file not found"):
        compile_source(path.read_text(), name="elsewhere.metal")


def test_kernels_in_namespaces() -> None:
    source = (
        "namespace { kernel void hidden(device int* a) { a[0] = 1; } }\n"
        "namespace a::b { struct S { int x; }; kernel void inner(device S* s) { s[0].x = 2; }\n"
        "  template <typename T> kernel void t(device T* x) { x[0] = 3; }\n"
        '  template [[host_name("t_int")]] kernel void t<int>(device int*); }\n'
        'template [[host_name("t_uint")]] [[kernel]] decltype(a::b::t<uint>) a::b::t<uint>;\n'
    )
    library = compile_source(source)
    assert library.kernels == ("hidden", "inner", "t_int", "t_uint")
    assert [re.findall(r"store i32 (\d)", library.air(name)) for name in library.kernels] == [
        ["1"],
        ["2"],
        ["3"],
        ["3"],
    ]
    assert reflect(library.air("inner"), "inner").arguments[0].type_name == "a::b::S"


def test_overloads_of_kernel_templates() -> None:
    source = (
        "template <typename T, int N> kernel void f(device T* a, constant T& b) { a[N] = b; }\n"
        "template <int N, bool B = true, bool C = false> kernel void f(device int* a) { a[N] = B + 2 * C; }\n"
        'template [[host_name("one")]] [[kernel]] decltype(f<int, 5>) f<int, 5>;\n'
        'template [[host_name("two")]] [[kernel]] decltype(f<6, true, true>) f<6, true, true>;\n'
    )
    library = compile_source(source)
    assert [len(reflect(library.air(name), name).arguments) for name in library.kernels] == [2, 1]


def test_relative_include_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "inc").mkdir()
    (tmp_path / "inc" / "value.h").write_text("#define VALUE 5\n")
    monkeypatch.chdir(tmp_path)
    source = '#include "value.h"\nkernel void k(device int* a) { a[0] = VALUE; }\n'
    assert "store i32 5" in compile_source(source, include_dirs=["inc"]).air("k")


def test_version_macro() -> None:
    source = "kernel void k(device int* a) { a[0] = __METAL_VERSION__; }"
    assert "store i32 320" in compile_source(source, language_version=(3, 2)).air("k")
    assert "i32 3, i32 1, i32 0}" in compile_source(source).air("k")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"language_version": (9, 9)}, r"Metal \(9, 9\) is not known; one of \(2, 4\)"),
        ({"macros": ["X=\0"]}, "is no NAME or NAME=value"),
        ({"include_dirs": ["a\0b"]}, "has a NUL in its name"),
        ({"macros": ["1X"]}, "macro '1X' is no NAME or NAME=value"),
        ({"macros": ["-include/etc/passwd"]}, "is no NAME or NAME=value"),
    ],
)
def test_bad_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(MslError, match=message):
        compile_source(ADD, **options)  # type: ignore[arg-type]


def test_unknown_kernel() -> None:
    with pytest.raises(MslError, match=r"program_source has no kernel 'sub'; its kernels are: add\."):
        compile_source(ADD).air("sub")


def test_library_without_kernels() -> None:
    assert compile_source("constant int x = 1;").kernels == ()


# ---- diagnostics


def errors(source: str, **options: object) -> list[str]:
    with pytest.raises(MslError) as caught:
        compile_source(source, **options)  # type: ignore[arg-type]
    return [line for line in caught.value.diagnostics.split("\n") if ": error: " in line]


def test_columns_are_those_of_the_users_line() -> None:
    source = (
        "#define TWICE(x) ((x) * 2)\n/* a */ kernel void k(device float4* a) {\n"
        "\t/* c */ a[0]   =   float4(1, 2, 3, 4) + nope(TWICE(1)); }\n"
    )
    (error,) = errors(source)
    column = source.split("\n")[2].index("nope") + 1
    assert error.startswith(f"program_source:3:{column}: error: use of undeclared identifier 'nope'")


def test_errors_in_macros_are_at_the_macro() -> None:
    source = "#define BAD(x) (x + nope)\nkernel void k(device int* a) { a[0] = 1 + BAD(2); }\n"
    (error,) = errors(source)
    assert error.startswith(f"program_source:2:{source.split(chr(10))[1].index('BAD') + 1}: error: ")


def test_errors_in_included_files_name_them(tmp_path: Path) -> None:
    (tmp_path / "broken.h").write_text("\n  int x = ;\n")
    error = errors('#include "broken.h"\n', include_dirs=[tmp_path])[-1]
    assert error.startswith(f"{tmp_path / 'broken.h'}:2:11: error: expected expression")


def test_errors_show_the_line_and_a_caret() -> None:
    with pytest.raises(MslError) as caught:
        compile_source("kernel void k(device int* a) {\n\ta[0] = b;\n}", name="x.metal")
    assert caught.value.diagnostics == (
        "x.metal:2:9: error: use of undeclared identifier 'b'\n    \ta[0] = b;\n    \t       ^"
    )
    assert str(caught.value).startswith("[soft] x.metal does not compile: 1 error.\n")


def test_missing_include() -> None:
    (error,) = errors('#include "nothing.h"\n')
    assert error.startswith("program_source:1:10: error: 'nothing.h' file not found")


def test_standard_library_needs_its_include() -> None:
    assert any("metal" in error for error in errors("kernel void k(device float* a) { a[0] = metal::exp(a[1]); }"))


def test_errors_in_our_headers_are_shown_where_the_user_called() -> None:
    source = (
        HEADER
        + "struct S { int x; };\nkernel void k(device float* a, device S* s) {\n  a[0] = static_cast<float>(s[0]);\n}\n"
    )
    (error,) = errors(source)
    assert error.startswith("program_source:5:10: error: ")


# ---- how the compiler is run


def test_scratch_folders_are_the_owners_and_go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with driver.scratch_folder() as folder:
        assert folder.stat().st_mode & 0o077 == 0
    compile_source(ADD).air("add")
    with pytest.raises(MslError):
        compile_source("}")
    assert list(tmp_path.iterdir()) == []


def test_missing_ziglang_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    driver.zig.cache_clear()
    try:
        with pytest.raises(MslError, match=r"ziglang, which is not installed; pip install 'isometal\[soft\]'"):
            compile_source(ADD)
    finally:
        monkeypatch.undo()
        driver.zig.cache_clear()


def fake_zig(tmp_path: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "zig"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setattr(driver, "zig", lambda: str(path))


def test_a_hang_is_an_error_and_nothing_stays_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_zig(tmp_path, f"echo $$ > {tmp_path}/pid; sleep 60 & echo $! > {tmp_path}/child; wait", monkeypatch)
    monkeypatch.setenv("ISOMETAL_MSL_TIMEOUT", "0.5")
    start = time.monotonic()
    with pytest.raises(MslError, match=r"clang did not finish within 0\.5 s; ISOMETAL_MSL_TIMEOUT sets another limit"):
        compile_source(ADD)
    assert time.monotonic() - start < 20
    assert all(not alive(int((tmp_path / name).read_text())) for name in ("pid", "child"))


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state not in "ZX"


@pytest.mark.parametrize("value", ["0", "-1", "soon", "nan"])
def test_bad_time_limits(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISOMETAL_MSL_TIMEOUT", value)
    with pytest.raises(MslError, match="is no time limit"):
        compile_source(ADD)


def test_a_crash_of_the_compiler_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_zig(tmp_path, "kill -SEGV $$", monkeypatch)
    with pytest.raises(MslError, match="clang failed with status"):
        compile_source(ADD)


def test_interrupt_ends_the_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pid = tmp_path / "pid"
    fake_zig(tmp_path, f"echo $$ > {pid}\nsleep 60", monkeypatch)

    def interrupt() -> None:
        while not (pid.exists() and pid.read_text().strip()):
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        compile_source(ADD)
    thread.join()
    assert not alive(int(pid.read_text()))


def test_several_threads_compile_at_once() -> None:
    barrier = threading.Barrier(4)

    def one(number: int) -> str:
        barrier.wait()
        return compile_source(ADD.replace("add", f"add{number}")).air(f"add{number}")

    with ThreadPoolExecutor(4) as pool:
        for number, air in enumerate(pool.map(one, range(4))):
            assert f"@add{number}(" in air


def test_environment_does_not_reach_the_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "metal_stdlib").write_text("#error poisoned\n")
    monkeypatch.setenv("CPATH", str(tmp_path))
    monkeypatch.setenv("CPLUS_INCLUDE_PATH", str(tmp_path))
    assert compile_source(HEADER + ADD).kernels == ("add",)


@pytest.mark.parametrize(
    "text", ["", "\x00", "\ufeff" + ADD, "é = ü;", "\n" * 1000, "#", '"', "/*", "\\", "a" * 5000, "\ud800 x"]
)
def test_odd_text_is_compiled_or_an_error(text: str) -> None:
    try:
        assert compile_source(text).kernels in ((), ("add",))
    except MslError as error:
        assert error.diagnostics  # noqa: PT017


def test_names_beyond_ascii() -> None:
    source = "kernel void größe(device int* ü) { /* ä */ ü[0] = 1;  }"
    library = compile_source(source)
    assert library.kernels == ("größe",)
    assert reflect(library.air("größe"), "größe").arguments[0].name == "ü"
    broken = source.replace("= 1", "= nöpe")
    (error,) = errors(broken)
    assert error.startswith(f"program_source:1:{broken.index('nöpe') + 1}: error: use of undeclared identifier 'nöpe'")


def test_odd_names_of_sources() -> None:
    for name in ('a"b.metal', "a\\b.metal", "a\nb.metal", "ü.metal"):
        assert compile_source(ADD, name=name).kernels == ("add",)
        with pytest.raises(MslError, match="1 error"):
            compile_source("kernel void k(device int* a) { a[0] = b; }", name=name)


# ---- small parts


@pytest.mark.parametrize(
    ("clang", "metal"),
    [
        ("unsigned int", "uint"),
        ("unsigned char __attribute__((ext_vector_type(4)))", "uchar4"),
        ("__bf16", "bfloat"),
        ("V<unsigned long, half __attribute__((ext_vector_type(2)))>", "V<ulong, half2>"),
        ("__msl_bool_vector<3>", "bool3"),
        ("n::W<__msl_packed_vector<float, 3>, 2>", "n::W<packed_float3, 2>"),
    ],
)
def test_type_names(clang: str, metal: str) -> None:
    assert type_name(clang) == metal


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        ("@_Z3fibi", "fib"),
        ("@_ZN1n1fIfEEvT_", "f"),
        ("@_ZNK1A3getEv", "get"),
        ("@_ZL5twice", "twice"),
        ("@_ZN1qL4bothE", "both"),
        ("@_ZN1n3BarI3FooIfLi3EEE4nextEv", "next"),
        ("@plain", "plain"),
        ('@"_Z1fv"', "f"),
    ],
)
def test_source_names(symbol: str, name: str) -> None:
    assert source_name(symbol) == name


def test_records_of_a_dump() -> None:
    dump = """
*** Dumping AST Record Layout
         0 | struct Base
         0 |   _Bool flag
           | [sizeof=1, dsize=1, align=1,
           |  nvsize=1, nvalign=1]

*** Dumping AST Record Layout
         0 | struct S<struct T<__fp16> >
         0 |   struct Base (base)
         0 |     _Bool flag
         4 |   const int[2][3] m
        32 |   unsigned int __attribute__((ext_vector_type(3))) v
        48 |   __global float * p
           | [sizeof=64, dsize=56, align=16,
           |  nvsize=56, nvalign=16]
"""
    record = parse_records(dump)["S<T<half>>"]
    assert record.size == 64
    assert [(m.name, m.type, m.offset, m.length) for m in record.members] == [
        ("flag", "bool", 0, 0),
        ("m", "int", 4, 6),
        ("v", "uint3", 32, 0),
        ("p", "__global float *", 48, 0),
    ]


def test_spaces_are_restored_through_copies_and_elements() -> None:
    declarations: set[str] = set()
    text = """define void @f(ptr addrspace(1) %0, ptr addrspace(2) %1) {
  %3 = alloca i64
  %4 = addrspacecast ptr addrspace(1) %0 to ptr
  %5 = getelementptr i8, ptr %4, i64 4
  %6 = load float, ptr %5, align 4
  store float %6, ptr %4, align 4
  call void @llvm.memcpy.p0.p2.i64(ptr align 4 %4, ptr addrspace(2) align 4 %1, i64 8, i1 false)
  %7 = addrspacecast ptr addrspace(1) %0 to ptr
  store ptr %7, ptr %3
  ret void
}"""
    assert restore_spaces(text, declarations).split("\n")[1:] == [
        "  %3 = alloca i64",
        "  %5 = getelementptr i8, ptr addrspace(1) %0, i64 4",
        "  %6 = load float, ptr addrspace(1) %5, align 4",
        "  store float %6, ptr addrspace(1) %0, align 4",
        "  call void @llvm.memcpy.p1.p2.i64(ptr addrspace(1) align 4 %0, ptr addrspace(2) align 4 %1, i64 8, i1 false)",
        "  %7 = addrspacecast ptr addrspace(1) %0 to ptr",
        "  store ptr %7, ptr %3",
        "  ret void",
        "}",
    ]
    assert [d.split("@")[1].split("(")[0] for d in declarations] == ["llvm.memcpy.p1.p2.i64"]
