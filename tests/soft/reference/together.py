"""Random rendezvous of a simdgroup, with results that MSL defines whichever lanes are active."""

from __future__ import annotations

from reference.expressions import Expressions
from reference.writer import Value

_SHUFFLED = {
    "i16": "u.i16",
    "i32": "s.i32",
    "i64": "u.i64",
    "float": "f32",
    "<2 x i32>": "u.v2i32",
    "<4 x float>": "v4f32",
}
_FOLDED = {"i16": ("s.i16", "u.i16"), "i32": ("s.i32", "u.i32"), "i64": ("s.i64", "u.i64")}


def rendezvous(expressions: Expressions, type_: str) -> Value:
    """A value of that type which lanes make together."""
    rng = expressions.rng
    makers = [_shuffle, _shuffle, _broadcast_first]
    if type_ in _FOLDED:
        makers += [_fold, _fold, _scan]
    if type_ == "float":
        makers += [_float_fold]
    if type_ in ("i16", "i32", "i64"):
        makers += [_vote]
    return rng.choice(makers)(expressions, type_)


def condition(expressions: Expressions) -> Value:
    """A condition that lanes find together."""
    name = expressions.rng.choice(["air.simd_any", "air.simd_all", "air.quad_any", "air.quad_all"])
    return expressions.writer.rendezvous("i1", name, expressions.condition(2))


def _fold(e: Expressions, type_: str) -> Value:
    scope = e.rng.choice(["simd", "simd", "quad"])
    operation = e.rng.choice(["sum", "product", "min", "max", "and", "or", "xor"])
    return e.writer.rendezvous(type_, f"air.{scope}_{operation}.{e.rng.choice(_FOLDED[type_])}", e.of(type_))


def _float_fold(e: Expressions, type_: str) -> Value:
    scope = e.rng.choice(["simd", "simd", "quad"])
    operation = e.rng.choice(["sum", "min", "max", "prefix_inclusive_sum", "prefix_exclusive_sum"])
    return e.writer.rendezvous(type_, f"air.{scope}_{operation}.f32", e.small_float())


def _scan(e: Expressions, type_: str) -> Value:
    kind = e.rng.choice(["inclusive", "exclusive"])
    operation = e.rng.choice(["sum", "product"])
    name = f"air.simd_prefix_{kind}_{operation}.{e.rng.choice(_FOLDED[type_])}"
    return e.writer.rendezvous(type_, name, e.of(type_))


def _broadcast_first(e: Expressions, type_: str) -> Value:
    scope = e.rng.choice(["simd", "quad"])
    return e.writer.rendezvous(type_, f"air.{scope}_broadcast_first.{_SHUFFLED[type_]}", e.of(type_))


def _vote(e: Expressions, type_: str) -> Value:
    w = e.writer
    kind = e.rng.randrange(4)
    if kind == 0:
        return e.convert(w.rendezvous("i64", "air.simd_ballot.i64", e.condition(2)), type_)
    if kind == 1:
        return e.convert(w.rendezvous("i64", "air.simd_active_threads_mask.i64"), type_)
    if kind == 2:
        return w.cast("zext", w.rendezvous("i1", "air.simd_is_first"), type_)
    return w.cast("zext", condition(e), type_)


def _shuffle(e: Expressions, type_: str) -> Value:
    """A shuffle whose result is used where the lane that it comes from is active."""
    w, rng = e.writer, e.rng
    lane = e.convert(w.builtin("thread_index_in_simdgroup", "i32"), "i16")
    kind = rng.choice(["shuffle", "shuffle", "broadcast", "shuffle_xor", "shuffle_up", "shuffle_down"])
    value = e.of(type_)
    if kind == "shuffle":
        operand = e.masked(e.integer("i16", 2), 31)
        source = operand
    else:
        operand = Value("i16", str(rng.randrange(32)))
        if kind == "broadcast":
            source = operand
        elif kind == "shuffle_xor":
            source = w.binary("xor", lane, operand)
        else:
            up = kind == "shuffle_up"
            there = w.binary("sub" if up else "add", lane, operand)
            exists = w.value("i1", f"icmp ult {there}, 32")
            source = w.select(exists, there, lane)
    active = w.rendezvous("i64", "air.simd_active_threads_mask.i64")
    shuffled = w.rendezvous(type_, f"air.simd_{kind}.{_SHUFFLED[type_]}", value, operand)
    bit = w.binary("lshr", active, e.convert(source, "i64"))
    there_is = w.cast("trunc", bit, "i1")
    return w.select(there_is, shuffled, value)
