"""What a definition is, and the lookup of one by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from isometal.soft.lower.intrinsics.builder import Builder, Value
from isometal.soft.lower.intrinsics.shape import Shape


@dataclass(frozen=True, slots=True)
class Definition:
    """An intrinsic's implementation.

    Attributes:
        text: an internal, always inlined function of the intrinsic's name, on pointers of address space 0.
        needs: declarations of what it calls: LLVM's intrinsics, and ``@isometal.lane``.
        helpers: functions that several definitions share; a module has each once.
    """

    text: str
    needs: frozenset[str]
    helpers: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Call:
    """The parameters of the function that is being defined."""

    builder: Builder
    parameters: tuple[str, ...]

    def value(self, index: int) -> Value:
        """A parameter that is a number or a vector."""
        shape = Shape.from_text(self.parameters[index])
        assert shape is not None, self.parameters[index]
        return self.builder.value(shape, self.name(index))

    def name(self, index: int) -> str:
        """The local name of a parameter."""
        return f"%a{index}"


@dataclass(frozen=True, slots=True)
class Intrinsic:
    """What a name stands for.

    Attributes:
        returns: type of the result, `void` for none.
        signatures: the lists of parameter types with which AIR declares it.
        body: writes the function's body and gives its result.
        memory: LLVM's word for the memory that it touches.
    """

    returns: str
    signatures: tuple[tuple[str, ...], ...]
    body: Callable[[Call], Value | None]
    memory: str = "none"


# LLVM must not fold comparisons as if subnormal numbers always were what they are: kernels flush them. A function into
# which this one is inlined says what really holds.
ANY_SUBNORMALS = '"denormal-fp-math"="dynamic,dynamic"'

# Finds an intrinsic by its name without `air.`; None where the family has none of that name.
Family = Callable[[str], Intrinsic | None]


def elementwise(formula: Callable[..., Value], shape: Shape, arity: int, returns: Shape | None = None) -> Intrinsic:
    """An intrinsic whose parameters all have one type, which is also the result's unless that is given."""
    return Intrinsic(
        (returns or shape).text,
        ((shape.text,) * arity,),
        lambda call: formula(*(call.value(i) for i in range(arity))),
    )


def write(name: str, intrinsic: Intrinsic, call: Call) -> Definition:
    """The text of a definition."""
    builder = call.builder
    result = intrinsic.body(call)
    builder.effect("ret void" if result is None else f"ret {result.typed}")
    parameters = ", ".join(f"{type_} {call.name(i)}" for i, type_ in enumerate(call.parameters))
    attributes = f"alwaysinline nounwind willreturn memory({intrinsic.memory}) {ANY_SUBNORMALS}"
    body = "\n".join(builder.lines)
    text = f"define internal {intrinsic.returns} @{name}({parameters}) {attributes} {{\n{body}\n}}"
    return Definition(text, frozenset(builder.needs))
