"""Sources written for our metal-cpp are sources for Apple's: they compile against the headers of the wheel mlx-metal.

The target is macOS on arm64. cmake/apple_stubs stands for the four headers of Apple's SDK that metal-cpp includes and
ziglang does not bring.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import metal_signatures
import pytest

ROOT = Path(__file__).parents[2]
STUBS = ROOT / "cmake" / "apple_stubs" / "include"

#: A call that Apple's header does not have.
WRONG = """
#include <Metal/Metal.hpp>
void call(MTL::Buffer* buffer) { buffer->contents(1); }
"""


@pytest.fixture(scope="module")
def compiled_for_macos(mlx_metal_wheel, tmp_path_factory):
    """compiled(source) -> the finished compiler process: an object for arm64, against Apple's metal-cpp."""
    pytest.importorskip("ziglang", reason="ziglang is in the extra `soft`")
    # zig cannot keep what -fsyntax-only leaves out, so that an object is made.
    target = tmp_path_factory.mktemp("macos") / "out.o"
    headers = mlx_metal_wheel / "mlx" / "include" / "metal_cpp"

    def compiled(source: Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "ziglang", "c++", "-target", "aarch64-macos.14.0", "-std=c++20", "-c"]
        command += ["-Wall", "-Wextra", "-Werror", "-isystem", STUBS, "-isystem", headers]
        command += ["-I", ROOT / "csrc", "-I", ROOT / "tests" / "cpp", "-o", target, source]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return compiled


@pytest.mark.parametrize("source", ["csrc/metal_session.cpp", "tests/cpp/dispatcher_sample.cpp"])
def test_compiles_against_apples_headers(compiled_for_macos, source):
    answer = compiled_for_macos(ROOT / source)
    assert (answer.returncode, answer.stderr) == (0, "")


def test_the_check_can_fail(compiled_for_macos, tmp_path):
    source = tmp_path / "wrong.cpp"
    source.write_text(WRONG)
    answer = compiled_for_macos(source)
    assert answer.returncode != 0
    assert "too many arguments to function call" in answer.stderr


def test_apples_headers_have_every_signature_and_value_of_ours(compiled_for_macos, tmp_path):
    text, checks = metal_signatures.generate(ROOT / "csrc" / "soft" / "include")
    assert checks > 800
    source = tmp_path / "signatures.cpp"
    source.write_text(text)
    answer = compiled_for_macos(source)
    assert (answer.returncode, answer.stderr) == (0, "")


@pytest.mark.parametrize(
    ("ours", "changed"),
    [
        ("NS::UInteger length() const;", "NS::UInteger length();"),
        ("GPUFamilyMetal4 = 5002", "GPUFamilyMetal4 = 5003"),
        ("const MTL::Buffer* buffer, NS::Range range", "const MTL::Buffer* buffer, const NS::Range& range"),
    ],
)
def test_a_changed_signature_is_noticed(compiled_for_macos, tmp_path, ours, changed):
    headers = tmp_path / "include"
    shutil.copytree(ROOT / "csrc" / "soft" / "include", headers)
    header = next(path for path in sorted(headers.glob("Metal/*.hpp")) if ours in path.read_text())
    header.write_text(header.read_text().replace(ours, changed))
    source = tmp_path / "signatures.cpp"
    source.write_text(metal_signatures.generate(headers)[0])
    assert compiled_for_macos(source).returncode != 0


@pytest.mark.parametrize("source", ["csrc/metal_session.cpp", "csrc/metal_session.h"])
def test_the_session_includes_nothing_of_the_software_device(source):
    includes = [line for line in (ROOT / source).read_text().splitlines() if line.startswith("#include")]
    assert any("Metal" in line or "metal_session.h" in line for line in includes)
    assert not [line for line in includes if "soft" in line]
