"""Intrinsics that tell a thread about itself or the compiler about a value."""

from __future__ import annotations

from isometal.soft.lower.intrinsics.definition import Intrinsic
from isometal.soft.lower.intrinsics.shape import I1, I8, Shape

LANES = 32


def find(name: str) -> Intrinsic | None:
    """An intrinsic of this family by its name without `air.`."""
    if name == "normalize_function_constant_predicate.i8":
        return Intrinsic(I8.text, ((I8.text,),), lambda c: c.value(0).compare("ne", 0).cast("zext", "i8"))
    if name in ("simd_is_helper_thread", "quad_is_helper_thread"):
        # Only fragment functions have helper threads.
        return Intrinsic(I1.text, ((),), lambda c: c.builder.constant(I1, 0))
    operation, _, spelling = name.partition(".")
    shape = Shape.from_spelling(spelling)
    if shape is None:
        return None
    if operation == "get_simdgroup_size" and not shape.is_float and not shape.count:
        return Intrinsic(shape.text, ((),), lambda c: c.builder.constant(shape, LANES))
    if operation == "is_uniform":
        # A hint for the compiler's choice between uniform and divergent code; true is always allowed.
        return Intrinsic(I1.text, ((shape.text,),), lambda c: c.builder.constant(I1, 1))
    return None
