"""The comparison itself: what must pass passes, and each way of being wrong is seen."""

from __future__ import annotations

import math
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isometal import dtypes
from isometal.optable import FLOATING, OPS, Tolerance
from isometal.parity.compare import MismatchError, attribute, compare, error_ratio, ulp_distance
from isometal.parity.model import Truth
from isometal.parity.rounding import FORMATS, round_by_quantum, round_to, spacing, to_dtype

EXACT = Tolerance("exact")
ULP = Tolerance("ulp", 1)


def close(value):
    return Tolerance("close", value)


def exact_truth(value, dtype="float32"):
    return Truth(np.asarray(value, np.float64), dtype)


def of(values, dtype="float32"):
    return np.array(values, dtypes.BY_NAME[dtype])


finite = st.floats(allow_nan=False, allow_infinity=False)
any_float = st.floats()


# -- rounding -------------------------------------------------------------------------------------------------------
@given(st.lists(any_float, min_size=1, max_size=20), st.sampled_from(FLOATING))
def test_casts_and_plain_arithmetic_round_alike(numbers, dtype):
    x = np.array(numbers)
    a, b = round_to(x, dtype), round_by_quantum(x, dtype)
    assert np.array_equal(a, b, equal_nan=True)
    assert np.array_equal(np.signbit(a[~np.isnan(a)]), np.signbit(b[~np.isnan(b)]))


@given(st.floats(-1e5, 1e5), st.sampled_from(FLOATING))
def test_rounding_is_to_the_nearest_by_exact_fractions(number, dtype):
    form = FORMATS[dtype]
    rounded = float(round_to(np.array(number), dtype))
    if math.isinf(rounded):
        assert abs(number) >= form.overflow
        return
    unit = Fraction(float(spacing(np.array(number), dtype)))
    assert (Fraction(rounded) / unit).denominator == 1
    distance = abs(Fraction(rounded) - Fraction(number))
    assert distance <= unit / 2
    if distance == unit / 2 and abs(rounded) < form.max:
        # A tie goes to the even neighbour; at a power of two, the spacing of the binade above counts.
        assert (Fraction(rounded) / unit) % 2 == 0


def test_bfloat16_is_rounded_once():
    # Just above halfway between 1 and 1 + 2^-7: float32 would round it to the tie, and the tie to 1.
    number = np.array(1 + 2.0**-8 + 2.0**-40)
    assert float(round_to(number, "bfloat16")) == 1 + 2.0**-7
    twice = number.astype(np.float32).astype(ml_dtypes.bfloat16)
    assert float(twice) == 1.0


@pytest.mark.parametrize("dtype", FLOATING)
def test_formats_are_those_of_the_dtypes(dtype):
    info, form = ml_dtypes.finfo(dtypes.BY_NAME[dtype]), FORMATS[dtype]
    assert form.max == float(info.max)
    assert form.smallest_normal == float(info.tiny)
    assert form.smallest_subnormal == float(info.smallest_subnormal)
    assert float(spacing(np.array(1.0), dtype)) == float(info.eps)
    assert np.isinf(round_to(np.array(form.overflow), dtype))
    assert round_to(np.nextafter(form.overflow, 0), dtype) == form.max


# -- ULP ------------------------------------------------------------------------------------------------------------
@given(st.floats(width=32, allow_nan=False, allow_infinity=False), st.integers(0, 50))
def test_ulp_distance_counts_representable_steps_within_a_binade(start, steps):
    start = abs(start)
    bits = np.array(start, np.float32).view(np.uint32)
    there = (bits + np.uint32(steps)).view(np.float32)
    if not np.isfinite(there) or math.frexp(float(there))[1] != math.frexp(start)[1]:
        return
    assert ulp_distance(there, np.array(start), "float32") == steps


def test_ulp_distance_of_patterns():
    x = of([np.nan, np.inf, -np.inf, np.inf, 1.0, np.nan, 3.4e38])
    t = np.array([np.nan, np.inf, -np.inf, -np.inf, np.nan, 1.0, np.inf])
    assert ulp_distance(x, t, "float32").tolist() == [0, 0, 0, np.inf, np.inf, np.inf, np.inf]


def test_ulp_distance_is_a_fraction_where_the_truth_lies_between():
    assert ulp_distance(of(1.0), np.array(1 + 2.0**-24), "float32") == 0.5


# -- what passes ----------------------------------------------------------------------------------------------------
TOLERANCES = [EXACT, ULP, close(1e-6), close(1e-2), Tolerance("magnitude", 1e-5)]


@given(
    st.lists(st.floats(allow_nan=True), min_size=1, max_size=30), st.sampled_from(FLOATING), st.sampled_from(TOLERANCES)
)
def test_the_rounded_truth_passes_under_every_rule(numbers, dtype, tolerance):
    t = np.array(numbers)
    # The smallest sum of magnitudes that a truth can have is its own magnitude.
    truth = Truth(t, dtype, magnitude=np.abs(t))
    for backend in ("cpu", "mlx", "metal"):
        metrics = compare(to_dtype(t, dtype), truth, tolerance, backend)
        assert metrics.passed
        assert metrics.max_ulp <= 0.5


@given(
    st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=30),
    st.sampled_from([1e-2, 1e-3]),
    st.floats(1.05, 100),
    st.data(),
)
def test_a_perturbation_beyond_the_bound_fails_and_is_found(numbers, value, factor, data):
    t = np.array(numbers)
    index = data.draw(st.integers(0, t.size - 1))
    sign = data.draw(st.sampled_from([-1, 1]))
    x = t.astype(np.float32)
    x[index] = np.float32(t[index] + sign * factor * value * (1 + abs(t[index])))
    metrics = compare(x, exact_truth(t), close(value), "cpu")
    assert not metrics.passed
    assert metrics.worst_index == (index,)
    assert metrics.bound_ratio == pytest.approx(factor, rel=1e-2)


def test_size_zero_passes_on_shape_and_dtype_alone():
    metrics = compare(np.zeros((3, 0), np.float32), exact_truth(np.zeros((3, 0))), EXACT, "cpu")
    assert (metrics.size, metrics.passed, metrics.worst_index) == (0, True, None)
    with pytest.raises(MismatchError, match="wrong shape"):
        compare(np.zeros((0, 3), np.float32), exact_truth(np.zeros((3, 0))), EXACT, "cpu")


def test_zero_dimensions():
    assert compare(of(2.5), exact_truth(2.5), EXACT, "cpu").passed
    assert compare(of(2.5), exact_truth(2.0), EXACT, "cpu").worst_index == ()


# -- what fails -----------------------------------------------------------------------------------------------------
def test_sign_flip():
    t = np.linspace(0.5, 2, 12).reshape(3, 4)
    x = t.astype(np.float32)
    x[1, 2] *= -1
    metrics = compare(x, exact_truth(t), close(1e-2), "cpu")
    assert not metrics.passed
    assert metrics.worst_index == (1, 2)
    assert metrics.max_rel == pytest.approx(2, rel=1e-6)


@pytest.mark.parametrize("dtype", FLOATING)
@pytest.mark.parametrize("rule", ["exact", "close", "magnitude", "ulp"])
def test_one_wrong_element_among_a_million(dtype, rule):
    rng = np.random.default_rng(0)
    t = round_to(rng.standard_normal((1000, 1000)), dtype)
    x = to_dtype(t, dtype)
    x[617, 381] = dtypes.BY_NAME[dtype].type(float(t[617, 381]) + 0.5)
    tolerance = Tolerance(rule, 1 if rule == "ulp" else 1e-2)
    metrics = compare(x, Truth(t, dtype, magnitude=np.abs(t)), tolerance, "metal")
    assert not metrics.passed
    assert metrics.worst_index == (617, 381)
    assert metrics.rms == pytest.approx(metrics.max_abs / 1000)


@pytest.mark.parametrize("dtype", FLOATING)
def test_off_by_one_ulp_fails_exact_and_passes_one_ulp(dtype):
    t = np.array([1.0, 1.5, 3.0])
    x = to_dtype(t + np.array([0, float(spacing(np.array(1.5), dtype)), 0]), dtype)
    exact = compare(x, exact_truth(t, dtype), EXACT, "cpu")
    assert not exact.passed
    assert exact.bound_ratio == math.inf
    assert exact.max_ulp == 1
    assert exact.worst_index == (1,)
    assert compare(x, exact_truth(t, dtype), ULP, "cpu").passed
    two = to_dtype(t + 2 * spacing(t, dtype), dtype)
    assert not compare(two, exact_truth(t, dtype), ULP, "cpu").passed


@pytest.mark.parametrize("tolerance", [EXACT, close(1e-2), ULP])
@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        (np.nan, 1.0), (1.0, np.nan), (np.inf, 1.0), (1.0, np.inf), (-np.inf, np.inf), (np.nan, np.inf),
        (np.inf, np.nan), (3.4028235e38, np.inf),
    ],
)  # fmt: skip
def test_patterns(tolerance, wrong, right):
    metrics = compare(of([2.0, wrong]), exact_truth([2.0, right]), tolerance, "cpu")
    assert not metrics.passed
    assert metrics.pattern_mismatches == 1
    assert metrics.worst_index == (1,)


def test_a_truth_that_overflows_the_dtype_is_infinity():
    truth = exact_truth([1e39, -7e4], "float32")
    assert compare(of([np.inf, -7e4]), truth, EXACT, "cpu").passed
    assert not compare(of([3.4028235e38, -7e4]), truth, EXACT, "cpu").passed
    assert compare(of([np.inf], "float16"), exact_truth([7e4], "float16"), close(1e-3), "cpu").passed
    # 65504 is 7 % away: not a neighbour.
    assert not compare(of([65504], "float16"), exact_truth([7e4], "float16"), close(1e-3), "cpu").passed


def test_overflow_may_go_either_way_where_the_bound_reaches_the_threshold():
    below, above = exact_truth([65519.0], "float16"), exact_truth([65521.0], "float16")
    most, inf = of([65504], "float16"), of([np.inf], "float16")
    for truth in (below, above):
        for x in (most, inf):
            assert compare(x, truth, close(1e-3), "cpu").passed
    assert compare(most, below, EXACT, "cpu").passed
    assert not compare(inf, below, EXACT, "cpu").passed
    assert not compare(most, above, EXACT, "cpu").passed
    # The wrong infinity is no neighbour, nor is a maximum where the truth itself is infinite.
    assert not compare(-inf, above, close(1e-3), "cpu").passed
    assert not compare(most, exact_truth([np.inf], "float16"), close(1e-3), "cpu").passed


def test_the_sign_of_zero_counts_under_exact():
    minus = exact_truth([-0.0, 1.0])
    assert compare(of([-0.0, 1.0]), minus, EXACT, "cpu").passed
    wrong = compare(of([0.0, 1.0]), minus, EXACT, "cpu")
    assert not wrong.passed
    assert wrong.pattern_mismatches == 1
    assert compare(of([0.0, 1.0]), minus, close(1e-6), "cpu").passed
    assert compare(of([0.0]), Truth(np.array([-0.0]), "float32", signed_zeros=False), EXACT, "cpu").passed


def test_dtype_and_shape():
    truth = exact_truth([1.0, 2.0], "float16")
    with pytest.raises(MismatchError, match="wrong dtype: the result is float32; it must be float16"):
        compare(of([1.0, 2.0]), truth, close(1), "cpu")
    with pytest.raises(MismatchError, match=r"wrong shape: the result has \(2, 1\); it must have \(2,\)"):
        compare(of([[1.0], [2.0]], "float16"), truth, close(1), "cpu")


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint32", "bool"])
def test_integers_are_exact(dtype):
    value = np.array([0, 1, 1], dtypes.BY_NAME[dtype])
    assert compare(value.copy(), Truth(value, dtype), EXACT, "cpu").passed
    wrong = value.copy()
    wrong[1] = 0
    metrics = compare(wrong, Truth(value, dtype), OPS["add"].tolerance[dtype], "cpu")
    assert not metrics.passed
    assert metrics.worst_index == (1,)


def test_integers_beyond_float64():
    value = np.array([2**63 - 1, 2**53 + 1], np.int64)
    assert not compare(value - [1, 0], Truth(value, "int64"), EXACT, "cpu").passed
    assert not compare(value - [0, 1], Truth(value, "int64"), EXACT, "cpu").passed
    assert not compare(
        np.array([4294967295], np.uint32), Truth(np.array([0], np.uint32), "uint32"), EXACT, "cpu"
    ).passed


# -- bounds ---------------------------------------------------------------------------------------------------------
def test_magnitude_scales_with_the_summands_not_with_the_sum():
    truth = Truth(np.array([0.0, 0.0]), "float32", magnitude=np.array([1000.0, 1.0]))
    assert compare(of([0.009, 0.0]), truth, Tolerance("magnitude", 1e-5), "cpu").passed
    failed = compare(of([0.0, 0.009]), truth, Tolerance("magnitude", 1e-5), "cpu")
    assert failed.worst_index == (1,)
    assert failed.bound_ratio == pytest.approx(900, rel=1e-3)
    with pytest.raises(ValueError, match="magnitude"):
        compare(of([0.0]), exact_truth([0.0]), Tolerance("magnitude", 1e-5), "cpu")


def test_slack_is_for_mlx_alone():
    truth = Truth(np.array([1.0]), "float32", mlx_slack=np.array([0.5]))
    x = of([1.4])
    assert compare(x, truth, close(1e-6), "mlx").passed
    assert not compare(x, truth, close(1e-6), "cpu").passed
    assert not compare(x, truth, close(1e-6), "metal").passed
    assert not compare(of([1.6]), truth, close(1e-6), "mlx").passed


def test_no_bound_is_below_the_rounding_of_the_truth_itself():
    """float16 subnormals are 6e-8 apart: 1e-3 of a sum of 1e-7 is less than half of that."""
    t, magnitude = np.array([1.3e-7]), np.array([1.3e-7])
    truth = Truth(t, "float16", magnitude=magnitude)
    assert compare(to_dtype(t, "float16"), truth, Tolerance("magnitude", 1e-3), "cpu").passed
    assert not compare(to_dtype(t + 6e-8, "float16"), truth, Tolerance("magnitude", 1e-3), "cpu").passed


def test_an_unknown_rule_is_an_error():
    with pytest.raises(ValueError, match="'relative' names no rule"):
        compare(of([0.0]), exact_truth([0.0]), Tolerance("relative", 1), "cpu")


def test_metrics_by_hand():
    metrics = compare(of([1.25, 2.0, 4.0, np.nan]), exact_truth([1.0, 2.0, 5.0, np.nan]), close(0.5), "cpu")
    assert (metrics.size, metrics.max_abs, metrics.max_rel) == (4, 1.0, 0.25)
    assert metrics.rms == pytest.approx(math.sqrt((0.25**2 + 1) / 4))
    assert metrics.bound_ratio == pytest.approx(1 / 3)
    assert metrics.worst_index == (2,)
    assert metrics.max_ulp == 2.0**21
    assert metrics.passed


def test_errors_near_the_largest_float32_do_not_overflow():
    metrics = compare(of([3e38, -3e38]), exact_truth([-3e38, 3e38]), close(1e-6), "cpu")
    assert math.isfinite(metrics.rms)
    assert metrics.rms == pytest.approx(6e38)


# -- attribution ----------------------------------------------------------------------------------------------------
T = np.linspace(1, 2, 100)
GOOD = T.astype(np.float32)
BAD = GOOD + np.float32(0.1)


def odd_one_out(results, truth, tolerance):
    def measured(name, result):
        try:
            return compare(result, truth, tolerance, name)
        except MismatchError:
            return None

    return attribute({name: measured(name, result) for name, result in results.items()}, truth)


@pytest.mark.parametrize("culprit", ["cpu", "mlx", "metal"])
def test_the_only_one_outside_its_bound_is_the_odd_one_out(culprit):
    results = {name: BAD if name == culprit else GOOD for name in ("cpu", "mlx", "metal")}
    assert odd_one_out(results, exact_truth(T), close(1e-6)) == culprit


def test_a_wrong_shape_or_dtype_is_odd_too():
    results = {"cpu": GOOD, "mlx": GOOD, "metal": GOOD[:-1]}
    assert odd_one_out(results, exact_truth(T), close(1e-6)) == "metal"
    assert odd_one_out({"cpu": GOOD.astype(np.float16), "mlx": GOOD}, exact_truth(T), close(1e-6)) == "cpu"


def test_no_single_culprit():
    truth, tolerance = exact_truth(T), close(1e-6)
    assert odd_one_out({"cpu": GOOD, "mlx": GOOD, "metal": GOOD}, truth, tolerance) is None
    assert odd_one_out({"cpu": BAD, "mlx": GOOD, "metal": BAD}, truth, tolerance) is None
    assert odd_one_out({"cpu": BAD}, truth, tolerance) is None
    assert odd_one_out({}, truth, tolerance) is None


def test_a_passing_result_far_less_accurate_than_the_others_stands_out():
    worse = GOOD + np.float32(1e-5)
    assert odd_one_out({"cpu": GOOD, "mlx": GOOD, "metal": worse}, exact_truth(T), close(1e-4)) == "metal"
    # One unit in the last place is no news, even where the others are correctly rounded.
    near = GOOD + np.float32(1.2e-7)
    assert odd_one_out({"cpu": GOOD, "mlx": GOOD, "metal": near}, exact_truth(T), close(1e-4)) is None
    # Nor is it where the truth needs no rounding, so that the others have no error at all.
    whole = np.arange(100.0)
    results = {"cpu": whole.astype(np.float32), "mlx": whole.astype(np.float32)}
    assert odd_one_out(results, exact_truth(whole), close(1e-4)) is None


def test_attribution_of_integers():
    value = np.arange(5)
    results = {"cpu": value, "mlx": value, "metal": value + 1}
    assert odd_one_out(results, Truth(value, "int64"), EXACT) == "metal"


def test_error_ratio():
    assert error_ratio(1.0, 2.0) == 0.5
    assert error_ratio(1.0, None) is None
    assert error_ratio(0.0, 0.0) is None
    assert error_ratio(0.0, 1.0) == 0.0
    assert error_ratio(1.0, 0.0) == math.inf
