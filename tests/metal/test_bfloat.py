"""GPUs without the type bfloat: kernels compile for them, and give the same bits as on others. For whole ops
test_schedules.py has the same test."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from scripts import printed

from isometal import kernels, provenance
from isometal.soft import Library

NONE = {"ISOMETAL_SOFT_BFLOAT": "none"}
FAMILIES = sorted(path.stem for path in provenance.data_directory("metal").glob("*.metal"))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_kernel_compiles_where_bfloat_is_no_word(family: str) -> None:
    native = Library.from_source(kernels.source(family))
    none = Library.from_source(kernels.source(family, False), bfloat=False)
    assert none.kernels == native.kernels
    # A compiler without the type needs no macro of ours.
    assert Library.from_source(kernels.source(family), bfloat=False).kernels == native.kernels


def test_every_value_has_the_same_bits() -> None:
    native = printed("bfloat_cases.py", {})
    assert len(native) == 17
    assert printed("bfloat_cases.py", NONE) == native


def test_the_device_says_whether_it_has_the_type() -> None:
    script = "from isometal import devices; print(devices.open_device().info()['bfloat'])"
    for value, answer in (("native", "True"), ("none", "False")):
        environment = os.environ | {"ISOMETAL_SOFT_BFLOAT": value}
        command = [sys.executable, "-c", script]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=True)
        assert done.stdout.strip() == answer
