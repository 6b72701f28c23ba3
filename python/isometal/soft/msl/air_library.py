"""A compiled source: its kernels, and the AIR of each."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from isometal.soft.errors import MslError
from isometal.soft.msl import driver
from isometal.soft.msl.air_module import AirOptions, Constants, air_module
from isometal.soft.msl.bindings import Binding
from isometal.soft.msl.ir_text import ModuleText
from isometal.soft.msl.kernel_ir import kernel_ir
from isometal.soft.msl.records import Record, parse_records
from isometal.soft.msl.rewriter import Rewritten

__all__ = ["AirLibrary", "CompiledKernel", "CompiledSource"]


@dataclass(slots=True)
class CompiledKernel:
    """A kernel of a library. `number`: its instantiation's. `air` is "" until it is made."""

    number: int
    bindings: list[Binding]
    max_threads: int | None
    air: str = ""


@dataclass(frozen=True, slots=True)
class CompiledSource:
    """What the compiler made of a source: the unoptimised module, and what is needed to finish each kernel."""

    rewritten: Rewritten
    module: ModuleText
    constants: Constants
    kernels: Mapping[str, CompiledKernel]
    compile_options: driver.CompileOptions
    air_options: AirOptions


class AirLibrary:
    """Kernels compiled from one source. Each kernel's AIR is optimised when first asked for.

    Attributes:
        name: of the source.
        identity: changes with the source, whatever it includes, and with the options: what AIR follows from, besides
            this front end and its compiler.
    """

    def __init__(self, name: str, source: CompiledSource, identity: str) -> None:
        self.name = name
        self.identity = identity
        self._source = source
        self._lock = threading.Lock()

    @property
    def kernels(self) -> tuple[str, ...]:
        """Names of the kernels, in the order of the source."""
        return tuple(self._source.kernels)

    def air(self, kernel: str) -> str:
        """LLVM IR text, in AIR's dialect, of a module that holds this kernel and what it needs.

        Raises MslError where the library has no such kernel.
        """
        with self._lock:
            found = self._source.kernels.get(kernel)
            if found is None:
                known = ", ".join(self._source.kernels) or "none"
                raise MslError(f"[soft] {self.name} has no kernel {kernel!r}; its kernels are: {known}.")
            if not found.air:
                found.air = self._finish(kernel, found)
            return found.air

    def _finish(self, name: str, kernel: CompiledKernel) -> str:
        source, constants = self._source, self._source.constants
        conditions = [constants.symbols[b.condition] for b in kernel.bindings if b.condition]
        variables = source.rewritten.threadgroup_variables
        part = kernel_ir(source.module, kernel.number, variables, constants.derived, conditions)
        with driver.scratch_folder() as folder:
            result = driver.optimize(folder, part.text)
        if not result.succeeded:
            raise MslError(f"[soft] kernel {name!r}: the optimiser refused what the front end made.", result.messages)
        has_records = any(not binding.builtin and not binding.type.is_plain for binding in kernel.bindings)
        return air_module(
            result.output,
            part.initializers,
            kernel.number,
            name,
            kernel.bindings,
            constants,
            self._records if has_records else {},
            kernel.max_threads,
            source.air_options,
        )

    @cached_property
    def _records(self) -> dict[str, Record]:
        """Layouts of all classes. Clang is asked only where a kernel takes an object of one."""
        with driver.scratch_folder() as folder:
            text = self._source.rewritten.rendered.text
            return parse_records(driver.record_layouts(folder, text, self._source.compile_options))
