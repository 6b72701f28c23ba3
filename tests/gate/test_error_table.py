"""The table of errors relative to MLX: what it pools, and what it leaves out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import perfect

from isometal.parity import errors
from isometal.parity.model import Truth
from isometal.parity.operands import Operands


def _evidence(op="softmax", **cases):
    facts = {
        name: dict(zip(("elements", "rms", "mlx_rms", "truth_rms"), values, strict=True))
        for name, values in cases.items()
    }
    return perfect.evidence(cells=(perfect.cell(op, "metal", "float32", "R", facts=facts),))


def test_cases_are_pooled_by_elements_in_units_of_their_truth():
    # The huge numbers of one case do not outweigh the other: in units of the truth both are off by 3 against 4.
    (row,) = errors.rows(_evidence(small=(10, 3e-8, 4e-8, 1.0), huge=(10, 3e30, 4e30, 1e38)))
    assert row.ratio is not None
    assert abs(row.ratio - 0.75) < 1e-12
    assert (row.cases, row.above) == (2, 0)


def test_a_draw_of_one_element_neither_decides_nor_hides():
    (row,) = errors.rows(_evidence(one=(1, 3e-8, 1e-8, 1.0), many=(9999, 1e-8, 1e-8, 1.0)))
    assert row.ratio is not None
    assert 1 < row.ratio < 1.001
    assert (row.above, row.worst) == (1, "one")
    assert abs(row.worst_ratio - 3) < 1e-12


def test_exact_results_have_no_ratio_and_no_line():
    found = _evidence(op="add", case=(10, 0.0, 0.0, 1.0))
    assert [row.ratio for row in errors.rows(found)] == [None]
    assert errors.markdown(found) == ""


def test_only_mlx_is_exact():
    found = _evidence(case=(10, 1e-8, 0.0, 1.0))
    (row,) = errors.rows(found)
    assert row.ratio == np.inf
    assert "| softmax | metal | float32 | 1 | inf | 1 | inf, case |" in errors.markdown(found)


def test_facts_have_the_scale_of_the_truth_or_of_its_sums():
    mine = replace(perfect.metrics(), size=4)
    plain = Operands([np.ones(4, np.float32)], {})
    truth = Truth(np.array([3.0, 4.0, np.nan, np.inf]), "float32")
    found = errors.facts(mine, mine, truth, plain)
    assert abs(found["truth_rms"] - np.sqrt(12.5)) < 1e-12
    sums = replace(truth, magnitude=np.full(4, 7.0))
    assert abs(errors.facts(mine, mine, sums, plain)["truth_rms"] - 7) < 1e-12
    assert errors.facts(mine, None, truth, plain) == {}


def test_where_subnormals_decide_there_are_no_facts():
    mine = perfect.metrics()
    ordinary = Truth(np.ones(4), "float32")
    small = Operands([np.array([1.0, 1e-40], np.float32)], {})
    assert errors.facts(mine, mine, ordinary, small) == {}
    fine = Operands([np.ones(2, np.float32)], {})
    assert errors.facts(mine, mine, Truth(np.full(4, 1e-33), "float32"), fine) == {}
    assert errors.facts(mine, mine, Truth(np.full(4, 1e-20), "float32"), fine)
