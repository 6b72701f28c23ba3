"""The evidence format: what is written can be read, and what cannot be trusted is an EvidenceError with its path."""

from __future__ import annotations

import dataclasses
import json
import math
import stat

import numpy as np
import perfect
import pytest

from isometal import files, native_sources, provenance
from isometal.optable import BACKENDS, KINDS, OPS, PROOF_DTYPES
from isometal.parity import evidence as documents
from isometal.parity.builder import EvidenceBuilder, backend_info
from isometal.parity.evidence import BackendInfo, EvidenceError, Selected
from isometal.parity.model import Check, Metrics, Outcome


def builder(**changes):
    selection = Selected(BACKENDS, tuple(OPS), tuple(KINDS), PROOF_DTYPES)
    backends = {name: BackendInfo(True, device=perfect.APPLE) for name in BACKENDS}
    options = {"seed": 7, "profile": "ci", "backends": backends, "command": ["isometal", "parity"], **changes}
    return EvidenceBuilder(selection, **options)


def check(name="odd", *, op="add", dtype="float32", backend="cpu", kind="R", **rest):
    return Check(op, dtype, backend, kind, name, run=lambda: Outcome("passed"), **rest)


def document(**changes):
    return {**json.loads(documents.dumps(perfect.evidence(cells=perfect.evidence().cells[:6]))), **changes}


# -- round trip ---------------------------------------------------------------------------------------------------


def test_what_is_written_is_read_back_equal(tmp_path):
    evidence = perfect.evidence()
    documents.write(tmp_path / "evidence.json", evidence)
    assert documents.read(tmp_path / "evidence.json") == evidence


def test_infinite_and_undefined_metrics_survive_as_strings():
    worst = documents.Worst("x", Metrics(4, math.inf, math.inf, math.inf, 0.5, math.inf, None, 2, math.inf, "cpu"))
    facts = {"small": {"ratio": -math.inf, "other": 1.5}}
    cell = perfect.cell("add", "cpu", "float32", "R", passed=0, failed=1, worst=worst, facts=facts)
    text = documents.dumps(perfect.evidence(cells=(cell,)))
    assert "Infinity" not in text
    assert '"bound_ratio": "inf"' in text
    assert documents.loads(text).cells == (cell,)


def test_nan_survives_as_a_string():
    cell = perfect.cell("add", "cpu", "float32", "B", facts={"small": {"ratio": math.nan}})
    text = documents.dumps(perfect.evidence(cells=(cell,)))
    assert math.isnan(documents.loads(text).cells[0].facts["small"]["ratio"])


def test_the_text_has_one_line_per_cell():
    text = documents.dumps(perfect.evidence())
    lines = [line for line in text.splitlines() if '"kind": "R"' in line]
    assert len(lines) == sum(cell.kind == "R" for cell in perfect.evidence().cells)


def test_what_does_not_fit_the_schema_is_not_written(tmp_path):
    path = tmp_path / "evidence.json"
    with pytest.raises(EvidenceError, match="seed"):
        documents.write(path, perfect.evidence(seed=-1))
    assert list(tmp_path.iterdir()) == []


# -- hostile documents --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not JSON"),
        ("null", "is not of type 'object'"),
        ("{", "not JSON"),
        ('{"a": 1, "a": 2}', "appears twice"),
        ('{"a": NaN}', "literal NaN"),
        ('{"a": -Infinity}', "literal -Infinity"),
        ('{"a": 1e999}', "beyond a float64"),
        ('{"a": 123456789012345678901234567890}', "beyond 64 bits"),
        ('{"a": ' + "9" * 6000 + "}", "beyond 64 bits"),
        ("[" * 100_000, "nested deeper"),
        ('{"a":' * 5000 + "1" + "}" * 5000, "nested deeper"),
        ('{"a": "\\ud800"}', "lone surrogate"),
        ('{"\\udfff": 1}', "lone surrogate"),
        (b"\xff\xfe{}", "not UTF-8"),
        ("\ufeff{}", "not JSON"),
    ],
)
def test_documents_that_are_not_even_safe_json(text, reason):
    with pytest.raises(EvidenceError, match=reason) as caught:
        documents.loads(text)
    assert caught.value.code == "malformed"


def test_brackets_inside_strings_are_not_nesting():
    assert documents.parse(json.dumps({"a": "[{" * 500 + '"\\'})) == {"a": "[{" * 500 + '"\\'}


def test_a_document_may_not_be_larger_than_the_bound(tmp_path):
    path = tmp_path / "large.json"
    path.write_bytes(b" " * (documents.MAX_BYTES + 1))
    with pytest.raises(EvidenceError, match="larger than"):
        documents.read(path)
    with pytest.raises(EvidenceError, match="larger than"):
        documents.loads(b" " * (documents.MAX_BYTES + 1))


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"extra": 1}, "$"),
        ({"seed": 1.0}, "$.seed"),
        ({"seed": True}, "$.seed"),
        ({"complete": 1}, "$.complete"),
        ({"op_table": "0" * 63}, "$.op_table"),
        ({"op_table": "0" * 64 + "\n"}, "$.op_table"),
        ({"kernels": {"a.metal": "x"}}, "$.kernels['a.metal']"),
        ({"kernels": {"k" * 2000: "0" * 64}}, "$.kernels"),
        ({"backends": {"metal": {"available": True}}}, "$.backends.metal"),
        ({"versions": {"python": "3"}}, "$.versions"),
        ({"command": ["x" * 5000]}, "$.command[0]"),
        ({"cells": {}}, "$.cells"),
    ],
)
def test_the_path_of_what_is_wrong_is_named(change, path):
    with pytest.raises(EvidenceError) as caught:
        documents.loads(json.dumps(document(**change)))
    assert caught.value.path == path
    assert len(str(caught.value)) < 700


def test_cells_are_bounded_and_unique():
    cells = document()["cells"]
    with pytest.raises(EvidenceError, match=r"\$\.cells\[6\]: a second entry for add cpu float32 U"):
        documents.loads(json.dumps(document(cells=[*cells, cells[0]])))
    failures = [{"id": "x", "message": "y"}] * (documents.MAX_FAILURES + 1)
    with pytest.raises(EvidenceError, match=r"\$\.cells\[0\]\.failures"):
        documents.loads(json.dumps(document(cells=[{**cells[0], "failures": failures}])))


def test_another_format_version_is_told_apart_from_a_broken_document():
    with pytest.raises(EvidenceError, match="version 2 is not known") as caught:
        documents.loads(json.dumps(document(format_version=2, unknown_field_of_version_2=True)))
    assert caught.value.code == "format-version"


def test_the_schema_is_a_valid_schema_and_knows_every_field():
    import jsonschema

    schema = documents.schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert set(schema["properties"]) == {field.name for field in dataclasses.fields(documents.Evidence)}
    cell = schema["$defs"]["cell"]["properties"]
    assert set(cell) == {field.name for field in dataclasses.fields(documents.CellResult)}
    metrics = schema["$defs"]["metrics"]["properties"]
    assert set(metrics) == {field.name for field in dataclasses.fields(Metrics)}
    assert cell["failures"]["maxItems"] == documents.MAX_FAILURES
    assert cell["reasons"]["maxItems"] == documents.MAX_REASONS
    assert cell["facts"]["maxProperties"] == documents.MAX_FACTS
    assert schema["$defs"]["text"]["maxLength"] == documents.MAX_TEXT
    assert schema["$defs"]["line"]["maxLength"] == documents.MAX_LINE


# -- the builder --------------------------------------------------------------------------------------------------


def test_outcomes_are_counted_per_cell():
    build = builder()
    build.add(check("a"), Outcome("passed", seconds=0.5, metrics=perfect.metrics(0.1)))
    build.add(check("b"), Outcome("failed", "wrong", seconds=0.25, metrics=perfect.metrics(3.0)))
    build.add(check("c"), Outcome("passed", metrics=perfect.metrics(0.9)))
    build.add(check("d"), Outcome("not-run", "no golden"))
    build.add(check("d", dtype="float16"), Outcome("passed"))
    evidence = build.build()
    first, second = evidence.cells
    assert (first.cases, first.passed, first.failed, first.not_run) == (3, 2, 1, 1)
    assert first.seconds == 0.75
    assert first.reasons == ("no golden",)
    assert first.failures == (documents.Failure("add-float32-cpu-R-b", "wrong"),)
    assert first.worst.id == "add-float32-cpu-R-b"
    assert second.key == ("add", "cpu", "float16", "R")
    assert documents.loads(documents.dumps(evidence)) == evidence


def test_cells_are_in_the_order_of_the_table():
    build = builder()
    for op, backend, dtype, kind in [
        ("softmax", "mlx", "bfloat16", "R"),
        ("add", "mlx", "float32", "U"),
        ("add", "cpu", "float16", "U"),
        ("add", "cpu", "float32", "R"),
        ("add", "cpu", "float32", "U"),
    ]:
        build.add(check(op=op, backend=backend, dtype=dtype, kind=kind), Outcome("passed"))
    assert [cell.key for cell in build.build().cells] == [
        ("add", "cpu", "float32", "U"),
        ("add", "cpu", "float32", "R"),
        ("add", "cpu", "float16", "U"),
        ("add", "mlx", "float32", "U"),
        ("softmax", "mlx", "bfloat16", "R"),
    ]


@pytest.mark.parametrize(
    ("worse", "better"),
    [
        (perfect.metrics(0.5), perfect.metrics(0.4)),
        (perfect.metrics(0.0, pattern_mismatches=1), perfect.metrics(5.0)),
        (perfect.metrics(math.nan), perfect.metrics(5.0)),
        (perfect.metrics(math.inf), perfect.metrics(5.0)),
    ],
)
def test_the_worst_case_is_kept_whatever_the_order(worse, better):
    for pair in ((worse, better), (better, worse)):
        build = builder()
        for place, metrics in enumerate(pair):
            build.add(check(str(place)), Outcome("failed", "x", metrics))
        (cell,) = build.build().cells
        assert cell.worst.id.endswith(str(pair.index(worse)))


@pytest.mark.parametrize(
    "metrics", [perfect.metrics(1.5), perfect.metrics(math.nan), perfect.metrics(0.1, pattern_mismatches=1)]
)
def test_a_pass_beyond_its_bound_counts_as_failed(metrics):
    build = builder()
    counted = build.add(check(), Outcome("passed", metrics=metrics))
    assert counted.status == "failed"
    (cell,) = build.build().cells
    assert (cell.passed, cell.failed) == (0, 1)
    assert "reported as passed" in cell.failures[0].message


def test_a_skip_without_a_written_reason_is_a_failure():
    build = builder()
    assert build.add(check(), Outcome("not-run", "  ")).status == "failed"
    assert build.build().cells[0].failures[0].message == "not run, and no reason given"


def test_attention_block_checks_count_in_their_own_section_too():
    build = builder()
    attention = {"op": "scaled_dot_product_attention", "kind": "G", "attention_block": True}
    build.add(check("prefill", **attention), Outcome("passed"))
    build.add(check("decode", **attention), Outcome("failed", "off by one"))
    build.add(check("decode", backend="mlx", **attention), Outcome("not-run", "no golden"))
    build.add(check("plain", op="scaled_dot_product_attention", kind="G"), Outcome("passed"))
    evidence = build.build()
    assert evidence.attention_block == (
        documents.AttentionResult("cpu", "float32", 2, 1, 1, 0),
        documents.AttentionResult("mlx", "float32", 0, 0, 0, 1),
    )
    assert [cell.cases for cell in evidence.cells] == [3, 0]


def test_numpy_numbers_and_endless_text_are_made_to_fit():
    metrics = Metrics(
        np.int64(3), np.float64(1), np.float32(1), np.float64(2), np.float64(0), np.float64(0.5), (np.int64(2),), 0
    )
    build = builder()
    for place in range(100):
        build.add(
            check(f"c{place}" + "n" * 3000), Outcome("failed", "m\ud800" * 9000, metrics, facts={"r": np.float32(2)})
        )
        build.add(check(str(place)), Outcome("not-run", f"reason {place}"))
    evidence = build.build()
    (cell,) = documents.loads(documents.dumps(evidence)).cells
    assert (cell.failed, cell.not_run) == (100, 100)
    assert len(cell.failures) == documents.MAX_FAILURES
    assert len(cell.reasons) == documents.MAX_REASONS
    assert cell.worst.metrics.worst_index == (2,)


def test_evidence_says_with_what_it_was_made():
    evidence = builder().build(complete=False)
    here = provenance.installed()
    assert (evidence.op_table, evidence.kernels, evidence.goldens) == (here.op_table, here.kernels, here.goldens)
    assert evidence.isometal.version == here.version
    assert evidence.versions["numpy"] == np.__version__
    assert evidence.command == ("isometal", "parity")
    assert evidence.seed == 7
    assert not evidence.complete


def test_backends_are_described_or_their_absence_explained():
    cpu, metal = backend_info("cpu"), backend_info("metal")
    assert cpu.available
    assert {"kind", "name", "family", "os"} <= cpu.device.keys()
    assert metal.available or metal.reason.startswith("[metal]")


# -- provenance and files -----------------------------------------------------------------------------------------


def test_the_sources_of_the_dispatcher_count_as_kernels(tmp_path, monkeypatch):
    hashes = provenance.kernel_hashes()
    assert hashes.pop("csrc") == provenance.native_hash()
    assert hashes == provenance.source_hashes(provenance.data_directory("metal")) != {}
    monkeypatch.setattr(provenance, "data_directory", lambda _: tmp_path)
    assert provenance.kernel_hashes() == {}, "a dispatcher alone has no kernels"


def test_the_digest_of_native_sources_follows_every_byte_and_path(tmp_path):
    (tmp_path / "launch").mkdir()
    (tmp_path / "soft").mkdir()
    (tmp_path / "launch" / "plan.cpp").write_text("plan")
    before = native_sources.digest(tmp_path)
    (tmp_path / "soft" / "device.cpp").write_text("the software device")
    (tmp_path / "launch" / "notes.md").write_text("notes")
    assert native_sources.digest(tmp_path) == before
    (tmp_path / "launch" / "plan.cpp").write_text("plan ")
    changed = native_sources.digest(tmp_path)
    (tmp_path / "launch" / "plan.cpp").rename(tmp_path / "plan.cpp")
    assert len({before, changed, native_sources.digest(tmp_path)}) == 3


def test_source_hashes_follow_every_byte_of_sources_and_headers(tmp_path):
    assert provenance.source_hashes(tmp_path / "missing") == {}
    (tmp_path / "common.h").write_text("#define A 1")
    (tmp_path / "README.md").write_text("not a kernel")
    assert provenance.source_hashes(tmp_path) == {}, "headers alone are no kernels"
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "add.metal").write_text("kernel")
    before = provenance.source_hashes(tmp_path)
    assert list(before) == ["common.h", "sub/add.metal"]
    (tmp_path / "common.h").write_text("#define A 2")
    after = provenance.source_hashes(tmp_path)
    assert after["common.h"] != before["common.h"]
    assert after["sub/add.metal"] == before["sub/add.metal"]


def test_files_are_replaced_whole_and_keep_the_usual_permissions(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    files.write_atomic(path, b"new")
    assert path.read_bytes() == b"new"
    files.write_atomic(tmp_path / "private", b"x", mode=0o600)
    assert stat.S_IMODE((tmp_path / "private").stat().st_mode) == 0o600
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "private"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_an_interrupted_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch, error):
    path = tmp_path / "file"
    path.write_text("old")

    def interrupted(*_):
        raise error

    monkeypatch.setattr("os.replace", interrupted)
    with pytest.raises(error):
        files.write_atomic(path, b"new")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_link_is_followed_and_a_device_written_directly(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    files.write_atomic(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"
    files.write_atomic("/dev/null", b"gone")
