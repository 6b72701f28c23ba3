"""From AIR to a compiled kernel: in a worker process (isolated.py), unless the compile cache has it.

What is compiled depends on the AIR, the kernel, its constants, whether it is observed, the processor, LLVM and this
package's own lowering: all of that is in the key, so an entry is never stale. On a hit neither AIR nor IR is parsed.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from isometal._version import __version__
from isometal.soft import bitcode, isolated
from isometal.soft.cache import Cache, Entry, key_of
from isometal.soft.errors import LoweringError, SoftDeviceError
from isometal.soft.lower import llvm
from isometal.soft.lower.constants import ConstantValue
from isometal.soft.lower.observe import Access
from isometal.soft.metallib import Metallib
from isometal.soft.reflection import KernelReflection, Site

__all__ = ["Air", "Compiled", "compile_kernel", "reflect_kernel"]

#: MLX's largest kernels take a few seconds on a slow machine.
_COMPILE_SECONDS, _REFLECT_SECONDS = 300.0, 30.0
#: Of this package: what decides how a kernel is compiled.
_SOURCES = (
    "ir",
    "lower",
    "air_nodes.py",
    "bitcode.py",
    "compiler.py",
    "conditions.py",
    "language.py",
    "metadata.py",
    "msl/ir_text.py",
    "native.py",
    "reflection.py",
    "usage.py",
)


@dataclass(frozen=True)
class Air:
    """A module in AIR, which need not be made before something is missing from the cache.

    Attributes:
        digest: a SHA-256 that the data follows from: its own, or that of what it is made from.
        read: gives the data: bitcode, or text in UTF-8.
        fault: makes the error for data that LLVM cannot read, from a reason.
    """

    digest: bytes
    read: Callable[[], bytes]
    fault: Callable[[str], SoftDeviceError]

    @classmethod
    def of_bitcode(cls, library: Metallib, name: str) -> Air:
        """Of a function of a metallib, whose hash is verified now. Raises KeyError, MetallibError."""
        data = library.bitcode(name)

        def fault(reason: str) -> SoftDeviceError:
            return bitcode.fault(library, name, reason)

        return cls(library.functions[name].hash, lambda: data, fault)

    @classmethod
    def of_text(cls, read: Callable[[], str], digest: bytes) -> Air:
        """Of AIR as text."""

        def fault(reason: str) -> SoftDeviceError:
            return LoweringError(f"[soft] LLVM cannot read the AIR: {reason}.")

        return cls(digest, lambda: read().encode(), fault)


@dataclass(frozen=True)
class Compiled:
    """A compiled kernel: an object file, what it says about itself, and the accesses that observers hear of."""

    code: bytes
    reflection: KernelReflection
    accesses: tuple[Access, ...] = ()


def compile_kernel(
    air: Air, kernel: str, constants: Mapping[int, ConstantValue], *, observed: bool = False, cache: Cache | None = None
) -> Compiled:
    """Compile a kernel for this processor, or take it from the cache.

    Args:
        air: the module that defines it.
        kernel: its name.
        constants: function constants by index, as values of their types.
        observed: report loads and stores to observers.
        cache: where to look first and to keep the result.

    Raises:
        LoweringError: what this device cannot run, with kernel and reason.
        MetallibError: damaged bitcode.
    """
    target = llvm.host()
    request = {
        "kernel": kernel,
        "constants": [[index, _plain(constants[index])] for index in sorted(constants)],
        "observed": observed,
        "target": asdict(target),
    }
    key = key_of("kernel", air.digest, json.dumps(request, sort_keys=True), compiler_version()) if cache else ""
    entry = cache.get(key) if cache else None
    if entry is None:
        facts, code = _call("build", air, kernel, request, _COMPILE_SECONDS)
        entry = Entry(facts, code)
        if cache:
            cache.put(key, entry)
    accesses = tuple(Access(**access) for access in entry.facts["accesses"])
    return Compiled(entry.data, KernelReflection.from_json(entry.facts["reflection"]), accesses)


def reflect_kernel(air: Air, kernel: str, cache: Cache | None = None) -> KernelReflection:
    """What a kernel says about itself before it is compiled. Raises LoweringError, MetallibError."""
    key = key_of("reflection", air.digest, kernel, compiler_version()) if cache else ""
    entry = cache.get(key) if cache else None
    if entry is None:
        facts, _ = _call("reflect", air, kernel, {"kernel": kernel}, _REFLECT_SECONDS)
        entry = Entry(facts, b"")
        if cache:
            cache.put(key, entry)
    return KernelReflection.from_json(entry.facts["reflection"])


@functools.cache
def compiler_version() -> str:
    """Changes with this package's lowering and with LLVM."""
    import llvmlite

    digest = hashlib.sha256(f"{__version__} {llvmlite.__version__} {llvm.binding().llvm_version_info}".encode())
    folder = Path(__file__).parent
    for name in _SOURCES:
        path = folder / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(f"\0{file.relative_to(folder)}\0".encode() + file.read_bytes())
    return digest.hexdigest()


def _plain(value: ConstantValue) -> object:
    return list(value) if isinstance(value, tuple) else value


def _call(
    operation: str, air: Air, kernel: str, request: Mapping[str, Any], seconds: float
) -> tuple[dict[str, Any], bytes]:
    """Calls one of the functions below in a worker; its errors become those of this process."""
    try:
        return isolated.call(f"{__name__}:{operation}", request, air.read(), seconds=seconds)
    except isolated.WorkerError as error:
        if error.kind == bitcode.BitcodeError.__name__:
            raise air.fault(str(error)) from error
        if error.kind in ("LoweringError", "IrError"):
            raise LoweringError(str(error)) from error
        if error.kind in ("ImportError", "ModuleNotFoundError"):
            raise LoweringError(bitcode.MISSING_LLVM) from error
        raise LoweringError(
            f"[soft] kernel {kernel!r} cannot be compiled: {error.kind}: {error}; the AIR is damaged, or this is a bug."
        ) from error
    except isolated.WorkerCrash as crash:
        raise LoweringError(
            f"[soft] kernel {kernel!r} cannot be compiled: LLVM {crash}; the AIR is damaged, or this is a bug."
        ) from crash


# -- in the worker ----------------------------------------------------------------------------------------------------


def build(header: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
    """Lowers and compiles. Header: what `compile_kernel` asks for."""
    from isometal.soft import native
    from isometal.soft.lower import lower_kernel

    air, kernel, target = bitcode.text_of(body), header["kernel"], llvm.Target(**header["target"])
    constants = {index: tuple(v) if isinstance(v, list) else v for index, v in header["constants"]}
    reflection = _reflection(air, kernel, constants, target)
    lowered = lower_kernel(air, kernel, constants, observed=header["observed"], target=target)
    code = native.build(lowered.ir, target)
    reflection = replace(
        reflection,
        static_threadgroup_bytes=lowered.threadgroup_bytes,
        sites=tuple(Site(site.kind, site.text) for site in lowered.sites),
    )
    return {"reflection": reflection.to_json(), "accesses": [asdict(access) for access in lowered.accesses]}, code


def reflect(header: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
    """Reads metadata. Header: `kernel`."""
    from isometal.soft import metadata, usage

    air, kernel = bitcode.text_of(body), header["kernel"]
    reflection = replace(
        metadata.reflect(air, kernel),
        static_threadgroup_bytes=usage.threadgroup_bytes(air, kernel),
        features=usage.features(air, kernel),
    )
    return {"reflection": reflection.to_json()}, b""


def _reflection(air: str, kernel: str, constants: Mapping[int, ConstantValue], target: llvm.Target) -> KernelReflection:
    """The reflection without the arguments that the constants switch off."""
    from isometal.soft import conditions, metadata, usage
    from isometal.soft.ir import parse_module
    from isometal.soft.metadata import MAX_THREADS

    reflection = replace(metadata.reflect(air, kernel), features=usage.features(air, kernel))
    if reflection.declared_threads > MAX_THREADS:
        raise LoweringError(
            f"[soft] kernel {kernel!r} declares max_total_threads_per_threadgroup({reflection.declared_threads}); "
            f"the device allows {MAX_THREADS}."
        )
    symbols = metadata.condition_symbols(air, kernel)
    if not symbols:
        return reflection
    return reflection.only(conditions.evaluate(parse_module(air), symbols, constants, target))
