"""The judge of the acceptance tests can say no: wrong bits, wrong patterns, larger errors, writes out of bounds."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from apple.allowances import ALLOWANCES
from apple.case import Case, Group
from apple.cases import attention, binary, copies, matmul, reductions, rope, rows, unary
from apple.device import Mode
from apple.host import elementwise
from apple.judge import score
from apple.launch import Launch, NDArray
from apple.run import GuardError, execute, run_case, run_group

X = np.arange(1.0, 9.0, dtype=np.float32)


class Doubles:
    """A device that runs one kernel, x + x, as told."""

    def __init__(self, fault: str = "") -> None:
        self.fault = fault

    def run(self, launch: Launch, buffers: Mapping[int, NDArray | bytes], mode: Mode) -> None:
        a, out = np.asarray(buffers[0]), np.asarray(buffers[2])
        out[:] = a + a
        if self.fault == "order" and mode.seed == 2:
            out[3] = np.nextafter(out[3], np.float32(0))
        if self.fault == "ulp":
            out[5] = np.nextafter(out[5], np.float32(0))
        if self.fault == "nan":
            out[1] = np.nan
        if self.fault == "skips":
            out.view(np.uint8)[:4] = 0xFF
        if self.fault == "beyond":
            np.lib.stride_tricks.as_strided(out, (out.size + 1,))[-1] = 1.0
        if self.fault == "before":
            memory = np.ctypeslib.as_array((np.ctypeslib.ctypes.c_uint8 * 1).from_address(out.ctypes.data - 1))
            memory[0] ^= 1


def _group(peer: bool = True) -> Group:
    def cases() -> list[Case]:
        program = elementwise.binary("Add", X, X, np.float32)
        return [Case("x + x", program, 2.0 * X, (lambda: 2 * X) if peer else None)]

    return Group("binary", "vv_Add", "float32", cases)


def test_a_right_device_is_accepted() -> None:
    verdict = run_group(Doubles(), _group())
    assert verdict.faults == []
    assert verdict.ratio_max == verdict.ratio_rms == 0.0


@pytest.mark.parametrize("fault", ["ulp", "nan", "skips"])
@pytest.mark.parametrize("peer", [True, False])
def test_a_wrong_result_is_not(fault: str, peer: bool) -> None:
    assert run_group(Doubles(fault), _group(peer)).faults != []


def test_a_result_that_depends_on_the_order_is_not() -> None:
    with pytest.raises(AssertionError, match=r"element 3 .*seed 2"):
        run_case(Doubles("order"), _group().cases()[0])


@pytest.mark.parametrize("fault", ["beyond", "before"])
def test_a_write_outside_of_the_buffer_is_not(fault: str) -> None:
    with pytest.raises(GuardError, match="vv_Addfloat32 wrote"):
        execute(Doubles(fault), elementwise.binary("Add", X, X, np.float32))


def test_errors_are_counted_in_ulp_of_the_rounded_answer() -> None:
    truth = np.array([1.0, 1.0, 3.0])
    result = np.array([1.0 + 2**-23, 1.0 - 2**-24, 3.0], np.float32)
    found = score(result, truth, "float32")
    assert found.max_ulp == 1.0
    assert found.sum_squares == 1.25
    assert found.worst == ("", 0)


def test_errors_of_terms_that_cancel_are_counted_in_ulp_of_their_magnitude() -> None:
    assert score(np.array([0.0], np.float32), np.array([2.0**-23]), "float32", np.array([1.0])).max_ulp == 1.0


def test_every_allowance_is_for_kernels_that_exist() -> None:
    from fnmatch import fnmatchcase

    modules = (binary, unary, copies, reductions, rows, rope, matmul, attention)
    groups = [group for module in modules for group in module.groups()]
    for each in ALLOWANCES:
        assert any(
            fnmatchcase(g.family, each.family) and fnmatchcase(g.kernel, each.kernel) and g.dtype in each.dtypes
            for g in groups
        ), each


def test_groups_have_names_of_their_own() -> None:
    modules = (binary, unary, copies, reductions, rows, rope, matmul, attention)
    names = [(group.family, group.id) for module in modules for group in module.groups()]
    assert len(names) == len(set(names))
