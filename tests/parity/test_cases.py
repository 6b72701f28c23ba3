"""The cases: complete, unique, deterministic, and no layout, value class or parameter left out."""

from __future__ import annotations

import json
import re
import time
from dataclasses import asdict

import numpy as np
import pytest

from isometal import dtypes
from isometal.optable import FLOATING, OPS
from isometal.parity import values
from isometal.parity.cases import PROFILES, bench_cases, cases
from isometal.parity.model import LAYOUTS, ArraySpec
from isometal.parity.operands import materialise
from isometal.parity.truth import truth

CELLS = [(op, dtype) for op, row in OPS.items() for dtype in row.dtypes]


def specs(case):
    return [x for x in (*case.inputs, *case.params.values()) if isinstance(x, ArraySpec)]


def all_cases(op, dtype="float32", profile="ci"):
    return cases(op, dtype, 0, profile)


@pytest.mark.parametrize(("op", "dtype"), CELLS)
def test_names_are_unique_safe_and_the_same_each_time(op, dtype):
    found = cases(op, dtype, 7, "deep")
    names = [case.name for case in found]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z0-9x._+-]+", name) for name in names)
    assert all(case.op == op and case.dtype == dtype and case.seed == 7 for case in found)
    assert found == cases(op, dtype, 7, "deep")


@pytest.mark.parametrize(("op", "dtype"), CELLS)
def test_deep_is_a_strict_superset(op, dtype):
    ci, deep = cases(op, dtype, 3, "ci"), cases(op, dtype, 3, "deep")
    by_name = {case.name: case for case in deep}
    assert all(by_name[case.name] == case for case in ci)
    assert len(deep) > len(ci) >= 18


def test_a_dtype_that_the_op_does_not_take_has_no_cases():
    assert cases("matmul", "int32", 0, "ci") == ()
    assert cases("negative", "bool", 0, "ci") == ()


def test_an_unknown_profile_is_an_error():
    with pytest.raises(ValueError, match="'nightly' names no profile; choose one of ci, deep"):
        cases("add", "float32", 0, "nightly")
    assert PROFILES == ("ci", "deep")


@pytest.mark.parametrize(("op", "dtype"), CELLS)
def test_every_case_has_a_truth_of_a_dtype_with_a_tolerance(op, dtype):
    for case in cases(op, dtype, 1, "ci"):
        found = truth(case, materialise(case))
        assert found.dtype in OPS[op].tolerance
        floating = found.dtype in FLOATING
        assert found.value.dtype == (np.float64 if floating else dtypes.BY_NAME[found.dtype]), case.id
        for companion in (found.magnitude, found.mlx_slack):
            assert companion is None or companion.shape == found.value.shape, case.id
        if floating and OPS[op].tolerance[found.dtype].rule == "magnitude":
            assert found.magnitude is not None
        if found.mlx_slack is not None:
            assert np.isfinite(found.mlx_slack).all(), case.id
            assert (found.mlx_slack >= 0).all(), case.id


@pytest.mark.parametrize("op", [op for op in OPS if op != "causal_mask"])
def test_every_layout_is_used_at_every_operand_position(op):
    used = {}
    for case in all_cases(op):
        for position, operand in enumerate(case.inputs):
            if isinstance(operand, ArraySpec):
                used.setdefault(position, set()).add(operand.layout)
    expected = 3 if op in ("layer_norm", "scaled_dot_product_attention") else len(used)
    assert len(used) == expected
    for position, layouts in used.items():
        assert layouts == set(LAYOUTS), position


@pytest.mark.parametrize(
    ("op", "parameter"), [("rope", "offset"), ("rope", "freqs"), ("scaled_dot_product_attention", "mask")]
)
def test_array_parameters_are_met_in_every_layout(op, parameter):
    given = [case.params.get(parameter) for case in all_cases(op)]
    assert {spec.layout for spec in given if isinstance(spec, ArraySpec)} == set(LAYOUTS)


#: Value classes that an op cannot meet, and why.
NOT_FOR = {
    "masks and rope parameters": {"positions", "frequencies", "mask", "dead-rows", "causal", "neginf-rows"},
    "squares or partial sums overflow float32": {"huge", "wide", "special", "extremes", "big"},
    "products far from 1 cancel beyond an absolute tolerance": {"large", "spread", "ramp", "alternating", "offset"},
}
_MASKS, _OVERFLOW, _FAR = NOT_FOR.values()
EXCLUDED = {
    "matmul": _MASKS | (_OVERFLOW - {"huge"}),
    "rms_norm": _MASKS | _OVERFLOW,
    "layer_norm": _MASKS | _OVERFLOW,
    "sum": _MASKS | _OVERFLOW,
    "mean": _MASKS | _OVERFLOW,
    "rope": (_MASKS | _OVERFLOW | _FAR) - {"positions", "frequencies"},
    "scaled_dot_product_attention": (_OVERFLOW | _FAR | {"positions", "frequencies", "neginf-rows"})
    - {"spread", "offset"},
    "softmax": {"positions", "frequencies", "causal", "big"},
    "max": (_MASKS | {"positive", "offset", "big"}) - {"neginf-rows"},
    **{op: _MASKS | {"big"} for op in ("add", "subtract", "multiply", "divide", "negative", "silu")},
    "gelu": _MASKS,
}
#: The shape ops move values: those that a copy could spoil are enough.
MOVED = {"normal", "ramp", "special", "extremes", "denormal", "zeros"}


@pytest.mark.parametrize("op", [op for op in OPS if op != "causal_mask"])
@pytest.mark.parametrize("dtype", FLOATING)
def test_every_value_class_is_used_that_makes_sense(op, dtype):
    used = {spec.values for case in all_cases(op, dtype) for spec in specs(case)}
    wanted = MOVED if OPS[op].family == "copy" else set(values.NAMES) - EXCLUDED[op]
    assert wanted - used == set()


@pytest.mark.parametrize(
    ("op", "parameter", "expected"),
    [
        ("gelu", "approx", {"none", "tanh", "precise", "fast"}),
        ("softmax", "axis", {0, 1, -1, -2, None, (0, 2), (-1, 0), (1, 2), ()}),
        ("softmax", "precise", {True}),
        ("sum", "axis", {None, 0, 1, -1, (0, 1), (0, 2), (1, -1), (0, 1, 2), ()}),
        ("sum", "keepdims", {True, False}),
        ("mean", "axis", {None, 0, 1, -1, (0, 1), (0, 2), (0, 1, 2), ()}),
        ("max", "axis", {None, 0, 1, -1, (0, 1), (0, 2), (0, 1, 2), ()}),
        ("rope", "traditional", {True, False}),
        ("rope", "offset", {1, 7, 1000, 100_000, 999_991}),
        ("rope", "base", {10.0, 500_000.0, 1e6}),
        ("rope", "scale", {0.5, 0.25, 2.0}),
        ("rms_norm", "eps", {0.0, 1e-12, 1e-6, 1e-3, 1.0}),
        ("layer_norm", "eps", {0.0, 1e-12, 1e-6, 1e-3, 1.0}),
        ("scaled_dot_product_attention", "mask", {"causal"}),
        ("causal_mask", "q_len", {0, 1, 64, 127}),
        ("causal_mask", "kv_len", {0, 1, 64, 129}),
        ("transpose", "axes", {(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0), (-1, 0, -2)}),
    ],
)
def test_every_parameter_is_varied(op, parameter, expected):
    found = [case.params[parameter] for case in all_cases(op) if parameter in case.params]
    used = {value for value in found if not isinstance(value, ArraySpec)}
    assert {(type(v), v) for v in expected} <= {(type(v), v) for v in used}
    if parameter != "q_len":
        assert len(found) < len(all_cases(op)), "no case leaves it to its default"


def test_attention_meets_the_traps():
    shapes = [(c.inputs[0].shape, c.inputs[1].shape, c.inputs[2].shape, c.params.get("mask"))
              for c in all_cases("scaled_dot_product_attention")]  # fmt: skip
    assert {q[1] // k[1] for q, k, _, _ in shapes} >= {1, 2, 3, 4}
    assert {q[3] for q, *_ in shapes} >= {32, 40, 64, 80, 128, 256}
    assert any(v[3] != q[3] for q, _, v, _ in shapes)
    assert any(q[2] == 1 and mask == "causal" for q, _, _, mask in shapes)
    assert any(q[2] > k[2] > 0 and mask == "causal" for q, k, _, mask in shapes)
    assert any(1 < q[2] < k[2] and mask == "causal" for q, k, _, mask in shapes)
    assert any(k[2] == 0 < q[2] for q, k, _, _ in shapes)
    masks = {(m.dtype, m.values, len(m.shape)) for *_, m in shapes if isinstance(m, ArraySpec)}
    assert {
        ("bool", "dead-rows", 2),
        ("float32", "dead-rows", 2),
        ("bool", "mask", 4),
        ("float32", "normal", 0),
    } <= masks


def test_matmul_meets_tile_edges_and_empty_operands():
    pairs = [(c.inputs[0].shape, c.inputs[1].shape) for c in all_cases("matmul")]
    two = [(a[0], a[1], b[1]) for a, b in pairs if len(a) == len(b) == 2]
    for position in range(3):
        assert {size[position] for size in two} >= {0, 1, 31, 32, 33, 64, 65, 128}
    assert {m for m, _, _ in two} >= {127, 129}
    assert {(len(a), len(b)) for a, b in pairs} >= {(1, 1), (1, 2), (2, 1), (1, 3), (4, 1), (3, 2), (2, 3), (5, 4)}


def test_elementwise_meets_scalars_and_mixed_dtypes():
    found = all_cases("add")
    assert {type(x) for case in found for x in case.inputs} == {ArraySpec, int, float, bool}
    mixed = {x.dtype for case in found for x in case.inputs if isinstance(x, ArraySpec)}
    assert mixed == set(OPS["add"].dtypes)


def test_sizes_stay_small():
    """The budget of the profile ci: few cases beyond 10^5 elements, none beyond 2 * 10^6."""
    for op, dtype in CELLS:
        sizes = [sum(int(np.prod(spec.shape)) for spec in specs(case)) for case in cases(op, dtype, 0, "ci")]
        assert max(sizes) <= 2_200_000
        assert sum(size > 100_000 for size in sizes) <= 4, (op, dtype)


def test_cases_are_made_fast():
    """Collecting tests makes every case; it must not be felt."""
    start = time.process_time()
    count = sum(len(cases(op, dtype, 0, "ci")) for op, dtype in CELLS)
    assert count > 3000
    assert (time.process_time() - start) / count < 1e-3


def test_cases_are_plain_data():
    for op, dtype in CELLS:
        for case in cases(op, dtype, 0, "deep"):
            plain = asdict(case)
            json.dumps(plain)
            for spec in specs(case):
                assert spec.values in values.NAMES
                assert spec.layout in LAYOUTS
                assert spec.dtype in dtypes.BY_NAME


@pytest.mark.parametrize(("op", "dtype"), CELLS)
def test_bench_cases_are_three_sizes_of_the_same_call(op, dtype):
    found = bench_cases(op, dtype)
    assert list(found) == ["small", "medium", "large"]
    sizes = []
    for case in found.values():
        assert all(spec.layout == "contiguous" and spec.values == "normal" for spec in specs(case))
        nbytes = sum(int(np.prod(s.shape)) * dtypes.BY_NAME[s.dtype].itemsize for s in specs(case))
        assert nbytes < 200e6
        sizes.append(nbytes + case.params.get("q_len", 0))
    assert sizes == sorted(set(sizes))


def test_bench_cases_of_a_dtype_that_the_op_does_not_take():
    assert bench_cases("matmul", "int32") == {}
