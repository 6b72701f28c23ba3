"""`definition`: from a declaration to the definition of the intrinsic that it declares."""

from __future__ import annotations

import functools

from isometal.soft.errors import LoweringError
from isometal.soft.lower.intrinsics import (
    atomics,
    conversions,
    elementary,
    floating,
    integers,
    matrices,
    packing,
    parts,
    thread,
)
from isometal.soft.lower.intrinsics.builder import Builder
from isometal.soft.lower.intrinsics.declaration import Declaration, parse_declaration
from isometal.soft.lower.intrinsics.definition import Call, Definition, Family, Intrinsic, elementwise, write
from isometal.soft.lower.intrinsics.features import MODERN, Features
from isometal.soft.lower.intrinsics.floating import in_double
from isometal.soft.lower.intrinsics.shape import Shape

_WIDEST = 4
_SIGNS = {"s": True, "u": False}


@functools.lru_cache(maxsize=1024)
def definition(declaration: str, features: Features = MODERN) -> Definition | None:
    """The implementation of an intrinsic that a thread executes alone.

    Args:
        declaration: as LLVM prints it: ``declare float @air.exp.f32(float)``.
        features: of the target; by default those of x86-64-v3.

    Returns:
        The definition; None for what is no intrinsic or not known, and for what is a rendezvous.

    Raises:
        LoweringError: a known name that is declared with other types than it takes.
    """
    parsed = parse_declaration(declaration)
    intrinsic = _find(parsed.name) if parsed else None
    if parsed is None or intrinsic is None:
        return None
    _check(parsed, intrinsic)
    return write(parsed.name, intrinsic, Call(Builder(features), parsed.parameters))


@functools.lru_cache(maxsize=1024)
def _find(name: str) -> Intrinsic | None:
    short = name.removeprefix("air.")
    for family in _FAMILIES:
        intrinsic = family(short)
        if intrinsic is not None:
            return intrinsic
    return None


def _check(declared: Declaration, intrinsic: Intrinsic) -> None:
    if declared.returns == intrinsic.returns and declared.parameters in intrinsic.signatures:
        return
    expected = " or ".join(f"{intrinsic.returns} ({', '.join(s)})" for s in intrinsic.signatures)
    given = f"{declared.returns} ({', '.join(declared.parameters)})"
    raise LoweringError(f"[soft] intrinsic {declared.name!r} is declared as {given}; it is {expected}.")


def _of_floats(name: str) -> Intrinsic | None:
    """`OPERATION.F` and `fast_OPERATION.F`."""
    operation, _, spelling = name.removeprefix("fast_").partition(".")
    shape = Shape.from_spelling(spelling)
    if shape is None or not shape.is_float or shape.element == "f64" or shape.count > _WIDEST:
        return None
    for arity, exact, approximated in (
        (1, floating.UNARY, elementary.UNARY),
        (2, floating.BINARY, elementary.BINARY),
        (3, floating.TERNARY, {}),
    ):
        if operation in exact:
            return elementwise(exact[operation], shape, arity)
        if operation in approximated:
            return elementwise(in_double(approximated[operation]), shape, arity)
    return parts.find(operation, shape)


def _of_integers(name: str) -> Intrinsic | None:
    """`OPERATION.I`, `OPERATION.s.I` and `OPERATION.u.I`."""
    operation, _, rest = name.partition(".")
    sign, dot, spelling = rest.partition(".")
    signed = _SIGNS.get(sign) if dot else None
    shape = Shape.from_spelling(spelling if dot else rest)
    if shape is None or shape.is_float or shape.count > _WIDEST or (dot and signed is None):
        return None
    return integers.find(operation, signed, shape)


_FAMILIES: tuple[Family, ...] = (
    _of_floats,
    _of_integers,
    conversions.find,
    atomics.find,
    matrices.find,
    thread.find,
    packing.find,
)
