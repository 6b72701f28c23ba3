"""Libraries as a user meets them: opened, looked at, compiled, kept."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from dataclasses import replace

import fuzz_metallib
import numpy as np
import pytest
from containers import Kernel as Function
from containers import build

import isometal.soft as soft
from isometal.soft import compiler, isolated
from isometal.soft.errors import (
    FunctionError,
    LoweringError,
    MetallibError,
    SoftDeviceError,
)
from isometal.soft.library import _stands_alone
from isometal.soft.lower import llvm

STEEL = "steel_gemm_fused_nn_float32_float32_bm64_bn64_bk16_wm2_wn2"
PLAIN = {
    "has_batch": False,
    "use_out_source": False,
    "do_axpby": False,
    "align_M": True,
    "align_N": True,
    "align_K": True,
}

SCALE = """
#include <metal_stdlib>
using namespace metal;
constant float factor [[function_constant(0)]];
constant uint2 shift [[function_constant(4)]];
kernel void scale(device const float* x [[buffer(0)]], device float* y [[buffer(1)]],
                  uint i [[thread_position_in_grid]]) {
  y[i] = factor * x[i] + float(shift.x * 10 + shift.y);
}
kernel void plain(device uint* y [[buffer(0)]], uint i [[thread_position_in_grid]]) { y[i] = i; }
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ISOMETAL_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def apple(mlx_metal_wheel):
    return mlx_metal_wheel / "mlx" / "lib" / "mlx.metallib"


def metallib(blob: bytes | None = None, name: str = "double_all") -> bytes:
    return build([Function(name, fuzz_metallib.air_bitcode() if blob is None else blob)])


# -- opening ----------------------------------------------------------------------------------------------------------


def test_a_metallib_opens_from_a_path_and_from_bytes(tmp_path):
    path = tmp_path / "own.metallib"
    path.write_bytes(metallib())
    for library in (soft.Library.from_metallib(path), soft.Library.from_metallib(metallib(), origin=str(path))):
        assert library.kernels == ("double_all",)
        assert repr(library) == f"<Library {path}: 1 kernels on a software Metal device>"
        assert library.constants("double_all") == ()
        assert [a.name for a in library.reflection("double_all").arguments] == ["x", "i"]


def test_only_kernels_are_listed():
    data = build([Function("k", b"1234"), Function("shade", b"5678", type=1)])
    assert soft.Library.from_metallib(data).kernels == ("k",)


def test_a_file_is_opened_as_what_it_is(tmp_path):
    for name, data in (("a.bin", metallib()), ("a.ll", fuzz_metallib.AIR.encode()), ("a.metal", SCALE.encode())):
        (tmp_path / name).write_bytes(data)
    assert soft.Library.open(tmp_path / "a.bin").kernels == ("double_all",)
    assert soft.Library.open(tmp_path / "a.ll").kernels == ("double_all",)
    assert soft.Library.open(tmp_path / "a.metal").kernels == ("scale", "plain")
    (tmp_path / "a.metal").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SoftDeviceError, match="neither a metallib nor text"):
        soft.Library.open(tmp_path / "a.metal")
    with pytest.raises(FileNotFoundError):
        soft.Library.open(tmp_path / "nothing")


def test_an_unknown_kernel_is_an_error_that_names_near_ones():
    library = soft.Library.from_metallib(metallib(), origin="own.metallib")
    for call in (library.reflection, library.constants, library.kernel):
        with pytest.raises(FunctionError, match=r"no kernel 'double_al' in own.metallib; did you mean double_all\?"):
            call("double_al")
    with pytest.raises(FunctionError, match=r"it has 1: double_all\."):
        library.kernel("zzz")


def test_damaged_bitcode_is_a_metallib_error_with_its_offset():
    library = soft.Library.from_metallib(metallib(b"BC\xc0\xde" + bytes(60)))
    for call in (library.reflection, library.kernel):
        with pytest.raises(MetallibError, match="the bitcode of 'double_all': LLVM bitcode parsing error"):
            call("double_all")


def test_a_closed_library_says_so_and_its_kernels_live_on(tmp_path):
    path = tmp_path / "own.metallib"
    path.write_bytes(metallib())
    library = soft.Library.from_metallib(path)
    kernel = library.kernel("double_all")
    library.close()
    x = np.arange(8, dtype=np.float32)
    kernel(x, grid=8)
    assert x.tolist() == [2.0 * i for i in range(8)]
    del kernel
    with pytest.raises(ValueError, match="is closed"):
        library.kernel("double_all")


# -- function constants -----------------------------------------------------------------------------------------------


def test_constants_are_given_by_name_or_index_and_converted():
    library = soft.Library.from_source(SCALE)
    assert [(c.name, c.type_name, c.index) for c in library.constants("scale")] == [
        ("factor", "float", 0),
        ("shift", "uint2", 4),
    ]
    x, y = np.arange(4, dtype=np.float32), np.zeros(4, np.float32)
    for given in ({"factor": 3, "shift": (1, 2)}, {0: np.float32(3), 4: np.array([1, 2])}):
        y[:] = -1
        library.kernel("scale", given)(x, y, grid=4)
        assert y.tolist() == [12.0, 15.0, 18.0, 21.0]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, r"without a value: factor \(0, float\), shift \(4, uint2\); give each one"),
        ({"factor": 1}, r"without a value: shift \(4, uint2\)"),
        ({"factr": 1}, r"has no function constant 'factr'; it has factor \(0\), shift \(4\)"),
        ({"factor": 1, 0: 2, "shift": (1, 1)}, "has two values"),
        ({"factor": "1", "shift": (1, 1)}, "'1' is a str; float needs a number"),
        ({"factor": 1e39, "shift": (1, 1)}, "does not fit float"),
        ({"factor": 1, "shift": 1}, "uint2 needs 2 values"),
        ({"factor": 1, "shift": (1, 2, 3)}, "uint2 needs 2 values"),
        ({"factor": 1, "shift": (-1, 2)}, "-1 does not fit uint; 0 to 4294967295 do"),
        ({"factor": 1, "shift": (1.5, 2)}, "1.5 is no integer; uint needs one"),
    ],
)
def test_constants_that_do_not_fit_are_refused(given, message):
    with pytest.raises(FunctionError, match=message):
        soft.Library.from_source(SCALE).kernel("scale", given)


def test_constants_of_other_kernels_may_be_given_by_index():
    y = np.zeros(4, np.uint32)
    soft.Library.from_source(SCALE).kernel("plain", {77: 1})(y, grid=4)
    assert y.tolist() == [0, 1, 2, 3]


def test_arguments_that_constants_switch_off_are_gone(apple):
    library = soft.Library.from_metallib(apple)
    assert [a.condition for a in library.reflection(STEEL).bindings] == [
        *("", "", "use_out_source", "", "", "use_out_source", "has_batch", "has_batch")
    ]
    assert [a.index for a in library.kernel(STEEL, PLAIN).reflection.bindings] == [0, 1, 3, 4]
    batched = library.kernel(STEEL, {**PLAIN, "has_batch": True})
    assert [a.index for a in batched.reflection.bindings] == [0, 1, 3, 4, 6, 7]


# -- compiling --------------------------------------------------------------------------------------------------------


def test_a_kernel_is_compiled_once_and_freed_when_nobody_has_it():
    library = soft.Library.from_source(SCALE)
    first = library.kernel("plain")
    assert library.kernel("plain") is first
    assert library.kernel("scale", {"factor": 1, "shift": (0, 0)}) is not library.kernel(
        "scale", {"factor": 1, "shift": (0, 1)}
    )
    gone = weakref.ref(first)
    del first
    gc.collect()
    assert gone() is None


def test_the_cache_serves_another_library_without_a_compiler(monkeypatch):
    library = soft.Library.from_metallib(metallib())
    before = library.kernel("double_all").reflection

    def refuse(*arguments: object, **named: object) -> None:
        raise AssertionError("it was compiled again")

    monkeypatch.setattr(isolated, "call", refuse)
    again = soft.Library.from_metallib(metallib()).kernel("double_all")
    assert again.reflection == before
    x = np.ones(200, np.float32)
    again(x, grid=200)
    assert x.tolist() == [2.0] * 100 + [1.0] * 100


def test_source_from_a_warm_cache_needs_neither_optimiser_nor_compiler(monkeypatch):
    from isometal.soft.msl import driver

    given = {"factor": 2, "shift": (0, 0)}
    before = soft.Library.from_source(SCALE).kernel("scale", given).reflection

    def refuse(*arguments: object, **named: object) -> None:
        raise AssertionError("it was compiled again")

    monkeypatch.setattr(isolated, "call", refuse)
    monkeypatch.setattr(driver, "_run", refuse)
    again = soft.Library.from_source(SCALE)
    assert again.kernels == ("scale", "plain")
    assert again.kernel("scale", given).reflection == before


def test_a_kernel_that_the_cache_lacks_is_compiled_from_cached_source():
    soft.Library.from_source(SCALE)
    y = np.zeros(4, np.uint32)
    soft.Library.from_source(SCALE).kernel("plain")(y, grid=4)
    assert y.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "line",
    [
        '#include "value.h"',
        "#include </tmp/value.h>",
        "#include <../../value.h>",
        "#include VALUE",
        '# /* */ include /* */ "value.h"',
        '#inc\\\nlude "value.h"',
        '#inc\\ \nlude "value.h"',
        "%:include_next <value.h>",
        "#embed <value.h>",
        '#if __has_include("value.h")\n#endif',
    ],
)
def test_source_that_reads_other_files_is_never_known_by_itself(line):
    assert not _stands_alone(f"#include <metal_stdlib>\n{line}\n")


def test_source_with_metals_headers_stands_alone():
    assert _stands_alone(
        '// include "it"\n#include <metal_stdlib>\n#  include <simd/simd.h>\n#include <cstdint>\n#define includes 1\n'
    )


def test_what_source_becomes_depends_on_all_that_it_is_made_of(tmp_path):
    header = tmp_path / "value.h"
    source = '#include "value.h"\nkernel void k(device float* x [[buffer(0)]]) { x[0] = VALUE MORE; }'

    def result(value: str, more: str, fast_math: bool) -> float:
        header.write_text(f"#define VALUE {value}\n")
        library = soft.Library.from_source(
            source, macros=[f"MORE={more}"], include_dirs=[tmp_path], fast_math=fast_math
        )
        x = np.zeros(1, np.float32)
        kernel = library.kernel("k")
        kernel(x, grid=1)
        assert kernel.reflection.fast_math == fast_math
        return float(x[0])

    assert [result("1", "", False), result("2", "", False), result("2", "+1", False)] == [1, 2, 3]
    assert [result("2", "+1", True), result("1", "", False)] == [3, 1]


@pytest.mark.parametrize("change", ["observed", "compiler", "features", "processor"])
def test_what_decides_the_code_is_in_the_key(monkeypatch, change):
    soft.Library.from_metallib(metallib()).kernel("double_all")
    asked: list[str] = []
    call = isolated.call
    monkeypatch.setattr(
        isolated, "call", lambda operation, *a, **n: asked.append(operation) or call(operation, *a, **n)
    )
    if change == "compiler":
        monkeypatch.setattr(compiler, "compiler_version", lambda: "another")
    host = llvm.host()
    if change == "features":
        plainer = replace(host, features=host.features.replace("+avx512f", "-avx512f") + ",-xop")
        monkeypatch.setattr(llvm, "host", lambda: plainer)
    if change == "processor":
        another = replace(host, cpu="generic" if host.cpu != "generic" else "x86-64-v2")
        monkeypatch.setattr(llvm, "host", lambda: another)
    soft.Library.from_metallib(metallib()).kernel("double_all", observed=change == "observed")
    assert asked == ["isometal.soft.compiler:build"]


def test_a_damaged_cache_entry_costs_a_compilation(tmp_path):
    soft.Library.from_metallib(metallib()).kernel("double_all")
    (entry,) = (tmp_path / "cache" / "kernels").iterdir()
    entry.write_bytes(entry.read_bytes()[:-1] + b"?")
    x = np.ones(4, np.float32)
    soft.Library.from_metallib(metallib()).kernel("double_all")(x, grid=4)
    assert x.tolist() == [2.0] * 4


def test_a_pipeline_from_a_warm_cache_takes_milliseconds(apple):
    """Nothing is parsed: well below the 3 ms that are promised. The best of several, since the machine is shared."""
    library = soft.Library.from_metallib(apple)
    names = ("vv_Addfloat32", "rmsfloat32", STEEL)
    for name in names:
        library.kernel(name, PLAIN if name == STEEL else {})
    for name in names:
        best = 1.0
        for _ in range(20):
            start = time.perf_counter()
            library.kernel(name, PLAIN if name == STEEL else {})
            best = min(best, time.perf_counter() - start)
        assert best < 0.003


def test_an_unknown_intrinsic_is_an_error_that_names_kernel_and_intrinsic():
    text = fuzz_metallib.AIR.replace("fadd fast float %v, %v", "call float @air.frobnicate.f32(float %v)").replace(
        "define void", "declare float @air.frobnicate.f32(float)\ndefine void"
    )
    with pytest.raises(LoweringError, match=r"'double_all'.*'air\.frobnicate\.f32'"):
        soft.Library.from_air(text).kernel("double_all")


def test_a_compiler_that_dies_is_an_error(monkeypatch):
    def dies(*arguments: object, **named: object) -> None:
        raise isolated.WorkerCrash("died of SIGSEGV")

    monkeypatch.setattr(isolated, "call", dies)
    with pytest.raises(LoweringError, match="kernel 'double_all' cannot be compiled: LLVM died of SIGSEGV; the AIR is"):
        soft.Library.from_metallib(metallib()).kernel("double_all")


def test_many_threads_compile_and_run():
    library = soft.Library.from_source(SCALE)
    found: dict[int, float] = {}

    def work(number: int) -> None:
        x, y = np.ones(64, np.float32), np.zeros(64, np.float32)
        library.kernel("scale", {"factor": number, "shift": (0, 0)})(x, y, grid=64)
        found[number] = float(y.sum())

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: 64.0 * number for number in range(6)}


def test_a_kernel_that_declares_more_threads_than_the_device_allows_is_refused():
    library = soft.Library.from_source(
        "[[max_total_threads_per_threadgroup(2048)]] kernel void k(device int* a) { a[0] = 1; }"
    )
    assert library.reflection("k").declared_threads == 2048
    message = r"kernel 'k' declares max_total_threads_per_threadgroup\(2048\); the device allows 1024\."
    with pytest.raises(LoweringError, match=message):
        library.kernel("k")
