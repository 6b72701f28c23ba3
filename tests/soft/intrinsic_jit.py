"""Runs definitions of intrinsics on NumPy arrays: in loops over elements, optimised and compiled for this machine.

Subnormal floats are flushed to zero around the call, as around kernels.
"""

from __future__ import annotations

import ctypes
import functools
import platform
import re
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from isometal.soft.lower import llvm
from isometal.soft.lower.intrinsics import Features, definition, rendezvous
from isometal.soft.lower.intrinsics.declaration import parse_declaration
from isometal.soft.lower.intrinsics.shape import Shape

DTYPES = {
    "f16": np.dtype(np.float16),
    "bf16": np.dtype(ml_dtypes.bfloat16),
    "f32": np.dtype(np.float32),
    "f64": np.dtype(np.float64),
    "i1": np.dtype(np.uint8),
    "i8": np.dtype(np.int8),
    "i16": np.dtype(np.int16),
    "i32": np.dtype(np.int32),
    "i64": np.dtype(np.int64),
}
LANES = 32
POISON = 0xA5
_LANE = "isometal.lane"

# Sets the bits that flush subnormals, calls @driver, and puts the old state back.
_FLUSHING_X86 = """
declare void @llvm.x86.sse.stmxcsr(ptr)
declare void @llvm.x86.sse.ldmxcsr(ptr)
define void @flushing(ptr %arguments) noinline {
%old = alloca i32
%new = alloca i32
call void @llvm.x86.sse.stmxcsr(ptr %old)
%state = load i32, ptr %old
%flushed = or i32 %state, 32832
store i32 %flushed, ptr %new
call void @llvm.x86.sse.ldmxcsr(ptr %new)
call void @driver(ptr %arguments)
call void @llvm.x86.sse.ldmxcsr(ptr %old)
ret void
}
"""
_FLUSHING_ARM = """
declare i64 @llvm.aarch64.get.fpcr()
declare void @llvm.aarch64.set.fpcr(i64)
define void @flushing(ptr %arguments) noinline {
%old = call i64 @llvm.aarch64.get.fpcr()
%new = or i64 %old, 16777216
call void @llvm.aarch64.set.fpcr(i64 %new)
call void @driver(ptr %arguments)
call void @llvm.aarch64.set.fpcr(i64 %old)
ret void
}
"""
#: LLVM must know that comparisons see subnormals as zeros.
DRIVER = 'define void @driver(ptr %arguments) noinline "denormal-fp-math"="preserve-sign,preserve-sign" {'
FLUSHING = _FLUSHING_X86 if platform.machine() in ("x86_64", "AMD64") else _FLUSHING_ARM


@dataclass
class Compiled:
    """Machine code and what keeps it alive."""

    address: int
    keep: Any


def module_text(parts: list[str], needs: set[str]) -> str:
    return "\n".join([*sorted(needs), *parts])


def compile_text(text: str, target: llvm.Target | None = None) -> Compiled:
    """Optimise a module that defines @driver and load it."""
    binding = llvm.binding()
    target = target or llvm.host()
    module = llvm.parse(text + FLUSHING)
    llvm.optimise(module, target, vectorise=True)
    engine = binding.create_mcjit_compiler(module, target.machine(jit=True))
    engine.finalize_object()
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(engine.get_function_address("flushing"))
    return Compiled(engine.get_function_address("flushing"), (engine, function))


def invoke(compiled: Compiled, pointers: list[int]) -> None:
    array = (ctypes.c_uint64 * max(len(pointers), 1))(*pointers)
    compiled.keep[1](ctypes.addressof(array))


def memory_type(shape: Shape) -> str:
    """Truth values are bytes in memory."""
    return shape.with_element("i8").text if shape.element == "i1" else shape.text


def _alignment(shape: Shape) -> int:
    """NumPy aligns arrays for their elements, not for vectors of them."""
    return max(shape.bits // 8, 1)


def _argument_loads(count: int) -> list[str]:
    lines = []
    for i in range(count):
        lines.append(f"%slot{i} = getelementptr i64, ptr %arguments, i64 {i}")
        lines.append(f"%p{i} = load ptr, ptr %slot{i}")
    return lines


def _loop(declaration: str) -> str:
    """A driver that applies an intrinsic to element after element of its arguments; pointers move along with them."""
    parsed = parse_declaration(declaration)
    assert parsed is not None, declaration
    result = Shape.from_text(parsed.returns)
    count = len(parsed.parameters)
    shapes = [parsed.shape(i) for i in range(count)]
    # Slots: the number of elements, the result, then the arguments.
    lines = [DRIVER, *_argument_loads(count + 2)]
    lines += ["%n = ptrtoint ptr %p0 to i64", "%some = icmp sgt i64 %n, 0", "br i1 %some, label %loop, label %done"]
    lines += ["loop:", "%i = phi i64 [ 0, %0 ], [ %next, %loop ]"]
    values = []
    for i, shape in enumerate(shapes):
        lines.append(f"%at{i} = getelementptr {memory_type(shape) if shape else 'i32'}, ptr %p{i + 2}, i64 %i")
        if shape is None:
            values.append(f"ptr %at{i}")
            continue
        lines.append(f"%m{i} = load {memory_type(shape)}, ptr %at{i}, align {_alignment(shape)}")
        if shape.element == "i1":
            lines.append(f"%v{i} = icmp ne {memory_type(shape)} %m{i}, zeroinitializer")
        values.append(f"{shape.text} %{'v' if shape.element == 'i1' else 'm'}{i}")
    call = f"call {parsed.returns} @{parsed.name}({', '.join(values)})"
    if result is None:
        lines.append(call)
    else:
        lines.append(f"%r = {call}")
        name = "%r"
        if result.element == "i1":
            lines.append(f"%w = zext {result.text} %r to {memory_type(result)}")
            name = "%w"
        lines.append(f"%to = getelementptr {memory_type(result)}, ptr %p1, i64 %i")
        lines.append(f"store {memory_type(result)} {name}, ptr %to, align {_alignment(result)}")
    lines += ["%next = add i64 %i, 1", "%more = icmp slt i64 %next, %n", "br i1 %more, label %loop, label %done"]
    return "\n".join([*lines, "done:", "ret void", "}"])


@functools.lru_cache(maxsize=512)
def compiled_loop(declaration: str, features: Features, target: llvm.Target | None) -> Compiled:
    found = definition(declaration, features)
    assert found is not None, declaration
    needs = {n for n in found.needs if _LANE not in n}
    return compile_text(module_text([found.text, *sorted(found.helpers), _loop(declaration)], needs), target)


def host_features() -> Features:
    host = llvm.host()
    return Features.of(host.triple, host.features)


def apply(
    declaration: str,
    *arrays: np.ndarray[Any, Any],
    features: Features | None = None,
    target: llvm.Target | None = None,
) -> np.ndarray[Any, Any]:
    """The intrinsic's results for arrays of arguments, of vectors along the last axis. Pointers are arrays too.

    Arguments of vectors of three have four elements, of which the last is ignored; so have results.
    """
    parsed = parse_declaration(declaration)
    assert parsed is not None, declaration
    returns = Shape.from_text(parsed.returns)
    length = len(arrays[0]) if arrays else 1
    kept = []
    for index, array in enumerate(arrays):
        shape = parsed.shape(index)
        data = np.ascontiguousarray(array)
        if shape is not None:
            data = data.view(np.uint8) if shape.element == "i1" else data
            assert data.dtype.itemsize * 8 == max(shape.bits, 8), (declaration, index, data.dtype)
        assert len(data) == length
        kept.append(data)
    result = np.full((length, returns.lane_elements) if returns and returns.count else length, 0)
    if returns is not None:
        result = result.astype(DTYPES[returns.element])
    compiled = compiled_loop(declaration, features or host_features(), target)
    invoke(compiled, [length, result.ctypes.data, *(a.ctypes.data for a in kept)])
    if returns is not None and returns.element == "i1":
        return result.astype(bool)
    return result


def name_of(declaration: str) -> str:
    match = re.search(r"@(air\.[\w.]+)", declaration)
    assert match is not None, declaration
    return match[1]


def aligned(count: int, dtype: Any) -> np.ndarray[Any, Any]:
    """An array at an address that 64 divides, filled with what no result looks like."""
    dtype = np.dtype(dtype)
    raw = np.full(count * dtype.itemsize + 64, POISON, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + count * dtype.itemsize].view(dtype)


@functools.lru_cache(maxsize=512)
def compiled_operation(name: str, parameters: int, features: Features, target: llvm.Target | None) -> Compiled:
    found = rendezvous(name, features)
    assert found is not None, name
    assert found.text, name
    lines = [DRIVER, *_argument_loads(parameters + 2)]
    lines += ["%wide = ptrtoint ptr %p0 to i64", "%mask = trunc i64 %wide to i32"]
    pointers = ", ".join(f"ptr %p{i + 1}" for i in range(parameters + 1))
    lines += [f'call void @"op.{name}"({pointers}, i32 %mask)', "ret void", "}"]
    return compile_text(module_text([found.text, *sorted(found.helpers), "\n".join(lines)], set(found.needs)), target)


def operate(
    name: str,
    result: Shape,
    *columns: np.ndarray[Any, Any],
    mask: int = 0xFFFFFFFF,
    features: Features | None = None,
    target: llvm.Target | None = None,
) -> np.ndarray[Any, Any]:
    """The column that an operation leaves, filled with poison beforehand; (32,) or (32, elements)."""
    inputs = []
    for column in columns:
        flat = np.ascontiguousarray(column).reshape(-1)
        copy = aligned(flat.size, flat.dtype)
        copy[:] = flat
        inputs.append(copy)
    out = aligned(LANES * result.lane_elements, DTYPES[result.element])
    compiled = compiled_operation(name, len(columns), features or host_features(), target)
    invoke(compiled, [mask, out.ctypes.data, *(i.ctypes.data for i in inputs)])
    return out.reshape(LANES, -1) if result.count else out
