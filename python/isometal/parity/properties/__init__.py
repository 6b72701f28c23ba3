"""Kind P: algebraic laws that hold in floating point, tried by Hypothesis on each backend.

Truth and bounds are float64, computed here in NumPy and never by a backend; each law derives its bound in a comment.
Hypothesis is imported only when a law is tried.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

from isometal.optable import OPS
from isometal.parity.model import Check
from isometal.parity.properties import (
    laws_activations,
    laws_attention,
    laws_elementwise,
    laws_mask,
    laws_matmul,
    laws_norms,
    laws_reductions,
    laws_rope,
    laws_shapes,
    laws_softmax,
)
from isometal.parity.properties.agreement import AGREES
from isometal.parity.properties.law import PROFILES, Law, examples_of, try_law

__all__ = ["LAWS", "PROFILES", "checks", "register_profiles"]

_BY_OP: dict[str, tuple[Law, ...]] = {
    **laws_elementwise.LAWS,
    **laws_matmul.LAWS,
    **laws_activations.LAWS,
    **laws_softmax.LAWS,
    **laws_mask.LAWS,
    **laws_norms.LAWS,
    **laws_rope.LAWS,
    **laws_reductions.LAWS,
    **laws_shapes.LAWS,
    **laws_attention.LAWS,
}
#: The laws of each op, in matrix order.
LAWS: Mapping[str, tuple[Law, ...]] = MappingProxyType({op: (AGREES, *_BY_OP[op]) for op in OPS})


def checks(op: str, dtype: str, backend: str, profile: str, seed: int) -> list[Check]:
    """One check for each law of ``op`` that is about ``dtype``. ValueError for a profile that does not exist."""
    examples_of(profile)
    return [
        Check(op, dtype, backend, "P", law.name, partial(try_law, law, op, dtype, backend, profile, seed))
        for law in LAWS[op]
        if law.applies(dtype)
    ]


def register_profiles() -> None:
    """Make ``--hypothesis-profile ci`` and ``deep`` known to pytest."""
    import hypothesis

    for name, examples in PROFILES.items():
        hypothesis.settings.register_profile(name, max_examples=examples, deadline=None, database=None)
