"""Functions of integers. Arithmetic wraps; signedness is in the name."""

from __future__ import annotations

from collections.abc import Callable

from isometal.soft.lower.intrinsics.builder import Value
from isometal.soft.lower.intrinsics.definition import Intrinsic, elementwise
from isometal.soft.lower.intrinsics.shape import Shape

Formula = Callable[..., Value]


def find(operation: str, signed: bool | None, shape: Shape) -> Intrinsic | None:
    """The intrinsic `air.OPERATION.[s.|u.]SHAPE` of this family, SHAPE being of integers."""
    if operation in ("clz", "ctz") and signed is None:
        # The second parameter says that zero does not occur; it is defined here anyway.
        name = {"clz": "ctlz", "ctz": "cttz"}[operation]
        return Intrinsic(
            shape.text,
            ((shape.text,), (shape.text, "i1")),
            lambda c: _count_zeros(c.value(0), name),
        )
    if operation == "extract_bits" and signed is not None:
        return Intrinsic(
            shape.text,
            ((shape.text, "i32", "i32"),),
            lambda c: _extract(c.value(0), c.value(1), c.value(2), signed=bool(signed)),
        )
    if operation == "insert_bits":
        return Intrinsic(
            shape.text,
            ((shape.text, shape.text, "i32", "i32"),),
            lambda c: _insert(c.value(0), c.value(1), c.value(2), c.value(3)),
        )
    if operation in ("all", "any") and signed is None and shape.element == "i1" and shape.count:
        name = {"all": "vector.reduce.and", "any": "vector.reduce.or"}[operation]
        return Intrinsic("i1", ((shape.text,),), lambda c: c.value(0).call(name, returns=shape.scalar))
    if shape.element == "i1":
        return None
    if signed is None:
        entry = _UNSIGNED.get(operation)
        return elementwise(entry[1], shape, entry[0]) if entry else None
    entry = _SIGNED.get(operation)
    if entry is None:
        return None
    arity, formula = entry
    prefix = "s" if signed else "u"
    return elementwise(lambda *values: formula(prefix, *values), shape, arity)


def _count_zeros(x: Value, name: str) -> Value:
    shape = x.shape
    no = x.builder.constant(Shape("i1"), 0)
    x.builder.needs.add(f"declare {shape.text} @llvm.{name}.{shape.spelling}({shape.text}, i1)")
    return x.builder.emit(f"call {shape.text} @llvm.{name}.{shape.spelling}({x.typed}, {no.typed})", shape)


def _within(x: Value, number: Value) -> Value:
    """A number of bits as an integer of x's type, at most x's width."""
    limited = number.call("umin", x.shape.bits)
    sized = limited.cast("trunc" if x.shape.bits < 32 else "zext", x.shape.element)
    return x.builder.like(sized, x.shape)


def _mask(x: Value, bits: Value) -> Value:
    """That many low bits, all of them at x's width: a shift by it would be undefined."""
    width = x.shape.bits
    full = bits.compare("uge", width)
    return full.select(x.coerce(-1), ~(x.coerce(-1) << (bits & (width - 1))))


def _extract(x: Value, offset: Value, bits: Value, *, signed: bool) -> Value:
    """`bits` bits from `offset` on; 0 bits are 0."""
    width = x.shape.bits
    start, number = _within(x, offset), _within(x, bits)
    shifted = start.compare("uge", width).select(x.coerce(0), x.shift_right(start & (width - 1)))
    if not signed:
        return shifted & _mask(x, number)
    unused = (number.coerce(width) - number) & (width - 1)
    result = (shifted << unused).shift_right(unused, signed=True)
    return number.compare("eq", 0).select(x.coerce(0), result)


def _insert(base: Value, insert: Value, offset: Value, bits: Value) -> Value:
    width = base.shape.bits
    start, number = _within(base, offset), _within(base, bits)
    outside = start.compare("uge", width)
    shift = start & (width - 1)
    mask = outside.select(base.coerce(0), _mask(base, number) << shift)
    return (base & ~mask) | ((insert << shift) & mask)


def _twice(x: Value) -> str:
    return f"i{2 * x.shape.bits}"


def _extend(prefix: str) -> str:
    return "sext" if prefix == "s" else "zext"


def _high_product(prefix: str, x: Value, y: Value) -> Value:
    wide = [v.cast(_extend(prefix), _twice(x)) for v in (x, y)]
    return (wide[0] * wide[1]).shift_right(x.shape.bits).cast("trunc", x.shape.element)


def _saturated_product_sum(prefix: str, x: Value, y: Value, z: Value) -> Value:
    """x y + z, clamped to the type: twice the width and one bit hold it exactly."""
    bits = x.shape.bits
    wide = [v.cast(_extend(prefix), f"i{2 * bits + 2}") for v in (x, y, z)]
    total = wide[0] * wide[1] + wide[2]
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if prefix == "s" else (0, (1 << bits) - 1)
    total = total.compare("slt", low).select(total.coerce(low), total)
    total = total.compare("sgt", high).select(total.coerce(high), total)
    return total.cast("trunc", x.shape.element)


def _difference(prefix: str, x: Value, y: Value) -> Value:
    """|x - y| as an unsigned number."""
    return x.call(f"{prefix}max", y) - x.call(f"{prefix}min", y)


def _half_sum(prefix: str, x: Value, y: Value) -> Value:
    return (x & y) + (x ^ y).shift_right(1, signed=prefix == "s")


def _rounded_half_sum(prefix: str, x: Value, y: Value) -> Value:
    return (x | y) - (x ^ y).shift_right(1, signed=prefix == "s")


def _absolute(prefix: str, x: Value) -> Value:
    return x.call("smax", -x) if prefix == "s" else x


def _low24(prefix: str, x: Value) -> Value:
    return (x << 8).shift_right(8, signed=prefix == "s")


def _minimum(prefix: str, x: Value, y: Value) -> Value:
    return x.call(f"{prefix}min", y)


def _maximum(prefix: str, x: Value, y: Value) -> Value:
    return x.call(f"{prefix}max", y)


def _clamp(prefix: str, x: Value, low: Value, high: Value) -> Value:
    return _minimum(prefix, _maximum(prefix, x, low), high)


def _median(prefix: str, x: Value, y: Value, z: Value) -> Value:
    return _maximum(prefix, _minimum(prefix, x, y), _minimum(prefix, _maximum(prefix, x, y), z))


# Operations whose names carry s. or u., with their number of parameters.
_SIGNED: dict[str, tuple[int, Formula]] = {
    "abs": (1, _absolute),
    "min": (2, _minimum),
    "max": (2, _maximum),
    "clamp": (3, _clamp),
    "min3": (3, lambda p, x, y, z: _minimum(p, _minimum(p, x, y), z)),
    "max3": (3, lambda p, x, y, z: _maximum(p, _maximum(p, x, y), z)),
    "median3": (3, _median),
    "abs_diff": (2, _difference),
    "add_sat": (2, lambda p, x, y: x.call(f"{p}add.sat", y)),
    "sub_sat": (2, lambda p, x, y: x.call(f"{p}sub.sat", y)),
    "hadd": (2, _half_sum),
    "rhadd": (2, _rounded_half_sum),
    "mul_hi": (2, _high_product),
    "mad_hi": (3, lambda p, x, y, z: _high_product(p, x, y) + z),
    "mad_sat": (3, _saturated_product_sum),
    "mul24": (2, lambda p, x, y: _low24(p, x) * _low24(p, y)),
    "mad24": (3, lambda p, x, y, z: _low24(p, x) * _low24(p, y) + z),
}

_UNSIGNED: dict[str, tuple[int, Formula]] = {
    "popcount": (1, lambda x: x.call("ctpop")),
    "reverse_bits": (1, lambda x: x.call("bitreverse")),
    "bswap": (1, lambda x: x if x.shape.bits == 8 else x.call("bswap")),
    "rotate": (2, lambda x, n: x.call("fshl", x, n)),
}
