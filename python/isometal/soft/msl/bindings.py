"""What each parameter of a kernel is bound to, and the rules that Metal has for that."""

from __future__ import annotations

from dataclasses import dataclass

from isometal.soft.msl.described import ArgumentType, DescribedKernel
from isometal.soft.msl.diagnostics import Diagnostic
from isometal.soft.msl.passes.kernels import Instantiation, KernelParameter

__all__ = ["BUILTINS", "Binding", "bind"]

#: Built-in values of kernels; True where there may be up to three components.
BUILTINS = {
    "dispatch_quadgroups_per_threadgroup": False,
    "dispatch_simdgroups_per_threadgroup": False,
    "dispatch_threads_per_threadgroup": True,
    "grid_origin": True,
    "grid_size": True,
    "quadgroup_index_in_threadgroup": False,
    "quadgroups_per_threadgroup": False,
    "simdgroup_index_in_threadgroup": False,
    "simdgroups_per_threadgroup": False,
    "thread_execution_width": False,
    "thread_index_in_quadgroup": False,
    "thread_index_in_simdgroup": False,
    "thread_index_in_threadgroup": False,
    "thread_position_in_grid": True,
    "thread_position_in_threadgroup": True,
    "threadgroup_position_in_grid": True,
    "threadgroups_per_grid": True,
    "threads_per_grid": True,
    "threads_per_simdgroup": False,
    "threads_per_threadgroup": True,
}
#: Of one type each.
_ALIKE = (
    ("thread_position_in_grid", "threads_per_grid"),
    ("thread_position_in_threadgroup", "threads_per_threadgroup", "dispatch_threads_per_threadgroup"),
)
_BINDINGS = 31
_SPACES = {0: "no", 1: "device", 2: "constant", 3: "threadgroup", 4: "thread"}
_ALLOWED = frozenset(["buffer", "threadgroup", "function_constant", *BUILTINS])
_IGNORED = frozenset(["maybe_unused", "unused", "raster_order_group"])


@dataclass(frozen=True, slots=True)
class Binding:
    """One parameter.

    `builtin` is "" for memory, which has an `index`; `condition` names a function constant; `minimum` is how many bytes
    must be bound at least, where the declaration says so (a reference, an array), else 0.
    """

    parameter: KernelParameter
    type: ArgumentType
    builtin: str
    index: int
    condition: str
    minimum: int = 0


def bind(instantiation: Instantiation, described: DescribedKernel, problems: list[Diagnostic]) -> list[Binding]:
    """Bindings of a kernel's parameters; what breaks a rule is added to `problems`."""
    checker = _Checker(instantiation, described, problems)
    found = [checker.bind(number, p) for number, p in enumerate(instantiation.function.parameters)]
    checker.compare_positions(found)
    return found


def _components(binding: Binding) -> str:
    return binding.type.name.lstrip("abcdefghijklmnopqrstuvwxyz") or "1"


class _Checker:
    def __init__(self, instantiation: Instantiation, described: DescribedKernel, problems: list[Diagnostic]) -> None:
        self._kernel = instantiation.function.name
        self._described = described
        self._problems = problems
        self._owners: dict[tuple[str, int], list[KernelParameter]] = {}
        self._taken: dict[str, set[int]] = {"buffer": set(), "threadgroup": set()}
        for number, parameter in enumerate(instantiation.function.parameters):
            kind = "threadgroup" if parameter.attribute("threadgroup") else "buffer"
            if number in described.locations:
                self._taken[kind].add(described.locations[number])

    def bind(self, number: int, parameter: KernelParameter) -> Binding:
        type_ = self._described.arguments.get(number)
        if type_ is None:
            type_ = ArgumentType("?", "value", 0, True, 0, 1)
        for attribute in parameter.attributes:
            if attribute.name not in _ALLOWED and attribute.name not in _IGNORED:
                self._fail(parameter, f"attribute '{attribute.name}' is not one that kernels' parameters can have")
        builtins = [a.name for a in parameter.attributes if a.name in BUILTINS]
        if type_.kind == "value":
            return Binding(parameter, type_, self._builtin(parameter, type_, builtins), 0, parameter.condition)
        if builtins:
            self._fail(parameter, f"attribute '{builtins[0]}' needs a value, not a {type_.kind}")
        elements = self._described.elements.get(number, 1 if type_.kind == "reference" else 0)
        size = type_.size * elements
        return Binding(parameter, type_, "", self._location(number, parameter, type_), parameter.condition, size)

    def compare_positions(self, bindings: list[Binding]) -> None:
        """Positions and sizes have as many components each; those of the grid, of the threadgroup, one type."""
        several = [b for b in bindings if BUILTINS.get(b.builtin) and not b.builtin.startswith("grid_")]
        for binding in several[1:]:
            if _components(binding) != _components(several[0]):
                self._differs(binding, several[0], "as many components")
        for alike in _ALIKE:
            same = [b for b in several if b.builtin in alike]
            for binding in same[1:]:
                if binding.type.name != same[0].type.name:
                    self._differs(binding, same[0], "the same type")

    def _differs(self, binding: Binding, other: Binding, what: str) -> None:
        self._fail(
            binding.parameter,
            f"'{binding.builtin}' of type '{binding.type.name}' needs {what} as '{other.builtin}' of type "
            f"'{other.type.name}'",
        )

    def _builtin(self, parameter: KernelParameter, type_: ArgumentType, builtins: list[str]) -> str:
        if parameter.attribute("buffer") or parameter.attribute("threadgroup"):
            self._fail(
                parameter,
                f"'{type_.name}' by value cannot be a buffer; 'constant {type_.name}&' or a pointer would be one",
            )
            return ""
        if not builtins:
            self._fail(
                parameter, "its value comes from nowhere: it has no attribute such as [[thread_position_in_grid]]"
            )
            return ""
        if len(builtins) > 1:
            self._fail(parameter, f"it has two attributes, '{builtins[0]}' and '{builtins[1]}'")
        widths = ("", "2", "3") if BUILTINS[builtins[0]] else ("",)
        allowed = [f"{element}{width}" for element in ("uint", "ushort") for width in widths]
        if type_.name not in allowed:
            self._fail(parameter, f"'{builtins[0]}' cannot have type '{type_.name}'; it can have {', '.join(allowed)}")
        return builtins[0]

    def _location(self, number: int, parameter: KernelParameter, type_: ArgumentType) -> int:
        kind = "threadgroup" if type_.space == 3 else "buffer"
        if type_.space not in (1, 2, 3):
            space = _SPACES[type_.space]
            self._fail(
                parameter,
                f"a {type_.kind} parameter of a kernel must be in device, constant or threadgroup memory, "
                f"not in {space} address space",
            )
            return 0
        wrong = "threadgroup" if kind == "buffer" else "buffer"
        if parameter.attribute(wrong):
            self._fail(parameter, f"[[{wrong}(n)]] does not fit {_SPACES[type_.space]} memory; [[{kind}(n)]] would")
            return 0
        index = self._described.locations.get(number)
        if index is None:
            index = next(i for i in range(_BINDINGS + len(self._taken[kind]) + 1) if i not in self._taken[kind])
            self._taken[kind].add(index)
        if not 0 <= index < _BINDINGS:
            self._fail(parameter, f"{kind} index {index} is out of range; 0 to {_BINDINGS - 1} are possible")
        for other in self._owners.setdefault((kind, index), []):
            # Arguments of which function constants choose one may share an index.
            if not (parameter.attribute("function_constant") and other.attribute("function_constant")):
                self._fail(parameter, f"{kind} index {index} is already that of '{other.name}'")
        self._owners[kind, index].append(parameter)
        return index

    def _fail(self, parameter: KernelParameter, why: str) -> None:
        name = f"parameter '{parameter.name}'" if parameter.name else "an unnamed parameter"
        diagnostic = Diagnostic("error", parameter.position, f"{name} of kernel '{self._kernel}': {why}")
        if diagnostic not in self._problems:
            self._problems.append(diagnostic)
