"""Laws of rope: rotations keep lengths, add up, and turn into relative positions; the rest passes through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import isometal as im
from isometal.parity.model import NDArray
from isometal.parity.properties.law import Law
from isometal.parity.properties.trial import Trial, real

#: Of size 1: the rounding of a large pair is not small beside a result that cancels.
_VALUES = ("normal", "positive", "uniform")


@dataclass(frozen=True)
class _Drawn:
    values: NDArray
    params: dict[str, Any]

    @property
    def dims(self) -> int:
        return int(self.params["dims"])


def _draw(t: Trial, tokens: int = 0) -> _Drawn:
    """x (..., T, D) and parameters; ``tokens`` 0 means any T."""
    features = t.choice((2, 4, 8, 32, 33))
    dims = 2 * t.integer(1, features // 2)
    values = t.numbers((*t.shape(1, 2, low=1, limit=4), tokens or t.extent(1, 8), features), _VALUES)
    params: dict[str, Any] = {"dims": dims, "traditional": t.flag(), "base": t.choice((10000.0, 16.0))}
    t.drawn.append(("params", params))
    return _Drawn(values, params)


def _position(t: Trial, name: str = "offset") -> int:
    position = t.integer(0, 32)
    t.drawn.append((name, position))
    return position


def _allowed(t: Trial, values: NDArray, **params: Any) -> NDArray:
    return t.allowed(t.truth(values, **params))


def _split(d: _Drawn, x: NDArray) -> tuple[NDArray, NDArray]:
    """First and second members of the pairs."""
    half = d.dims // 2
    if d.params["traditional"]:
        return x[..., 0 : d.dims : 2], x[..., 1 : d.dims : 2]
    return x[..., :half], x[..., half : d.dims]


def _turned(d: _Drawn, error: NDArray) -> NDArray:
    """What a rotation makes of errors of its input: at most e1 + e2 in each member of a pair, nothing elsewhere."""
    carried = np.zeros(error.shape)
    e1, e2 = _split(d, error)
    first, second = _split(d, carried)
    first[...] = second[...] = e1 + e2
    return carried


def _keeps_norms(t: Trial) -> None:
    # |y| = |x| for each pair; an error (e1, e2) changes the length by at most e1 + e2 (triangle inequality).
    d = _draw(t)
    offset = _position(t)
    y = real(im.rope(t.place(d.values, t.layout()), offset=offset, **d.params))
    e1, e2 = _split(d, _allowed(t, d.values, offset=offset, **d.params))
    before, after = (np.hypot(*_split(d, x)) for x in (real(d.values), y))
    t.within(after, before, e1 + e2, "each pair keeps its length")


def _passes_through(t: Trial) -> None:
    # Features from dims on are copied.
    d = _draw(t)
    result = im.rope(t.place(d.values, t.layout()), offset=_position(t), **d.params)
    t.same(result[..., d.dims :], d.values[..., d.dims :], "features beyond dims pass through")


def _position_zero(t: Trial) -> None:
    # cos 0 = 1 and sin 0 = 0 exactly: x * 1 - y * 0 is x, but for the sign of zero.
    d = _draw(t, tokens=1)
    t.equal(im.rope(t.place(d.values, t.layout()), **d.params), d.values, "position 0 does not rotate")


def _rotations_add(t: Trial) -> None:
    # R(b) R(a) = R(a + b). The error of the first call is rotated by the second: at most e1 + e2 in each member.
    d = _draw(t, tokens=1)
    a, b = _position(t, "first offset"), _position(t, "second offset")
    once = im.rope(t.array(d.values), offset=a, **d.params)
    twice = im.rope(once, offset=b, **d.params)
    direct = im.rope(t.place(d.values, t.layout()), offset=a + b, **d.params)
    first = _allowed(t, d.values, offset=a, **d.params)
    bound = (
        _turned(d, first)
        + _allowed(t, once.numpy(), offset=b, **d.params)
        + _allowed(t, d.values, offset=a + b, **d.params)
    )
    t.within(twice, real(direct), bound, "R(b) R(a) = R(a + b)")


def _undone(t: Trial) -> None:
    # scale -1 turns the other way: R(-p) R(p) = 1.
    d = _draw(t)
    offset = _position(t)
    there = im.rope(t.place(d.values, t.layout()), offset=offset, **d.params)
    back = im.rope(there, offset=offset, scale=-1.0, **d.params)
    first = _allowed(t, d.values, offset=offset, **d.params)
    bound = _turned(d, first) + _allowed(t, there.numpy(), offset=offset, scale=-1.0, **d.params)
    t.within(back, real(d.values), bound, "R(-p) R(p) = 1")


def _relative(t: Trial) -> None:
    # <R(m) q, R(n) k> = <R(m + s) q, R(n + s) k>. With errors e, f of the rotated vectors a, b:
    # |<a + e, b + f> - <a, b>| <= sum |a| f + |b| e + e f.
    d = _draw(t, tokens=1)
    keys = t.numbers(d.values.shape, _VALUES, "k")
    m, n, s = _position(t, "m"), _position(t, "n"), _position(t, "s")
    products, bound = [], np.zeros(d.values.shape[:-1])
    for shift in (0, s):
        sides = []
        for values, position in ((d.values, m + shift), (keys, n + shift)):
            expected = t.truth(values, offset=position, **d.params)
            sides.append(
                (real(im.rope(t.array(values), offset=position, **d.params)), expected.value, t.allowed(expected))
            )
        (q, a, e), (k, b, f) = sides
        products.append(np.sum(q * k, axis=-1))
        bound = bound + np.sum(np.abs(a) * f + np.abs(b) * e + e * f, axis=-1)
    # 2^-50: the float64 sums of this check themselves.
    slack = 2.0**-50 * np.sum(np.abs(real(d.values)), axis=-1) * np.max(np.abs(real(keys)), initial=0.0) * 4
    t.within(products[0], products[1], bound + slack, "dot products depend on relative positions")


def _offset_moves_tokens(t: Trial) -> None:
    # Token i at offset p stands where token 0 stands at offset p + i.
    d = _draw(t)
    offset = _position(t)
    whole = im.rope(t.place(d.values, t.layout()), offset=offset, **d.params)
    bound = 2 * _allowed(t, d.values, offset=offset, **d.params)
    i = t.integer(0, d.values.shape[-2] - 1)
    alone = im.rope(t.array(np.ascontiguousarray(d.values[..., i : i + 1, :])), offset=offset + i, **d.params)
    t.within(whole[..., i : i + 1, :], real(alone), bound[..., i : i + 1, :], "token i at p = token 0 at p + i")


def _batch_offsets(t: Trial) -> None:
    # An offset for each batch entry is each entry with its own offset.
    d = _draw(t)
    offsets = np.array([t.integer(0, 32) for _ in range(d.values.shape[0])], np.int32)
    t.drawn.append(("offsets", offsets))
    if d.values.ndim < 3:
        return
    together = im.rope(t.place(d.values, t.layout()), offset=t.array(offsets), **d.params)
    for i, offset in enumerate(offsets.tolist()):
        entry = np.ascontiguousarray(d.values[i : i + 1])
        alone = im.rope(t.array(entry), offset=offset, **d.params)
        bound = 2 * _allowed(t, entry, offset=offset, **d.params)
        t.within(together[i : i + 1], real(alone), bound, "an offset array is each entry with its own offset")


def _pairings(t: Trial) -> None:
    # Neighbours or halves: the same rotations on features in another order.
    d = _draw(t)
    offset, base = _position(t), d.params["base"]
    half = d.dims // 2
    order = [i for pair in zip(range(half), range(half, d.dims), strict=True) for i in pair]
    order += list(range(d.dims, d.values.shape[-1]))
    halves = im.rope(t.place(d.values, t.layout()), d.dims, base=base, offset=offset)
    neighbours = im.rope(
        t.array(np.ascontiguousarray(d.values[..., order])), d.dims, traditional=True, base=base, offset=offset
    )
    bound = 2 * _allowed(t, d.values, dims=d.dims, base=base, offset=offset)[..., order]
    t.within(neighbours, real(halves)[..., order], bound, "traditional is the same on reordered features")


def _scale_is_position(t: Trial) -> None:
    # Position p at scale 2 is position 2p.
    d = _draw(t, tokens=1)
    offset = _position(t)
    scaled = im.rope(t.place(d.values, t.layout()), offset=offset, scale=2.0, **d.params)
    moved = im.rope(t.array(d.values), offset=2 * offset, **d.params)
    bound = 2 * _allowed(t, d.values, offset=2 * offset, **d.params)
    t.within(scaled, real(moved), bound, "scale 2 at p = scale 1 at 2p")


def _freqs_replace_base(t: Trial) -> None:
    # freqs = base^(2i/dims), with base 16 and dims 2 or 4: 1, and 1 and 4, exact in float32.
    d = _draw(t)
    dims = 4 if d.values.shape[-1] >= 4 else 2
    offset, traditional = _position(t), d.params["traditional"]
    shared = {"dims": dims, "traditional": traditional, "offset": offset}
    x = t.place(d.values, t.layout())
    freqs = np.array([1.0, 4.0][: dims // 2], np.float32)
    bound = 2 * _allowed(t, d.values, base=16.0, **shared)
    by_freqs, by_base = im.rope(x, freqs=t.array(freqs), **shared), im.rope(x, base=16.0, **shared)
    t.within(by_freqs, real(by_base), bound, "freqs = base^(2i/dims)")


LAWS = {
    "rope": (
        Law("keeps-norms", _keeps_norms),
        Law("passes-through", _passes_through),
        Law("position-zero", _position_zero),
        Law("rotations-add", _rotations_add),
        Law("undone", _undone),
        Law("relative-positions", _relative),
        Law("offset-moves-tokens", _offset_moves_tokens),
        Law("batch-offsets", _batch_offsets),
        Law("pairings", _pairings),
        Law("scale-is-position", _scale_is_position),
        Law("freqs-replace-base", _freqs_replace_base),
    )
}
