"""The op table is the single source of truth: facade, backends, checks, goldens and the native core agree with it."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import isometal as im
from isometal import check, ops, optable, selection
from isometal.backends.base import Backend
from isometal.optable import OPS
from isometal.parity import bench, cases, golden, unit

#: The matrix as the users' issue fixes it: label, category, function, required tests, gate.
FIXED = """
Add|Elementwise|add|U R|required
Sub|Elementwise|subtract|U R|required
Mul|Elementwise|multiply|U R|required
Div|Elementwise|divide|U R|required
Neg|Elementwise|negative|U R|required
MatMul|GEMM|matmul|U G R B|required
Silu|Activations|silu|U G R|required
Gelu|Activations|gelu|U G R|required
Softmax(axis=-1)|Softmax|softmax|U G R|required
Causal Mask|Masking|causal_mask|U G|required
RMSNorm|Norm|rms_norm|U G R B|required
LayerNorm|Norm|layer_norm|U G R B|required
RoPE|Positional|rope|U G R|required
Sum|Reduction|sum|U P R|optional
Mean|Reduction|mean|U P R|optional
Max|Reduction|max|U P R|optional
Reshape|Shape Ops|reshape|U P|optional
Transpose|Shape Ops|transpose|U P|optional
Broadcast|Shape Ops|broadcast_to|U P|optional
SDPA Block|Attention|scaled_dot_product_attention|Golden functional test, U R B|required
"""


def test_rows_labels_and_gates_are_the_fixed_ones() -> None:
    rows = [
        "|".join((op.label, op.category, op.name, op.required_tests, "required" if op.required else "optional"))
        for op in OPS.values()
    ]
    assert rows == FIXED.strip().splitlines()


def test_owes_names_known_kinds_and_sdpa_owes_its_golden() -> None:
    for op in OPS.values():
        assert set(op.owes) <= set(optable.KINDS)
        assert op.owes_text or op.required_tests.split() == list(op.owes)
    assert "G" in OPS["scaled_dot_product_attention"].owes


@pytest.mark.parametrize("op", OPS)
def test_the_facade_has_the_signature_and_a_full_docstring(op: str) -> None:
    function = getattr(im, op)
    assert function is getattr(ops, op)
    assert op in im.__all__
    signature = inspect.signature(function)
    plain = signature.replace(
        parameters=[p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()],
        return_annotation=inspect.Signature.empty,
    )
    assert str(plain) == OPS[op].signature
    assert signature.return_annotation == "Array"
    document = inspect.getdoc(function)
    assert document is not None
    for word in ("returns", "raises", "formula", *signature.parameters, "mlx."):
        assert re.search(rf"\b{re.escape(word)}", document), f"{op}: the docstring does not speak of {word}"


def test_the_facade_has_no_op_that_the_table_lacks() -> None:
    functions = {name for name, f in vars(ops).items() if inspect.isfunction(f) and f.__module__ == ops.__name__}
    assert functions == set(OPS)


def test_the_protocol_has_exactly_the_ops_besides_the_way_in_and_out() -> None:
    methods = {name for name in vars(Backend) if not name.startswith("_")}
    way = {"device", "from_numpy", "from_native", "to_numpy", "shape", "dtype", "astype", "getitem", "eval", "poison"}
    assert methods - way == set(OPS)


@pytest.mark.parametrize("name", optable.BACKENDS)
def test_backends_implement_the_protocol_with_its_parameters(name: str) -> None:
    reason = selection.unavailable(name)
    if reason is not None:
        pytest.skip(reason)
    backend = selection.get(name)
    assert backend.name == name
    for method in (m for m in vars(Backend) if not m.startswith("_")):
        assert callable(getattr(backend, method)), f"{name} lacks {method}"


@pytest.mark.parametrize("op", OPS)
def test_checks_cases_goldens_and_units_exist_for_every_op(op: str) -> None:
    for dtype in optable.PROOF_DTYPES:
        assert cases.cases(op, dtype, 1, "ci")
        assert set(cases.bench_cases(op, dtype)) == {"small", "medium", "large"}
        assert golden.checks(op, dtype, "cpu")
        assert unit.checks(op, dtype, "cpu")
        assert bench.checks(op, dtype, "cpu", 1)


def test_goldens_hold_exactly_the_ops() -> None:
    manifest = json.loads((golden.directory() / "manifest.json").read_text())
    named = {Path(name).stem for name in manifest["files"]}
    assert named == {*OPS, "attention_block"}


def test_the_native_core_holds_exactly_the_dtypes_of_the_table() -> None:
    from isometal import _core

    for dtype in optable.ALL_DTYPES:
        assert _core.empty((2, 3), dtype).dtype == dtype
    for dtype in ("float64", "complex64", "int8", "float"):
        with pytest.raises(TypeError, match="supported: "):
            _core.empty((2, 3), dtype)


def test_tolerances_are_those_of_the_semantics() -> None:
    """OPS.md's table, typed again on purpose: widening one must show up here."""
    expected = {
        "exact": ("add subtract multiply negative reshape transpose broadcast_to max causal_mask", (0, 0, 0)),
        "ulp": ("divide", (1, 1, 1)),
        "close": ("silu gelu softmax rms_norm rope", (1e-6, 1e-3, 1e-2)),
        "close layer": ("layer_norm", (1e-5, 5e-3, 5e-2)),
        "close attention": ("scaled_dot_product_attention", (1e-5, 1e-3, 5e-3)),
        "magnitude": ("sum mean matmul", (1e-5, 1e-3, 1e-2)),
    }
    seen = []
    for rule, (names, values) in expected.items():
        for name in names.split():
            seen.append(name)
            for dtype, value in zip(optable.FLOATING, values, strict=True):
                assert OPS[name].tolerance[dtype] == optable.Tolerance(rule.split()[0], value), (name, dtype)
            for dtype in ("int32", "int64", "uint32", "bool"):
                assert OPS[name].tolerance[dtype].rule == "exact"
    assert sorted(seen) == sorted(OPS)


def test_table_hash_changes_with_any_row() -> None:
    before = optable.table_hash()
    assert re.fullmatch(r"[0-9a-f]{64}", before)
    assert before == optable.table_hash()
    first = next(iter(OPS.values()))
    for change in ({"required": not first.required}, {"owes": ("U",)}, {"tolerance": OPS["divide"].tolerance}):
        import dataclasses

        assert optable.asdict_row(dataclasses.replace(first, **change)) != optable.asdict_row(first)


def test_the_table_needs_the_standard_library_only() -> None:
    script = (
        "import importlib.util, sys; before = set(sys.modules);"
        f"s = importlib.util.spec_from_file_location('t', {str(Path(optable.__file__))!r});"
        "m = importlib.util.module_from_spec(s); sys.modules['t'] = m; s.loader.exec_module(m);"
        "assert not {'numpy', 'ml_dtypes'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-S", "-c", script], check=True)


def test_check_holds_no_arithmetic_on_values() -> None:
    """Errors must not depend on the backend, so the check layer imports none."""
    source = Path(check.__file__).read_text()
    assert not re.search(r"import .*backends\.(cpu|mlx|metal)", source)
    assert "mlx" not in {name.partition(".")[0] for name in vars(check)}


def test_import_is_light() -> None:
    """`import isometal` loads no CLI, test or FFI package: they would cost every user who only computes."""
    script = (
        "import sys, isometal; heavy = {'rich', 'typer', 'hypothesis', 'jsonschema', 'mlx', 'safetensors', 'pytest'};"
        "found = heavy & {name.partition('.')[0] for name in sys.modules}; assert not found, found"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    assert np.dtype("float32") is im.float32
