"""Value classes: every name gives every dtype what it promises, from the generator alone."""

from __future__ import annotations

import numpy as np
import pytest

from isometal import dtypes
from isometal.errors import DTypeError
from isometal.optable import ALL_DTYPES, FLOATING
from isometal.parity import values
from isometal.parity.rounding import FORMATS

SHAPES = ((), (0,), (1,), (5, 7), (3, 0, 2), (2, 3, 4, 5))


def fill(name, shape, dtype, seed=0):
    return values.fill(name, shape, dtype, np.random.default_rng(seed))


@pytest.mark.parametrize("name", values.NAMES)
@pytest.mark.parametrize("dtype", ALL_DTYPES)
def test_shape_dtype_and_determinism(name, dtype):
    for shape in SHAPES:
        if name == "causal" and len(shape) < 2:
            continue
        made = fill(name, shape, dtype)
        assert made.shape == shape
        assert made.dtype == dtypes.BY_NAME[dtype]
        assert made.flags.c_contiguous
        assert made.tobytes() == fill(name, shape, dtype).tobytes()


@pytest.mark.parametrize("name", ["normal", "uniform", "huge", "denormal", "special", "extremes", "ties", "mask"])
def test_the_seed_matters(name):
    assert fill(name, (6, 9), "float32").tobytes() != fill(name, (6, 9), "float32", seed=1).tobytes()


def test_an_unknown_name_is_an_error_that_lists_the_names():
    with pytest.raises(
        ValueError, match=r"'gaussian' names no class of values; choose one of normal, .*causal"
    ) as info:
        fill("gaussian", (3,), "float32")
    assert all(name in str(info.value) for name in values.NAMES)


def test_an_unsupported_dtype_is_an_error():
    with pytest.raises(DTypeError):
        fill("normal", (3,), "complex64")


@pytest.mark.parametrize("dtype", FLOATING)
class TestFloating:
    def get(self, name, dtype, shape=(40, 50)):
        return fill(name, shape, dtype).astype(np.float64)

    def test_ranges(self, dtype):
        form = FORMATS[dtype]
        for name, low, high in (
            ("uniform", 0, 1),
            ("positive", 0.25, 4),
            ("tiny", form.smallest_normal, 8 * form.smallest_normal),
            ("huge", form.max / 4, form.max),
            ("big", form.max / 8, form.max / 2),
            ("denormal", form.smallest_subnormal, form.smallest_normal * (1 - 2.0**-form.precision)),
        ):
            size = np.abs(self.get(name, dtype))
            assert size.min() >= low, name
            assert size.max() <= high, name

    def test_both_signs(self, dtype):
        for name in ("normal", "spread", "wide", "tiny", "huge", "large", "denormal", "zeros", "ties", "alternating"):
            signs = np.signbit(self.get(name, dtype))
            assert signs.any(), name
            assert not signs.all(), name

    def test_zeros_and_ones(self, dtype):
        assert (self.get("zeros", dtype) == 0).all()
        assert (self.get("ones", dtype) == 1).all()

    def test_special_holds_each_special_value(self, dtype):
        x, form = self.get("special", dtype, (7, 11)), FORMATS[dtype]
        assert np.isnan(x).any()
        for value in (np.inf, -np.inf, form.max, -form.max, form.smallest_normal, -form.smallest_normal):
            assert (x == value).any(), value
        assert ((x == 0) & np.signbit(x)).any()
        assert ((x == 0) & ~np.signbit(x)).any()

    def test_nonfinite_leaves_most_rows_finite(self, dtype):
        x = self.get("nonfinite", dtype, (9, 67))
        assert np.isnan(x).any()
        assert (x == np.inf).any()
        assert (x == -np.inf).any()
        assert np.isfinite(x).all(axis=1).sum() >= 6

    def test_sums_of_ties_land_halfway(self, dtype):
        x, y = self.get("ties", dtype), fill("ties", (40, 50), dtype, seed=1).astype(np.float64)
        spacing = 2.0 ** (1 - FORMATS[dtype].precision)
        total = np.abs(x + y)
        units = total[(total > 1) & (total < 2)] / spacing
        assert (units % 1 == 0.5).sum() > 20
        assert np.unique(x).size < 20

    def test_large_squares_sum_within_float32(self, dtype):
        x = self.get("large", dtype)
        assert np.sum(x * x) < FORMATS["float32"].max
        assert np.abs(x).sum() < FORMATS[dtype].max

    def test_alternating_cancels(self, dtype):
        x = self.get("alternating", dtype)
        assert abs(x.sum()) < 1e-2 * np.abs(x).sum()

    def test_offset_has_a_mean_far_from_its_deviation(self, dtype):
        x = self.get("offset", dtype)
        assert 99 < x.mean() < 101
        assert 0.8 < x.std() < 1.3

    def test_ramp_is_exact_and_tells_neighbours_apart(self, dtype):
        x = self.get("ramp", dtype, (10, 51))
        assert np.array_equal(x.ravel(), np.arange(510) % 251 - 125)

    def test_masks(self, dtype):
        for name, dead in (("mask", 0), ("dead-rows", 3), ("neginf-rows", 3)):
            x = self.get(name, dtype, (9, 12))
            hidden = x == -np.inf
            assert hidden.any()
            assert hidden.all(axis=1).sum() == dead, name
        assert set(np.unique(self.get("mask", dtype))) == {-np.inf, 0.0}

    def test_causal_is_aligned_to_the_end(self, dtype):
        lowest = -FORMATS[dtype].max
        assert self.get("causal", dtype, (2, 3)).tolist() == [[0, 0, lowest], [0, 0, 0]]


def test_bool_masks_are_true_where_the_additive_ones_are_zero():
    for name in ("mask", "dead-rows"):
        seen = fill(name, (9, 12), "bool")
        assert np.array_equal(seen, fill(name, (9, 12), "float32") == 0)


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint32"])
def test_integer_extremes_hold_the_limits_and_wrap(dtype):
    x = fill("extremes", (20, 20), dtype)
    info = np.iinfo(dtype)
    assert (x == info.min).any()
    assert (x == info.max).any()
    doubled = np.array([int(a) + int(a) for a in x.ravel()], dtype=object)
    assert any(not info.min <= total <= info.max for total in doubled)


def test_ramp_of_integers_is_the_index():
    assert fill("ramp", (3, 4), "int64").tolist() == np.arange(12).reshape(3, 4).tolist()
