"""Native code: from lowered LLVM IR to an object, and from an object to a kernel in memory."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from isometal.soft.errors import LoweringError
from isometal.soft.lower import abi, llvm

#: LLVM's linker keeps some 9 KB of each library for as long as it lives, also of those that were unloaded.
_LOADS_PER_LINKER = 64


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


class _Linkers:
    """A new linker after so many loads. LLVM keeps the old one until the last of its libraries goes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._linker: Any = None
        self._loads = 0

    def link(self, builder: Any) -> Any:
        with self._lock:
            if self._loads % _LOADS_PER_LINKER == 0:
                self._linker = llvm.binding().create_lljit_compiler(llvm.host().machine(jit=True))
            self._loads += 1
            return builder.link(self._linker, f"kernel{self._loads}")


_linkers = _Linkers()


def load(code: bytes) -> NativeKernel:
    """Link an object that `build` made into this process.

    Raises:
        LoweringError: the object is not for this process, or needs a symbol that nothing defines.
    """
    builder = llvm.binding().JITLibraryBuilder().add_object_img(code).add_current_process()
    try:
        library = _linkers.link(builder.export_symbol(abi.KERNEL_SYMBOL))
    except RuntimeError as error:
        raise LoweringError(f"[soft] a compiled kernel cannot be loaded: {error}") from error
    return NativeKernel(library[abi.KERNEL_SYMBOL], library)
