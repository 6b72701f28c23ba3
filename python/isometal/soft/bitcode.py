"""Bitcode to text, safely: LLVM reads it in a process of its own (isolated.py)."""

from __future__ import annotations

from typing import Any

from isometal.soft import isolated
from isometal.soft.errors import LoweringError, MetallibError
from isometal.soft.metallib import Metallib

__all__ = ["MISSING_LLVM", "disassemble"]

MISSING_LLVM = "[soft] the software Metal device needs llvmlite, which is not installed; pip install 'isometal[soft]'."
#: Apple's largest take milliseconds.
_SECONDS = 30.0


def disassemble(library: Metallib, name: str) -> str:
    """A function's module as LLVM IR.

    Raises KeyError where there is no such function, MetallibError where the bitcode is damaged or LLVM cannot read it,
    LoweringError where llvmlite is not installed.
    """
    blob = library.bitcode(name)
    try:
        return isolated.call("isometal.soft.bitcode:parse", {}, blob, seconds=_SECONDS)[1].decode()
    except isolated.WorkerError as error:
        if error.kind in ("ImportError", "ModuleNotFoundError"):
            raise LoweringError(MISSING_LLVM) from error
        reason = " ".join(str(error).split())
    except isolated.WorkerCrash as crash:
        reason = f"LLVM {crash}"
    raise MetallibError(library.functions[name].offset, f"the bitcode of {name!r}: {reason}", library.source)


def parse(header: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
    """What runs in the worker: bitcode to text. Raises RuntimeError with LLVM's message."""
    import llvmlite.binding as llvm

    module = llvm.parse_bitcode(body)
    module.verify()
    return {}, str(module).encode()
