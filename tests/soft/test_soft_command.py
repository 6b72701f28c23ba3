"""The command line of the software device: what it prints, writes and refuses."""

from __future__ import annotations

import json
import re
import struct

import fuzz_metallib
import numpy as np
import pytest
from containers import Kernel, build
from typer.testing import CliRunner

from isometal.cli import app

SOURCE = """
#include <metal_stdlib>
using namespace metal;
constant float factor [[function_constant(5)]];
struct Shape { uint rows; uint columns; };
kernel void scale(device const float* x [[buffer(0)]], device float* y [[buffer(2)]],
                  constant Shape& shape [[buffer(3)]], uint i [[thread_position_in_grid]]) {
  if (i < shape.rows * shape.columns) y[i] = factor * x[i];
}
kernel void reverse(device uint* x [[buffer(0)]], threadgroup uint* copy [[threadgroup(0)]],
                    uint i [[thread_position_in_threadgroup]], uint n [[threads_per_threadgroup]]) {
  copy[i] = x[i];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  x[i] = copy[n - 1 - i];
}
"""
SCALE = ("-k", "scale", "-b", "x=arange:float32:2x3", "-b", "shape=shape.bin", "-c", "factor=0.5")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv("ISOMETAL_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "k.metal").write_text(SOURCE)
    (tmp_path / "shape.bin").write_bytes(struct.pack("<2I", 2, 3))
    (tmp_path / "k.metallib").write_bytes(build([Kernel("double_all", fuzz_metallib.air_bitcode())]))


def soft(*arguments: str):
    return CliRunner().invoke(app, ["soft", *arguments], catch_exceptions=False)


def good(*arguments: str) -> str:
    result = soft(*arguments)
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    return result.stdout


def refused(*arguments: str) -> str:
    result = soft(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    return result.stderr


# -- the device -------------------------------------------------------------------------------------------------------


def test_the_device_says_that_it_is_software():
    lines = good().splitlines()
    assert re.fullmatch(r"device    isometal software Metal device \(CPU .+\)", lines[0])
    assert re.fullmatch(r"threads   \d+", lines[1])
    assert re.fullmatch(r"compiler  llvmlite [\d.]+, LLVM [\d.]+", lines[2])
    assert lines[3].startswith("cache     0 entries, 0.0 of at most 1024 MiB, ")


def test_help_has_examples_and_exit_codes():
    for command in ((), ("info",), ("run",), ("cache",)):
        assert "isometal soft" in good(*command, "--help")
    assert "Exit codes:" in good("run", "--help")


# -- info -------------------------------------------------------------------------------------------------------------


def test_info_shows_what_kernels_take():
    text = good("info", "k.metal")
    assert text.startswith("k.metal: 2 kernels\n\nkernel scale\n")
    assert "    buffer 2                 y      float  device read_write\n" in text
    assert "    5      factor  float\n" in text
    assert "kernel reverse" in text
    assert "    buffer 3                 shape  Shape  constant read      8\n" in text
    alone = good("info", "k.metal", "--kernel", "reverse")
    assert "kernel scale" not in alone
    assert "threadgroup 0" in alone
    assert "kernel double_all" in good("info", "k.metallib")


def test_info_as_json():
    found = json.loads(good("info", "k.metal", "--match", "sc", "--json"))
    assert found["kernels"] == ["scale"]
    assert found["device"].startswith("isometal software Metal device (CPU ")
    (reflection,) = found["reflections"]
    assert [a["name"] for a in reflection["arguments"]] == ["x", "y", "shape", "i"]
    assert reflection["constants"] == [{"name": "factor", "type_name": "float", "index": 5, "required": True}]


def test_info_of_many_kernels_lists_their_names(tmp_path):
    (tmp_path / "many.metallib").write_bytes(build([Kernel(f"k{i}", b"1234") for i in range(30)]))
    assert good("info", "many.metallib").splitlines() == ["many.metallib: 30 kernels", *(f"  k{i}" for i in range(30))]


# -- run --------------------------------------------------------------------------------------------------------------


def test_run_writes_what_the_kernel_wrote():
    text = good("run", "k.metal", *SCALE, "-b", "2=zeros:float32:6", "--grid", "6", "--out", "y=y.npy")
    assert re.match(r"scale on isometal software Metal device \(CPU .+\): [\d.]+ ms\n", text)
    assert text.endswith("  buffer 2 (y): float32 (6,) [0.0, 0.5, 1.0, 1.5, 2.0, 2.5] -> y.npy\n")
    assert np.load("y.npy").tolist() == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]


def test_run_takes_files_and_prints_json():
    np.save("x.npy", np.array([1, 2, 3, 4], np.uint32))
    arguments = ("-k", "reverse", "-b", "x=x.npy", "--memory", "0=16", "--grid", "1", "--threadgroups", "-t", "4")
    for order in ((), ("--mode", "shuffled", "--seed", "3"), ("--threads", "1")):
        found = json.loads(good("run", "k.metal", *arguments, *order, "--json"))
        assert found["written"] == [
            {"index": 0, "name": "x", "dtype": "uint32", "shape": [4], "values": [4, 3, 2, 1], "file": None}
        ]
        assert found["kernel"] == "reverse"
        assert found["seconds"] > 0
    assert np.load("x.npy").tolist() == [1, 2, 3, 4]


def test_run_needs_no_name_where_there_is_one_kernel():
    text = good("run", "k.metallib", "-b", "x=ones:float32:2x2", "--grid", "4")
    assert "float32 (2, 2) [2.0, 2.0, 2.0, 2.0]" in text


def test_values_that_are_not_finite_are_json(tmp_path):
    np.save("x.npy", np.array([np.nan, np.inf, -0.0], np.float32))
    found = json.loads(good("run", "k.metallib", "-b", "x=x.npy", "--grid", "3", "--json"))
    assert found["written"][0]["values"] == ["nan", "inf", 0.0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nothing.metal", "--grid", "1"), "[file] nothing.metal: No such file or directory"),
        (("k.metal", "--grid", "1"), "[soft] k.metal has 2 kernels; choose with --kernel: scale, reverse."),
        (("k.metal", "-k", "scal", "--grid", "1"), "did you mean scale?"),
        (("k.metal", "-k", "scale", "--grid", "1"), "function constants without a value: factor (5, float)"),
        (("k.metal", *SCALE, "--grid", "1"), "nothing is bound to buffer 2 (y)"),
        (("k.metal", *SCALE, "-b", "z=3", "--grid", "1"), "has no buffer 'z'; it has buffer 0 (x), buffer 2 (y)"),
        (("k.metal", *SCALE, "-b", "0=3", "--grid", "1"), "--buffer: buffer 0 (x) has two values"),
        (("k.metal", *SCALE, "-b", "y", "--grid", "1"), "--buffer 'y' is not of the form NAME=VALUE."),
        (("k.metal", *SCALE, "-b", "y=y.bin", "--grid", "1"), "'y.bin' is no value: no file of that name, no number"),
        (("k.metal", *SCALE, "-b", "y=y.npy", "--grid", "1"), "[file] y.npy: No such file or directory"),
        (("k.metal", *SCALE, "-b", "y=k.npy", "--grid", "1"), "k.npy cannot be read as a NumPy array"),
        (("k.metal", *SCALE, "-b", "y=zeros:float:4", "--grid", "1"), "no dtype 'float'; there are bool, int8"),
        (("k.metal", *SCALE, "-b", "y=zeros:int8:4,4", "--grid", "1"), "is not of the form zeros:DTYPE:SHAPE"),
        (("k.metal", *SCALE, "-b", "y=zeros:int8:4", "--grid", "1"), "an array of int8; float32 is needed."),
        (("k.metal", *SCALE, "-b", "y=zeros:int8:99999x99999", "--grid", "1"), "at most 2^32 are possible here."),
        (("k.metal", *SCALE, "-b", "y={", "--grid", "1"), "'{' is not JSON"),
        (("k.metal", *SCALE, "-b", "y=zeros:float32:6", "--grid", "a"), "--grid 'a' is no size"),
        (("k.metal", *SCALE, "-b", "y=zeros:float32:6", "--grid", "0"), "sizes from 1 to 2^32 - 1 are possible."),
        (
            ("k.metal", *SCALE, "-b", "y=zeros:float32:6", "--grid", "6", "-t", "2000"),
            "at most 1024 in all are possible.",
        ),
        (("k.metal", *SCALE, "-b", "y=zeros:float32:6", "--grid", "6", "--mode", "slow"), "no mode 'slow'"),
        (("k.metal", *SCALE, "-b", "y=zeros:float32:6", "--grid", "6", "-o", "x=x.npy"), "only what it writes"),
        (("k.metal", "-k", "scale", "-c", "factor=x", "--grid", "1"), "'x' is no value of a constant"),
        (("k.metal", "-k", "scale", "-c", "factr=1", "--grid", "1"), "has no function constant 'factr'"),
        (
            ("k.metallib", "-b", "x=ones:float32:4", "--memory", "0=16", "--grid", "1"),
            "has no threadgroup '0'; it has none.",
        ),
    ],
)
def test_what_cannot_run_is_one_line_and_exit_code_2(tmp_path, arguments, message):
    (tmp_path / "k.npy").write_bytes(b"\x93NUMPY nonsense")
    text = refused("run", *arguments)
    assert text.startswith("isometal: [")
    assert text.count("\n") == 1
    assert message in text
    assert not (tmp_path / "x.npy").exists()


def test_source_has_a_language_version(tmp_path):
    text = "kernel void f(device int* x [[buffer(0)]]) { auto g = [](int y) { return y + 1; }; x[0] = g(1); }\n"
    (tmp_path / "new.metal").write_text(text)
    assert refused("info", "new.metal").splitlines()[1].endswith("error: lambda expressions need Metal 3.2")
    assert "\n  Metal 3.2, AIR " in good("info", "new.metal", "--std", "metal3.2")
    assert "[2]" in good("run", "new.metal", "-b", "x=zeros:int32:1", "--grid", "1", "--std", "metal3.2")
    assert refused("info", "new.metal", "--std", "3.2").strip() == (
        "isometal: [soft] --std '3.2' names no version of Metal; metal3.1 would."
    )
    assert "Metal (9, 9) is not known" in refused("info", "new.metal", "--std", "metal9.9")


def test_source_that_does_not_compile_is_shown_with_its_lines(tmp_path):
    (tmp_path / "bad.metal").write_text("kernel void f(device float* x [[buffer(0)]]) {\n  x[0] = y;\n}\n")
    lines = refused("info", "bad.metal").splitlines()
    assert lines[0] == "isometal: [soft] bad.metal does not compile: 1 error."
    assert lines[1].startswith("bad.metal:2:10: error: ")


def test_a_damaged_metallib_is_one_line_with_its_offset(tmp_path):
    (tmp_path / "bad.metallib").write_bytes((tmp_path / "k.metallib").read_bytes()[:-1])
    assert refused("info", "bad.metallib").startswith("isometal: bad.metallib: at byte 0x10: gives its own size as ")


# -- cache ------------------------------------------------------------------------------------------------------------


def test_cache_says_what_is_kept_and_clears_it(tmp_path):
    good("run", "k.metallib", "-b", "x=ones:float32:4", "--grid", "4")
    found = json.loads(good("cache", "--json"))
    assert (found["entries"], found["folder"], found["removed"]) == (1, str(tmp_path / "cache" / "kernels"), None)
    assert 0 < found["bytes"] < found["limit"]
    assert good("cache").startswith("1 entries, 0.0 of at most 1024 MiB\n")
    assert good("cache", "--clear").startswith("Removed 1 entries from ")
    assert json.loads(good("cache", "--clear", "--json"))["removed"] == 0


def test_a_cache_that_others_can_write_to_is_refused(tmp_path):
    (tmp_path / "cache" / "kernels").mkdir(parents=True)
    (tmp_path / "cache" / "kernels").chmod(0o777)
    assert "can be written by others; chmod go-w it, or set ISOMETAL_CACHE_DIR." in refused("cache")
