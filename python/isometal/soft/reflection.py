"""What a kernel says about itself: arguments, function constants, limits. csrc/soft/reflection.h has the same names.

Plain data: `metadata.py` reads it from AIR, the compile cache keeps it as JSON, `str()` shows it as a table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from isometal.soft.language import least_gpu, least_version, version_text
from isometal.soft.msl_types import Scalar

__all__ = ["Argument", "Field", "FunctionConstant", "KernelReflection", "Site"]

Kind = Literal["buffer", "threadgroup", "builtin"]
Access = Literal["read", "write", "read_write"]
Space = Literal["thread", "device", "constant", "threadgroup"]


@dataclass(frozen=True)
class Field:
    """A member of a struct.

    Attributes:
        name: as in the source.
        type_name: in MSL.
        offset: in the struct, in bytes.
        size: of one element, in bytes.
        length: elements of an array; 0 where it is none.
        fields: members, where the member is a struct itself.
    """

    name: str
    type_name: str
    offset: int
    size: int
    length: int = 0
    fields: tuple[Field, ...] = ()


@dataclass(frozen=True)
class Argument:
    """An argument of a kernel.

    Attributes:
        name: as in the source; "" where it has none.
        type_name: of one element, in MSL: ``float``, ``half4``, ``bool``, or a struct's name.
        kind: ``buffer`` for [[buffer(index)]], ``threadgroup`` for memory whose length the dispatch gives, ``builtin``
            for positions and sizes.
        builtin: which, for example ``thread_position_in_grid``; "" for others.
        access: of a buffer.
        space: address space.
        index: of the binding; 0 for built-ins.
        type_size: bytes of one element.
        alignment: of one element, in bytes.
        required_bytes: the least that must be bound: one element; 0 where that is unknown.
        used: whether the kernel's code touches it.
        condition: function constant that switches the argument on; "" for one that is always there.
        fields: members, where the type is a struct.
    """

    name: str
    type_name: str
    kind: Kind
    builtin: str = ""
    access: Access = "read"
    space: Space = "device"
    index: int = 0
    type_size: int = 0
    alignment: int = 1
    required_bytes: int = 0
    used: bool = True
    condition: str = ""
    fields: tuple[Field, ...] = ()

    @property
    def writes(self) -> bool:
        """Whether the kernel may write to it."""
        return self.access != "read"

    @property
    def title(self) -> str:
        """How messages call it: ``buffer 2 (out)``."""
        named = f" ({self.name})" if self.name else ""
        return f"{self.builtin}{named}" if self.kind == "builtin" else f"{self.kind} {self.index}{named}"


@dataclass(frozen=True)
class FunctionConstant:
    """A function constant that a kernel declares. A required one needs a value before the kernel can be compiled."""

    name: str
    type_name: str
    index: int
    required: bool = True


@dataclass(frozen=True)
class Site:
    """A place where threads wait for others, as reports of hangs name it: its kind, and the calls made there."""

    kind: int
    text: str


@dataclass(frozen=True)
class KernelReflection:
    """All of it.

    Attributes:
        name: of the kernel.
        arguments: in the order of the source. Of a compiled kernel, those that its constants switch off are left out.
        constants: function constants that it declares.
        max_threads_per_threadgroup: 1024, or what the source says.
        declared_threads: what the source says of that; 0 for nothing.
        static_threadgroup_bytes: memory of its own threadgroup variables.
        air_version: of AIR, for example (2, 6).
        language_version: of MSL, for example (3, 1).
        options: how AIR was compiled: ``denorms_disable``, ``fast_math_disable``, ...
        producer: the compiler.
        features: of the language, those that came after its first version and that the kernel uses (language.py).
        sites: where threads wait; of a compiled kernel only.
    """

    name: str
    arguments: tuple[Argument, ...]
    constants: tuple[FunctionConstant, ...] = ()
    max_threads_per_threadgroup: int = 1024
    declared_threads: int = 0
    static_threadgroup_bytes: int = 0
    air_version: tuple[int, ...] = ()
    language_version: tuple[int, ...] = ()
    options: tuple[str, ...] = ()
    producer: str = ""
    features: tuple[str, ...] = ()
    sites: tuple[Site, ...] = ()

    @property
    def bindings(self) -> tuple[Argument, ...]:
        """Arguments that are bound for a dispatch: buffers, by index, then threadgroup memory."""
        order: tuple[Kind, ...] = ("buffer", "threadgroup")
        bound = [argument for argument in self.arguments if argument.kind in order]
        return tuple(sorted(bound, key=lambda argument: (order.index(argument.kind), argument.index)))

    @property
    def least_language_version(self) -> tuple[int, int]:
        """The first version of the language that has all that the kernel uses."""
        return least_version(self.features)

    @property
    def least_gpu_family(self) -> int:
        """The first family of Apple's GPUs that has all that the kernel uses, 7 for Apple7; 0 for any."""
        return least_gpu(self.features)

    @property
    def flushes_denormals(self) -> bool:
        """Whether it takes subnormal numbers for zero."""
        return "denorms_disable" in self.options

    @property
    def fast_math(self) -> bool:
        """Whether it was compiled with fast math."""
        return "fast_math_disable" not in self.options

    def only(self, conditions: Mapping[str, bool]) -> KernelReflection:
        """Without the arguments whose condition is false. Raises KeyError where a condition is not listed."""
        kept = [a for a in self.arguments if not a.condition or conditions[a.condition]]
        return replace(self, arguments=tuple(kept))

    def to_json(self) -> dict[str, Any]:
        """As data that JSON can hold; `from_json` reads it."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> KernelReflection:
        """What `to_json` gave, through JSON or not. Raises TypeError, KeyError for other data."""
        return cls(
            **{
                **data,
                "arguments": tuple(_argument(entry) for entry in data["arguments"]),
                "constants": tuple(FunctionConstant(**entry) for entry in data["constants"]),
                "sites": tuple(Site(**entry) for entry in data["sites"]),
                **{key: tuple(data[key]) for key in ("air_version", "language_version", "options", "features")},
            }
        )

    def __str__(self) -> str:
        version, air = version_text(self.language_version), version_text(self.air_version)
        math = "fast math" if self.fast_math else "precise math"
        denormals = ", denormals flushed" if self.flushes_denormals else ""
        limit = f"at most {self.max_threads_per_threadgroup} threads per threadgroup"
        memory = f"{self.static_threadgroup_bytes} bytes of threadgroup memory"
        buffers = sum(argument.kind == "buffer" for argument in self.arguments)
        lines = [f"kernel {self.name}", f"  Metal {version}, AIR {air}, {math}{denormals}"]
        if self.features:
            gpu = f", a GPU of Apple{self.least_gpu_family} or later" if self.least_gpu_family else ""
            needs = f"Metal {version_text(self.least_language_version)}{gpu}"
            lines.append(f"  needs {needs}: {', '.join(self.features)}")
        lines.append(f"  {limit}, {memory}, {buffers} buffer{'' if buffers == 1 else 's'}")
        rows = [_row(argument) for argument in self.arguments]
        if rows:
            lines += ["  arguments", *_table([("binding", "name", "type", "access", "bytes", "note"), *rows])]
        if self.constants:
            listed = [
                (str(c.index), c.name, c.type_name, "" if c.required else "optional")
                for c in sorted(self.constants, key=lambda constant: constant.index)
            ]
            lines += ["  function constants", *_table([("index", "name", "type", ""), *listed])]
        return "\n".join(lines)


def _argument(data: Mapping[str, Any]) -> Argument:
    return Argument(**{**data, "fields": tuple(_field(entry) for entry in data["fields"])})


def _field(data: Mapping[str, Any]) -> Field:
    return Field(**{**data, "fields": tuple(_field(entry) for entry in data["fields"])})


def _row(argument: Argument) -> tuple[str, ...]:
    notes = [f"if {argument.condition}"] if argument.condition else []
    if not argument.used:
        notes.append("unused")
    if argument.kind == "builtin":
        return (argument.builtin, argument.name, argument.type_name, "", "", ", ".join(notes))
    access = f"{argument.space} {argument.access}" if argument.kind == "buffer" else "threadgroup"
    size = str(argument.type_size) if Scalar.of(argument.type_name) is None else ""
    binding = f"{argument.kind} {argument.index}"
    return (binding, argument.name, argument.type_name, access, size, ", ".join(notes))


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["    " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
