"""Atomic memory operations: `air.atomic.SPACE.OPERATION.TYPE` and fences.

All are sequentially consistent, which satisfies every order that can be asked for; so order, scope and volatility are
not looked at.
"""

from __future__ import annotations

import re

from isometal.soft.lower.intrinsics.builder import Value
from isometal.soft.lower.intrinsics.definition import Call, Intrinsic
from isometal.soft.lower.intrinsics.shape import Shape

_NAME = re.compile(
    r"atomic\.(?:global|local)\.(load|store|xchg|cmpxchg\.weak|add|sub|min|max|and|or|xor)(?:\.([su]))?\.(i32|i64|f32)\Z"
)
_UNSIGNED_NAMES = {"load", "store", "xchg", "cmpxchg.weak"}
_FLOAT_OPERATIONS = {"add": "fadd", "sub": "fsub", "min": "fmin", "max": "fmax", "xchg": "xchg"}
_OPTIONS = ("i32", "i32", "i1")  # order, scope, volatile
_MEMORY = "argmem: readwrite"


def find(name: str) -> Intrinsic | None:
    """An atomic operation or fence by its name without `air.`."""
    if name == "atomic.fence":
        return Intrinsic("void", (("i32", "i32", "i32"),), _fence, "readwrite")
    match = _NAME.match(name)
    if match is None:
        return None
    operation, sign, shape = match[1], match[2], Shape(match[3])
    # Names of operations for which the sign makes no difference, or that are of floats, have none.
    if (sign is None) != (operation in _UNSIGNED_NAMES or shape.is_float):
        return None
    type_ = shape.text
    if operation == "load":
        return Intrinsic(type_, (("ptr", *_OPTIONS),), lambda c: _load(c, shape), _MEMORY)
    if operation == "store":
        return Intrinsic("void", (("ptr", type_, *_OPTIONS),), _store, _MEMORY)
    if operation == "cmpxchg.weak":
        return Intrinsic(type_, (("ptr", "ptr", type_, "i32", *_OPTIONS),), lambda c: _exchange(c, shape), _MEMORY)
    instruction = _instruction(operation, sign, shape)
    if instruction is None:
        return None
    return Intrinsic(type_, (("ptr", type_, *_OPTIONS),), lambda c: _modify(c, instruction), _MEMORY)


def _instruction(operation: str, sign: str | None, shape: Shape) -> str | None:
    """LLVM's name of a read-modify-write operation."""
    if shape.is_float:
        return _FLOAT_OPERATIONS.get(operation)
    if operation in ("min", "max"):
        return operation if sign == "s" else f"u{operation}"
    return operation


def _fence(call: Call) -> None:
    call.builder.effect("fence seq_cst")


def _bytes(shape: Shape) -> int:
    return shape.bits // 8


def _load(call: Call, shape: Shape) -> Value:
    return call.builder.emit(f"load atomic {shape.text}, ptr {call.name(0)} seq_cst, align {_bytes(shape)}", shape)


def _store(call: Call) -> None:
    value = call.value(1)
    call.builder.effect(f"store atomic {value.typed}, ptr {call.name(0)} seq_cst, align {_bytes(value.shape)}")


def _modify(call: Call, instruction: str) -> Value:
    value = call.value(1)
    return call.builder.emit(f"atomicrmw {instruction} ptr {call.name(0)}, {value.typed} seq_cst", value.shape)


def _exchange(call: Call, shape: Shape) -> Value:
    """Bits are compared, of floats too. It never fails without cause, as a weak exchange may."""
    builder, integer = call.builder, shape.integer
    expected = builder.load(integer, call.name(1))
    desired = call.value(2).bits()
    pair = builder.fresh("pair")
    builder.effect(f"%{pair} = cmpxchg ptr {call.name(0)}, {expected.typed}, {desired.typed} seq_cst seq_cst")
    old = builder.emit(f"extractvalue {{ {integer.text}, i1 }} %{pair}, 0", integer)
    builder.store(old, call.name(1))
    return old.from_bits(shape.element)
