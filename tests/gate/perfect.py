"""Synthetic evidence that qualifies: what a full run on an Apple GPU would give. The tests spoil it, one way each."""

from __future__ import annotations

from isometal import optable, provenance
from isometal._version import __version__
from isometal.optable import BACKENDS, KINDS, OPS, PROOF_DTYPES
from isometal.parity.evidence import (
    AttentionResult,
    BackendInfo,
    CellResult,
    Evidence,
    Selected,
    Source,
    Worst,
)
from isometal.parity.model import Metrics

KERNELS = {"binary.metal": "a" * 64, "common.h": "b" * 64, "gemm.metal": "c" * 64}
GOLDENS = "d" * 64
INSTALLED = provenance.Installed(__version__, optable.table_hash(), KERNELS, GOLDENS)

APPLE = {"kind": "apple-gpu", "name": "Apple M4 Max", "family": "apple9", "os": "macOS-15.5-arm64"}
SOFTWARE = {"kind": "software", "name": "isometal software Metal device", "family": "apple9", "os": "Linux-6.1"}


def metrics(bound_ratio=0.25, pattern_mismatches=0):
    return Metrics(
        size=1024,
        max_abs=1e-7,
        max_rel=2e-7,
        max_ulp=1.0,
        rms=3e-8,
        bound_ratio=bound_ratio,
        worst_index=(3, 5),
        pattern_mismatches=pattern_mismatches,
        error_ratio_to_mlx=0.9,
    )


def cell(op, backend, dtype, kind, *, passed=3, failed=0, not_run=0, **rest):
    worst = Worst(f"{op}-{dtype}-{backend}-{kind}-odd", metrics()) if kind in "GR" else None
    rest.setdefault("worst", worst)
    return CellResult(op, backend, dtype, kind, passed + failed, passed, failed, not_run, 0.01, **rest)


def evidence(device=APPLE, **changes):
    """Perfect evidence, with top-level fields replaced by ``changes``."""
    host = BackendInfo(True, device={"kind": "host-cpu", "name": "Apple M4 Max", "family": "arm64", "os": device["os"]})
    fields = {
        "created": "2026-01-02T03:04:05+00:00",
        "complete": True,
        "isometal": Source(__version__, "0" * 40, False),
        "versions": {"python": "3.12.1", "numpy": "2.4", "ml_dtypes": "0.6", "mlx": "0.32", "hypothesis": "6"},
        "platform": device["os"],
        "command": ("isometal", "parity"),
        "seed": 0,
        "profile": "ci",
        "selection": Selected(BACKENDS, tuple(OPS), tuple(KINDS), PROOF_DTYPES),
        "op_table": optable.table_hash(),
        "kernels": dict(KERNELS),
        "goldens": GOLDENS,
        "backends": {"cpu": host, "mlx": BackendInfo(True, device=APPLE), "metal": BackendInfo(True, device=device)},
        "cells": tuple(
            cell(op.name, backend, dtype, kind)
            for op in OPS.values()
            for backend in BACKENDS
            for dtype in PROOF_DTYPES
            for kind in op.owes
        ),
        "attention_block": tuple(AttentionResult(b, dtype, 2, 2, 0, 0) for b in BACKENDS for dtype in PROOF_DTYPES),
    }
    return Evidence(**{**fields, **changes})
