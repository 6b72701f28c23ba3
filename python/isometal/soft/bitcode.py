"""Bitcode to text, safely: LLVM reads it in a process of its own (isolated.py)."""

from __future__ import annotations

from typing import Any

from isometal.soft import isolated
from isometal.soft.errors import LoweringError, MetallibError, SoftDeviceError
from isometal.soft.metallib import Metallib

__all__ = ["MISSING_LLVM", "BitcodeError", "disassemble", "fault", "text_of"]

MISSING_LLVM = "[soft] the software Metal device needs llvmlite, which is not installed; pip install 'isometal[soft]'."
#: Apple's largest take milliseconds.
_SECONDS = 30.0
#: Of bitcode, and of the wrapper that Apple puts around it.
_MAGIC = (b"BC\xc0\xde", b"\xde\xc0\x17\x0b")


class BitcodeError(SoftDeviceError):
    """Bitcode that LLVM cannot read, with LLVM's reason."""


def disassemble(library: Metallib, name: str) -> str:
    """A function's module as LLVM IR.

    Raises KeyError where there is no such function, MetallibError where the bitcode is damaged or LLVM cannot read it,
    LoweringError where llvmlite is not installed.
    """
    blob = library.bitcode(name)
    try:
        return isolated.call(f"{__name__}:parse", {}, blob, seconds=_SECONDS)[1].decode()
    except isolated.WorkerError as error:
        if error.kind in ("ImportError", "ModuleNotFoundError"):
            raise LoweringError(MISSING_LLVM) from error
        raise fault(library, name, str(error)) from error
    except isolated.WorkerCrash as crash:
        raise fault(library, name, f"LLVM {crash}") from crash


def fault(library: Metallib, name: str, reason: str) -> MetallibError:
    """The error for a function's bitcode that cannot be read."""
    return MetallibError(library.functions[name].offset, f"the bitcode of {name!r}: {reason}", library.source)


# -- in the worker ----------------------------------------------------------------------------------------------------


def parse(header: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
    """Bitcode to text. Raises BitcodeError."""
    return {}, _read(body).encode()


def text_of(data: bytes) -> str:
    """The text of a module that is bitcode, or text already. Raises BitcodeError."""
    if data.startswith(_MAGIC):
        return _read(data)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise BitcodeError("is neither bitcode nor text") from error


def _read(code: bytes) -> str:
    import llvmlite.binding as llvm

    try:
        module = llvm.parse_bitcode(code)
        module.verify()
    except RuntimeError as error:
        raise BitcodeError(" ".join(str(error).split())) from error
    return str(module)
