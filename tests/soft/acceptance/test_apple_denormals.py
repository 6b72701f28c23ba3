"""AIR asks for denorms_disable: subnormal operands and results count as zero in float32, in float16 they do not."""

from __future__ import annotations

import numpy as np
import pytest
from apple.device import MODES, Mode, SoftDevice
from apple.host import elementwise, rows
from apple.run import execute

TINY = np.float32(2.0**-126)


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_float32_results_are_flushed_with_their_sign(device: SoftDevice, mode: Mode) -> None:
    a = np.array([TINY, -TINY, TINY, 2 * TINY], np.float32)
    b = np.array([0.5, 0.5, -0.25, 0.5], np.float32)
    product = execute(device, elementwise.binary("Multiply", a, b, np.float32), mode)
    assert product.tolist() == [0.0, 0.0, 0.0, TINY]
    assert np.signbit(product).tolist() == [False, True, True, False]


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_float32_operands_count_as_zero(device: SoftDevice, mode: Mode) -> None:
    a = np.array([TINY / 2, 2.0**-149, -TINY / 4], np.float32)
    b = np.array([2.0**100, 0.0, 2.0**120], np.float32)
    assert execute(device, elementwise.binary("Multiply", a, b, np.float32), mode).tolist() == [0.0, 0.0, 0.0]
    assert execute(device, elementwise.binary("Add", a, np.zeros_like(a), np.float32), mode).tolist() == [0.0, 0.0, 0.0]
    assert execute(device, elementwise.binary("Equal", a, np.zeros_like(a), np.bool_), mode).tolist() == [1, 1, 1]


def test_float16_keeps_subnormals(device: SoftDevice) -> None:
    a = np.array([2.0**-14, -(2.0**-14), 2.0**-24], np.float16)
    b = np.array([0.5, 0.25, 1.0], np.float16)
    expected = (a.astype(np.float64) * b).astype(np.float16)
    assert execute(device, elementwise.binary("Multiply", a, b, np.float16)).tolist() == expected.tolist()


def test_numpy_keeps_its_subnormals_afterwards(device: SoftDevice) -> None:
    x = np.ones((4, 64), np.float32)
    execute(device, rows.softmax(x))
    assert np.float32(TINY) * np.float32(0.5) == np.float32(2.0**-127)
