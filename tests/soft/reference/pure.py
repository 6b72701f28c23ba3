"""Functions that AIR calls and that need no other thread: the part of air.* and llvm.* that generated kernels use."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from isometal.soft.ir.types import vector
from reference import arithmetic
from reference.arithmetic import signed, unsigned
from reference.memory import FLOATS, ReferenceFault

if TYPE_CHECKING:
    from reference.interpreter import Program

#: Takes the thread's index and the arguments.
Pure = Callable[..., Any]

_CONVERT = re.compile(r"air\.convert\.([fsu])\.(\w+)\.([fsu])\.(\w+)\Z")
_INTEGER = re.compile(r"air\.(min|max|abs|popcount|clz|ctz)\.(?:([su])\.)?(?:v\d+)?i(\d+)\Z")
_ATOMIC = re.compile(r"air\.atomic\.(?:global|local)\.(add|min|max|and|or|xor)\.(?:([su])\.)?(i32|f32)\Z")
_LLVM = re.compile(r"llvm\.(smin|smax|umin|umax)\.(?:v\d+)?i(\d+)\Z")


def pure(program: Program, name: str, returns: str, parameters: list[str]) -> Pure:
    """The function of that name, ready to run."""
    if name.startswith("llvm.lifetime."):
        return lambda thread, *arguments: None
    if name == "air.normalize_function_constant_predicate.i8":
        return lambda thread, value: int(value != 0)
    if name.startswith("air.get_simdgroup_size."):
        return lambda thread: 32
    if match := _ATOMIC.match(name):
        return _atomic(program, *match.groups())
    operation = _scalar(program, name, returns, parameters)
    if vector(returns):
        return lambda thread, *arguments: tuple(map(operation, *arguments))
    return lambda thread, *arguments: operation(*arguments)


def _scalar(program: Program, name: str, returns: str, parameters: list[str]) -> Callable[..., Any]:
    if match := _CONVERT.match(name):
        return _convert(match[1], match[3], _element(returns), _element(parameters[0]))
    if match := _LLVM.match(name):
        return _integer(match[1][1:], match[1][0] == "s", int(match[2]))
    if match := _INTEGER.match(name):
        return _integer(match[1], match[2] == "s", int(match[3]))
    if name.startswith("llvm.fma.") and _element(returns) == "float":
        return _defined(arithmetic.fused)
    if name.startswith(("llvm.fabs.", "air.fabs.")):
        return _defined(abs)
    if name.startswith("air.fma.") and _element(returns) == "float":
        flush = arithmetic.flushed if program.flushes_denormals else lambda value: value
        return _defined(lambda a, b, c: flush(arithmetic.fused(flush(a), flush(b), flush(c))))
    raise ReferenceFault(f"the reference does not know the function {name!r}")


def _element(type_: str) -> str:
    return (vector(type_) or (0, type_))[1]


def _defined(operation: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *arguments: None if None in arguments else operation(*arguments)


def _convert(to_kind: str, from_kind: str, target: str, source: str) -> Callable[..., Any]:
    if from_kind == "f" and to_kind == "f":
        return _defined(FLOATS[target])
    bits = int(source[1:]) if source[0] == "i" else 0
    if to_kind == "f":
        return _defined(lambda v: arithmetic.rounded(signed(v, bits) if from_kind == "s" else v, target))
    to_bits = int(target[1:])
    if from_kind == "f":
        return arithmetic.cast(f"fpto{to_kind}i", source, target)
    return _defined(lambda v: unsigned(signed(v, bits) if from_kind == "s" else v, to_bits))


def _integer(operation: str, is_signed: bool, bits: int) -> Callable[..., Any]:
    def number(value: int) -> int:
        return signed(value, bits) if is_signed else value

    table: dict[str, Callable[..., int]] = {
        "min": lambda a, b: unsigned(min(number(a), number(b)), bits),
        "max": lambda a, b: unsigned(max(number(a), number(b)), bits),
        "abs": lambda a: unsigned(abs(signed(a, bits)) if is_signed else a, bits),
        "popcount": lambda a: a.bit_count(),
        "clz": lambda a, *_: bits - a.bit_length(),
        "ctz": lambda a, *_: (a & -a).bit_length() - 1 if a else bits,
    }
    return _defined(table[operation])


def _atomic(program: Program, operation: str, sign: str | None, type_: str) -> Pure:
    kind = "float" if type_ == "f32" else type_
    table: dict[str, Callable[[Any, Any], Any]] = {
        "add": lambda a, b: a + b if kind == "float" else unsigned(a + b, 32),
        "min": _integer("min", sign == "s", 32),
        "max": _integer("max", sign == "s", 32),
        "and": lambda a, b: a & b,
        "or": lambda a, b: a | b,
        "xor": lambda a, b: a ^ b,
    }
    memory = program.memory

    def run(thread: int, pointer: Any, value: Any, *_: Any) -> Any:
        old = memory.load(kind, pointer, thread)
        with np.errstate(all="ignore"):
            memory.store(kind, table[operation](old, value), pointer, thread)
        return old

    return run
