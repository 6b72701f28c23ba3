"""Named classes of operand values: `fill(name, shape, dtype, rng)`.

Each class has a meaning for every dtype of the op table, so that a case may name any class with any dtype; where a
class is about floating point, integers and bool get the nearest sensible thing. Values are representable in the dtype
and depend on the generator only.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from isometal import dtypes
from isometal.dtypes import DType
from isometal.parity.model import NDArray
from isometal.parity.rounding import FORMATS, Format, to_dtype

Shape = tuple[int, ...]
Rng = np.random.Generator
#: Makes float64 values for a floating format.
_Floats = Callable[[Shape, Format, Rng], NDArray]
#: Makes integer values for an integer dtype.
_Integers = Callable[[Shape, DType, Rng], NDArray]


def _signs(shape: Shape, rng: Rng) -> NDArray:
    return rng.choice(np.array([-1.0, 1.0]), shape)


def _sprinkle(base: NDArray, specials: list[float], share: float, rng: Rng) -> NDArray:
    """``base`` with ``share`` of its elements replaced; each special appears at least once where there is room."""
    flat = base.reshape(-1)
    count = min(flat.size, max(len(specials), round(share * flat.size)))
    where = rng.permutation(flat.size)[:count]
    flat[where] = np.resize(np.array(specials), count)
    return flat.reshape(base.shape)


def _pick(choices: list[float]) -> Callable[[Shape, Rng], NDArray]:
    return lambda shape, rng: rng.choice(np.array(choices), shape)


def _index(shape: Shape) -> NDArray:
    return np.arange(int(np.prod(shape, dtype=np.int64))).reshape(shape)


# -- floating values ------------------------------------------------------------------------------------------------
def _normal(shape: Shape, form: Format, rng: Rng) -> NDArray:
    return np.asarray(rng.standard_normal(shape))


def _uniform(shape: Shape, form: Format, rng: Rng) -> NDArray:
    return rng.uniform(-1.0, 1.0, shape)


def _positive(shape: Shape, form: Format, rng: Rng) -> NDArray:
    return rng.uniform(0.25, 4.0, shape)


def _spread(shape: Shape, form: Format, rng: Rng) -> NDArray:
    """Tails of exp, erf and sigmoid: standard deviation 30."""
    return np.asarray(30.0 * rng.standard_normal(shape))


def _wide(shape: Shape, form: Format, rng: Rng) -> NDArray:
    """Magnitudes over half the exponent range, so that a product of two still fits."""
    limit = -form.min_exponent / 2 - 1
    return _signs(shape, rng) * np.exp2(rng.uniform(-limit, limit, shape))


def _tiny(shape: Shape, form: Format, rng: Rng) -> NDArray:
    """The smallest normal numbers; a difference of two is often subnormal."""
    return _signs(shape, rng) * form.smallest_normal * rng.uniform(1.0, 8.0, shape)


def _huge(shape: Shape, form: Format, rng: Rng) -> NDArray:
    """Up to the largest number; a sum of two often overflows."""
    return _signs(shape, rng) * form.max * rng.uniform(0.25, 1.0, shape)


def _big(shape: Shape, form: Format, rng: Rng) -> NDArray:
    """Up to half the largest number, so that twice a value still fits."""
    return _signs(shape, rng) * form.max * rng.uniform(0.125, 0.5, shape)


def _large(shape: Shape, form: Format, rng: Rng) -> NDArray:
    """Large, yet the sum of thousands of squares fits float32, and the sum of thousands of values the dtype."""
    limit = 30.0 if form.max < 1e5 else 1e15
    return _signs(shape, rng) * limit * rng.uniform(0.25, 1.0, shape)


def _denormal(shape: Shape, form: Format, rng: Rng) -> NDArray:
    steps = rng.integers(1, 2 ** (form.precision - 1), shape)
    return _signs(shape, rng) * steps * form.smallest_subnormal


def _zeros(shape: Shape, form: Format, rng: Rng) -> NDArray:
    return np.copysign(0.0, _signs(shape, rng))


def _ones(shape: Shape, form: Format, rng: Rng) -> NDArray:
    return np.ones(shape)


def _special(shape: Shape, form: Format, rng: Rng) -> NDArray:
    specials = [np.nan, np.inf, -np.inf, 0.0, -0.0, form.max, -form.max, form.smallest_normal, -form.smallest_normal]
    return _sprinkle(_normal(shape, form, rng), specials, 0.3, rng)


def _nonfinite(shape: Shape, form: Format, rng: Rng) -> NDArray:
    """A few NaN and infinities, so that most rows stay finite and must not be touched by those that do not."""
    return _sprinkle(_normal(shape, form, rng), [np.nan, np.inf, -np.inf], 0.0, rng)


def _ties(shape: Shape, form: Format, rng: Rng) -> NDArray:
    """Sums and products of two land halfway between neighbours; few distinct values, so maxima are often equal."""
    eps = 2.0 ** (1 - form.precision)
    choices = [1.0, 1.0 + eps, 1.0 + 3 * eps, 1.5, 2.0 - eps, eps / 2, 1.5 * eps, 0.5]
    return _signs(shape, rng) * _pick(choices)(shape, rng)


def _ramp(shape: Shape, form: Format, rng: Rng) -> NDArray:
    """The flat index folded into -125 .. 125, which every dtype holds exactly; 251 is prime, so no stride hides."""
    return (_index(shape) % 251 - 125).astype(np.float64)


def _alternating(shape: Shape, form: Format, rng: Rng) -> NDArray:
    """+100, -100, ... plus noise: sums cancel almost wholly."""
    return np.where(_index(shape) % 2, -100.0, 100.0) + rng.standard_normal(shape)


def _extremes(shape: Shape, form: Format, rng: Rng) -> NDArray:
    eps = 2.0 ** (1 - form.precision)
    magnitudes = [form.max, form.max * (1 - eps), form.smallest_normal, form.smallest_subnormal, 0.0, 1.0, eps]
    return _signs(shape, rng) * _pick(magnitudes)(shape, rng)


def _offset(shape: Shape, form: Format, rng: Rng) -> NDArray:
    """Mean 100, standard deviation 1: one-pass variance loses 10^4 times the rounding error, two-pass does not.

    Not more than 100: the mean itself is rounded to float32, and half a unit of it must stay far below the
    tolerance of layer_norm (1e-5 of a standard deviation).
    """
    return np.asarray(100.0 + rng.standard_normal(shape))


def _neginf_rows(shape: Shape, form: Format, rng: Rng) -> NDArray:
    """Normal values; every third row is -inf throughout, and the others hold some -inf."""
    return _normal(shape, form, rng) + _blocked(shape, dead_every=3, rng=rng)


def _positions(shape: Shape, form: Format, rng: Rng) -> NDArray:
    return rng.integers(0, 1000, shape).astype(np.float64)


def _frequencies(shape: Shape, form: Format, rng: Rng) -> NDArray:
    """Rope frequencies: 1 to about 10^4 in equal ratios, each moved a little so that none is a power of the base."""
    steps = _index(shape) / max(1, int(np.prod(shape, dtype=np.int64)))
    return 10000.0**steps * rng.uniform(1.0, 1.1, shape)


def _blocked(shape: Shape, dead_every: int, rng: Rng) -> NDArray:
    """Additive mask: 0 for keys that may be seen, -inf for the rest; each row sees at least one key.

    Every ``dead_every``-th row sees none (0: no such row).
    """
    seen = np.atleast_1d(rng.random(shape) < 0.7)
    if seen.size:
        for index, row in enumerate(seen.reshape(-1, seen.shape[-1])):
            row[int(rng.integers(row.size))] = True
            if dead_every and index % dead_every == dead_every - 1:
                row[:] = False
    return np.where(seen, 0.0, -np.inf).reshape(shape)


def _mask(shape: Shape, form: Format, rng: Rng) -> NDArray:
    return _blocked(shape, 0, rng)


def _dead_rows(shape: Shape, form: Format, rng: Rng) -> NDArray:
    return _blocked(shape, 3, rng)


def _causal(shape: Shape, form: Format, rng: Rng) -> NDArray:
    """Additive causal mask of the last two axes, aligned to the end, with the lowest finite number."""
    q_len, kv_len = shape[-2:]
    seen = np.arange(kv_len) <= np.arange(q_len)[:, None] + (kv_len - q_len)
    return np.asarray(np.broadcast_to(np.where(seen, 0.0, -form.max), shape).copy())


# -- integers -------------------------------------------------------------------------------------------------------
def _limits(dtype: DType) -> tuple[int, int]:
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


def _between(low: int, high: int) -> _Integers:
    """Uniform in [low, high], without the negative part where the dtype has none."""

    def make(shape: Shape, dtype: DType, rng: Rng) -> NDArray:
        return np.asarray(rng.integers(low if dtype.kind == "i" else max(low, 0), high, shape, endpoint=True))

    return make


def _int_huge(shape: Shape, dtype: DType, rng: Rng) -> NDArray:
    low, high = _limits(dtype)
    return rng.integers(low, high, shape, dtype=dtype, endpoint=True)


def _int_extremes(shape: Shape, dtype: DType, rng: Rng) -> NDArray:
    """Minimum, maximum and their neighbours: every other sum or product wraps around."""
    low, high = _limits(dtype)
    middle = [0, 1] + ([-1] if dtype.kind == "i" else [])
    choices = np.array([low, low + 1, high - 1, high, *middle], dtype)
    return rng.choice(choices, shape)


def _int_constant(value: int) -> _Integers:
    return lambda shape, dtype, rng: np.full(shape, value)


def _int_ramp(shape: Shape, dtype: DType, rng: Rng) -> NDArray:
    return _index(shape)


def _int_ties(shape: Shape, dtype: DType, rng: Rng) -> NDArray:
    return rng.integers(1, 4, shape)


def _int_alternating(shape: Shape, dtype: DType, rng: Rng) -> NDArray:
    return np.where(_index(shape) % 2, 0 if dtype.kind == "u" else -1000, 1000) + rng.integers(0, 10, shape)


_NORMAL_INT = _between(-100, 100)

_CLASSES: dict[str, tuple[_Floats, _Integers]] = {
    "normal": (_normal, _NORMAL_INT),
    "uniform": (_uniform, _between(-9, 9)),
    "positive": (_positive, _between(1, 100)),
    "spread": (_spread, _between(-1000, 1000)),
    "wide": (_wide, _int_huge),
    "tiny": (_tiny, _between(-1, 1)),
    "huge": (_huge, _int_huge),
    "big": (_big, _int_huge),
    "large": (_large, _between(-(2**20), 2**20)),
    "denormal": (_denormal, _between(-1, 1)),
    "zeros": (_zeros, _int_constant(0)),
    "ones": (_ones, _int_constant(1)),
    "special": (_special, _int_extremes),
    "nonfinite": (_nonfinite, _int_extremes),
    "ties": (_ties, _int_ties),
    "ramp": (_ramp, _int_ramp),
    "alternating": (_alternating, _int_alternating),
    "extremes": (_extremes, _int_extremes),
    "offset": (_offset, _between(95, 105)),
    "positions": (_positions, _between(0, 1000)),
    "frequencies": (_frequencies, _between(1, 10000)),
    "neginf-rows": (_neginf_rows, _NORMAL_INT),
    "mask": (_mask, _between(-1, 0)),
    "dead-rows": (_dead_rows, _between(-1, 0)),
    "causal": (_causal, _between(-1, 0)),
}

#: The names of the classes.
NAMES: tuple[str, ...] = tuple(_CLASSES)
#: Classes whose bool form is a mask (True where the additive form is 0), not a random one.
_MASKS = frozenset({"mask", "dead-rows", "causal"})
_BOOL_CONSTANT = {"zeros": False, "ones": True}


def fill(name: str, shape: Shape, dtype: DType | str, rng: Rng) -> NDArray:
    """A C-contiguous array of the named class of values.

    Raises ValueError where ``name`` names no class; DTypeError where the dtype is not of the op table.
    """
    if name not in _CLASSES:
        raise ValueError(f"[values] {name!r} names no class of values; choose one of {', '.join(NAMES)}.")
    dtype = dtypes.as_dtype(dtype, "values")
    shape = tuple(shape)
    floats, integers = _CLASSES[name]
    if dtypes.is_floating(dtype):
        made = to_dtype(floats(shape, FORMATS[dtype.name], rng), dtype.name)
    elif dtype == dtypes.bool_:
        made = _bools(name, shape, rng)
    else:
        # A ramp or a constant may be made in a wider type; all values lie within the dtype.
        made = np.asarray(integers(shape, dtype, rng)).astype(dtype)
    return np.ascontiguousarray(made).reshape(shape)


def _bools(name: str, shape: Shape, rng: Rng) -> NDArray:
    if name in _MASKS:
        return np.asarray(_CLASSES[name][0](shape, FORMATS["float32"], rng) == 0)
    if name in _BOOL_CONSTANT:
        return np.full(shape, _BOOL_CONSTANT[name])
    if name == "ramp":
        return np.asarray(_index(shape) % 3 == 0)
    return np.asarray(rng.random(shape) < 0.5)
