"""What a kernel uses of the language and of threadgroup memory: its code tells, not its metadata."""

from __future__ import annotations

import re

from isometal.soft import language
from isometal.soft.ir import parse_module
from isometal.soft.lower.spaces import flatten
from isometal.soft.lower.threadgroup import offsets
from isometal.soft.msl.ir_text import ModuleText, symbol

__all__ = ["features", "threadgroup_bytes"]

_NODE = re.compile(r"!\d+")


def features(air: str, kernel: str) -> tuple[str, ...]:
    """Names of the features in language.py that a kernel uses."""
    module = ModuleText.parse(air)
    named = [f"{name} = {text.partition(' = ')[2]}" for name, text in module.named_metadata.items()]
    return language.used_by("\n".join([*_part(module, kernel).pieces.values(), *named]))


def threadgroup_bytes(air: str, kernel: str) -> int:
    """Bytes of the threadgroup variables that a kernel or what it calls declares."""
    pieces = _part(ModuleText.parse(air), kernel).pieces.items()
    kept = [text for name, text in pieces if name[0] == "%" or (name[0] == "@" and " addrspace(3) global " in text)]
    variables = flatten(parse_module("\n".join(kept)))
    places, _ = offsets(variables)
    return max((places[variable.name] + variable.size for variable in variables), default=0)


def _part(module: ModuleText, kernel: str) -> ModuleText:
    """The kernel, what it calls, and its nodes of metadata."""
    name = symbol(kernel)
    nodes = _NODE.findall(module.named_metadata.get("!air.kernel", ""))
    own = [node for node in nodes if f"ptr {name}," in module.pieces.get(node, "")]
    return module.closure([name, *own])
