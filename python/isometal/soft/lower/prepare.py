"""From AIR to one optimised function of plain LLVM IR: constants, address spaces, intrinsics, inlining.

What comes out is still one thread's code. What it shares with other threads is left as calls to `air.*` functions: the
places where it may have to wait.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from isometal.soft.errors import LoweringError
from isometal.soft.ir import Function, Instruction, IrError, Module, parse_instruction, parse_module
from isometal.soft.ir.lexer import tokenize
from isometal.soft.lower import builtins, intrinsics, llvm
from isometal.soft.lower.builtins import Source
from isometal.soft.lower.constants import ConstantValue, specialise
from isometal.soft.lower.observe import OBSERVE_LOAD, OBSERVE_STORE, Access, observe_accesses
from isometal.soft.lower.spaces import ThreadgroupVariable, flatten

LANE = "@isometal.lane"

# What survives of the metadata of AIR: that of instructions, by number.
_KEPT_METADATA = re.compile(r"!\d+\Z")
_ATTRIBUTE_GROUP = re.compile(r" #\d+")
_DROPPED_ATTRIBUTES = re.compile(r' ?"(?:frame-pointer|stack-protector-buffer-size|min-legal-vector-width)"="[^"]*"')


@dataclass(slots=True)
class Prepared:
    """A kernel as one function.

    Attributes:
        module: what `function` stands in; also holds constant tables.
        function: the kernel.
        sources: where its parameters come from.
        variables: the threadgroup variables that are its own.
        flush_denormals: whether AIR was compiled with denorms_disable.
        accesses: what observers are told about, by number.
    """

    module: Module
    function: Function
    sources: list[Source]
    variables: list[ThreadgroupVariable]
    flush_denormals: bool
    accesses: list[Access]


def prepare(
    air: str, kernel: str, constants: Mapping[int, ConstantValue], target: llvm.Target, *, observed: bool
) -> Prepared:
    """Prepare a kernel for the search of its sites.

    Args:
        air: text of a module in AIR that defines the kernel.
        kernel: its name, without the @.
        constants: function constants by index.
        target: what to optimise for.
        observed: report loads and stores to an observer.

    Raises:
        LoweringError: no such kernel, an unknown intrinsic, recursion, a constant that does not fit.
    """
    module = parse_module(air)
    symbol = _find(module, kernel)
    flush = any('"air.compile.denorms_disable"' in text for text in module.metadata.values())
    sources = builtins.sources(module, kernel)
    if len(sources) != len(module.functions[symbol].parameters):
        raise LoweringError(
            f"[soft] kernel {kernel!r}: the metadata describes {len(sources)} parameters, not all of them."
        )
    _prune(module, symbol)
    specialise(module, constants)
    accesses = observe_accesses(module) if observed else []
    variables = flatten(module)
    _localise(module, symbol)
    features = intrinsics.Features.of(target.triple, target.features)
    _legalise(module, features)
    helpers = _define_intrinsics(module, kernel, features)
    module.header = [f'target triple = "{target.triple}"', f'target datalayout = "{target.data_layout}"']
    text = str(module) + helpers
    compiled = llvm.parse(text)
    llvm.optimise(compiled, target, vectorise=False)
    result = parse_module(str(compiled), prefix="t")
    function = result.functions.get(symbol)
    if function is None:
        raise LoweringError(f"[soft] kernel {kernel!r} was optimised away; this is a bug of isometal.")
    _check_single(result, symbol, kernel)
    return Prepared(result, function, sources, variables, flush, accesses)


def _find(module: Module, kernel: str) -> str:
    for name in (f"@{kernel}", f'@"{kernel}"'):
        if name in module.functions:
            return name
    raise LoweringError(f"[soft] the module defines no kernel {kernel!r}; it has {', '.join(module.functions)}.")


def _prune(module: Module, symbol: str) -> None:
    """Drop what the kernel does not use: other kernels must not cost memory, or fail it with what they call."""
    constructors = {name for name in module.functions if "_GLOBAL__sub_I" in name}
    if module.functions.keys() == constructors | {symbol}:
        return
    reached: set[str] = set()
    stack = [symbol, "@llvm.global_ctors"]
    while stack:
        name = stack.pop()
        if name in reached:
            continue
        reached.add(name)
        if name in module.functions:
            stack += [used for i in module.functions[name].instructions() for used in i.symbols()]
        elif name in module.globals:
            stack += [token for token in module.globals[name].tokens if token[0] == "@"]
    module.functions = {name: f for name, f in module.functions.items() if name in reached}
    module.globals = {name: g for name, g in module.globals.items() if name in reached}


def _localise(module: Module, symbol: str) -> None:
    """Everything but the kernel becomes internal and is inlined; metadata that only AIR's readers need goes."""
    for name, function in module.functions.items():
        attributes = [t for t in function.suffix if t not in ("alwaysinline", "noinline", "optnone", "comdat")]
        attributes.append(intrinsics.ANY_SUBNORMALS)
        if name == symbol:
            function.prefix = []
            function.suffix = attributes
        else:
            function.prefix = ["internal", *_without_linkage(function.prefix)]
            function.suffix = attributes if "_GLOBAL__sub_I" in name else [*attributes, "alwaysinline"]
    module.globals.pop("@llvm.compiler.used", None)
    module.globals.pop("@llvm.used", None)
    module.metadata = {name: text for name, text in module.metadata.items() if _KEPT_METADATA.match(name)}
    # Nodes of !air.kernel and the like refer to functions; nothing refers to them any more.
    module.metadata = {n: t if "ptr " not in t else "!{}" for n, t in module.metadata.items()}
    module.attributes = {
        name: _DROPPED_ATTRIBUTES.sub("", text).replace("noinline", "").replace("optnone", "")
        for name, text in module.attributes.items()
    }


def _without_linkage(prefix: list[str]) -> list[str]:
    linkages = {"weak_odr", "linkonce_odr", "internal", "private", "weak", "linkonce", "hidden", "dso_local"}
    return [token for token in prefix if token not in linkages | {"local_unnamed_addr", "unnamed_addr"}]


def _legalise(module: Module, features: intrinsics.Features) -> None:
    """Replace what the target has no instructions for, in place."""
    for function in module.functions.values():
        for block in function.blocks:
            instructions: list[Instruction] = []
            for instruction in block.instructions:
                found = intrinsics.legalise(instruction, features)
                if found is None:
                    instructions.append(instruction)
                    continue
                instructions += [parse_instruction(line) for line in found.lines]
                for declaration in found.declarations:
                    name = next(token for token in tokenize(declaration) if token[0] == "@")
                    module.declarations.setdefault(name, declaration)
            block.instructions = instructions


def _define_intrinsics(module: Module, kernel: str, features: intrinsics.Features) -> str:
    """Definitions of the intrinsics that the module declares, as text to append."""
    texts: dict[str, None] = {}
    needs: dict[str, None] = {}
    for name, declaration in list(module.declarations.items()):
        if not name.startswith("@air.") or not _is_used(module, name):
            continue
        if intrinsics.rendezvous(name[1:]) is not None:
            # Whatever the module says of it: LLVM must neither duplicate nor merge it, nor make it depend on more.
            module.declarations[name] = f"{_ATTRIBUTE_GROUP.sub('', declaration)} convergent nounwind"
            continue
        definition = intrinsics.definition(declaration, features)
        if definition is None:
            raise LoweringError(f"[soft] kernel {kernel!r} calls {name[1:]!r}, an intrinsic that is not known.")
        del module.declarations[name]
        texts[definition.text] = None
        texts.update(dict.fromkeys(sorted(definition.helpers)))
        needs.update(dict.fromkeys(definition.needs))
    for need in needs:
        name = next(token for token in tokenize(need) if token[0] == "@")
        if name not in module.declarations and name not in module.functions:
            module.declarations[name] = need
    return "\n".join(texts) + "\n"


def _is_used(module: Module, name: str) -> bool:
    return any(name in i.tokens for function in module.functions.values() for i in function.instructions())


def _check_single(module: Module, symbol: str, kernel: str) -> None:
    """After inlining, only the kernel and calls that wait are left."""
    for instruction in module.functions[symbol].instructions():
        if instruction.opcode != "call":
            continue
        callee = instruction.callee
        if not callee:
            raise LoweringError(f"[soft] kernel {kernel!r} calls through a pointer, which the device cannot do.")
        if callee in module.functions and callee != symbol:
            raise LoweringError(f"[soft] kernel {kernel!r}: {callee[1:]} cannot be inlined; is it recursive?")
        if callee == symbol:
            raise LoweringError(f"[soft] kernel {kernel!r} calls itself; recursion is not possible in Metal.")


__all__ = ["LANE", "OBSERVE_LOAD", "OBSERVE_STORE", "IrError", "Prepared", "prepare"]
