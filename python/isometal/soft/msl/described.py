"""What clang tells about kernels: reads the descriptions that entries.py had it compile, out of unoptimised IR."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from isometal.soft.msl.entries import AttributeKind
from isometal.soft.msl.ir_text import ModuleText

__all__ = ["ArgumentType", "Described", "DescribedConstant", "DescribedKernel", "describe", "shown_name", "type_name"]

_ARGUMENT = re.compile(
    r"call [^@]*@__msl_describe_argument\(i32 \w+ (\d+), i32 \w+ (\d+), i32 \w+ (\d+), i32 \w+ (\d+), i32 \w+ (\d+), "
    r"i64 \w+ (\d+), i64 \w+ (\d+), ptr addrspace\(\d+\) \w+ (@[^\s)]+)\)"
)
_STRING = re.compile(r'c"((?:[^"\\]|\\.)*)"')
_TYPE = re.compile(r", T = (.*)\]$")
_ATTRIBUTE = re.compile(r"call [^@]*@_Z15__msl_attributeILi(\d+)ELi(\d+)ELi(n?\d+)EEvv\(\)")
_CONSTANT = re.compile(
    r"call [^@]*@_Z23__msl_describe_constantILi(\d+)ELi(n?\d+)E(\w+?)EvPU3AS4KT1_"
    r"\(ptr addrspace\(\d+\) \w+ (@[^\s)]+)\)"
)
_CALL = re.compile(r"(?:call|invoke) [^@]*(@[^\s(]+)\(")
_VECTOR = re.compile(r"\b(\w[\w ]*?) __attribute__\(\(ext_vector_type\((\d)\)\)\)")
_MATRIX = re.compile(r"(?<![\w:])metal::matrix<(float|half), (\d), (\d)>")
_NAMES = {
    "unsigned char": "uchar",
    "unsigned short": "ushort",
    "unsigned int": "uint",
    "unsigned long": "ulong",
    "__bf16": "bfloat",
    "signed char": "char",
}
#: Mangled names of the types that function constants can have.
SCALARS = {
    "b": "bool",
    "c": "char",
    "h": "uchar",
    "s": "short",
    "t": "ushort",
    "i": "int",
    "j": "uint",
    "l": "long",
    "m": "ulong",
    "f": "float",
    "Dh": "half",
    "DF16b": "bfloat",
}
_MANGLED_VECTOR = re.compile(r"Dv(\d)_(\w+)")


@dataclass(frozen=True, slots=True)
class ArgumentType:
    """Type of a kernel's parameter; for pointers and references, of what they point to.

    `space`: 0 none given, 1 device, 2 constant, 3 threadgroup, 4 thread.
    """

    name: str
    kind: str  # value, pointer, reference
    space: int
    is_const: bool
    size: int
    alignment: int

    @property
    def is_plain(self) -> bool:
        """Whether it is a scalar or a vector."""
        return self.name.rstrip("234") in SCALARS.values()


@dataclass(slots=True)
class DescribedKernel:
    """An instantiation. `locations`: parameter -> index of its buffer or threadgroup attribute; `elements`: parameter
    -> how many, where it is declared as an array."""

    arguments: dict[int, ArgumentType] = field(default_factory=dict)
    locations: dict[int, int] = field(default_factory=dict)
    elements: dict[int, int] = field(default_factory=dict)
    max_threads: int | None = None


@dataclass(frozen=True, slots=True)
class DescribedConstant:
    """A function constant. `symbol` is its name in the IR, with the @; `code` its type's mangled name."""

    number: int
    index: int
    type: str
    code: str
    symbol: str


@dataclass(slots=True)
class Described:
    kernels: dict[int, DescribedKernel] = field(default_factory=dict)
    constants: dict[int, DescribedConstant] = field(default_factory=dict)


def describe(module: ModuleText) -> Described:
    """All descriptions in a module."""
    found = Described()
    strings: dict[str, str] = {}
    entries: dict[int, str] = {}
    for name, text in module.pieces.items():
        if name.startswith("@__PRETTY_FUNCTION__"):
            if (literal := _STRING.search(text)) is not None:
                strings[name] = literal[1].removesuffix("\\00")
        elif name.startswith("@__msl_entry_"):
            entries[int(name.removeprefix("@__msl_entry_"))] = text
    for _, text in module.functions():
        for match in _ARGUMENT.finditer(text):
            _argument(found, match, strings)
        for match in _CONSTANT.finditer(text):
            constant = _constant(match)
            found.constants[constant.number] = constant
    for number, text in entries.items():
        kernel = found.kernels.setdefault(number, DescribedKernel())
        for callee in _CALL.findall(text):
            for attribute in _ATTRIBUTE.finditer(module.pieces.get(callee, "")):
                kind, parameter, value = int(attribute[1]), int(attribute[2]), _number(attribute[3])
                if kind == AttributeKind.MAX_THREADS:
                    kernel.max_threads = value
                elif kind == AttributeKind.ELEMENTS:
                    kernel.elements[parameter] = value
                else:
                    kernel.locations[parameter] = value
    return found


def _argument(found: Described, match: re.Match[str], strings: dict[str, str]) -> None:
    number, index, kind, space, is_const, size, alignment = (int(match[i]) for i in range(1, 8))
    text = _TYPE.search(strings.get(match[8], ""))
    found.kernels.setdefault(number, DescribedKernel()).arguments[index] = ArgumentType(
        type_name(text[1] if text else "?"),
        ("value", "pointer", "reference")[kind],
        space,
        bool(is_const),
        size,
        alignment,
    )


def _constant(match: re.Match[str]) -> DescribedConstant:
    code = match[3]
    vector = _MANGLED_VECTOR.fullmatch(code)
    element = SCALARS.get(vector[2] if vector else code, "?")
    return DescribedConstant(int(match[1]), _number(match[2]), element + (vector[1] if vector else ""), code, match[4])


def _number(text: str) -> int:
    return -int(text[1:]) if text.startswith("n") else int(text)


def type_name(clang: str) -> str:
    """A type as Metal spells it, from clang's spelling."""
    name = clang
    for long, short in _NAMES.items():
        name = re.sub(rf"\b{re.escape(long)}\b", short, name)
    name = _VECTOR.sub(r"\1\2", name)
    name = _MATRIX.sub(r"\1\2x\3", name)
    name = re.sub(r"__msl_bool_vector<(\d)>", r"bool\1", name)
    return re.sub(r"__msl_packed_vector<(\w+), (\d)>", r"packed_\1\2", name)


def shown_name(name: str) -> str:
    """A type's name as AIR gives it: Apple's compiler names template arguments that are types, not those that are
    numbers."""
    return re.sub(r"<\d+(?:, \d+)*>", "", name)
