"""The compile service that Python implements, asked from C++ on a thread of its own."""

from __future__ import annotations

import struct
import subprocess
import sys

import fuzz_metallib
import pytest
from containers import Kernel, build

from isometal import _core
from isometal.soft import service
from isometal.soft.errors import MslError, SoftDeviceError

#: isometal::soft::CompileFailure.
UNSUPPORTED, INTERNAL, FUNCTION_NOT_FOUND, INVALID_LIBRARY = 0, 1, 3, 5
DEVICE, CONSTANT = 1, 2
STEEL = "steel_gemm_fused_nn_float32_float32_bm64_bn64_bk16_wm2_wn2"


@pytest.fixture(autouse=True)
def installed_again():
    yield
    service.install()


def library(*, name: str = "double_all") -> bytes:
    return build([Kernel(name, fuzz_metallib.air_bitcode())])


def test_importing_the_package_registers_the_service():
    """A process of its own: in this one, other tests may have registered another."""
    code = (
        "import isometal.soft, isometal._core as core; print(core.soft_probe_compile_service(b'', 'k', {})['failure'])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert answer.startswith(f"{INVALID_LIBRARY} probe: at byte 0x0: the file ends within the header")


def test_a_library_is_opened_and_a_kernel_compiled():
    found = _core.soft_probe_compile_service(library(), "double_all", {})
    assert found["failure"] == ""
    assert found["functions"] == ["double_all"]
    assert found["constants"] == []
    assert found["arguments"] == [
        ("x", "float", 0, 2, DEVICE, 0, 4, 4, 4, True),
        ("i", "uint", 2, 0, DEVICE, 0, 0, 1, 0, True),
    ]
    assert found["sites"] == ["start"]
    assert found["site_count"] == 1


@pytest.mark.parametrize(
    ("data", "function", "failure", "text"),
    [
        (b"nonsense", "double_all", INVALID_LIBRARY, "probe: at byte 0x8: the file ends within the header"),
        (library(), "nothing", FUNCTION_NOT_FOUND, "[soft] no kernel 'nothing' in probe"),
        (library(name="other"), "other", UNSUPPORTED, "kernel 'other' has no entry in !air.kernel"),
        (build([Kernel("k", b"BC\xc0\xde" + bytes(40))]), "k", INVALID_LIBRARY, "the bitcode of 'k'"),
    ],
)
def test_what_python_raises_is_a_compile_error(data, function, failure, text):
    found = _core.soft_probe_compile_service(data, function, {})
    assert found["failure"].startswith(f"{failure} ")
    assert text in found["failure"]


def test_an_unexpected_exception_is_internal_and_says_its_type(monkeypatch):
    def broken(*arguments: object) -> None:
        raise ZeroDivisionError("by accident")

    monkeypatch.setattr(service.Service, "compile", broken)
    found = _core.soft_probe_compile_service(library(), "double_all", {})
    assert found["failure"].startswith(f"{INTERNAL} ")
    assert found["failure"].endswith("ZeroDivisionError: by accident")


@pytest.mark.parametrize("answer", [None, (1, 2), ("a", None, None)])
def test_a_wrong_answer_is_internal(monkeypatch, answer):
    monkeypatch.setattr(service.Service, "compile", lambda *arguments: answer)
    assert _core.soft_probe_compile_service(library(), "double_all", {})["failure"].startswith(f"{INTERNAL} ")


def test_libraries_are_closed():
    own = service.Service()
    _core.soft_set_compile_service(own)
    assert _core.soft_probe_compile_service(library(), "double_all", {})["failure"] == ""
    assert own._libraries == {}


def test_without_a_service_it_says_so():
    _core.soft_set_compile_service(None)
    with pytest.raises(SoftDeviceError, match="no compile service is registered"):
        _core.soft_probe_compile_service(library(), "double_all", {})


def test_the_default_library_is_none_yet():
    with pytest.raises(SoftDeviceError, match="this process has no default library"):
        service.Service().open_default()


SOURCE = """
kernel void fill(device float* out [[buffer(0)]], uint i [[thread_position_in_grid]]) { out[i] = VALUE; }
"""


def test_source_is_compiled_with_its_options():
    own = service.Service()
    options = service.SourceOptions((("VALUE", "2.5f"),), 3 << 16 | 1, "safe", False, 64, True)
    number, kernels, warnings = own.open_source(SOURCE, options)
    assert (kernels, warnings) == (["fill"], "")
    address, reflection, kernel = own.compile(number, "fill", {}, False)
    assert address == kernel.native.address
    assert reflection.max_threads_per_threadgroup == 64
    own.close(number)
    with pytest.raises(KeyError):
        own.compile(number, "fill", {}, False)


def test_source_that_does_not_compile_is_the_sources_fault():
    options = service.SourceOptions((), 0, "fast", False, 0, True)
    with pytest.raises(MslError, match="VALUE") as caught:
        service.Service().open_source(SOURCE, options)
    assert service.failure_of(caught.value) == "compile"


def test_function_constants_have_types_and_values(mlx_metal_wheel):
    data = (mlx_metal_wheel / "mlx" / "lib" / "mlx.metallib").read_bytes()
    true, false = ("bool", b"\1"), ("bool", b"\0")
    given = {10: false, 100: false, 110: false, 200: true, 201: true, 202: true}
    found = _core.soft_probe_compile_service(data, STEEL, given)
    assert found["failure"] == ""
    assert found["constants"][0] == ("has_batch", "bool", 10, True)
    assert [argument[0] for argument in found["arguments"][:4]] == ["A", "B", "D", "params"]
    # With the batch, its arguments are there.
    found = _core.soft_probe_compile_service(data, STEEL, {**given, 10: true})
    assert "batch_shape" in [argument[0] for argument in found["arguments"]]
    missing = _core.soft_probe_compile_service(data, STEEL, {10: false})["failure"]
    assert missing.startswith(f"{FUNCTION_NOT_FOUND} ")
    assert "align_M (200, bool)" in missing
    wrong = _core.soft_probe_compile_service(data, STEEL, {**given, 10: ("int", struct.pack("<i", 1))})["failure"]
    assert wrong.startswith(f"{FUNCTION_NOT_FOUND} ")
    assert "has a value of type int; its type is bool." in wrong
