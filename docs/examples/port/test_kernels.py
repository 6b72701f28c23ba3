"""row_mean.metal against NumPy: no Mac needed."""

from pathlib import Path

import numpy as np
import pytest

from isometal.soft import Library, ValidationError

SOURCE = Path(__file__).parent / "kernels" / "row_mean.metal"
GUARD = 64  # elements behind the result that nobody may write to


@pytest.fixture(scope="module")
def library():
    return Library.open(SOURCE)


def run(kernel, x, threads, **schedule):
    """The kernel's result. It lands on NaN, and what lies behind it must still be NaN."""
    rows, columns = x.shape
    memory = np.full(rows + GUARD, np.nan, np.float32)
    before = x.copy()
    out = memory[:rows]
    size = {"grid": rows, "threadgroup": threads, "dispatch": "threadgroups"}
    kernel(x, out, columns, **size, **schedule)
    assert np.isnan(memory[rows:]).all(), "it wrote behind its result"
    assert (x == before).all(), "it wrote to its input"
    return out


@pytest.mark.parametrize("squares", [False, True])
@pytest.mark.parametrize("threads", [32, 96, 1024])
@pytest.mark.parametrize("shape", [(1, 1), (3, 31), (2, 33), (5, 1000), (7, 1025)])
def test_row_mean(library, shape, threads, squares):
    x = np.random.default_rng(0).standard_normal(shape, np.float32)
    kernel = library.kernel("row_mean", {"squares": squares})
    wide = x.astype(np.float64) ** (2 if squares else 1)  # the reference has no float32 in it
    expected = wide.mean(axis=1)
    bound = 1e-6 * np.abs(wide).mean(axis=1)
    assert (np.abs(run(kernel, x, threads) - expected) <= bound).all()


def test_no_race(library):
    """Threads in other orders give the same bits. Take out the barrier, and this fails."""
    x = np.random.default_rng(1).standard_normal((5, 1000), np.float32)
    kernel = library.kernel("row_mean", {"squares": False})
    expected = run(kernel, x, 256)
    for seed in range(20):
        shuffled = run(kernel, x, 256, mode="shuffled", seed=seed)
        assert (shuffled == expected).all(), f"seed {seed}: the order of threads shows"


def test_what_a_mac_refuses_is_refused(library):
    kernel = library.kernel("row_mean", {"squares": False})
    x, out = np.ones((2, 8), np.float32), np.zeros(2, np.float32)
    with pytest.raises(ValidationError, match="1024"):
        kernel(x, out, 8, grid=2, threadgroup=2048, dispatch="threadgroups")
