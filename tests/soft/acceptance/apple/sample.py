"""Which groups a test session runs: all, or a sample that touches every kernel family, dtype and layout."""

from __future__ import annotations

import os
from collections.abc import Iterable

from apple.case import Group

PROFILES = ("ci", "deep")


def profile() -> str:
    """From ISOMETAL_ACCEPTANCE; raises ValueError where it names none."""
    name = os.environ.get("ISOMETAL_ACCEPTANCE", "ci")
    if name not in PROFILES:
        raise ValueError(f"ISOMETAL_ACCEPTANCE={name!r} names no profile; choose one of {', '.join(PROFILES)}.")
    return name


def selected(groups: Iterable[Group], every: int = 1) -> list[Group]:
    """All groups in the profile deep, else every n-th; n should be prime to the number of dtypes."""
    chosen = list(groups)
    return chosen if profile() == "deep" else chosen[::every]
