"""Operands of a case: made from their specs, laid out on a backend, run through the facade.

Values come first, as plain contiguous NumPy arrays that the truth is computed from. A layout is then made *on the
backend* by the view that a user would take (``.T``, ``[::-1]``, ``[::2]``, ...) of a larger base whose gaps hold
poison, so that a kernel that ignores strides or offsets reads poison instead of the right answer.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import isometal
from isometal import dtypes, selection
from isometal.parity import values
from isometal.parity.model import ArraySpec, Case, Layout, NDArray, Operand

#: Padding that the layout "offset" puts before the data along the first and the last axis.
_PAD = 3


class MutationError(AssertionError):
    """An op wrote to an operand."""


@dataclass(frozen=True)
class Operands:
    """The values of a case: positional operands (None where one is left out) and parameters, arrays as NumPy."""

    inputs: list[Any]
    params: dict[str, Any]


@dataclass
class _Placed:
    """An operand on a backend, with what is needed to see whether an op wrote to it."""

    name: str
    array: isometal.Array
    base: NDArray
    pristine: bytes = field(repr=False)

    def check_unchanged(self) -> None:
        if self.base.tobytes() != self.pristine:
            raise MutationError(f"[parity] the op changed the memory of operand {self.name}; operands are read-only.")


def materialise(case: Case) -> Operands:
    """The values of ``case``, contiguous; deterministic in its seed, its id and each operand's position."""
    inputs = [_make(case, position, spec) for position, spec in enumerate(case.inputs)]
    # Parameters count from 100, so that adding an operand does not change their values.
    params = {
        name: _make(case, 100 + position, value) if isinstance(value, ArraySpec) else value
        for position, (name, value) in enumerate(sorted(case.params.items()))
    }
    return Operands(inputs, params)


def _make(case: Case, position: int, spec: Operand) -> Any:
    if not isinstance(spec, ArraySpec):
        return spec
    rng = np.random.default_rng([case.seed, zlib.crc32(case.id.encode()), position])
    made = values.fill(spec.values, spec.shape, dtypes.BY_NAME[spec.dtype], rng)
    if spec.layout == "broadcast" and spec.shape and spec.shape[0] > 1:
        made = np.repeat(made[:1], spec.shape[0], axis=0)
    return made


def run(case: Case, backend: str, operands: Operands | None = None, output_nbytes: int = 0) -> NDArray:
    """The result of ``case`` on ``backend``, through the facade.

    Memory that an output of ``output_nbytes`` is likely to land in is poisoned first. Raises MutationError where
    the op wrote to an operand, and whatever the op raises.
    """
    held = materialise(case) if operands is None else operands
    placed: list[_Placed] = []

    def place(name: str, spec: Any, value: Any) -> Any:
        if not isinstance(spec, ArraySpec):
            return value
        placed.append(_place(name, value, spec.layout, backend))
        return placed[-1].array

    inputs = [place(str(i), spec, value) for i, (spec, value) in enumerate(_pairs(case, held))]
    params = {name: place(name, spec, held.params[name]) for name, spec in case.params.items()}
    with isometal.use_backend(backend):
        if output_nbytes:
            selection.get(backend).poison(output_nbytes)
        result = call(case.op, inputs, params)
        out = result.numpy()
    if result.backend != backend:
        raise AssertionError(f"[parity] the result is on {result.backend}, the operands were on {backend}.")
    for one in placed:
        one.check_unchanged()
    return out


def call(op: str, inputs: list[Any], params: Mapping[str, Any]) -> isometal.Array:
    """The facade function of ``op``, called."""
    result = getattr(isometal, op)(*inputs, **params)
    assert isinstance(result, isometal.Array)
    return result


def _pairs(case: Case, operands: Operands) -> Iterator[tuple[Operand, Any]]:
    return zip(case.inputs, operands.inputs, strict=True)


def _place(name: str, value: NDArray, layout: Layout, backend: str) -> _Placed:
    base, view = _layout(value, layout)
    array = isometal.array(base, backend=backend)
    placed = view(array)
    # Backends that share memory share the base itself; the others are compared through what they read back.
    watched = base if np.shares_memory(array.numpy(), base) else array.numpy()
    return _Placed(name, placed, watched, watched.tobytes())


def _layout(value: NDArray, layout: Layout) -> tuple[NDArray, Any]:
    """The base array to hand to a backend, and the view of it (facade Array -> facade Array) that has the layout."""
    ndim = value.ndim
    if layout == "contiguous" or (ndim == 0 and layout != "offset"):
        return value.copy(), lambda a: a
    if layout == "transposed":
        return np.ascontiguousarray(value.T), lambda a: a.T
    if layout == "reversed":
        backwards = (slice(None, None, -1),) * ndim
        return np.ascontiguousarray(value[backwards]), lambda a: a[backwards]
    if layout == "strided":
        every_other = (slice(None, None, 2),) * ndim
        base = _poisoned(tuple(2 * extent for extent in value.shape), value.dtype)
        base[every_other] = value
        return base, lambda a: a[every_other]
    if layout == "offset":
        if ndim == 0:
            base = _poisoned((_PAD + 1,), value.dtype)
            base[_PAD] = value
            return base, lambda a: a[_PAD]
        inside = (slice(_PAD, None), *[slice(None)] * (ndim - 2), slice(_PAD, None))[-ndim:]
        base = _poisoned(
            tuple(n + _PAD * (s.start is not None) for n, s in zip(value.shape, inside, strict=True)), value.dtype
        )
        base[inside] = value
        return base, lambda a: a[inside]
    if layout == "broadcast":
        shape = value.shape
        return value[:1].copy(), lambda a: isometal.broadcast_to(a, shape) if shape[0] else a[:0]
    raise ValueError(f"[parity] unknown layout {layout!r}")


def _poisoned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray:
    """Bytes 0xFF: NaN in every floating dtype, -1 or the maximum in integers; True in bool."""
    raw = np.empty(shape, dtype)
    if dtype == np.bool_:
        raw.fill(True)
    else:
        raw.view(f"u{dtype.itemsize}").fill(np.iinfo(f"u{dtype.itemsize}").max)
    return raw
