"""Where a kernel's parameters come from: the threadgroup's bindings, or the position of the thread.

Each parameter is given as instructions that define its name, for one of two places: once for a whole span (*uniform*),
or for each thread of it. All but the position in the threadgroup and in the grid can be had at every site.
"""

from __future__ import annotations

from dataclasses import dataclass

from isometal.soft.air_nodes import KernelNode, Words
from isometal.soft.errors import LoweringError
from isometal.soft.ir import Module, Parameter
from isometal.soft.ir.types import vector
from isometal.soft.lower.abi import LANES, SPAN, THREADGROUP

# Names that a region defines: the span's fields, the index of the thread in the span and in the threadgroup, its lane.
SPAN_FIELD = "%$span${}"
INDEX = "%$index"
THREAD = "%$thread"
LANE_VALUE = "%$lane"

_UNIFORM_VECTORS = {
    "threadgroup_position_in_grid": "position",
    "threads_per_threadgroup": "size",
    "dispatch_threads_per_threadgroup": "dispatch_size",
    "threads_per_grid": "grid_threads",
    "grid_size": "grid_threads",
    "threadgroups_per_grid": "grid_threadgroups",
}
_UNIFORM_SCALARS = {
    "simdgroups_per_threadgroup": "simdgroups",
    "dispatch_simdgroups_per_threadgroup": "dispatch_simdgroups",
}
_CONSTANTS = {"threads_per_simdgroup": LANES, "thread_execution_width": LANES, "grid_origin": 0}
# From the index of the thread in its threadgroup: (instruction, operand).
_FROM_THREAD = {
    "thread_index_in_threadgroup": ("add", 0),
    "thread_index_in_simdgroup": ("and", LANES - 1),
    "simdgroup_index_in_threadgroup": ("lshr", 5),
    "thread_index_in_quadgroup": ("and", 3),
    "quadgroup_index_in_threadgroup": ("lshr", 2),
}
_POSITIONS = ("thread_position_in_threadgroup", "thread_position_in_grid")


@dataclass(frozen=True, slots=True)
class Source:
    """Where one parameter comes from.

    Attributes:
        kind: `buffer`, `threadgroup`, or the name of a built-in value as AIR spells it, without `air.`.
        index: of a binding.
    """

    kind: str
    index: int = 0

    @property
    def is_position(self) -> bool:
        """Whether only the kernel's first region can know it."""
        return self.kind in _POSITIONS

    @property
    def is_uniform(self) -> bool:
        """Whether all threads of a threadgroup have the same value."""
        return not self.is_position and self.kind not in _FROM_THREAD


def sources(module: Module, kernel: str) -> list[Source]:
    """Sources of the kernel's parameters, in order, from the metadata of AIR.

    Raises:
        LoweringError: no metadata, or a parameter that compute kernels on this device cannot have.
    """
    node = KernelNode(module, kernel)
    return [_source(node, words) for words in node.arguments()]


def _source(kernel: KernelNode, words: Words) -> Source:
    if "buffer" in words:
        space = kernel.word_number(words, "address_space")
        return Source("threadgroup" if space == 3 else "buffer", kernel.word_number(words, "location_index"))
    for word in words:
        if word in _UNIFORM_VECTORS or word in _UNIFORM_SCALARS or word in _CONSTANTS:
            return Source(word)
        if word in _FROM_THREAD or word in _POSITIONS:
            return Source(word)
    named = next(iter(words), "nothing")
    raise LoweringError(
        f"[soft] kernel {kernel.name!r} has a parameter of kind {named!r}; buffers and positions are possible."
    )


def span_prologue() -> list[str]:
    """Loads of the span's fields, as `%$span.<field>`."""
    lines: list[str] = []
    for name, offset in SPAN.items():
        lines += _load(SPAN_FIELD.format(name), "i32", "%$span", offset)
    return lines


def define(parameter: Parameter, source: Source) -> list[str]:
    """Instructions that define the parameter's name, from `%$threadgroup` and, where it is not uniform, the thread."""
    name, type_ = parameter.name, parameter.type
    if source.kind in ("buffer", "threadgroup"):
        table = "buffers" if source.kind == "buffer" else "threadgroup_arguments"
        return [
            *_load(f"{name}$table", "ptr", "%$threadgroup", THREADGROUP[table]),
            *_load(name, "ptr", f"{name}$table", 8 * source.index),
        ]
    width, element = vector(type_) or (1, type_)
    lines: list[str] = []
    parts: list[str] = []
    for axis in range(width):
        part = f"{name}${axis}"
        lines += _component(part, source.kind, axis)
        if element != "i32":
            lines.append(
                f"{part}$narrow = trunc i32 {part} to {element}"
                if element != "i64"
                else f"{part}$narrow = zext i32 {part} to i64"
            )
            part += "$narrow"
        parts.append(part)
    if vector(type_) is None:
        return [*lines, f"{name} = add {element} {parts[0]}, 0"]
    previous = "poison"
    for axis, part in enumerate(parts):
        result = name if axis == width - 1 else f"{name}$with{axis}"
        lines.append(f"{result} = insertelement {type_} {previous}, {element} {part}, i32 {axis}")
        previous = result
    return lines


def _component(name: str, kind: str, axis: int) -> list[str]:
    if kind in _UNIFORM_VECTORS:
        return _load(name, "i32", "%$threadgroup", THREADGROUP[_UNIFORM_VECTORS[kind]] + 4 * axis)
    if kind in _UNIFORM_SCALARS:
        return _load(name, "i32", "%$threadgroup", THREADGROUP[_UNIFORM_SCALARS[kind]])
    if kind in _CONSTANTS:
        return [f"{name} = add i32 {_CONSTANTS[kind]}, 0"]
    if kind in _FROM_THREAD:
        instruction, operand = _FROM_THREAD[kind]
        return [f"{name} = {instruction} i32 {THREAD}, {operand}"]
    local = f"{name}$local"
    field = SPAN_FIELD.format("xyz"[axis])
    lines = [f"{local} = add nuw i32 {field}, {INDEX if axis == 0 else 0}"]
    if kind == "thread_position_in_threadgroup":
        return [*lines, f"{name} = add i32 {local}, 0"]
    lines += _load(f"{name}$group", "i32", "%$threadgroup", THREADGROUP["position"] + 4 * axis)
    lines += _load(f"{name}$size", "i32", "%$threadgroup", THREADGROUP["dispatch_size"] + 4 * axis)
    # Positions in a grid fit 32 bits, so neither step wraps: LLVM needs to know to see consecutive addresses.
    return [
        *lines,
        f"{name}$base = mul nuw i32 {name}$group, {name}$size",
        f"{name} = add nuw i32 {name}$base, {local}",
    ]


def _load(name: str, type_: str, base: str, offset: int) -> list[str]:
    return [
        f"{name}$at = getelementptr inbounds i8, ptr {base}, i64 {offset}",
        f"{name} = load {type_}, ptr {name}$at, !invariant.load !{{}}",
    ]


def threadgroup_variable(name: str, offset: int) -> list[str]:
    """Instructions that define `name` as the address `offset` bytes into the threadgroup's memory."""
    return [
        *_load(f"{name}$memory", "ptr", "%$threadgroup", THREADGROUP["threadgroup_memory"]),
        f"{name} = getelementptr inbounds i8, ptr {name}$memory, i64 {offset}",
    ]
