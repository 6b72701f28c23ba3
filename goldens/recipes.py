"""What the goldens hold: for each op the inputs and parameters of its cases, and how MLX computes the answer.

A recipe is a call of the facade without the facade: positional operands, keyword parameters. `ORACLES` maps each op
to the MLX function of the op table's ``mlx`` column, called directly, so that a fault in isometal's own MLX adapter
cannot hide by being in the golden too.

Inputs come from NumPy's ``Generator(PCG64)``, one stream per (op, dtype, case): a new case changes no other. Values
of float16 and bfloat16 are rounded from float64.

No case reduces an empty axis: MLX 0.32.4 on the CPU then reads what it never wrote, and mx.sum of shape (3, 0) over its
last axis gave zeros in most runs and never ended in others.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import ml_dtypes
import mlx.core as mx
import mlx.nn as nn
import numpy as np

SEED = 20_260_725

FLOATING = ("float32", "float16", "bfloat16")
INTEGERS = ("int32", "int64", "uint32")
NUMERIC = (*FLOATING, *INTEGERS)

INF, NAN = float("inf"), float("nan")


@dataclass(frozen=True)
class Recipe:
    """One call: ``inputs`` are arrays, weakly typed Python scalars or None; ``params`` may hold arrays too."""

    name: str
    inputs: tuple[Any, ...]
    params: Mapping[str, Any] = field(default_factory=dict)


class Draw:
    """Values of one dtype for the cases of one op, each case from its own stream."""

    def __init__(self, op: str, dtype: str) -> None:
        self.op, self.dtype = op, dtype
        self.np_dtype = np.dtype(ml_dtypes.bfloat16) if dtype == "bfloat16" else np.dtype(dtype)
        self.floating = dtype in FLOATING

    def _stream(self, case: str) -> np.random.Generator:
        key = zlib.crc32(f"{self.op}-{self.dtype}-{case}".encode())
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence([SEED, key])))

    def __call__(self, case: str, *shapes: tuple[int, ...], scale: float = 1.0, shift: float = 0.0) -> list[Any]:
        """One array per shape: normal values for floating dtypes, uniform ones in a safe range otherwise."""
        rng = self._stream(case)
        if self.floating:
            # asarray: a 0-d draw is a scalar.
            return [np.asarray(rng.standard_normal(s) * scale + shift).astype(self.np_dtype) for s in shapes]
        if self.dtype == "bool":
            return [np.asarray(rng.integers(0, 2, s)).astype(bool) for s in shapes]
        low = 0 if self.dtype == "uint32" else -1000
        return [np.asarray(rng.integers(low, 1000, s)).astype(self.np_dtype) for s in shapes]

    def array(self, values: object) -> Any:
        """``values`` rounded to the dtype."""
        with np.errstate(over="ignore", under="ignore"):
            return np.asarray(values, np.float64).astype(self.np_dtype)

    @property
    def limits(self) -> tuple[float, float, float]:
        """Largest finite, smallest normal and smallest subnormal value of a floating dtype."""
        info = ml_dtypes.finfo(self.np_dtype)
        return float(info.max), float(info.smallest_normal), float(info.smallest_subnormal)

    def specials(self) -> Any:
        """Zeros of both signs, infinities, NaN, the edges of the format, ties of its rounding."""
        big, normal, tiny = self.limits
        eps = float(ml_dtypes.finfo(self.np_dtype).eps)
        positive = [0.0, INF, 1.0, 2.0, 0.5, big, normal, tiny, 1 + eps, 1 - eps / 2, 3.0, 1e-3]
        return self.array([*positive, *(-v for v in positive), NAN])


# -- the recipes ------------------------------------------------------------------------------------------------------


def binary(draw: Draw) -> Iterator[Recipe]:
    def pair(name: str, a: tuple[int, ...], b: tuple[int, ...]) -> Recipe:
        return Recipe(name, tuple(draw(name, a, b)))

    yield pair("odd", (3, 17), (3, 17))
    yield pair("broadcast", (4, 1, 5), (3, 1))
    yield pair("scalar-array", (), (7,))
    yield pair("0d", (), ())
    yield pair("empty", (0, 3), (1, 3))
    if draw.floating:
        values = draw.specials()
        yield Recipe("specials-outer", (values[:, None], values[None, :]))
        yield Recipe("python-scalar", (*draw("python-scalar", (9,)), 1.1))
        yield Recipe("scalar-first", (-2, *draw("scalar-first", (9,))))
    elif draw.dtype != "bool":
        info = np.iinfo(draw.np_dtype)
        edges = np.array([info.min, info.min + 1, 0, 1, 2, info.max - 1, info.max], draw.np_dtype)
        # Wraps around, as the hardware does.
        yield Recipe("wraparound", (edges[:, None], edges[None, :]))


def divide(draw: Draw) -> Iterator[Recipe]:
    for recipe in binary(draw):
        if recipe.name == "wraparound":
            # Only what float32 holds exactly: how a larger integer is rounded on the way in is not division's matter.
            edges = np.array([e for e in (-(2**24), -3, -1, 0, 1, 3, 2**24) if e >= np.iinfo(draw.np_dtype).min])
            a, b = edges[:, None].astype(draw.np_dtype), edges[None, :].astype(draw.np_dtype)
            yield Recipe("by-zero", (a, b))
        else:
            yield recipe


def unary(draw: Draw) -> Iterator[Recipe]:
    yield Recipe("odd", tuple(draw("odd", (5, 33), scale=3.0)))
    yield Recipe("0d", tuple(draw("0d", ())))
    yield Recipe("empty", tuple(draw("empty", (2, 0, 3))))
    if draw.floating:
        yield Recipe("specials", (draw.specials(),))


def negative(draw: Draw) -> Iterator[Recipe]:
    yield from unary(draw)
    if not draw.floating:
        info = np.iinfo(draw.np_dtype)
        yield Recipe("wraparound", (np.array([info.min, -1 if info.min else 1, 0, info.max], draw.np_dtype),))


def activation(draw: Draw, params: Mapping[str, Any], prefix: str = "") -> Iterator[Recipe]:
    """Both tails in small steps, where saturation, underflow and cancellation show."""
    for recipe in unary(draw):
        yield Recipe(prefix + recipe.name, recipe.inputs, params)
    yield Recipe(prefix + "tails", (draw.array(np.linspace(-12, 12, 193)),), params)
    yield Recipe(prefix + "far", (draw.array([-1e4, -300, -90, -60, -20, 20, 60, 90, 300, 1e4]),), params)
    yield Recipe(prefix + "near-zero", (draw.array(np.linspace(-1e-3, 1e-3, 33)),), params)


def silu(draw: Draw) -> Iterator[Recipe]:
    return activation(draw, {})


def gelu(draw: Draw) -> Iterator[Recipe]:
    for approx in ("none", "tanh", "fast"):
        yield from activation(draw, {"approx": approx}, f"{approx}-")


def matmul(draw: Draw) -> Iterator[Recipe]:
    shapes: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
        "square": ((32, 32), (32, 32)),
        "odd": ((17, 33), (33, 9)),
        "one-row": ((1, 65), (65, 31)),
        "one-column": ((31, 65), (65, 1)),
        "vector-vector": ((37,), (37,)),
        "vector-matrix": ((12,), (12, 5)),
        "matrix-vector": ((5, 12), (12,)),
        "batch": ((3, 5, 7), (3, 7, 4)),
        "batch-broadcast": ((2, 1, 5, 7), (3, 7, 4)),
        "batch-vector": ((2, 3, 4, 6), (6,)),
        "k-1": ((6, 1), (1, 7)),
        "k-0": ((2, 0), (0, 3)),
        "empty": ((0, 4), (4, 3)),
        "long-k": ((3, 700), (700, 5)),
    }
    for name, (a, b) in shapes.items():
        yield Recipe(name, tuple(draw(name, a, b)))
    x, y = draw("transposed", (20, 13), (9, 20))
    yield Recipe("transposed", (x.T, y.T))
    a, b = draw("cancellation", (4, 64), (64, 4))
    # Two halves that cancel but for one product: relative to the result any rounding is huge.
    yield Recipe("cancellation", (np.concatenate([a, a], 1), np.concatenate([b, -b], 0)))
    a, b = draw("specials", (6, 8), (8, 5))
    a[0, 3], a[2, 1], a[4, 6], b[7, 4] = NAN, INF, -INF, INF
    a[5] = 0
    yield Recipe("specials", (a, b))


def softmax(draw: Draw) -> Iterator[Recipe]:
    for precise in (False, True):
        p = "precise-" if precise else ""

        def make(name: str, x: Any, axis: Any = -1, p: str = p, precise: bool = precise) -> Recipe:
            return Recipe(p + name, (x,), {"axis": axis, "precise": precise})

        yield make("odd", *draw("odd", (5, 33)))
        yield make("wide", *draw("wide", (2, 515), scale=4.0))
        yield make("one", *draw("one", (4, 1)))
        yield make("axis-0", *draw("axis-0", (6, 5)), axis=0)
        yield make("axis-middle", *draw("axis-middle", (2, 7, 3)), axis=1)
        yield make("axes", *draw("axes", (3, 4, 5)), axis=(0, -1))
        yield make("axis-none", *draw("axis-none", (4, 9)), axis=None)
        yield make("0d", *draw("0d", ()), axis=None)
        yield make("shifted", *draw("shifted", (3, 40), shift=200.0, scale=8.0))
        yield make("empty-rows", *draw("empty-rows", (0, 4)))
        (x,) = draw("specials", (8, 11))
        x[0] = -INF
        x[1, 3] = INF
        x[2, [2, 5]] = INF
        x[3, 4] = NAN
        x[4, 1:] = -INF
        x[5, ::2] = -INF
        x[6] = draw.limits[0]
        x[7, 1:] = -draw.limits[0]
        yield make("specials", x)


def causal_mask(draw: Draw) -> Iterator[Recipe]:
    sizes = {
        "square": (7, None),
        "one": (1, None),
        "decode": (1, 9),
        "prefix": (4, 11),
        "tall": (9, 4),
        "tile-edge": (33, 65),
        "empty-q": (0, 5),
    }
    for name, (q_len, kv_len) in sizes.items():
        yield Recipe(name, (q_len,), {"kv_len": kv_len, "dtype": draw.dtype})


def norm(draw: Draw, operands: int) -> Iterator[Recipe]:
    """``operands`` of x's own dtype besides x: weight, then bias."""
    subsets: list[tuple[bool, ...]] = [(True,) * operands, (False,) * operands]
    if operands == 2:
        subsets += [(True, False), (False, True)]

    def make(name: str, shape: tuple[int, ...], given: tuple[bool, ...], **kw: Any) -> Recipe:
        eps = kw.pop("eps", 1e-5)
        x, *rest = draw(name, shape, *[shape[-1:]] * operands, **kw)
        return Recipe(name, (x, *(r if g else None for r, g in zip(rest, given, strict=True))), {"eps": eps})

    for given in subsets:
        label = "-".join(name for name, g in zip(("weight", "bias"), given, strict=False) if g) or "plain"
        yield make(f"{label}-odd", (3, 5, 37), given)
    full = subsets[0]
    yield make("wide", (2, 1030), full)
    yield make("vector", (64,), full)
    yield make("one", (5, 1), full)
    yield make("eps-large", (4, 16), full, eps=0.5)
    # eps decides these: the mean square is of its size or below.
    yield make("eps-matters", (6, 24), full, scale=2e-3)
    yield make("mean-offset", (4, 128), full, shift=30.0)
    yield make("empty-rows", (0, 8), full)
    name = "specials"
    x, *rest = draw(name, (6, 16), *[(16,)] * operands)
    x[0] = 0
    x[1, 3], x[2, 5], x[3, 7] = NAN, INF, -INF
    x[4] = 5.0
    x[5] = draw.limits[1]
    yield Recipe(name, (x, *rest), {"eps": 1e-5})


def rms_norm(draw: Draw) -> Iterator[Recipe]:
    return norm(draw, 1)


def layer_norm(draw: Draw) -> Iterator[Recipe]:
    return norm(draw, 2)


def rope(draw: Draw) -> Iterator[Recipe]:
    def make(name: str, shape: tuple[int, ...], dims: int, **params: Any) -> Recipe:
        return Recipe(name, tuple(draw(name, shape)), {"dims": dims, **params})

    for traditional in (False, True):
        p = "traditional-" if traditional else ""
        t = {"traditional": traditional}
        yield make(p + "odd", (2, 3, 7, 16), 16, **t)
        yield make(p + "partial", (2, 5, 24), 10, **t)
        yield make(p + "offset", (1, 2, 5, 16), 16, offset=11, **t)
        yield make(p + "offset-array", (3, 2, 4, 8), 8, offset=np.array([0, 5, 1000], np.int32), **t)
        yield make(p + "freqs", (2, 6, 8), 8, freqs=np.array([1.0, 3.0, 50.0, 1e4], np.float32), **t)
        yield make(p + "decode", (4, 2, 1, 32), 32, offset=4095, **t)
    yield make("freqs-partial", (2, 6, 9), 4, freqs=np.array([2.0, 7.5], np.float32), offset=3, scale=0.25)
    yield make("base", (2, 9, 12), 12, base=500_000.0)
    yield make("scale", (2, 9, 12), 12, scale=0.125, offset=5)
    yield make("two", (2, 3, 2), 2, offset=1)
    yield make("long", (1, 1, 8, 64), 64, offset=100_000)
    yield make("longest", (1, 1, 4, 64), 64, offset=999_990)
    yield make("offset-array-long", (2, 1, 3, 16), 16, offset=np.array([65_536, 131_071], np.int32))
    yield make("empty-t", (2, 0, 4), 4)
    (x,) = draw("specials", (1, 5, 8))
    x[0, 0, 1], x[0, 2, 3], x[0, 4, 6] = NAN, INF, -INF
    yield Recipe("specials", (x,), {"dims": 8, "offset": 2})


def reduction(draw: Draw) -> Iterator[Recipe]:
    def make(name: str, shape: tuple[int, ...], axis: Any, keepdims: bool = False) -> Recipe:
        return Recipe(name, tuple(draw(name, shape)), {"axis": axis, "keepdims": keepdims})

    yield make("all", (5, 33), None)
    yield make("all-keepdims", (3, 4, 5), None, True)
    yield make("last", (7, 31), -1)
    yield make("first", (31, 7), 0)
    yield make("middle", (3, 17, 5), 1)
    yield make("axes", (3, 4, 5, 2), (0, -2))
    yield make("axes-keepdims", (3, 4, 5), (1, 2), True)
    yield make("one", (6, 1), 1)
    if draw.dtype != "bool":
        # Of a 0-d bool, mx.sum is a bool: MLX hands the operand back where there is nothing to reduce.
        yield make("0d", (), None)
    yield make("no-rows", (0, 4), -1)
    if draw.floating:
        yield make("long", (3, 2049), 1)
        a = draw("cancellation", (4, 300))[0]
        yield Recipe("cancellation", (np.concatenate([a, -a[:, ::-1]], 1),), {"axis": 1, "keepdims": False})
        (x,) = draw("specials", (6, 9))
        x[0, 2], x[1, 0], x[2, 8], x[4, 3] = NAN, INF, -INF, NAN
        x[3, [1, 7]] = INF, -INF
        x[4, 6] = INF
        x[5] = -INF
        yield Recipe("specials", (x,), {"axis": 1, "keepdims": False})
        yield Recipe("specials-all", (x[:2],), {"axis": None, "keepdims": False})


def reshape(draw: Draw) -> Iterator[Recipe]:
    sizes: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
        "flat": ((3, 5), (-1,)),
        "split": ((24,), (2, -1, 4)),
        "merge": ((2, 3, 4), (6, 4)),
        "to-0d": ((1, 1), ()),
        "from-0d": ((), (1, 1)),
        "empty": ((0, 3), (3, 0, 2)),
    }
    for name, (shape, target) in sizes.items():
        yield Recipe(name, tuple(draw(name, shape)), {"shape": target})
    yield Recipe("of-transposed", (draw("of-transposed", (4, 6))[0].T,), {"shape": (3, 8)})


def transpose(draw: Draw) -> Iterator[Recipe]:
    for name, shape, axes in (
        ("reverse", (3, 5), None),
        ("reverse-3d", (2, 3, 4), None),
        ("permutation", (2, 3, 4, 5), (0, 2, 1, 3)),
        ("negative-axes", (2, 3, 4), (-1, 0, -2)),
        ("vector", (5,), None),
        ("0d", (), None),
        ("empty", (0, 3), (1, 0)),
    ):
        yield Recipe(name, tuple(draw(name, shape)), {"axes": axes})


def broadcast_to(draw: Draw) -> Iterator[Recipe]:
    sizes: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
        "row": ((3,), (4, 3)),
        "column": ((4, 1), (4, 3)),
        "new-axes": ((2, 1, 3), (5, 2, 4, 3)),
        "from-0d": ((), (2, 3)),
        "same": ((2, 3), (2, 3)),
        "to-empty": ((1, 3), (0, 3)),
    }
    for name, (shape, target) in sizes.items():
        yield Recipe(name, tuple(draw(name, shape)), {"shape": target})


def attention(draw: Draw) -> Iterator[Recipe]:
    def make(name: str, b: int, h: tuple[int, int], t: tuple[int, int], d: tuple[int, int], **kw: Any) -> Recipe:
        mask, gain = kw.pop("mask", None), kw.pop("gain", 1.0)
        q, k, v = draw(name, (b, h[0], t[0], d[0]), (b, h[1], t[1], d[0]), (b, h[1], t[1], d[1]), **kw)
        return Recipe(name, (q, k, v), {"scale": gain * d[0] ** -0.5, "mask": mask})

    def keep(name: str, *shape: int) -> Any:
        """A boolean mask that leaves every row at least one key."""
        mask = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode()))).random(shape) < 0.6
        mask[..., 0] = True
        return mask

    yield make("plain", 2, (2, 2), (5, 7), (16, 16))
    yield make("odd", 1, (3, 3), (7, 33), (19, 19))
    yield make("gqa", 2, (8, 2), (5, 9), (16, 16))
    yield make("mqa", 1, (6, 1), (4, 6), (8, 8))
    yield make("value-dim", 1, (4, 2), (3, 5), (8, 12))
    yield make("causal-square", 1, (2, 2), (9, 9), (16, 16), mask="causal")
    yield make("causal-wide", 2, (4, 2), (3, 10), (16, 16), mask="causal")
    yield make("causal-tile-edge", 1, (2, 1), (33, 65), (8, 8), mask="causal")
    yield make("decode", 2, (8, 2), (1, 17), (16, 16), mask="causal")
    yield make("decode-64", 1, (4, 1), (1, 129), (64, 64))
    yield make("bool-mask", 2, (4, 2), (5, 9), (16, 16), mask=keep("bool-mask", 5, 9))
    yield make("bool-mask-batch", 2, (4, 2), (5, 9), (8, 8), mask=keep("bool-mask-batch", 2, 1, 5, 9))
    yield make("bool-mask-head", 1, (4, 2), (3, 6), (8, 8), mask=keep("bool-mask-head", 4, 1, 6))
    bias = draw("bias", (1, 4, 5, 9))[0]
    yield make("additive-mask", 2, (4, 2), (5, 9), (16, 16), mask=bias)
    hole = np.where(keep("hole", 5, 9), 0.0, -INF)
    yield make("additive-inf", 1, (2, 2), (5, 9), (16, 16), mask=draw.array(hole))
    yield make("sharp", 1, (2, 2), (4, 12), (16, 16), gain=12.0)
    none = keep("row", 5, 9)
    none[2] = False
    yield make("masked-row-bool", 1, (2, 2), (5, 9), (8, 8), mask=none)
    hole = np.where(keep("row", 5, 9), 0.0, -INF)
    hole[2] = -INF
    yield make("masked-row-inf", 1, (2, 2), (5, 9), (8, 8), mask=draw.array(hole))
    yield make("one-key", 1, (2, 2), (3, 1), (8, 8))
    recipe = make("nan-row", 1, (2, 1), (4, 6), (8, 8), mask="causal")
    q, k, v = recipe.inputs
    q[0, 0, 1, 2] = NAN
    yield Recipe(recipe.name, (q, k, v), recipe.params)


RECIPES: Mapping[str, Callable[[Draw], Iterator[Recipe]]] = {
    "add": binary,
    "subtract": binary,
    "multiply": binary,
    "divide": divide,
    "negative": negative,
    "matmul": matmul,
    "silu": silu,
    "gelu": gelu,
    "softmax": softmax,
    "causal_mask": causal_mask,
    "rms_norm": rms_norm,
    "layer_norm": layer_norm,
    "rope": rope,
    "sum": reduction,
    "mean": reduction,
    "max": reduction,
    "reshape": reshape,
    "transpose": transpose,
    "broadcast_to": broadcast_to,
    "scaled_dot_product_attention": attention,
}


# -- MLX's answer -----------------------------------------------------------------------------------------------------

_GELU = {"none": nn.gelu, "tanh": nn.gelu_approx, "fast": nn.gelu_fast_approx}


def _causal_mask(q_len: int, kv_len: int | None, dtype: str) -> mx.array:
    """MLX's function makes squares; its last rows are queries that follow a cache, its last columns the latest keys."""
    kv_len = q_len if kv_len is None else kv_len
    square = nn.MultiHeadAttention.create_additive_causal_mask(max(q_len, kv_len), getattr(mx, dtype))
    return square[square.shape[0] - q_len :, square.shape[1] - kv_len :]


def _rope(x: mx.array, dims: int, **params: Any) -> mx.array:
    call: dict[str, Any] = {"traditional": False, "base": 10000.0, "scale": 1.0, "offset": 0, **params}
    if call.get("freqs") is not None:
        call["base"] = None
    return mx.fast.rope(x, dims, **call)


ORACLES: Mapping[str, Callable[..., mx.array]] = {
    "add": mx.add,
    "subtract": mx.subtract,
    "multiply": mx.multiply,
    "divide": mx.divide,
    "negative": mx.negative,
    "matmul": mx.matmul,
    "silu": nn.silu,
    "gelu": lambda x, approx: _GELU[approx](x),
    "softmax": mx.softmax,
    "causal_mask": _causal_mask,
    "rms_norm": mx.fast.rms_norm,
    "layer_norm": mx.fast.layer_norm,
    "rope": _rope,
    "sum": mx.sum,
    "mean": mx.mean,
    "max": mx.max,
    "reshape": mx.reshape,
    "transpose": mx.transpose,
    "broadcast_to": mx.broadcast_to,
    "scaled_dot_product_attention": mx.fast.scaled_dot_product_attention,
}


def to_mlx(array: Any) -> mx.array:
    """MLX array of the same bits; bfloat16 travels as its 16-bit pattern."""
    # Not ascontiguousarray, which makes a 0-d array 1-d.
    dense = np.array(array, order="C")
    if dense.dtype == ml_dtypes.bfloat16:
        return mx.array(dense.view(np.uint16)).view(mx.bfloat16)
    return mx.array(dense)


def to_numpy(array: mx.array) -> Any:
    if array.dtype == mx.bfloat16:
        return np.array(mx.contiguous(array).view(mx.uint16)).view(ml_dtypes.bfloat16)
    return np.array(array)


def answer(op: str, recipe: Recipe) -> Any:
    """What MLX says, as NumPy."""

    def convert(value: Any) -> Any:
        return to_mlx(value) if isinstance(value, np.ndarray) else value

    params = {name: convert(value) for name, value in recipe.params.items()}
    return to_numpy(ORACLES[op](*(convert(operand) for operand in recipe.inputs), **params))
