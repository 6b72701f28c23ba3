"""The metadata of AIR, in the shape that Apple's compiler gives it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from isometal.soft.msl.bindings import Binding
from isometal.soft.msl.described import shown_name
from isometal.soft.msl.function_constants import ConstantsInIr
from isometal.soft.msl.ir_text import ModuleText, quoted
from isometal.soft.msl.records import Record, struct_type_info

__all__ = ["add_metadata"]

_SPACE_DEVICE, _SPACE_THREADGROUP = 1, 3
_LIMITS = (
    ("air.max_device_buffers", 31),
    ("air.max_constant_buffers", 31),
    ("air.max_threadgroup_buffers", 31),
    ("air.max_textures", 128),
    ("air.max_read_write_textures", 8),
    ("air.max_samplers", 16),
)
_IDENT = "isometal MSL front end"


def add_metadata(
    module: ModuleText,
    entry: str,
    bindings: Sequence[Binding],
    unused: set[int],
    constants: ConstantsInIr,
    records: Mapping[str, Record],
    *,
    max_threads: int | None,
    fast_math: bool,
    language_version: tuple[int, int],
) -> None:
    """Add !air.kernel and what goes with it. `unused`: parameters that the code does not read."""
    nodes = _Nodes(module)
    arguments: list[str] = []
    conditions = {
        name: nodes.add(f'!{{ptr addrspace(2) {symbol}, !"{_condition_type(constants, name)}", !{quoted(name)}}}')
        for name, symbol in constants.predicates.items()
    }
    for number, binding in enumerate(bindings):
        info = None if binding.builtin else struct_type_info(records, binding.type.name, nodes.add)
        arguments.append(nodes.add(_argument(number, binding, number in unused, conditions, info)))
    parts = [f"ptr {entry}", nodes.add("!{}"), nodes.add(f"!{{{', '.join(arguments)}}}")]
    if max_threads is not None:
        parts.append(nodes.add(f'!{{!"air.max_work_group_size", i32 {max_threads}}}'))
    options = ["denorms_disable", "fast_math_enable" if fast_math else "fast_math_disable", "framebuffer_fetch_enable"]
    flags = ['!{i32 1, !"wchar_size", i32 4}', '!{i32 7, !"frame-pointer", i32 2}']
    flags += [f'!{{i32 7, !"{name}", i32 {value}}}' for name, value in _LIMITS]
    named = {
        "!llvm.module.flags": [nodes.add(flag) for flag in flags],
        "!llvm.ident": [nodes.add(f'!{{!"{_IDENT}"}}')],
        "!air.version": [nodes.add("!{i32 2, i32 6, i32 0}")],
        "!air.language_version": [
            nodes.add(f'!{{!"Metal", i32 {language_version[0]}, i32 {language_version[1]}, i32 0}}')
        ],
        "!air.compile_options": [nodes.add(f'!{{!"air.compile.{option}"}}') for option in options],
        "!air.kernel": [nodes.add(f"!{{{', '.join(parts)}}}")],
    }
    if constants.initializers:
        named["!air.function_constants"] = [
            nodes.add(f'!{{ptr addrspace(2) {symbol}, !"{c.type}", !{quoted(name)}, i32 {c.index}, i1 true}}')
            for symbol, c, name in constants.initializers
        ]
    module.named_metadata = {name: f"{name} = !{{{', '.join(ids)}}}" for name, ids in named.items()}


class _Nodes:
    def __init__(self, module: ModuleText) -> None:
        self._module = module
        numbers = [int(name[1:]) for name in module.pieces if name[0] == "!"]
        self._next = max(numbers, default=-1) + 1

    def add(self, text: str) -> str:
        name = f"!{self._next}"
        self._next += 1
        self._module.pieces[name] = f"{name} = {text}"
        return name


def _argument(number: int, binding: Binding, unused: bool, conditions: Mapping[str, str], info: str | None) -> str:
    """`info`: the node that describes the members of a struct."""
    type_ = binding.type
    words = [f"i32 {number}"]
    if binding.condition:
        words += ['!"air.function_constant"', conditions[binding.condition]]
    if binding.builtin:
        words += [f'!"air.{binding.builtin}"']
    else:
        words += ['!"air.buffer"']
        if binding.minimum and type_.space != _SPACE_THREADGROUP:
            words += ['!"air.buffer_size"', f"i32 {binding.minimum}"]
        access = "read" if type_.is_const or type_.space not in (_SPACE_DEVICE, _SPACE_THREADGROUP) else "read_write"
        words += ['!"air.location_index"', f"i32 {binding.index}", "i32 1", f'!"air.{access}"']
        words += ['!"air.address_space"', f"i32 {type_.space}"]
        words += ['!"air.struct_type_info"', info] if info is not None else []
        words += ['!"air.arg_type_size"', f"i32 {type_.size}"]
        words += ['!"air.arg_type_align_size"', f"i32 {type_.alignment}"]
    words += [
        '!"air.arg_type_name"',
        f"!{quoted(shown_name(type_.name))}",
        '!"air.arg_name"',
        f"!{quoted(binding.parameter.name)}",
    ]
    if unused:
        words += ['!"air.arg_unused"']
    return f"!{{{', '.join(words)}}}"


def _condition_type(constants: ConstantsInIr, name: str) -> str:
    """Type of a condition; derived ones are bool."""
    return next((constant.type for _, constant, known in constants.initializers if known == name), "bool")
