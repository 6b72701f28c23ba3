"""Function constants: each type's values reach the kernel, and what does not fit is refused."""

from __future__ import annotations

import math
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from reference.launch import Grid
from reference.small import Kernel
from reference.writer import KernelWriter, Value

from isometal.soft.errors import LoweringError
from isometal.soft.ir import parse_module
from isometal.soft.lower import lower_kernel
from isometal.soft.lower.constants import literal


def _kernel(type_: str) -> str:
    """A kernel that stores its function constant 7."""
    writer = KernelWriter("k")
    out = writer.buffer("out", 0, 1)
    writer.constant("value", type_, 7)
    value = writer.load(type_, Value("ptr addrspace(2)", "@value"), 1)
    writer.store(value, out, 1)
    writer.end("ret void")
    return writer.text(flush=False)


def _stored(type_: str, value: Any, dtype: Any, count: int = 1) -> list[Any]:
    out = np.zeros(64, np.uint8)
    Kernel(_kernel(type_), {} if value is None else {7: value}).run({0: out}, Grid((1, 1, 1), (1, 1, 1)))
    return out[: np.dtype(dtype).itemsize * count].view(dtype).tolist()


@pytest.mark.parametrize(
    ("type_", "value", "dtype"),
    [
        ("i8", True, np.uint8),
        ("i8", False, np.uint8),
        ("i8", -128, np.int8),
        ("i8", 255, np.uint8),
        ("i16", -32768, np.int16),
        ("i16", 65535, np.uint16),
        ("i32", -(1 << 31), np.int32),
        ("i32", (1 << 32) - 1, np.uint32),
        ("i64", -(1 << 63), np.int64),
        ("i64", (1 << 64) - 1, np.uint64),
        ("i32", 3.0, np.int32),
        ("i32", np.int16(-4), np.int32),
        ("float", 0.1, np.float32),
        ("float", -0.0, np.float32),
        ("float", 1e-45, np.float32),
        ("float", math.inf, np.float32),
        ("float", 3, np.float32),
        ("float", np.float32(1.25), np.float32),
        ("half", 0.1, np.float16),
        ("half", -65504, np.float16),
        ("half", -math.inf, np.float16),
        ("bfloat", 0.1, ml_dtypes.bfloat16),
        ("bfloat", -math.inf, ml_dtypes.bfloat16),
        ("bfloat", 3.3895e38, ml_dtypes.bfloat16),
    ],
)
def test_values_arrive(type_: str, value: Any, dtype: Any) -> None:
    (stored,) = _stored(type_, value, dtype)
    expected = np.array(value).astype(dtype).tolist()
    assert stored == expected
    assert math.copysign(1, stored) == math.copysign(1, expected)


@pytest.mark.parametrize(
    ("type_", "dtype"), [("float", np.float32), ("half", np.float16), ("bfloat", ml_dtypes.bfloat16)]
)
@pytest.mark.parametrize("value", [math.nan, -math.nan])
def test_nan_stays_nan(type_: str, dtype: Any, value: float) -> None:
    out = np.zeros(4, np.uint8)
    Kernel(_kernel(type_), {7: value}).run({0: out}, Grid((1, 1, 1), (1, 1, 1)))
    assert np.isnan(out[: np.dtype(dtype).itemsize].view(dtype).astype(np.float32)).all()


@pytest.mark.parametrize(
    ("type_", "value", "dtype"),
    [
        ("<2 x float>", (1.5, -2.5), np.float32),
        ("<4 x i32>", (1, -2, 3, 4), np.int32),
        ("<3 x half>", (1.0, 2.0, 3.0), np.float16),
        ("<2 x i8>", (True, False), np.uint8),
    ],
)
def test_vectors_arrive(type_: str, value: tuple[Any, ...], dtype: Any) -> None:
    assert _stored(type_, value, dtype, len(value)) == list(value)


@pytest.mark.parametrize(("type_", "count"), [("i8", 1), ("float", 1), ("<3 x i16>", 3)])
def test_a_constant_without_a_value_is_zero(type_: str, count: int) -> None:
    assert _stored(type_, None, np.uint8, count) == [0] * count


def test_constants_of_other_indices_are_not_mixed_up() -> None:
    assert _stored("i32", None, np.int32) == [0]
    out = np.zeros(4, np.uint8)
    Kernel(_kernel("i32"), {6: 5, 77: 3}).run({0: out}, Grid((1, 1, 1), (1, 1, 1)))
    assert out.tolist() == [0] * 4


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("i8", 256),
        ("i8", -129),
        ("i32", 1 << 32),
        ("i64", 1 << 64),
        ("i64", -(1 << 63) - 1),
        ("i32", 1.5),
        ("i32", math.nan),
        ("i32", math.inf),
        ("i32", "3"),
        ("i32", None),
        ("i32", (1, 2)),
        ("float", "1"),
        ("float", 1e39),
        ("float", (1.0,)),
        ("float", 1j),
        ("half", 65520.0),
        ("bfloat", 3.4e38 * 1e5),
        ("bfloat", 3.4028e38),
        ("<2 x float>", 1.0),
        ("<2 x float>", (1.0, 2.0, 3.0)),
        ("<2 x i8>", (1, 1000)),
        ("ptr", 1),
    ],
)
def test_what_does_not_fit_is_refused(type_: str, value: Any) -> None:
    with pytest.raises(LoweringError, match=r"^\[soft\] function constant speed"):
        literal(type_, value, "speed")


def test_the_error_names_the_constant() -> None:
    with pytest.raises(LoweringError, match=r"value\.MTL_FC_INIT_7_b.*300 does not fit i8"):
        lower_kernel(_kernel("i8"), "k", {7: 300})


def test_what_a_constant_disables_is_gone() -> None:
    """Specialisation is done before anything else: code that a constant turns off may even be unknown."""
    writer = KernelWriter("k")
    out = writer.buffer("out", 0, 1)
    writer.constant("on", "i8", 0)
    value = writer.load("i8", Value("ptr addrspace(2)", "@on"), 1)
    writer.branch(writer.value("i1", f"icmp ne {value}, 0"), "then", "done")
    writer.begin("then")
    writer.rendezvous("void", "air.wg.barrier", Value("i32", "2"), Value("i32", "1"))
    writer.begin("done")
    writer.store(Value("i32", "1"), out, 4)
    writer.end("ret void")
    text = writer.text(flush=False)
    assert len(lower_kernel(text, "k", {0: False}).sites) == 1
    assert len(lower_kernel(text, "k", {0: True}).sites) == 2


def test_a_constant_with_an_initialiser_is_refused() -> None:
    text = _kernel("i32").replace("constant i32 undef", "constant i32 3")
    assert parse_module(text).globals
    with pytest.raises(LoweringError, match="initialiser"):
        lower_kernel(text, "k", {7: 1})
