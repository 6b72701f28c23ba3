"""Libraries of kernels: from a .metallib, from source, or from AIR."""

from __future__ import annotations

import difflib
import functools
import importlib.metadata
import os
import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from weakref import WeakValueDictionary

from isometal.soft import native
from isometal.soft.cache import Cache, Entry, key_of
from isometal.soft.compiler import Air, compile_kernel, reflect_kernel
from isometal.soft.constants import Given, constant_values
from isometal.soft.errors import FunctionError, SoftDeviceError
from isometal.soft.kernel import Kernel
from isometal.soft.metadata import kernel_names
from isometal.soft.metallib import METALLIB_MAGICS, Metallib
from isometal.soft.msl_types import data_type_name
from isometal.soft.reflection import FunctionConstant, KernelReflection

if TYPE_CHECKING:
    from isometal.soft.msl.air_library import AirLibrary

__all__ = ["Library"]

#: What may bring in other files than headers of ours. Backslashes that join lines are gone by then.
_READS_FILES = re.compile(
    r"(?:#|%:)(?:\s|/\*.*?\*/)*(?:include_next|import|embed|include\b(?!\s*<\w[\w/]*(?:\.\w+)?>))"
    r"|__has_(?:include|embed)",
    re.DOTALL,
)


class _Source(Protocol):
    """Where a library's kernels come from."""

    origin: str
    kernels: tuple[str, ...]

    def air(self, kernel: str) -> Air: ...

    def constants(self, kernel: str, cache: Cache | None) -> tuple[FunctionConstant, ...]: ...

    def close(self) -> None: ...


class Library:
    """Kernels that can be looked at, compiled and run. Safe to use from several threads.

        library = Library.from_metallib("mlx.metallib")
        library.kernels                                         # names
        print(library.reflection("vv_Addfloat32"))              # what a kernel takes
        kernel = library.kernel("vv_Addfloat32")                # compile, or take from the cache

    Attributes:
        origin: the path, or what else it came from, for messages.
        kernels: names of its kernels, in order.
    """

    def __init__(self, source: _Source, cache: Cache | None = None) -> None:
        """Use `from_metallib`, `from_source` or `from_air`."""
        self._source = source
        self._cache = cache
        self._compiled: WeakValueDictionary[tuple[object, ...], Kernel] = WeakValueDictionary()
        self._lock = threading.Lock()
        self.origin = source.origin
        self.kernels = source.kernels
        self._known = frozenset(source.kernels)

    @classmethod
    def from_metallib(cls, source: str | os.PathLike[str] | bytes, *, origin: str = "metallib") -> Library:
        """Opens a .metallib that Apple's tools made: a path, or the bytes of one.

        Raises OSError, MetallibError where it is damaged, SoftDeviceError where the compile cache is not safe to use.
        """
        library = Metallib(source, origin) if isinstance(source, bytes) else Metallib.open(source)
        return cls(_FromMetallib(library), Cache())

    @classmethod
    def from_source(
        cls,
        text: str,
        *,
        origin: str = "program_source",
        macros: Sequence[str] = (),
        include_dirs: Sequence[str | os.PathLike[str]] = (),
        fast_math: bool = False,
        language_version: tuple[int, int] = (3, 1),
        bfloat: bool = True,
    ) -> Library:
        """Compiles Metal source.

        Args:
            text: the source.
            origin: what to call it in messages; for a file, its path.
            macros: `NAME` or `NAME=value`.
            include_dirs: where `#include` looks.
            fast_math: allow what Metal's fast math allows. Apple's default is on; ours is off, for exactness.
            language_version: of Metal.
            bfloat: False for a GPU that has no such type: `__HAVE_BFLOAT__` is not defined, and `bfloat` refused.

        Raises MslError with file, line and column of what does not compile, or where ziglang is not installed.
        """
        from isometal.soft.msl import compile_source, driver

        driver.zig()  # its version is part of what follows

        @functools.cache
        def compiled() -> AirLibrary:
            return compile_source(
                text,
                name=origin,
                macros=macros,
                include_dirs=include_dirs,
                fast_math=fast_math,
                language_version=language_version,
                bfloat=bfloat,
            )

        options = repr((list(macros), fast_math, language_version, bfloat))
        cache, key = Cache(), key_of("front end", text, origin, options, _front_end_version())
        known_by_key = not include_dirs and _stands_alone(text)
        entry = cache.get(key) if known_by_key else None
        if entry is None:
            entry = Entry({"kernels": compiled().kernels, "identity": compiled().identity}, b"")
            if known_by_key:
                cache.put(key, entry)
        identity = key_of("source", entry.facts["identity"], _front_end_version())
        return cls(_FromText(origin, entry.facts["kernels"], lambda kernel: compiled().air(kernel), identity), cache)

    @classmethod
    def from_air(cls, text: str, *, origin: str = "AIR") -> Library:
        """Takes a module in AIR, as LLVM's text. Raises LoweringError where it has no kernels."""
        return cls(_FromText(origin, kernel_names(text), lambda kernel: text, key_of("text", text)), Cache())

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, language_version: tuple[int, int] = (3, 1)) -> Library:
        """Opens a file by what it is: a .metallib, AIR as text (.ll), or else Metal source of a language version.

        Raises OSError, and what `from_metallib`, `from_air` and `from_source` raise.
        """
        with Path(path).open("rb") as file:
            start = file.read(4)
        if start in METALLIB_MAGICS:
            return cls.from_metallib(path)
        text = _text_of(path)
        if Path(path).suffix == ".ll":
            return cls.from_air(text, origin=os.fspath(path))
        return cls.from_source(text, origin=os.fspath(path), language_version=language_version)

    def __repr__(self) -> str:
        return f"<Library {self.origin}: {len(self.kernels)} kernels on a software Metal device>"

    def reflection(self, name: str) -> KernelReflection:
        """What a kernel takes, its conditional arguments included.

        Raises FunctionError where there is none of that name, MetallibError or LoweringError where its AIR is damaged.
        """
        self._check(name)
        return reflect_kernel(self._source.air(name), name, self._cache)

    def constants(self, name: str) -> tuple[FunctionConstant, ...]:
        """The function constants of a kernel. Raises FunctionError, MetallibError."""
        self._check(name)
        return self._source.constants(name, self._cache)

    def kernel(
        self, name: str, constants: Mapping[int | str, Given] | None = None, *, observed: bool = False
    ) -> Kernel:
        """A kernel, compiled for this processor.

        Args:
            name: of the kernel.
            constants: values of its function constants, by index or name.
            observed: report loads and stores to observers, which is slower.

        Raises:
            FunctionError: no kernel of that name; a constant without a value, or with one that does not fit.
            LoweringError: what this device cannot run, with the reason.
            MetallibError: its bitcode is damaged.
        """
        values = constant_values(name, self.constants(name), constants or {})
        # A value's type is part of it here: 1 == 1.0 == True.
        key = (name, observed, *((index, repr(values[index])) for index in sorted(values)))
        with self._lock:
            found = self._compiled.get(key)
        if found is not None:
            return found
        compiled = compile_kernel(self._source.air(name), name, values, observed=observed, cache=self._cache)
        kernel = Kernel(native.load(compiled.code), compiled.reflection, values)
        with self._lock:
            return self._compiled.setdefault(key, kernel)

    def close(self) -> None:
        """Closes the file that it was read from. Kernels stay usable."""
        self._source.close()

    def _check(self, name: str) -> None:
        if name not in self._known:
            close = difflib.get_close_matches(name, self.kernels, n=3, cutoff=0.7)
            hint = f"did you mean {' or '.join(close)}?" if close else f"it has {len(self.kernels)}: {self._some()}."
            raise FunctionError(f"[soft] no kernel {name!r} in {self.origin}; {hint}")

    def _some(self) -> str:
        return ", ".join(self.kernels[:5]) + (", ..." if len(self.kernels) > 5 else "") or "none"


class _FromMetallib:
    def __init__(self, library: Metallib) -> None:
        self.origin = library.source
        self.kernels = tuple(name for name, entry in library.functions.items() if entry.type == "kernel")
        self._library = library

    def air(self, kernel: str) -> Air:
        return Air.of_bitcode(self._library, kernel)

    def constants(self, kernel: str, cache: Cache | None) -> tuple[FunctionConstant, ...]:
        try:
            return tuple(
                FunctionConstant(constant.name, data_type_name(constant.data_type), constant.index)
                for constant in self._library.constants(kernel)
            )
        except KeyError as error:
            raise FunctionError(
                f"[soft] kernel {kernel!r} has a function constant of type {error}, which is no scalar or vector."
            ) from None

    def close(self) -> None:
        self._library.close()


class _FromText:
    """Kernels whose AIR is text, made when it is asked for. `identity` is what the text follows from."""

    def __init__(self, origin: str, kernels: Iterable[str], air: Callable[[str], str], identity: str) -> None:
        self.origin = origin
        self.kernels = tuple(kernels)
        self._air = air
        self._identity = identity

    def air(self, kernel: str) -> Air:
        digest = bytes.fromhex(key_of("AIR", self._identity, kernel))
        return Air.of_text(lambda: self._air(kernel), digest)

    def constants(self, kernel: str, cache: Cache | None) -> tuple[FunctionConstant, ...]:
        return reflect_kernel(self.air(kernel), kernel, cache).constants

    def close(self) -> None:
        """There is nothing to close."""


def _stands_alone(text: str) -> bool:
    """Whether a source without include folders is all that its kernels are made of."""
    return _READS_FILES.search(re.sub(r"\\[ \t]*\r?\n", "", text)) is None


def _front_end_version() -> str:
    """Changes with the front end, its headers and its clang."""
    from isometal.soft.msl.identity import front_end_hash

    return f"{front_end_hash()} {importlib.metadata.version('ziglang')}"


def _text_of(path: str | os.PathLike[str]) -> str:
    data = Path(path).read_bytes()
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise SoftDeviceError(f"[soft] {os.fspath(path)} is neither a metallib nor text; give one of them.") from None
