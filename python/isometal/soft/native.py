"""Native code: from lowered LLVM IR to an object, and from an object to a kernel in memory."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from isometal.soft.errors import LoweringError
from isometal.soft.lower import abi, llvm

_lock = threading.Lock()
_numbers = count()
_jit: Any = None


@dataclass(frozen=True, slots=True)
class NativeKernel:
    """A kernel in memory.

    Attributes:
        address: of its `Kernel` structure (csrc/soft/kernel_abi.h); valid as long as this object lives.
    """

    address: int
    _library: Any = field(repr=False)


def build(ir: str, target: llvm.Target | None = None) -> bytes:
    """Optimise lowered IR and make an object of it, for this processor where `target` is None.

    Raises:
        LoweringError: LLVM rejects the module.
    """
    chosen = target or llvm.host()
    module = llvm.parse(ir)
    llvm.optimise(module, chosen, vectorise=True)
    return llvm.object_code(module, chosen)


def load(code: bytes) -> NativeKernel:
    """Link an object that `build` made into this process.

    Raises:
        LoweringError: the object is not for this process, or needs a symbol that nothing defines.
    """
    global _jit
    binding = llvm.binding()
    with _lock:
        if _jit is None:
            _jit = binding.create_lljit_compiler(llvm.host().machine(jit=True))
        builder = (
            binding.JITLibraryBuilder().add_object_img(code).add_current_process().export_symbol(abi.KERNEL_SYMBOL)
        )
        try:
            library = builder.link(_jit, f"kernel{next(_numbers)}")
            address = library[abi.KERNEL_SYMBOL]
        except RuntimeError as error:
            raise LoweringError(f"[soft] a compiled kernel cannot be loaded: {error}") from error
    return NativeKernel(address, library)
