"""An optimised kernel becomes a module in AIR: target, address spaces, names, function constants and metadata."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from isometal.soft.msl.air_metadata import add_metadata
from isometal.soft.msl.bindings import Binding
from isometal.soft.msl.derived_constants import DerivedConstants
from isometal.soft.msl.described import DescribedConstant
from isometal.soft.msl.function_constants import add_function_constants
from isometal.soft.msl.ir_text import ModuleText, quoted, symbol
from isometal.soft.msl.kernel_ir import entry_symbol
from isometal.soft.msl.records import Record
from isometal.soft.msl.spaces import restore_spaces

__all__ = ["AirOptions", "Constants", "air_module"]

_DATALAYOUT = (
    "e-p:64:64:64-i1:8:8-i8:8:8-i16:16:16-i32:32:32-i64:64:64-f32:32:32-f64:64:64-v16:16:16-v24:32:32-v32:32:32-"
    "v48:64:64-v64:64:64-v96:128:128-v128:128:128-v192:256:256-v256:256:256-v512:512:512-v1024:1024:1024-n8:16:32"
)
_TRIPLE = "air64-apple-macosx14.0.0"
_NVPTX_CONSTANT = re.compile(r"addrspace\(4\)")
_STRING_ATTRIBUTE = re.compile(r' "(?:target-features|target-cpu|tune-cpu|uniform-work-group-size)"="[^"]*"')


@dataclass(frozen=True, slots=True)
class Constants:
    """Function constants with their names in the source, what is derived from them, and symbols of both by name."""

    given: Sequence[tuple[DescribedConstant, str]]
    derived: DerivedConstants
    symbols: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class AirOptions:
    fast_math: bool
    language_version: tuple[int, int]


def air_module(
    optimized: str,
    initializers: Sequence[str],
    number: int,
    host_name: str,
    bindings: Sequence[Binding],
    constants: Constants,
    records: Mapping[str, Record],
    max_threads: int | None,
    options: AirOptions,
) -> str:
    """AIR's text of the kernel that instantiation `number` is, to be called `host_name`.

    `initializers`: functions in the optimised module that compute derived constants. `records`: layouts of classes.
    """
    roots = [entry_symbol(number), *initializers]
    module = ModuleText.parse(_NVPTX_CONSTANT.sub("addrspace(2)", optimized)).closure(roots)
    entry = symbol(host_name)
    pieces = module.pieces
    declarations: set[str] = set()
    for name, text in list(pieces.items()):
        if text.startswith("define "):
            pieces[name] = restore_spaces(text.replace("define dso_local ", "define "), declarations)
        elif name[0] == "#":
            pieces[name] = _STRING_ATTRIBUTE.sub("", text)
        elif text.startswith("declare "):
            pieces[name] = text.replace("declare dso_local ", "declare ")
    module.declare(declarations)
    body = pieces.pop(entry_symbol(number)).replace(f"{entry_symbol(number)}(", f"{entry}(", 1)
    pieces[entry] = body
    conditions = {b.condition: constants.symbols[b.condition] for b in bindings if b.condition}
    in_ir = add_function_constants(module, constants.given, constants.derived, initializers, conditions)
    add_metadata(
        module,
        entry,
        bindings,
        _unused(pieces[entry], len(bindings)),
        in_ir,
        records,
        max_threads=max_threads,
        fast_math=options.fast_math,
        language_version=options.language_version,
    )
    module.header = [
        f"source_filename = {quoted(host_name)}",
        f'target datalayout = "{_DATALAYOUT}"',
        f'target triple = "{_TRIPLE}"',
    ]
    return str(module)


def _unused(function: str, count: int) -> set[int]:
    """Parameters (clang leaves them unnamed: %0, %1, ...) that the body does not use."""
    body = function.partition("\n")[2]
    return {number for number in range(count) if not re.search(rf"%{number}(?!\d)", body)}
