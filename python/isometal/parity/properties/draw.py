"""What a law may ask Hypothesis for: sizes, shapes, values, layouts. Everything shrinks towards small and simple.

Values come from named classes (values.py) through a drawn seed, or, for small arrays, element by element from a palette
of numbers that matter to rounding; so examples are cheap to make, and a failure still shrinks to a few plain numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np

from isometal import dtypes
from isometal.optable import FLOATING
from isometal.parity import values
from isometal.parity.model import NDArray
from isometal.parity.rounding import FORMATS, to_dtype

T = TypeVar("T")
Shape = tuple[int, ...]

#: Extents that matter: empty, one, around a SIMD register of 8 and around a simdgroup of 32. Small ones first: examples
#: shrink to them.
EXTENTS = (1, 2, 3, 0, 7, 8, 31, 32, 33)
#: Upper limit of the elements of one array, so that an example takes well under a millisecond.
MAX_ELEMENTS = 2200

#: Classes of values.py by what a law can bear.
FINITE = ("normal", "positive", "ties", "alternating", "ramp")
ANY = (*FINITE, "palette", "special", "denormal", "extremes", "huge", "tiny")

#: How operands lie in memory; see `Trial.place`.
LAYOUTS = ("contiguous", "transposed", "reversed", "strided")


@lru_cache(maxsize=4096)
def _integers(low: int, high: int) -> Any:
    from hypothesis import strategies

    return strategies.integers(low, high)


@lru_cache(maxsize=64)
def _palette(dtype: str) -> NDArray:
    """Numbers at the edges of a dtype, plain ones first."""
    if dtype == "bool":
        return np.array([False, True])
    if dtype not in FLOATING:
        info = np.iinfo(dtypes.BY_NAME[dtype])
        edges = [0, 1, 2, 3, int(info.max), int(info.max) - 1, int(info.min), int(info.min) + 1]
        return np.array(edges + ([-1, -2] if info.min < 0 else []), dtypes.BY_NAME[dtype])
    form = FORMATS[dtype]
    u = form.unit_roundoff
    sizes = [1.0, 2.0, 0.5, 3.0, u, 1 + 2 * u, 1 - u, form.smallest_normal, form.smallest_subnormal, form.max, np.inf]
    return to_dtype(np.array([0.0, *sizes, -0.0, *(-s for s in sizes), np.nan]), dtype)


class Draw:
    """Draws for one example, and what was drawn, for the message of a failure."""

    def __init__(self, data: Any, dtype: str) -> None:
        self._data = data
        self.dtype = dtype
        self.floating = dtype in FLOATING
        self.drawn: list[tuple[str, Any]] = []

    # -- plain ----------------------------------------------------------------------------------------------------
    def integer(self, low: int, high: int) -> int:
        return low if low == high else int(self._data.draw(_integers(low, high)))

    def choice(self, options: Sequence[T], name: str = "") -> T:
        chosen = options[self.integer(0, len(options) - 1)]
        if name:
            self.drawn.append((name, chosen))
        return chosen

    def flag(self, name: str = "") -> bool:
        return self.choice((False, True), name)

    def rng(self, about: str) -> np.random.Generator:
        """A generator from a drawn seed, which the description of the example names."""
        seed = self.integer(0, 0xFFFF)
        self.drawn.append((f"seed of {about}", seed))
        return np.random.default_rng(seed)

    # -- shapes ---------------------------------------------------------------------------------------------------
    def extent(self, low: int = 0, high: int = 33) -> int:
        return self.choice([n for n in EXTENTS if low <= n <= high])

    def shape(self, min_rank: int = 0, max_rank: int = 4, low: int = 0, limit: int = MAX_ELEMENTS) -> Shape:
        """A shape of at most ``limit`` elements with extents from ``low`` on."""
        shape: list[int] = []
        for _ in range(self.integer(min_rank, max_rank)):
            room = limit // max(1, math.prod(shape))
            shape.append(self.extent(low, max(low, room)))
        return tuple(shape)

    def broadcastable(self, shape: Shape) -> Shape:
        """A shape that broadcasts to ``shape``: axes of size 1 put in, leading axes left out."""
        dropped = self.integer(0, len(shape))
        return tuple(1 if self.flag() else n for n in shape[dropped:])

    def axes(self, ndim: int) -> tuple[Any, tuple[int, ...]]:
        """An axis argument as a caller may write it (None, int or tuple, negative or not), and the axes it names."""
        kind = self.choice(("one", "all", "some")) if ndim else "all"
        if kind == "all":
            argument: Any = None
            named = tuple(range(ndim))
        elif kind == "one":
            axis = self.integer(0, ndim - 1)
            argument, named = (axis - ndim if self.flag() else axis), (axis,)
        else:
            named = tuple(axis for axis in range(ndim) if self.flag())
            argument = tuple(axis - ndim if self.flag() else axis for axis in named)
        self.drawn.append(("axis", argument))
        return argument, named

    def permutation(self, n: int) -> tuple[int, ...]:
        """A permutation of range(n): the order of n drawn keys, so that it shrinks to the identity."""
        if n > 8:
            return tuple(int(i) for i in self.rng("order").permutation(n))
        keys = [self.integer(0, 9) for _ in range(n)]
        return tuple(sorted(range(n), key=keys.__getitem__))

    # -- values ---------------------------------------------------------------------------------------------------
    def numbers(self, shape: Shape, classes: Sequence[str] = FINITE, name: str = "x", dtype: str = "") -> NDArray:
        """Values of ``shape`` from one of ``classes``; "palette" means one drawn number after the other."""
        dtype = dtype or self.dtype
        kind = self.choice(classes)
        if kind == "palette" and math.prod(shape) <= 8:
            palette = _palette(dtype)
            picked = [self.integer(0, len(palette) - 1) for _ in range(math.prod(shape))]
            made = palette[np.array(picked, np.int64)].reshape(shape)
        elif kind == "palette":
            made = self.rng(name).choice(_palette(dtype), shape)
        else:
            made = values.fill(kind, shape, dtype, self.rng(name))
        made = self._representable(np.asarray(made))
        self.drawn.append((f"{name} ({kind})", made))
        return made

    def _representable(self, made: NDArray) -> NDArray:
        """The numbers as the device under test holds them."""
        return made

    def whole(self, shape: Shape, limit: int, name: str = "x", low: int | None = None) -> NDArray:
        """Whole numbers in [-limit, limit], without the negative ones where the dtype has none."""
        lowest = (0 if self.dtype in ("uint32", "bool") else -limit) if low is None else low
        made = np.asarray(self.rng(name).integers(lowest, limit, shape, endpoint=True)).astype(
            dtypes.BY_NAME[self.dtype]
        )
        self.drawn.append((f"{name} (whole)", made))
        return made

    def layout(self, name: str = "layout") -> str:
        return self.choice(LAYOUTS, name)

    def describe(self) -> str:
        """What was drawn, one ``name = value`` after the other; large arrays are cut."""
        return "; ".join(f"{name} = {_shown(value)}" for name, value in self.drawn)


def _shown(value: Any) -> str:
    if not isinstance(value, np.ndarray):
        return repr(value)
    flat = value.reshape(-1)
    shown = str(flat[:12].tolist())[:-1] + (", ...]" if flat.size > 12 else "]")
    return f"{value.dtype} {value.shape} {shown}"
