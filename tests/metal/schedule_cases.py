"""Every op under whichever schedule the environment sets: prints a digest of each result's bits.

As a script it prints `op dtype variant case digest`, one result a line, each computed twice and equal; of the dtypes
that are its arguments, or of all. The cases reach every variant of every family: small ones, with edges, and those that
are split over threadgroups.
"""

from __future__ import annotations

import hashlib
import itertools
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from rows import numbers
from views import values

from isometal import dtypes
from isometal.backends.metal import MetalBackend
from isometal.optable import OPS

Array = Any
#: The results of an op for a dtype.
Cases = Callable[[MetalBackend, str], Iterator[Array]]

ELEMENTWISE = ("", "many", "strided one", "strided many wide")
COPIES = ("", "strided many", "strided one wide", "tiled", "tiled wide")
TILES = ("64x64x16", "64x32x32", "32x32x16", "16x64x32", "64x16x32", "32x32x8_direct")
#: What a family can be made to use, "" its own choice. Of two families, one is made to.
VARIANTS: dict[str, tuple[tuple[str, str], ...]] = {
    "binary": tuple(("binary", name) for name in ELEMENTWISE),
    "unary": tuple(("unary", name) for name in ELEMENTWISE),
    "mask": (("mask", ""), ("mask", "one"), ("mask", "many")),
    "copy": tuple(("copy", name) for name in COPIES),
    "reduce": tuple(("reduce", v) for v in ("", "row_simd", "row_group", "row_split", "column", "column_split")),
    "softmax": tuple(("softmax", v) for v in ("", "row_simdgroup", "row_register", "row_loop", "row_split", "column")),
    "norm": tuple(("norm", v) for v in ("", "row_lanes", "row_simdgroup", "row_register", "row_loop", "row_split")),
    "rope": tuple(("rope", v) for v in ("", "vector_1", "vector_2", "vector_4")),
    "gemm": (
        ("gemm", ""),
        *(("gemm", tile + split) for tile in TILES for split in ("", "_split")),
        *(("gemv", v) for v in ("shallow", "deep", "shallow_split", "deep_split")),
    ),
    "attention": tuple(("attention", v) for v in ("", "tile", "streamed", "split", "parts")),
}


def _held(metal: MetalBackend, shape: tuple[int, ...], dtype: str, seed: int = 0) -> Array:
    make = numbers if dtype in ("float32", "float16", "bfloat16") else values
    return metal.from_numpy(make(shape, dtype, seed))


def _turned(metal: MetalBackend, x: Array) -> Array:
    return metal.transpose(x, tuple(reversed(range(len(x.shape)))))


def _binary(op: str) -> Cases:
    def cases(metal: MetalBackend, dtype: str) -> Iterator[Array]:
        call = getattr(metal, op)
        yield call(_held(metal, (5003,), dtype), _held(metal, (5003,), dtype, 1))
        # Each layout has pipelines of its own; one op is enough.
        if (op, dtype) == ("subtract", "float32"):
            x = _held(metal, (37, 150), dtype)
            yield call(x, metal.broadcast_to(_held(metal, (150,), dtype, 2), (37, 150)))
            yield call(x, _turned(metal, _held(metal, (150, 37), dtype, 3)))

    return cases


def _unary(call: Callable[[MetalBackend, Array], Array]) -> Cases:
    def cases(metal: MetalBackend, dtype: str) -> Iterator[Array]:
        yield call(metal, _held(metal, (5003,), dtype))

    return cases


def _mask(metal: MetalBackend, dtype: str) -> Iterator[Array]:
    for queries, keys in ((7, 1030), (64, 64)):
        yield metal.causal_mask(queries, keys, dtypes.BY_NAME[dtype])


def _copied(view: Callable[[MetalBackend, Array], Array]) -> Cases:
    def cases(metal: MetalBackend, dtype: str) -> Iterator[Array]:
        for shape in ((70, 33), (3, 40, 41)):
            yield view(metal, _held(metal, shape, dtype))

    return cases


def _reduce(op: str) -> Cases:
    def cases(metal: MetalBackend, dtype: str) -> Iterator[Array]:
        for shape, axes in (((7, 3000), (1,)), ((3000, 7), (0,)), ((70_001,), (0,)), ((6, 5, 40, 9), (0, 2))):
            yield getattr(metal, op)(_held(metal, shape, dtype), axes, False)

    return cases


def _softmax(metal: MetalBackend, dtype: str) -> Iterator[Array]:
    for shape, axes in (((9, 700), (1,)), ((3, 20_000), (1,)), ((500, 13), (0,)), ((5, 6, 7), (0, 2))):
        yield metal.softmax(_held(metal, shape, dtype), axes, precise=False)


def _norm(op: str) -> Cases:
    def cases(metal: MetalBackend, dtype: str) -> Iterator[Array]:
        for size in (50, 1000, 5000, 40_000):
            x, weight = _held(metal, (3, size), dtype), _held(metal, (size,), dtype, 1)
            yield getattr(metal, op)(x, *([weight] if op == "rms_norm" else [weight, weight]), 1e-5)

    return cases


def _rope(metal: MetalBackend, dtype: str) -> Iterator[Array]:
    x, freqs = _held(metal, (2, 9, 33, 80), dtype), metal.from_numpy(np.linspace(1, 99, 32, dtype=np.float32))
    for traditional in (False, True):
        yield metal.rope(x, 64, traditional, 10000.0, 1.0, 999_999, None)
    yield metal.rope(x, 64, False, 10000.0, 1.0, 999_999, freqs)


def _matmul(metal: MetalBackend, dtype: str) -> Iterator[Array]:
    a, b = _held(metal, (2, 77, 300), dtype), _held(metal, (2, 300, 70), dtype, 1)
    yield metal.matmul(a, b)
    for vectors in (1, 8):
        yield metal.matmul(a, _held(metal, (2, 300, vectors), dtype, 2))
        yield metal.matmul(_held(metal, (2, vectors, 300), dtype, 2), b)


def _attention(metal: MetalBackend, dtype: str) -> Iterator[Array]:
    for queries, dim in ((5, 16), (40, 12)):
        q = _held(metal, (2, 4, queries, dim), dtype)
        k, seen = _held(metal, (2, 2, 1100, dim), dtype, 1), numbers((2, 2, 1100, dim), dtype, 2)
        seen[0, 0, 77] = np.inf
        v = metal.from_numpy(seen)
        mask = metal.broadcast_to(_held(metal, (queries, 1100), dtype, 3), (2, 4, queries, 1100))
        hidden = metal.broadcast_to(_held(metal, (1100,), "bool", 4), (2, 4, queries, 1100))
        for kind in (None, "causal", mask, hidden):
            yield metal.scaled_dot_product_attention(q, k, v, 0.125, kind)


CASES: dict[str, Cases] = {
    **{op: _binary(op) for op in ("add", "subtract", "multiply", "divide")},
    "negative": _unary(lambda metal, x: metal.negative(x)),
    "silu": _unary(lambda metal, x: metal.silu(x)),
    "gelu": lambda metal, dtype: itertools.chain.from_iterable(
        _unary(lambda m, x, approx=approx: m.gelu(x, approx))(metal, dtype)  # type: ignore[misc]
        for approx in ("none", "tanh", "fast")
    ),
    "causal_mask": _mask,
    "softmax": _softmax,
    **{op: _norm(op) for op in ("rms_norm", "layer_norm")},
    "rope": _rope,
    **{op: _reduce(op) for op in ("sum", "mean", "max")},
    "matmul": _matmul,
    # Views, so that a copy must follow.
    "reshape": _copied(lambda metal, x: metal.reshape(_turned(metal, x), (x.size,))),
    "transpose": _copied(lambda metal, x: metal._metal.contiguous(_turned(metal, x))),
    "broadcast_to": _copied(lambda metal, x: metal._metal.contiguous(metal.broadcast_to(x, (3, *x.shape)))),
    "scaled_dot_product_attention": _attention,
}


def accepted(op: str) -> tuple[str, ...]:
    """The dtypes that reach the backend; others are converted before."""
    if op in ("divide", "mean"):
        return tuple(dtype for dtype in OPS[op].dtypes if "float" in dtype)
    return tuple(dtype for dtype in OPS[op].dtypes if (op, dtype) != ("sum", "bool"))


def digest(metal: MetalBackend, x: Array) -> str:
    return hashlib.sha256(np.ascontiguousarray(metal.to_numpy(x)).tobytes()).hexdigest()[:16]


def main() -> None:
    metal = MetalBackend()
    for op, cases in CASES.items():
        for dtype in accepted(op):
            if sys.argv[1:] and dtype not in sys.argv[1:]:
                continue
            for family, variant in VARIANTS[OPS[op].family]:
                metal._metal.force(family, variant)
                first, second = ([digest(metal, x) for x in cases(metal, dtype)] for _ in range(2))
                metal._metal.force(family, "")
                assert first == second, f"{op} of {dtype} by {variant or 'its own choice'}: other bits the second time"
                for number, text in enumerate(first):
                    print(op, dtype, variant.replace(" ", "_") or "-", number, text)


if __name__ == "__main__":
    main()
