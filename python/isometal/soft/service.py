"""The compile service of the C++ device (csrc/soft/compile_service.h): how MTL::Library gets its kernels.

`install()` makes one instance the process's service. Its methods are called from any thread, several at a time.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from typing import NamedTuple

from isometal import _core
from isometal.soft import constants as values
from isometal.soft.errors import (
    FunctionError,
    LoweringError,
    MetallibError,
    MslError,
    SoftDeviceError,
)
from isometal.soft.library import Library
from isometal.soft.reflection import FunctionConstant, KernelReflection

__all__ = ["Service", "install"]

#: isometal::soft::CompileFailure, by what is raised; anything else is internal. The first that fits counts.
_FAILURES: tuple[tuple[type[BaseException], str], ...] = (
    (MetallibError, "invalid_library"),
    (MslError, "compile"),
    (FunctionError, "function_not_found"),
    (LoweringError, "unsupported"),
    (SoftDeviceError, "unsupported"),
    (FileNotFoundError, "file_not_found"),
)


_NEWEST = (4, 0)
_MAX_THREADS = 1024


class SourceOptions(NamedTuple):
    """As in C++: how source is compiled."""

    macros: tuple[tuple[str, str], ...]
    language_version: int
    math_mode: str
    precise_functions: bool
    max_threads_per_threadgroup: int
    bfloat: bool


class Service:
    """Libraries by number, and what C++ asks of them."""

    def __init__(self) -> None:
        self._libraries: dict[int, tuple[Library, int]] = {}
        self._numbers = count(1)
        self._lock = threading.Lock()

    def open_metallib(self, data: bytes, origin: str) -> tuple[int, list[str], str]:
        """Number and kernels of a library, and the compiler's warnings."""
        return self._add(Library.from_metallib(data, origin=origin))

    def open_source(self, source: str, options: SourceOptions) -> tuple[int, list[str], str]:
        """As `open_metallib`, of Metal source."""
        version = options.language_version
        library = Library.from_source(
            source,
            macros=[f"{name}={value}" if value else name for name, value in options.macros],
            # What `relaxed` allows is less than what fast math would do.
            fast_math=options.math_mode == "fast",
            language_version=(version >> 16, version & 0xFFFF) if version else _NEWEST,
            bfloat=options.bfloat,
        )
        return self._add(library, options.max_threads_per_threadgroup)

    def open_default(self) -> tuple[int, list[str], str]:
        """On a Mac that is the application's own; Python has none."""
        raise SoftDeviceError("[soft] this process has no default library; open one by its path, data or source.")

    def function_constants(self, library: int, function: str) -> list[FunctionConstant]:
        return list(self._library(library)[0].constants(function))

    def compile(
        self, library: int, function: str, constants: Mapping[int, tuple[str, bytes]], observed: bool
    ) -> tuple[int, KernelReflection, object]:
        """Address of the kernel, its reflection, and what keeps its code in memory.

        A constant is the name of its type and its bytes.
        """
        found, most = self._library(library)
        declared = {constant.index: constant for constant in found.constants(function)}
        given: dict[int | str, values.Given] = {}
        for index, (type_name, data) in constants.items():
            if index not in declared:
                continue
            constant = declared[index]
            if type_name != constant.type_name:
                raise FunctionError(
                    f"[soft] kernel {function!r}: function constant {index} ({constant.name}) has a value of type "
                    f"{type_name}; its type is {constant.type_name}."
                )
            given[index] = values.from_bytes(type_name, data)
        kernel = found.kernel(function, given, observed=observed)
        limit = min(kernel.reflection.max_threads_per_threadgroup, most or _MAX_THREADS)
        return kernel.native.address, replace(kernel.reflection, max_threads_per_threadgroup=limit), kernel

    def close(self, library: int) -> None:
        with self._lock:
            found, _ = self._libraries.pop(library, (None, 0))
        if found is not None:
            found.close()

    def _add(self, library: Library, max_threads: int = 0) -> tuple[int, list[str], str]:
        with self._lock:
            number = next(self._numbers)
            self._libraries[number] = (library, max_threads)
        return number, list(library.kernels), ""

    def _library(self, number: int) -> tuple[Library, int]:
        """The library, and the most threads that its options allow; 0 where they say nothing."""
        with self._lock:
            return self._libraries[number]


def failure_of(error: BaseException) -> str:
    """Name of the CompileFailure that stands for an exception."""
    return next((name for kind, name in _FAILURES if isinstance(error, kind)), "internal")


def install() -> None:
    """Makes a new instance the compile service of this process's C++ device, where the build has one."""
    set_service = getattr(_core, "soft_set_compile_service", None)
    if set_service is not None:
        set_service(Service())
