"""The matrix as a truth table: what ran decides the colour, and nothing else does."""

from __future__ import annotations

import dataclasses
import xml.etree.ElementTree as ElementTree

import perfect
import pytest

from isometal.optable import ALL_DTYPES, BACKENDS, KINDS, OPS, PROOF_DTYPES
from isometal.parity import matrix, svg
from isometal.parity.evidence import AttentionResult, BackendInfo, Failure, Selected
from isometal.parity.matrix import State

UNAVAILABLE = BackendInfo(available=False, reason="[metal] no kernels yet")


def state(evidence, op="matmul", backend="mlx"):
    (cell,) = [row.cells[backend] for row in matrix.rows(OPS, evidence) if row.op.name == op]
    return cell


def with_cell(evidence=None, **changes):
    """Perfect evidence in which the cell (matmul, mlx, float16, R) has ``changes``; none drops it."""
    evidence = evidence or perfect.evidence()
    key = ("matmul", "mlx", "float16", "R")
    kept = [dataclasses.replace(c, **changes) if c.key == key else c for c in evidence.cells]
    return dataclasses.replace(evidence, cells=tuple(c for c in kept if changes or c.key != key))


def selected(evidence, **changes):
    return dataclasses.replace(evidence, selection=dataclasses.replace(evidence.selection, **changes))


def without_metal(evidence):
    cells = tuple(cell for cell in evidence.cells if cell.backend != "metal")
    blocks = tuple(block for block in evidence.attention_block if block.backend != "metal")
    backends = {**evidence.backends, "metal": UNAVAILABLE}
    return dataclasses.replace(evidence, cells=cells, attention_block=blocks, backends=backends)


def test_perfect_evidence_proves_every_cell():
    for row in matrix.rows(OPS, perfect.evidence()):
        assert {cell.state for cell in row.cells.values()} == {State.PROVED}
        assert all(cell.reasons == () and cell.cases >= 6 for cell in row.cells.values())


NO_CASES = {"cases": 0, "passed": 0, "worst": None}


@pytest.mark.parametrize(
    ("changes", "expected", "reason"),
    [
        ({"passed": 2, "failed": 1}, State.FAILED, "float16 R: 1 of 3 failed"),
        ({"passed": 2, "failed": 1, "not_run": 1}, State.FAILED, "float16 R: 1 of 3 failed"),
        (NO_CASES, State.FAILED, "float16 R: zero cases"),
        ({}, State.FAILED, "float16 R: zero cases"),
        ({"not_run": 1, "reasons": ("no MLX",)}, State.NOT_RUN, "float16 R: 1 not run: no MLX"),
        ({**NO_CASES, "not_run": 2, "reasons": ("no MLX",)}, State.NOT_RUN, "float16 R: 2 not run: no MLX"),
        ({"passed": 2}, State.FAILED, "float16 R: the counts do not add up"),
        ({"not_run": -1}, State.FAILED, "float16 R: the counts do not add up"),
    ],
)
def test_one_kind_of_one_dtype_decides_the_cell(changes, expected, reason):
    cell = state(with_cell(**changes))
    assert (cell.state, cell.reasons) == (expected, (reason,))
    assert state(with_cell(**changes), backend="cpu").state is State.PROVED, "the other column is unharmed"


@pytest.mark.parametrize("kind", OPS["matmul"].owes)
@pytest.mark.parametrize("dtype", PROOF_DTYPES)
def test_every_owed_kind_and_proof_dtype_is_needed(kind, dtype):
    evidence = perfect.evidence()
    kept = tuple(c for c in evidence.cells if c.key != ("matmul", "mlx", dtype, kind))
    assert state(dataclasses.replace(evidence, cells=kept)).state is State.FAILED


@pytest.mark.parametrize(("dtype", "kind"), [("int32", "R"), ("float32", "P")])
def test_other_dtypes_and_kinds_count_once_they_ran(dtype, kind):
    for outcome, expected in (
        ({}, State.PROVED),
        ({"failed": 1}, State.FAILED),
        ({"not_run": 1, "reasons": ("?",)}, State.NOT_RUN),
        ({"passed": 0}, State.FAILED),
    ):
        evidence = perfect.evidence()
        extra = perfect.cell("add", "mlx", dtype, kind, **outcome)
        assert state(dataclasses.replace(evidence, cells=(*evidence.cells, extra)), op="add").state is expected


@pytest.mark.parametrize(
    ("selection", "reason"),
    [
        ({"backends": ("cpu",)}, "backend mlx not selected"),
        ({"ops": ("add",)}, "op not selected"),
        ({"kinds": ("U", "G")}, "kind R, B not selected"),
        ({"dtypes": ("float32", "int32")}, "float16, bfloat16 not selected"),
        ({"only": "odd"}, "only the checks with 'odd' in their id were run"),
    ],
)
def test_what_was_not_selected_is_not_run_never_green_and_never_red(selection, reason):
    evidence = selected(perfect.evidence(), **selection)
    assert state(evidence).state is State.NOT_RUN
    assert state(evidence).reasons == (reason,)


def test_a_failure_is_red_whatever_was_selected():
    evidence = selected(with_cell(passed=2, failed=1), kinds=("R",), only="odd")
    assert state(evidence).state is State.FAILED


def test_a_backend_that_cannot_run_is_not_run_with_its_reason():
    evidence = without_metal(perfect.evidence())
    for op in OPS:
        cell = state(evidence, op, "metal")
        assert (cell.state, cell.reasons) == (State.NOT_RUN, ("[metal] no kernels yet",))


def test_results_of_a_backend_that_could_not_run_prove_nothing():
    evidence = perfect.evidence()
    evidence = dataclasses.replace(evidence, backends={**evidence.backends, "metal": UNAVAILABLE})
    assert state(evidence, backend="metal").state is State.NOT_RUN


def test_a_backend_that_the_evidence_does_not_know_is_not_run():
    evidence = without_metal(perfect.evidence())
    evidence = dataclasses.replace(evidence, backends={"cpu": evidence.backends["cpu"]})
    assert state(evidence, backend="metal").reasons == ("the evidence says nothing about metal",)


def test_an_interrupted_run_leaves_gaps_not_failures():
    evidence = with_cell(perfect.evidence(complete=False))
    assert state(evidence).state is State.NOT_RUN
    assert state(evidence).reasons == ("float16 R: interrupted before it ran",)
    assert state(evidence, "add").state is State.PROVED


def test_a_declared_gap_is_unsupported_unless_something_ran():
    evidence = perfect.evidence()
    info = dataclasses.replace(evidence.backends["metal"], unsupported={"rope": "no kernel"})
    evidence = dataclasses.replace(evidence, backends={**evidence.backends, "metal": info})
    assert state(evidence, "rope", "metal").state is State.PROVED
    kept = tuple(c for c in evidence.cells if (c.op, c.backend) != ("rope", "metal"))
    cell = state(dataclasses.replace(evidence, cells=kept), "rope", "metal")
    assert (cell.state, cell.reasons) == (State.UNSUPPORTED, ("no kernel",))


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (None, State.FAILED),
        ((0, 0, 0, 0), State.FAILED),
        ((2, 1, 1, 0), State.FAILED),
        ((2, 2, 0, 1), State.NOT_RUN),
        ((2, 2, 0, 0), State.PROVED),
    ],
)
def test_the_sdpa_row_owes_the_attention_block(block, expected):
    evidence = perfect.evidence()
    blocks = [b for b in evidence.attention_block if (b.backend, b.dtype) != ("mlx", "float16")]
    if block is not None:
        blocks.append(AttentionResult("mlx", "float16", *block))
    evidence = dataclasses.replace(evidence, attention_block=tuple(blocks))
    assert state(evidence, matrix.ATTENTION_OP).state is expected
    assert state(evidence, matrix.ATTENTION_OP, "cpu").state is State.PROVED


# -- verdict: the exit code of a run --------------------------------------------------------------------------------


def verdict(evidence, due=("cpu", "mlx")):
    return matrix.verdict(OPS, evidence, due)


def test_a_run_is_judged_by_what_was_due_in_it():
    assert verdict(without_metal(perfect.evidence())).exit_code == 0
    assert verdict(without_metal(perfect.evidence()), BACKENDS).exit_code == 2
    assert verdict(with_cell(passed=2, failed=1)).exit_code == 1
    assert verdict(with_cell()).exit_code == 1, "zero cases is a failure"
    assert verdict(with_cell(not_run=1, reasons=("no MLX",))).exit_code == 2
    assert verdict(with_cell(passed=2, failed=1), ("cpu",)).exit_code == 0


def test_a_failure_outweighs_what_could_not_run():
    evidence = without_metal(with_cell(passed=2, failed=1))
    assert verdict(evidence, BACKENDS).exit_code == 1


def test_a_partial_run_can_pass_although_no_cell_is_proved():
    evidence = perfect.evidence()
    part = tuple(c for c in evidence.cells if (c.op, c.backend, c.kind, c.dtype) == ("add", "cpu", "U", "float32"))
    assert len(part) == 1
    evidence = dataclasses.replace(
        evidence, cells=part, attention_block=(), selection=Selected(("cpu",), ("add",), ("U",), ("float32",))
    )
    assert verdict(evidence, ("cpu",)).exit_code == 0
    assert state(evidence, "add", "cpu").state is State.NOT_RUN
    assert verdict(dataclasses.replace(evidence, cells=()), ("cpu",)).exit_code == 1


def test_single_checks_are_judged_alone():
    evidence = selected(with_cell(), only="odd")
    assert verdict(evidence).exit_code == 0
    assert verdict(selected(with_cell(passed=2, failed=1), only="odd")).exit_code == 1


# -- renderers ----------------------------------------------------------------------------------------------------

MARKDOWN = """\
| Op Category | Operation | CPU | FFI | Metal | Required Tests | Default Gate |
| --- | --- | :---: | :---: | :---: | --- | --- |
| Elementwise | Add | ✅ | ✅ | ⬜ | U R | ✅ Required |
| Elementwise | Sub | ✅ | ✅ | ⬜ | U R | ✅ Required |
| Elementwise | Mul | ✅ | ✅ | ⬜ | U R | ✅ Required |
| Elementwise | Div | ✅ | ✅ | ⬜ | U R | ✅ Required |
| Elementwise | Neg | ✅ | ✅ | ⬜ | U R | ✅ Required |
| GEMM | MatMul | ✅ | ❌ | ⬜ | U G R B | ✅ Required |
| Activations | Silu | ✅ | ✅ | ⬜ | U G R | ✅ Required |
| Activations | Gelu | ✅ | ✅ | ⬜ | U G R | ✅ Required |
| Softmax | Softmax(axis=-1) | ✅ | ✅ | ⬜ | U G R | ✅ Required |
| Masking | Causal Mask | ✅ | ✅ | ⬜ | U G | ✅ Required |
| Norm | RMSNorm | ✅ | ✅ | ⬜ | U G R B | ✅ Required |
| Norm | LayerNorm | ✅ | ✅ | ⬜ | U G R B | ✅ Required |
| Positional | RoPE | ✅ | ✅ | ⬜ | U G R | ✅ Required |
| Reduction | Sum | ✅ | ✅ | ⬜ | U P R | ⚠ Optional |
| Reduction | Mean | ✅ | ✅ | ⬜ | U P R | ⚠ Optional |
| Reduction | Max | ✅ | ✅ | ⬜ | U P R | ⚠ Optional |
| Shape Ops | Reshape | ✅ | ✅ | ⬜ | U P | ⚠ Optional |
| Shape Ops | Transpose | ✅ | ✅ | ⬜ | U P | ⚠ Optional |
| Shape Ops | Broadcast | ✅ | ✅ | ⬜ | U P | ⚠ Optional |
| Attention | SDPA Block | ✅ | ✅ | ⬜ | Golden functional test, U R B | ✅ Required |
"""


def half():
    evidence = without_metal(with_cell(passed=2, failed=1, failures=(Failure("x", "y"),)))
    return matrix.rows(OPS, evidence), evidence


def test_markdown_has_exactly_the_shape_of_the_golden():
    rows, _ = half()
    assert matrix.markdown_table(rows) == MARKDOWN


def test_markdown_says_devices_and_reasons():
    rows, evidence = half()
    text = matrix.markdown(rows, evidence)
    assert text.startswith(MARKDOWN)
    assert "- Metal: not run: \\[metal\\] no kernels yet\n" in text
    assert "- CPU: Apple M4 Max (host-cpu), macOS-15.5-arm64\n" in text
    assert "- FFI ❌ float16 R: 1 of 3 failed: MatMul\n" in text
    assert "seed 0, profile ci" in text


def test_a_software_device_is_called_software_whatever_its_name():
    device = {"kind": "software", "name": "Apple M4 Max", "family": "apple9", "os": "Linux"}
    evidence = perfect.evidence(device)
    assert ("Metal", "software device: Apple M4 Max (software), Linux") in matrix.devices(evidence)
    assert "software device: Apple M4 Max" in svg.render(matrix.rows(OPS, evidence), evidence)


def test_the_terminal_table_counts_what_is_proved():
    import io

    from rich.console import Console

    rows, _ = half()
    out = io.StringIO()
    Console(file=out, width=110).print(matrix.rich_table(rows))
    text = out.getvalue()
    assert text.split()[-4:] == ["proved", "20/20", "19/20", "0/20"]
    assert all(op.label in text for op in OPS.values())


HOSTILE = "<script>alert(1)</script> | \x1b[31m\x00\n`[x](y)` \ufffe & \"'"


def test_text_from_evidence_cannot_break_out_of_any_rendering():
    evidence = without_metal(perfect.evidence())
    info = dataclasses.replace(UNAVAILABLE, reason=HOSTILE)
    evidence = dataclasses.replace(
        evidence, backends={**evidence.backends, "metal": info}, profile="<b>", created="</text><x>"
    )
    rows = matrix.rows(OPS, evidence)
    text = matrix.markdown(rows, evidence)
    assert "<script>" not in text
    assert "\x1b" not in text
    picture = svg.render(rows, evidence)
    root = ElementTree.fromstring(picture)
    assert not [node for node in root.iter() if node.tag.endswith("script")]


SVG = "{http://www.w3.org/2000/svg}"


def test_the_picture_has_a_titled_mark_for_every_cell():
    rows, evidence = half()
    root = ElementTree.fromstring(svg.render(rows, evidence))
    titles = [group.find(f"{SVG}title").text for group in root.iter(f"{SVG}g")]
    for row in rows:
        for backend, label in (("cpu", "CPU"), ("mlx", "FFI"), ("metal", "Metal")):
            expected = f"{row.op.label} on {label}: {row.cells[backend].state.value}."
            assert sum(title.startswith(expected) for title in titles) == 1
    assert titles[-4:] == ["proved", "failed", "not run", "unsupported"]
    colours = [node.get("class") for node in root.iter(f"{SVG}circle")]
    assert (colours.count("proved"), colours.count("failed"), colours.count("not-run")) == (39 + 1, 1 + 1, 20 + 1)


def test_the_picture_stays_inside_its_frame():
    rows, evidence = half()
    root = ElementTree.fromstring(svg.render(rows, evidence))
    width, height = int(root.get("width")), int(root.get("height"))
    for text in root.iter(f"{SVG}text"):
        # 7.6 px a character is the widest common sans serif at 13 px.
        extent = 7.6 * len(text.text)
        x = float(text.get("x"))
        left = {"end": x - extent, "middle": x - extent / 2}.get(text.get("text-anchor"), x)
        assert left >= 0
        assert left + extent <= width + 8, text.text
        assert 0 < float(text.get("y")) < height


def test_selection_of_everything_is_what_perfect_evidence_holds():
    """Guards the helper: were it to leave something out, the tests above would prove less than they say."""
    evidence = perfect.evidence()
    assert evidence.selection.kinds == tuple(KINDS)
    assert set(PROOF_DTYPES) <= set(ALL_DTYPES)
    assert len(evidence.cells) == sum(len(op.owes) for op in OPS.values()) * len(BACKENDS) * len(PROOF_DTYPES)
