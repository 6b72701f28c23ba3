"""Every kernel keeps to what all Apple GPUs offer, and the check notices one that does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from kernel_report import Instantiation, wrong_constants
from kernel_rules import Kernel, all_kernels, broken_rules

from isometal.soft.reflection import Argument, FunctionConstant, KernelReflection

X = Argument("x", "float", "buffer", index=0)
INDEX = Argument("i", "uint", "builtin", builtin="thread_position_in_grid", space="thread")
PLAIN = KernelReflection("k", (X, INDEX))
PARAMS = Argument("p", "Params", "buffer", index=1, space="constant", type_size=4097)
GROUP = replace(INDEX, builtin="threadgroup_position_in_grid")

BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "memory": ({"static_threadgroup_bytes": 32769, "declared_threads": 32}, "32769 bytes of threadgroup memory; 32768"),
    "buffers": ({"arguments": (X,) * 32}, "32 buffers; 31"),
    "threads": ({"declared_threads": 1025}, "1025 threads in a threadgroup; 1024"),
    "parameters": ({"arguments": (X, PARAMS)}, "4097 bytes of parameters; 4096"),
    "language": ({"features": ("fences",)}, "k needs Metal 3.2, for fences; the dispatcher asks for 3.1"),
    "GPU": ({"features": ("64-bit atomics",)}, "k needs a GPU of Apple8; M1's is of Apple7"),
    "sees its threadgroup": ({"arguments": (X, GROUP)}, "depends on the size of its threadgroup"),
    "sees its lanes": ({"features": ("simdgroup reductions",)}, "depends on the size of its threadgroup"),
    "has memory": ({"static_threadgroup_bytes": 16}, "depends on the size of its threadgroup"),
    "dynamic memory": ({"arguments": (X, replace(X, kind="threadgroup"))}, "of a size that only its dispatches know"),
}


def test_every_kernel_keeps_to_the_rules() -> None:
    found = list(all_kernels())
    assert len({kernel.asks.name for kernel in found}) >= 365
    assert {kernel.family for kernel in found if not kernel.bfloat} >= {"attention", "gemm", "norm", "unary"}
    assert [text for kernel in found for text in broken_rules(kernel)] == []


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_is_told(name: str) -> None:
    changes, told = BROKEN[name]
    assert list(broken_rules(Kernel("f", True, PLAIN))) == []
    (text,) = broken_rules(Kernel("f", True, replace(PLAIN, **changes)))
    assert told in text


def test_a_kernel_for_devices_without_bfloat_has_none() -> None:
    (text,) = broken_rules(Kernel("f", False, replace(PLAIN, features=("bfloat",))))
    assert text == "k without bfloat uses bfloat"


def test_constants_that_plans_give_are_those_that_kernels_declare() -> None:
    constants = (FunctionConstant("wide", "bool", 0), FunctionConstant("axes", "uint", 1))
    entry = Instantiation("f", constants, runs=1, combinations={((0, True), (1, 3))})
    assert list(wrong_constants("k", entry)) == []
    entry.combinations.add(((0, 1), (1, False), (2, True)))
    assert list(wrong_constants("k", entry)) == [
        "k is given constant 0 as uint; it declares bool",
        "k is given constant 1 as bool; it declares uint",
        "k is given constant 2 as bool; it declares none such",
    ]
