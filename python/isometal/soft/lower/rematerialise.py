"""Values that are cheaper to compute again in each region than to keep in a column.

They are the same whenever their thread computes them: arithmetic on parameters and addresses, and loads from constant
memory. So a region that needs one computes it at its start, once per span where it is uniform, and nothing is stored.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from isometal.soft.ir import Instruction, Phi
from isometal.soft.ir.lexer import words

_CHEAP = words(
    "add sub mul shl lshr ashr and or xor icmp select trunc zext sext getelementptr bitcast extractelement "
    "insertelement freeze load"
)
# A chain of more instructions is kept in a column, unless a whole span shares it.
_LONGEST_CHAIN = 12


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to compute a value again. `uniform`: all threads of the threadgroup get the same."""

    instruction: Instruction
    uniform: bool
    length: int


def recipes(instructions: Iterable[Instruction], uniform: set[str], varying: set[str]) -> dict[str, Recipe]:
    """The values that can be computed again from the given ones.

    Args:
        instructions: in an order in which definitions come before uses, but for loops.
        uniform: names that every region knows and that are the same for all threads.
        varying: names that every region knows for each thread.
    """
    found: dict[str, Recipe] = {}
    for instruction in instructions:
        if isinstance(instruction, Phi) or instruction.opcode not in _CHEAP or not instruction.result:
            continue
        if instruction.opcode == "load" and "!invariant.load" not in instruction.tokens:
            continue
        length, same = 1, True
        for name in instruction.uses():
            recipe = found.get(name)
            if recipe is not None:
                length += recipe.length
                same = same and recipe.uniform
            elif name in varying:
                same = False
            elif name not in uniform:
                break
        else:
            if same or length <= _LONGEST_CHAIN:
                found[instruction.result] = Recipe(instruction, same, length)
    return found


def closure(names: Iterable[str], known: dict[str, Recipe]) -> list[str]:
    """The names, and what they are computed from, in the order of computation."""
    order: dict[str, None] = {}
    stack = [(name, False) for name in names]
    while stack:
        name, ready = stack.pop()
        if name in order:
            continue
        if ready:
            order[name] = None
            continue
        stack.append((name, True))
        stack += [(used, False) for used in known[name].instruction.uses() if used in known]
    return list(order)
