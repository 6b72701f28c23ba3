"""PEP 517 backend: scikit-build-core, plus what depends on where and for what isometal is built.

* Without a C++ compiler, ziglang becomes a build requirement and its clang compiles (cmake/toolchains/zig.cmake).
* On Apple silicon mlx-metal, which holds Apple's metal-cpp headers, is a build requirement, and the wheel is for
  macOS 14 and later, as the kernels and MLX's own wheels are.
* With ISOMETAL_ZIG_TARGET=aarch64-macos.14.0 the wheel is for a Mac, whatever machine builds it (cmake/macos_wheel.py).
* With ISOMETAL_AIR=ON what compiles kernels for the software device is too (cmake/CompiledKernels.cmake).
* A release with ISOMETAL_DEFAULT_BACKEND=metal needs what the release gate imports (cmake/ReleaseGate.cmake runs it).
"""

from __future__ import annotations

import os
import platform
import re
import shlex
import shutil
import sys
import sysconfig
from pathlib import Path

from scikit_build_core import build as _skbuild
from scikit_build_core.build import (
    build_sdist,
    get_requires_for_build_sdist,
    prepare_metadata_for_build_editable,
)

ConfigSettings = dict[str, "list[str] | str"] | None

_ZIG_TOOLCHAIN = Path(__file__).resolve().parent.parent / "toolchains" / "zig.cmake"
#: The extra `soft` of pyproject.toml.
_AIR_REQUIRES = ["llvmlite>=0.50,<0.51", "ziglang>=0.17.1,<0.18"]
_METAL_CPP_REQUIRES = ["mlx-metal>=0.32.3"]
_GATE_REQUIRES = ["numpy>=2.1.3", "ml_dtypes>=0.5", "jsonschema>=4.18"]
# Settings by which a user chooses a compiler, in the environment, CMAKE_ARGS or config settings.
_COMPILER_VARIABLES = ("CXX", "CMAKE_TOOLCHAIN_FILE", "SKBUILD_CMAKE_TOOLCHAIN_FILE")
_COMPILER_MARKS = ("CMAKE_CXX_COMPILER", "CMAKE_TOOLCHAIN_FILE", "--toolchain", "cmake.toolchain-file")

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]


def _user_chose_compiler(config_settings: ConfigSettings) -> bool:
    if any(os.environ.get(name) for name in _COMPILER_VARIABLES):
        return True
    spoken = f"{os.environ.get('CMAKE_ARGS', '')} {os.environ.get('SKBUILD_CMAKE_ARGS', '')} {config_settings or ''}"
    return any(mark in spoken for mark in _COMPILER_MARKS)


def _compiler_on_path() -> str | None:
    """The interpreter's own compiler if it is there, else the first of the usual ones."""
    own = shlex.split(sysconfig.get_config_var("CXX") or "")[:1]
    return next((name for name in (*own, "c++", "g++", "clang++") if shutil.which(name)), None)


def _needs_zig(config_settings: ConfigSettings) -> bool:
    # On Windows compilers are found through Visual Studio, not PATH: CMake knows better.
    return sys.platform != "win32" and not _user_chose_compiler(config_settings) and _compiler_on_path() is None


def _extra_requires(config_settings: ConfigSettings) -> list[str]:
    requires = ["ziglang>=0.13"] if _needs_zig(config_settings) else []
    if _on_apple_silicon():
        requires += _METAL_CPP_REQUIRES
    # The words that CMake takes for true.
    if sys.platform != "darwin" and os.environ.get("ISOMETAL_AIR", "").upper() in {"1", "ON", "YES", "TRUE", "Y"}:
        requires += _AIR_REQUIRES
    if os.environ.get("ISOMETAL_DEFAULT_BACKEND") == "metal":
        requires += _GATE_REQUIRES
    return requires


def _on_apple_silicon() -> bool:
    return sys.platform == "darwin" and platform.machine() == "arm64"


def _prepare_platform() -> None:
    if _on_apple_silicon():
        os.environ.setdefault("MACOSX_DEPLOYMENT_TARGET", "14.0")
    elif target := re.fullmatch(r"aarch64-macos\.(\d+\.\d+)", os.environ.get("ISOMETAL_ZIG_TARGET", "")):
        _build_for_a_mac(target[1])


def _build_for_a_mac(version: str) -> None:
    """Tells scikit-build-core and nanobind of the other platform. Only here: pip must not take it for its own."""
    suffix = f".cpython-{sys.version_info.major}{sys.version_info.minor}-darwin.so"
    os.environ["_PYTHON_HOST_PLATFORM"] = f"macosx-{version}-arm64"
    os.environ["SETUPTOOLS_EXT_SUFFIX"] = suffix
    os.environ["CMAKE_ARGS"] = f"{os.environ.get('CMAKE_ARGS', '')} -DNB_SUFFIX={suffix}".strip()


def _choose_compiler(config_settings: ConfigSettings) -> None:
    if sys.platform == "win32" or _user_chose_compiler(config_settings):
        return
    compiler = _compiler_on_path()
    if compiler is not None:
        # scikit-build-core would insist on the one that built the interpreter, there or not.
        os.environ["CXX"] = compiler
        return
    print("isometal: no C++ compiler on PATH, building with ziglang", flush=True)
    os.environ["CMAKE_TOOLCHAIN_FILE"] = str(_ZIG_TOOLCHAIN)
    # The interpreter of this build, whose environment holds ziglang.
    os.environ["ISOMETAL_ZIG_PYTHON"] = sys.executable


def get_requires_for_build_wheel(config_settings: ConfigSettings = None) -> list[str]:
    return _skbuild.get_requires_for_build_wheel(config_settings) + _extra_requires(config_settings)


def get_requires_for_build_editable(config_settings: ConfigSettings = None) -> list[str]:
    return _skbuild.get_requires_for_build_editable(config_settings) + _extra_requires(config_settings)


def prepare_metadata_for_build_wheel(metadata_directory: str, config_settings: ConfigSettings = None) -> str:
    _prepare_platform()
    return _skbuild.prepare_metadata_for_build_wheel(metadata_directory, config_settings)


def build_wheel(
    wheel_directory: str, config_settings: ConfigSettings = None, metadata_directory: str | None = None
) -> str:
    _prepare_platform()
    _choose_compiler(config_settings)
    return _skbuild.build_wheel(wheel_directory, config_settings, metadata_directory)


def build_editable(
    wheel_directory: str, config_settings: ConfigSettings = None, metadata_directory: str | None = None
) -> str:
    _prepare_platform()
    _choose_compiler(config_settings)
    return _skbuild.build_editable(wheel_directory, config_settings, metadata_directory)
