"""One check for each family of intrinsics that a thread executes alone: definition against model, by declaration.

`check(declaration)` finds the family by name and fails for names that none of them knows.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
from intrinsic_floats import BINARY, TERNARY, UNARY, ZERO_SIGN_OPEN, fused, intervals, next_after
from intrinsic_jit import DTYPES, apply, name_of
from intrinsic_numbers import (
    SIGNED,
    UNSIGNED,
    apply_model,
    between_floats,
    extracted,
    inserted,
    same_bits,
    to_float,
    to_integer,
)
from intrinsic_values import (
    FORMATS,
    Array,
    all_halfs,
    assert_close,
    element_of,
    floats,
    flush,
    integers,
    wide,
)

#: What every function of mathematics keeps, in units of the last place. Exact results have 0.5 by rounding.
MAX_ULP = 0.5002
#: Results of rounding exact numbers: nothing beyond the rounding itself.
ROUNDED = 0.5
EXACT = 0.0
_EXACT = {"floor", "ceil", "trunc", "rint", "round", "fabs", "saturate", "sign", "fmin", "fmax", "fmod", "copysign"} | {
    "step",
    "fmin3",
    "fmax3",
    "fmedian3",
    "clamp",
}
_ROUNDED = {"sqrt", "divide", "fdim"}
SAMPLES = 3000

Options = dict[str, Any]


def bound_of(operation: str) -> float:
    if operation in _EXACT:
        return EXACT
    return ROUNDED if operation in _ROUNDED else MAX_ULP


def shaped(values: Array, count: int) -> Array:
    """Scalars as vectors of that many elements; vectors of three with a fourth."""
    if not count:
        return values
    each = 4 if count == 3 else count
    usable = len(values) // each * each
    return values[:usable].reshape(-1, each)


def flat(values: Array, count: int) -> Array:
    return values[:, :count].reshape(-1) if count else values


def _compare(operation: str, got: Array, truth: Array, element: str, arguments: list[Array], name: str) -> float:
    result = got
    if operation in ZERO_SIGN_OPEN:
        result = np.where(got == 0, truth, wide(got)).astype(got.dtype)
    with np.errstate(all="ignore"):
        return assert_close(result, truth, element, bound_of(operation), arguments, name)


def check_unary(declaration: str, operation: str, spelling: str, options: Options, samples: int = SAMPLES) -> float:
    count, element = element_of(spelling)
    parts = [floats(element, samples, 1)]
    parts += [floats(element, samples, 2, *interval) for interval in intervals(operation)]
    values = all_halfs(element) if element != "f32" else np.concatenate(parts)
    arguments = shaped(values, count)
    got = flat(apply(declaration, arguments, **options), count)
    used = flat(arguments, count)
    with np.errstate(all="ignore"):
        truth = UNARY[operation](wide(used))
    return _compare(operation, got, truth, element, [used], name_of(declaration))


def _pairs(operation: str, element: str, samples: int) -> tuple[Array, Array]:
    x = np.concatenate([floats(element, samples, 3), floats(element, samples, 4, 0.0, 8.0)])
    y = np.concatenate([floats(element, samples, 5)[::-1], floats(element, samples, 6, -12.0, 12.0)[::-1]])
    special = floats(element, 0, 0)
    grid = np.meshgrid(special, special)
    return np.concatenate([grid[0].reshape(-1), x]), np.concatenate([grid[1].reshape(-1), y])


def check_binary(declaration: str, operation: str, spelling: str, options: Options, samples: int = SAMPLES) -> float:
    count, element = element_of(spelling)
    x, y = (shaped(v, count) for v in _pairs(operation, element, samples))
    got = flat(apply(declaration, x, y, **options), count)
    a, b = flat(x, count), flat(y, count)
    with np.errstate(all="ignore"):
        truth = BINARY[operation](wide(a), wide(b))
    return _compare(operation, got, truth, element, [a, b], name_of(declaration))


def _triples(element: str, samples: int) -> list[Array]:
    special = floats(element, 0, 0)[:20]
    grid = [g.reshape(-1) for g in np.meshgrid(special, special, special)]
    return [np.concatenate([grid[i], floats(element, samples, 7 + i)]) for i in range(3)]


def check_ternary(declaration: str, operation: str, spelling: str, options: Options, samples: int = SAMPLES) -> float:
    count, element = element_of(spelling)
    arguments = [shaped(v, count) for v in _triples(element, samples)]
    got = flat(apply(declaration, *arguments, **options), count)
    used = [flat(a, count) for a in arguments]
    truth = TERNARY[operation](*(wide(u) for u in used))
    return _compare(operation, got, truth, element, used, name_of(declaration))


def check_fma(declaration: str, spelling: str, options: Options) -> None:
    count, element = element_of(spelling)
    near = [floats(element, 600, 20 + i, -4.0, 4.0) for i in range(3)]
    arguments = [np.concatenate([a, b]) for a, b in zip(near, _triples(element, 600), strict=True)]
    # Products that all but cancel with the addend, and addends next to halfway between two results.
    with np.errstate(all="ignore"):
        product = (arguments[0].astype(np.float64) * arguments[1].astype(np.float64)).astype(DTYPES[element])
    addends = flush(np.concatenate([arguments[2], -product]), element)
    arguments = [*(np.concatenate([a, a]) for a in arguments[:2]), addends]
    shapes = [shaped(a, count) for a in arguments]
    got = flat(apply(declaration, *shapes, **options), count)
    used = [flat(a, count) for a in shapes]
    expected = flush(fused(*used, element).astype(DTYPES[element]), element)
    # The smallest normal number may be flushed where it was smaller before it was rounded.
    flushed = (got == 0) & (np.abs(expected.astype(np.float64)) == 2.0 ** FORMATS[element].low)
    wrong = ~((got == expected) | ((got != got) & (expected != expected)) | flushed)
    assert not wrong.any(), (declaration, [u[wrong][:3] for u in used], got[wrong][:3], expected[wrong][:3])


def check_nextafter(declaration: str, spelling: str, options: Options) -> None:
    count, element = element_of(spelling)
    x, y = (shaped(v, count) for v in _pairs("nextafter", element, 500))
    got = flat(apply(declaration, x, y, **options), count)
    pairs = zip(flat(x, count).astype(np.float64), flat(y, count).astype(np.float64), strict=True)
    expected = np.array([next_after(float(a), float(b), element) for a, b in pairs]).astype(DTYPES[element])
    assert same_bits(got, expected), declaration


def check_integers(declaration: str, operation: str, sign: str | None, spelling: str, options: Options) -> None:
    count, element = element_of(spelling)
    bits, signed = int(element[1:]), sign == "s"
    arity, model = (UNSIGNED if sign is None else SIGNED)[operation]
    arguments = [shaped(integers(element, 400, 30 + i), count) for i in range(arity)]
    extra = [np.zeros(len(arguments[0]), np.uint8)] if "i1)" in declaration else []
    got = flat(apply(declaration, *arguments, *extra, **options), count)
    expected = apply_model(model, [flat(a, count) for a in arguments], bits, signed)
    assert np.array_equal(got, expected), declaration


def check_bits(declaration: str, operation: str, sign: str | None, spelling: str, options: Options) -> None:
    """extract_bits and insert_bits: every offset and number of bits of the type, and numbers beyond it."""
    _, element = element_of(spelling)
    bits = int(element[1:])
    places = [(o, n) for o in range(bits + 1) for n in range(bits + 1 - o)]
    values = np.resize(integers(element, 100, 40), len(places))
    others = np.resize(integers(element, 100, 41), len(places))
    offset, number = (np.array([p[i] for p in places], np.int32) for i in (0, 1))
    if operation == "extract_bits":
        got = apply(declaration, values, offset, number, **options)
        wanted = [extracted(int(v), o, n, bits, sign == "s") for v, (o, n) in zip(values, places, strict=True)]
    else:
        got = apply(declaration, values, others, offset, number, **options)
        wanted = [inserted(int(v), int(w), o, n, bits) for v, w, (o, n) in zip(values, others, places, strict=True)]
    assert [int(g) & ((1 << bits) - 1) for g in got] == [w & ((1 << bits) - 1) for w in wanted], declaration


def check_convert(declaration: str, parts: tuple[str, str, str, str, str | None, str | None], options: Options) -> None:
    to_kind, to_spelling, kind, spelling, saturated, rounding = parts
    (count, to), (_, source) = element_of(to_spelling), element_of(spelling)
    if kind == "f":
        values = np.concatenate([floats(source, 1500, 50), *(floats(source, 500, 51, -r, r) for r in (3.0, 3e2, 7e4))])
        halves = (np.arange(-300, 300) / 2).astype(DTYPES[source])
        values = np.concatenate([values, halves])
    else:
        values = integers(source, 1500, 52)
        if source != "i1":
            values = np.concatenate([values, np.arange(-100, 100).astype(values.dtype)])
    arguments = shaped(values, count)
    got = flat(apply(declaration, arguments, **options), count)
    used = flat(arguments, count)
    bits = 0 if to_kind == "f" else int(to[1:])
    if kind == "f" and to_kind == "f":
        expected = between_floats(used, to, rounding)
    elif kind == "f":
        expected = to_integer(used, bits, to_kind == "s", rounding)
    elif to_kind == "f":
        expected = to_float(used, int(source[1:]), kind == "s", to, rounding)
    else:
        expected = _between(used, int(source[1:]), bits, kind == "s", to_kind == "s", saturated is not None)
    assert same_bits(got, expected), declaration


def _between(values: Array, source: int, bits: int, signed: bool, to_signed: bool, saturated: bool) -> Array:
    from intrinsic_numbers import clamped, read

    numbers = [read(int(v), source, signed) for v in values]
    if bits == 1:
        return np.array([n != 0 for n in numbers])
    if saturated:
        numbers = [clamped(n, bits, to_signed) for n in numbers]
    return np.array([read(n, bits, True) for n in numbers], DTYPES[f"i{bits}"])


def check_dot(declaration: str, spelling: str, options: Options) -> None:
    count, element = element_of(spelling)
    x, y = (shaped(floats(element, 999, 60 + i, -2.0, 2.0)[48:], count) for i in (0, 1))
    got = apply(declaration, x, y, **options).astype(np.float64)
    a, b = (v[:, :count].astype(np.float64) for v in (x, y))
    # Each product and sum is rounded to float, then the result to the type.
    size = np.abs(a * b).sum(-1)
    bound = size * 2.0**-23 * count + (np.abs(got) + 1e-30) * (0 if element == "f32" else 2.0**-8)
    assert len(got) > 100
    assert np.all(np.abs(got - (a * b).sum(-1)) <= bound), declaration


def check_ldexp(declaration: str, spelling: str, options: Options) -> None:
    count, element = element_of(spelling)
    x = floats(element, 4000, 65)
    exponent = np.random.default_rng(66).integers(-300, 300, len(x)).astype(np.int32)
    exponent[::50] = np.resize([2**31 - 1, -(2**31), 0, 1000], len(exponent[::50]))
    got = flat(apply(declaration, shaped(x, count), shaped(exponent, count), **options), count)
    used, powers = flat(shaped(x, count), count), flat(shaped(exponent, count), count)
    with np.errstate(all="ignore"):
        # Beyond 600 every result is zero or infinite.
        truth = wide(used) * np.exp2(np.clip(powers, -600, 600).astype(np.longdouble))
        assert_close(got, truth, element, ROUNDED, [used, powers], name_of(declaration))


def check_constant(declaration: str, expected: int, options: Options) -> None:
    """Results that do not depend on the arguments."""
    match = re.search(r"\((.*)\)", declaration)
    assert match is not None
    arguments = [integers(match[1], 40, 70)] if match[1] else []
    got = apply(declaration, *arguments, **options)
    assert got.size > 0
    assert np.all(got == expected), declaration


def check_predicate(declaration: str, options: Options) -> None:
    values = np.arange(-128, 128).astype(np.int8)
    assert np.array_equal(apply(declaration, values, **options), values != 0)


_CONVERT = re.compile(r"air\.convert\.([fsu])\.(\w+)\.([fsu])\.(\w+?)(\.sat)?(?:\.(rt[ezpn]))?\Z")
_INTEGER = re.compile(r"air\.(\w+)\.(?:([su])\.)?((?:v\d)?i\d+)\Z")
_FLOAT = re.compile(r"air\.(?:fast_)?(\w+)\.((?:v\d)?b?f\d+)\Z")


def find_check(declaration: str) -> Callable[[Options], object] | None:
    """The check of an intrinsic, None for one that has none here."""
    name = name_of(declaration)
    match = _CONVERT.match(name)
    if match:
        parts = (match[1], match[2], match[3], match[4], match[5], match[6])
        return lambda o: check_convert(declaration, parts, o)
    if name == "air.normalize_function_constant_predicate.i8":
        return lambda o: check_predicate(declaration, o)
    if name.startswith("air.is_uniform."):
        return lambda o: check_constant(declaration, 1, o)
    if name.startswith("air.get_simdgroup_size."):
        return lambda o: check_constant(declaration, 32, o)
    match = _INTEGER.match(name)
    if match and match[1] in ("extract_bits", "insert_bits"):
        return lambda o: check_bits(declaration, match[1], match[2], match[3], o)
    if match and match[1] in (UNSIGNED if match[2] is None else SIGNED):
        return lambda o: check_integers(declaration, match[1], match[2], match[3], o)
    match = _FLOAT.match(name)
    return _float_check(declaration, match[1], match[2]) if match else None


def _float_check(declaration: str, operation: str, spelling: str) -> Callable[[Options], object] | None:
    if operation in UNARY:
        return lambda o: check_unary(declaration, operation, spelling, o)
    if operation in BINARY:
        return lambda o: check_binary(declaration, operation, spelling, o)
    if operation in TERNARY:
        return lambda o: check_ternary(declaration, operation, spelling, o)
    single = {"fma": check_fma, "nextafter": check_nextafter, "dot": check_dot, "ldexp": check_ldexp}.get(operation)
    return (lambda o: single(declaration, spelling, o)) if single else None
