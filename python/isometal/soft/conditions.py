"""Which conditional arguments a kernel has, given its function constants.

``[[function_constant(name)]]`` on an argument becomes a predicate: a global variable that a constructor of the module
computes from the constants, by any expression that MSL allows in a constant initialiser. So LLVM computes it here too:
it runs the constructors at compile time, and what is left in the variable is the answer.
"""

from __future__ import annotations

from collections.abc import Mapping

from isometal.soft.errors import LoweringError
from isometal.soft.ir import Global, Module, parse_module
from isometal.soft.lower import intrinsics, llvm
from isometal.soft.lower.constants import ConstantValue, specialise
from isometal.soft.lower.spaces import flatten

__all__ = ["evaluate"]

_LOCAL = ("internal", "private")


def evaluate(
    module: Module, conditions: Mapping[str, str], constants: Mapping[int, ConstantValue], target: llvm.Target
) -> dict[str, bool]:
    """Evaluate conditions.

    Args:
        module: in AIR, as it was parsed; it is changed and of no other use afterwards.
        conditions: name of each condition -> symbol of its predicate, with the @.
        constants: function constants by index; one that is missing is zero.
        target: any that LLVM knows.

    Raises:
        LoweringError: a predicate that does not follow from the constants.
    """
    if not conditions:
        return {}
    specialise(module, constants)
    _reduce_to_constructors(module)
    flatten(module)
    for symbol in conditions.values():
        if symbol not in module.globals:
            raise LoweringError(f"[soft] the predicate {symbol} of an argument is not in the module.")
        # A variable that others may read stays.
        tokens = module.globals[symbol].tokens
        module.globals[symbol].tokens = [token for token in tokens if token not in _LOCAL]
    definitions = _define_intrinsics(module)
    compiled = llvm.parse(str(module) + definitions)
    llvm.optimise(compiled, target, vectorise=False)
    found = parse_module(str(compiled), prefix="t").globals
    return {name: _value(found[symbol], name) for name, symbol in conditions.items()}


def _reduce_to_constructors(module: Module) -> None:
    """Leaves the constructors, what they call, and the variables."""
    for name in ("@llvm.compiler.used", "@llvm.used"):
        module.globals.pop(name, None)
    constructors = module.globals.get("@llvm.global_ctors")
    needed = set(constructors.tokens) & set(module.functions) if constructors else set()
    pending = list(needed)
    while pending:
        called = {token for i in module.functions[pending.pop()].instructions() for token in i.tokens}
        new = (called & set(module.functions)) - needed
        needed |= new
        pending += new
    module.functions = {name: function for name, function in module.functions.items() if name in needed}
    module.header = []
    # Nodes of !air.kernel refer to functions that are gone.
    module.metadata = {n: t if "ptr " not in t else "!{}" for n, t in module.metadata.items() if n[1:].isdigit()}


def _define_intrinsics(module: Module) -> str:
    """Definitions of the intrinsics that the constructors call, as text to append."""
    used = {token for function in module.functions.values() for i in function.instructions() for token in i.tokens}
    texts: dict[str, None] = {}
    for name, declaration in list(module.declarations.items()):
        if name not in used:
            del module.declarations[name]
            continue
        definition = intrinsics.definition(declaration) if name.startswith("@air.") else None
        if definition is not None:
            del module.declarations[name]
            texts |= dict.fromkeys([definition.text, *sorted(definition.helpers), *sorted(definition.needs)])
    return "\n".join(texts) + "\n"


def _value(variable: Global, name: str) -> bool:
    """What the constructors have left in a predicate."""
    value = variable.tokens[variable.keyword + 2]
    if not value.isdigit():
        raise LoweringError(f"[soft] the condition {name!r} of an argument does not follow from the constants.")
    return value != "0"
