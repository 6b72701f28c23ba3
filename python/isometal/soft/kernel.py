"""A compiled kernel, callable with NumPy arrays.

What Metal's API validation asks of a dispatch is checked in C++, for all kinds of callers (csrc/soft/dispatch_rules.h).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NoReturn

from isometal.soft.buffers import to_memory
from isometal.soft.core import core
from isometal.soft.errors import ValidationError
from isometal.soft.native import NativeKernel
from isometal.soft.reflection import Argument, KernelReflection

__all__ = ["Kernel", "Size"]

#: A size in up to three directions.
Size = int | Sequence[int]
_NUMBERS = range(2**64)


class Kernel:
    """A kernel of a library, compiled for its function constants.

        add = library.kernel("add")
        add(a, b, out, grid=out.size)

    Attributes:
        name: of the kernel.
        reflection: what it takes; ``print(kernel)`` shows it.
        constants: values of its function constants, by index.
    """

    def __init__(self, native: NativeKernel, reflection: KernelReflection, constants: Mapping[int, Any]) -> None:

        self.name = reflection.name
        self.reflection = reflection
        self.constants = dict(constants)
        self.native = native
        self._kernel = core().SoftKernel(native.address, reflection, native)
        self._bindings = reflection.bindings

    def __repr__(self) -> str:
        arguments = ", ".join(a.name or str(a.index) for a in self._bindings)
        return f"<Kernel {self.name}({arguments}) on a software Metal device>"

    def __str__(self) -> str:
        return str(self.reflection)

    def __call__(
        self,
        *buffers: object,
        grid: Size,
        threadgroup: Size | None = None,
        dispatch: Literal["threads", "threadgroups"] = "threads",
        mode: Literal["fast", "shuffled"] = "fast",
        seed: int = 0,
        threads: int = 0,
    ) -> None:
        """Runs the kernel and returns when it is done.

        Args:
            buffers: a value for each binding, in the order of `reflection.bindings`; or one mapping, from index or name
                to value. Arrays are used in place, so results are in them afterwards. Where the kernel only reads,
                numbers and lists are converted to the argument's type, a mapping fills a struct, and `bytes` are taken
                as they are. For threadgroup memory the value is its length in bytes. In a mapping a threadgroup
                argument is known by its name or as ``"threadgroup 0"``. What the kernel does not use may be None.
            grid: threads or threadgroups in each direction.
            threadgroup: threads of a threadgroup; where it is left out, as many in a row as are possible.
            dispatch: what `grid` counts. A grid of threads may end within a threadgroup.
            mode: ``fast``, or ``shuffled`` for an order of threads drawn from the seed.
            seed: of ``shuffled``.
            threads: OS threads at most; 0 for what the process may use.

        Raises:
            ValidationError: what Metal's API validation rejects, and values that do not fit their arguments.
            HangError: threads wait at a barrier that others never reach.
        """

        if dispatch not in ("threads", "threadgroups"):
            self._fail(f"dispatch={dispatch!r}", "'threads' or 'threadgroups' is possible")
        bound = self._bind(buffers)
        size = self._size(grid, "grid")
        # Of threadgroups nobody but the caller knows how large they are meant to be.
        if threadgroup is None and dispatch == "threadgroups":
            self._fail("no threadgroup size", "dispatch='threadgroups' needs one")
        row = min(size[0], self.reflection.max_threads_per_threadgroup)
        group = (row, 1, 1) if threadgroup is None else self._size(threadgroup, "threadgroup")
        memory: list[tuple[int, object]] = []
        lengths: list[tuple[int, int]] = []
        for argument, value in bound:
            if argument.kind == "threadgroup":
                lengths.append((argument.index, self._length(argument, value)))
            else:
                memory.append((argument.index, to_memory(self.name, argument, value)))
        core().soft_dispatch(
            self._kernel, memory, lengths, size, group, dispatch == "threads", mode, seed=seed, threads=threads
        )

    def _fail(self, what: str, right: str) -> NoReturn:
        raise ValidationError(f"[soft] kernel {self.name!r}: {what}; {right}.")

    def _bind(self, buffers: Sequence[object]) -> list[tuple[Argument, object]]:
        """Each binding with its value."""
        names = ", ".join(argument.title for argument in self._bindings) or "none"
        if len(buffers) == 1 and isinstance(buffers[0], Mapping) and not self._takes_one_struct(buffers[0]):
            values = self._by_argument(buffers[0], names)
        else:
            if len(buffers) != len(self._bindings):
                self._fail(f"{len(buffers)} values", f"it has {len(self._bindings)} bindings: {names}")
            values = dict(zip(self._bindings, buffers, strict=True))
        return [(argument, value) for argument, value in values.items() if value is not None]

    def _takes_one_struct(self, value: Mapping[Any, object]) -> bool:
        """Whether a lone mapping is the value of a lone struct rather than all bindings."""
        if len(self._bindings) != 1:
            return False
        return {field.name for field in self._bindings[0].fields} == set(value)

    def _by_argument(self, given: Mapping[Any, object], names: str) -> dict[Argument, object]:
        values: dict[Argument, object] = {}
        for key, value in given.items():
            found = [a for a in self._bindings if _is_called(a, key)]
            if len(found) != 1:
                self._fail(f"{key!r} is no binding" if not found else f"{key!r} is several bindings", f"it has {names}")
            if found[0] in values:
                self._fail(f"{found[0].title} has two values", "give one")
            values[found[0]] = value
        return values

    def _size(self, given: Size, what: str) -> tuple[int, int, int]:
        parts = tuple(given) if isinstance(given, Sequence) else (given,)
        if not 1 <= len(parts) <= 3:
            self._fail(f"{what}={given!r}", "one to three numbers are needed")
        try:
            numbers = [_integer(part) for part in parts]
        except TypeError:
            self._fail(f"{what}={given!r}", "whole numbers, not negative, are needed")
        x, y, z = (*numbers, 1, 1)[:3]
        return x, y, z

    def _length(self, argument: Argument, value: object) -> int:
        try:
            return _integer(value)
        except TypeError:
            self._fail(f"{argument.title} = {value!r:.60}", "a length in bytes is needed")


def _integer(value: object) -> int:
    """A whole number of Python or NumPy that C++ can be told. Raises TypeError."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError
    number = int(value.__index__())
    if number not in _NUMBERS:
        raise TypeError
    return number


def _is_called(argument: Argument, key: object) -> bool:
    """Whether a key of a mapping means the argument."""
    if isinstance(key, str):
        return key in (argument.name, f"{argument.kind} {argument.index}") and bool(key)
    try:
        return argument.kind == "buffer" and _integer(key) == argument.index
    except TypeError:
        return False
