"""Every reason for which the gate can refuse: perfect evidence, one thing spoiled, exactly that reason."""

from __future__ import annotations

import dataclasses
import json

import perfect
import pytest

from isometal.optable import OPS
from isometal.parity import evidence as documents
from isometal.parity import gate
from isometal.parity.evidence import Failure, Selected, Source

REQUIRED = [op.name for op in OPS.values() if op.required]


def cells(change, **where):
    """Evidence in which ``change`` replaced the cells that match ``where`` (None drops them); there must be some."""

    def spoil(evidence):
        kept, hit = [], 0
        for cell in evidence.cells:
            if all(getattr(cell, name) == value for name, value in where.items()):
                hit += 1
                new = change(cell)
                kept += [] if new is None else [new]
            else:
                kept.append(cell)
        assert hit
        return dataclasses.replace(evidence, cells=tuple(kept))

    return spoil


def one(change):
    return cells(change, op="matmul", backend="metal", dtype="float16", kind="R")


def top(**changes):
    return lambda evidence: dataclasses.replace(evidence, **changes)


def selection(**changes):
    return lambda evidence: dataclasses.replace(evidence, selection=dataclasses.replace(evidence.selection, **changes))


def backend(name, **changes):
    def spoil(evidence):
        info = dataclasses.replace(evidence.backends[name], **changes)
        return dataclasses.replace(evidence, backends={**evidence.backends, name: info})

    return spoil


def without_backend(name):
    return lambda evidence: dataclasses.replace(
        evidence, backends={key: info for key, info in evidence.backends.items() if key != name}
    )


def device(**changes):
    return backend("metal", device={**perfect.APPLE, **changes})


def attention(change):
    """Replace or drop (None) the float16 attention block on metal."""

    def spoil(evidence):
        kept = []
        for block in evidence.attention_block:
            new = change(block) if (block.backend, block.dtype) == ("metal", "float16") else block
            kept += [] if new is None else [new]
        return dataclasses.replace(evidence, attention_block=tuple(kept))

    return spoil


def counts(**changes):
    return lambda cell: dataclasses.replace(cell, **changes)


def drop(_):
    return None


BEYOND = dataclasses.replace(perfect.metrics(), bound_ratio=1.01)
UNDEFINED = dataclasses.replace(perfect.metrics(), bound_ratio=float("nan"))
PATTERN = dataclasses.replace(perfect.metrics(), pattern_mismatches=1)
FAILED = {"passed": 2, "failed": 1, "failures": (Failure("matmul-float16-metal-R-odd", "wrong"),)}

REFUSALS = {
    "another format": (top(format="other"), "malformed"),
    "another format version": (top(format_version=2), "format-version"),
    "interrupted": (top(complete=False), "incomplete"),
    "an older isometal": (top(isometal=Source("0.0.9")), "stale-version"),
    "a newer isometal": (top(isometal=Source("9.0.0")), "stale-version"),
    "another op table": (top(op_table="0" * 64), "op-table"),
    "a changed kernel": (top(kernels={**perfect.KERNELS, "gemm.metal": "0" * 64}), "kernels"),
    "a changed header": (top(kernels={**perfect.KERNELS, "common.h": "0" * 64}), "kernels"),
    "a kernel missing from the evidence": (top(kernels={"binary.metal": "a" * 64}), "kernels"),
    "a kernel that is not installed": (top(kernels={**perfect.KERNELS, "x.metal": "0" * 64}), "kernels"),
    "evidence without kernels": (top(kernels={}), "kernels"),
    "other goldens": (top(goldens="0" * 64), "goldens"),
    "no goldens": (top(goldens=None), "goldens"),
    "a made-up profile": (top(profile="quick"), "profile"),
    "a negative seed": (top(seed=-1), "seed"),
    "a backend left out": (selection(backends=("cpu", "metal")), "selection"),
    "an op left out": (selection(ops=tuple(OPS)[1:]), "selection"),
    "a kind left out": (selection(kinds=("U", "P", "G", "R")), "selection"),
    "a dtype left out": (selection(dtypes=("float32", "float16")), "selection"),
    "single checks": (selection(only="matmul"), "selection"),
    "nothing selected": (lambda e: dataclasses.replace(e, selection=Selected((), (), (), ())), "selection"),
    "metal unavailable": (backend("metal", available=False, reason="no device", device=None), "metal-unavailable"),
    "metal not recorded": (without_backend("metal"), "metal-unavailable"),
    "mlx unavailable": (backend("mlx", available=False, reason="not installed"), "reference-unavailable"),
    "cpu not recorded": (without_backend("cpu"), "reference-unavailable"),
    "software device": (backend("metal", device=perfect.SOFTWARE), "device-kind"),
    "paravirtual device": (device(kind="apple-paravirtual", name="Apple Paravirtual device"), "device-kind"),
    "software that calls itself Apple": (device(kind="software"), "device-kind"),
    "a kind that only looks right": (device(kind="apple-gpu "), "device-kind"),
    "no device": (backend("metal", device=None), "device-kind"),
    "an op declared unsupported": (backend("metal", unsupported={"rope": "no kernel"}), "unsupported"),
    "a dtype missing": (cells(drop, op="rope", backend="metal", dtype="bfloat16"), "missing-dtype"),
    "a kind missing": (one(drop), "missing-kind"),
    "zero cases": (one(counts(cases=0, passed=0, worst=None)), "zero-cases"),
    "a failed check": (one(counts(**FAILED)), "failed-cell"),
    "a check not run": (one(counts(not_run=1, reasons=("no golden",))), "not-run"),
    "a kind not run at all": (one(counts(cases=0, passed=0, not_run=2, reasons=("?",), worst=None)), "not-run"),
    "more cases than results": (one(counts(cases=4)), "counts"),
    "more results than cases": (one(counts(cases=2)), "counts"),
    "a negative count": (one(counts(cases=-1, passed=-1)), "counts"),
    "negative failures": (one(counts(passed=4, failed=-1)), "counts"),
    "a listed failure that is not counted": (one(counts(failures=(Failure("x", "y"),))), "counts"),
    "proved beyond its bound": (one(counts(worst=documents.Worst("x", BEYOND))), "counts"),
    "proved with an undefined error": (one(counts(worst=documents.Worst("x", UNDEFINED))), "counts"),
    "proved with another NaN pattern": (one(counts(worst=documents.Worst("x", PATTERN))), "counts"),
    "no attention block": (attention(drop), "attention-missing"),
    "an attention block with zero cases": (attention(counts(cases=0, passed=0)), "attention-missing"),
    "a failed attention block": (attention(counts(passed=1, failed=1)), "attention-failed"),
    "an attention block not run": (attention(counts(not_run=1)), "attention-not-run"),
    "an attention block that does not add up": (attention(counts(cases=3)), "counts"),
}


def decide(evidence, installed=perfect.INSTALLED):
    return gate.decide(OPS, evidence, installed)


def codes(decision):
    return {reason.code for reason in decision.reasons}


def test_perfect_evidence_of_an_apple_gpu_qualifies():
    decision = decide(perfect.evidence())
    assert decision.reasons == ()
    assert decision.qualified


def test_deep_profile_qualifies_too():
    assert decide(perfect.evidence(profile="deep", seed=7)).qualified


@pytest.mark.parametrize(("spoil", "code"), REFUSALS.values(), ids=REFUSALS)
def test_one_defect_is_refused_for_exactly_that_reason(spoil, code):
    decision = decide(spoil(perfect.evidence()))
    assert not decision.qualified
    assert codes(decision) == {code}, decision.reasons
    assert all(reason.text.strip() for reason in decision.reasons)


@pytest.mark.parametrize("op", REQUIRED)
def test_a_required_row_without_any_check_is_missing(op):
    decision = decide(cells(drop, op=op, backend="metal")(perfect.evidence()))
    assert codes(decision) == {"missing-row"}
    assert decision.reasons[0].text.startswith(op)


@pytest.mark.parametrize("op", REQUIRED)
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_every_owed_kind_of_every_required_row_counts(op, dtype):
    for kind in OPS[op].owes:
        where = {"op": op, "backend": "metal", "dtype": dtype, "kind": kind}
        assert codes(decide(cells(drop, **where)(perfect.evidence()))) == {"missing-kind"}
        assert codes(decide(cells(counts(**FAILED), **where)(perfect.evidence()))) == {"failed-cell"}


def test_a_failure_in_another_dtype_or_kind_of_a_required_row_counts():
    for extra in (("add", "int32", "U"), ("add", "float32", "P")):
        op, dtype, kind = extra
        cell = perfect.cell(op, "metal", dtype, kind, passed=2, failed=1)
        evidence = perfect.evidence()
        decision = decide(dataclasses.replace(evidence, cells=(*evidence.cells, cell)))
        assert codes(decision) == {"failed-cell"}


def test_optional_rows_do_not_hold_the_gate():
    evidence = perfect.evidence()
    for op in OPS.values():
        if not op.required:
            evidence = cells(drop, op=op.name, backend="metal")(evidence)
    assert decide(evidence).qualified


def test_perfect_software_evidence_leaves_exactly_one_reason_the_device_kind():
    decision = decide(perfect.evidence(perfect.SOFTWARE))
    assert [reason.code for reason in decision.reasons] == ["device-kind"]
    assert "software" in decision.reasons[0].text
    assert perfect.SOFTWARE["name"] in decision.reasons[0].text


def test_an_installation_without_kernels_never_qualifies():
    installed = dataclasses.replace(perfect.INSTALLED, kernels={})
    assert codes(decide(perfect.evidence(kernels={}), installed)) == {"no-kernels"}
    assert codes(decide(perfect.evidence(), installed)) == {"no-kernels"}


def test_an_installation_without_goldens_never_qualifies():
    installed = dataclasses.replace(perfect.INSTALLED, goldens=None)
    assert codes(decide(perfect.evidence(goldens=None), installed)) == {"goldens"}


def test_every_defect_is_named_not_only_the_first():
    evidence = one(counts(**FAILED))(perfect.evidence(perfect.SOFTWARE, complete=False, op_table="0" * 64))
    assert codes(decide(evidence)) == {"device-kind", "incomplete", "op-table", "failed-cell"}


def test_what_differs_between_kernels_is_named():
    decision = decide(perfect.evidence(kernels={"binary.metal": "0" * 64, "new.metal": "1" * 64}))
    (reason,) = decision.reasons
    assert "changed: binary.metal" in reason.text
    assert "not in the evidence: common.h, gemm.metal" in reason.text
    assert "not installed: new.metal" in reason.text


def test_the_matrix_has_the_last_word(monkeypatch):
    """A gap that no reason of the gate knows of, yet keeps the matrix from green, is refused all the same."""
    monkeypatch.setattr(gate, "_coverage", lambda *_: iter(()))
    evidence = selection(dtypes=("float32",))(perfect.evidence())
    assert codes(decide(evidence)) == {"not-proved"}


def test_documents_are_decided_like_evidence():
    text = documents.dumps(perfect.evidence())
    decision, evidence = gate.decide_document(OPS, text.encode(), perfect.INSTALLED)
    assert decision.qualified
    assert evidence == perfect.evidence()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"format_version": 2}, "format-version"),
        ({"format_version": "1"}, "malformed"),
        ({"format": "evidence"}, "malformed"),
        ({"extra": 1}, "malformed"),
        ({"seed": -1}, "malformed"),
        ({"cells": None}, "malformed"),
    ],
)
def test_documents_that_cannot_be_read_are_refused(change, code):
    document = {**json.loads(documents.dumps(perfect.evidence())), **change}
    decision, evidence = gate.decide_document(OPS, json.dumps(document), perfect.INSTALLED)
    assert codes(decision) == {code}
    assert evidence is None


# -- recording for this machine -----------------------------------------------------------------------------------


def test_evidence_is_recorded_only_on_the_kind_of_gpu_that_it_was_made_on():
    evidence = perfect.evidence()
    assert gate.decide_device(evidence, perfect.APPLE).qualified
    assert gate.decide_device(evidence, {**perfect.APPLE, "os": "macOS-26"}).qualified


@pytest.mark.parametrize(
    ("here", "code"),
    [
        ("no Metal device", "metal-not-here"),
        (perfect.SOFTWARE, "device-kind"),
        ({**perfect.APPLE, "kind": "software"}, "device-kind"),
        ({**perfect.APPLE, "name": "Apple M1"}, "other-device"),
        ({}, "device-kind"),
    ],
)
def test_evidence_is_not_recorded_elsewhere(here, code):
    assert codes(gate.decide_device(perfect.evidence(), here)) == {code}
