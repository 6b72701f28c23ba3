"""Instructions on half and bfloat that a target cannot do, as instructions on float and `air.convert`.

LLVM would call library functions for them (``__truncsfbf2``, ``__extendhfsf2``, ``fmodf``) that generated kernels do
not have. Arithmetic on float, rounded to the type, gives the same results: a float has more than twice the bits.

Which instructions that concerns: without conversion of float to bfloat, whatever has a bfloat result that is computed
(add, subtract, multiply, divide, fmuladd, truncation, integers to bfloat), and extension of bfloat, as LLVM would turn
the floor of an extended bfloat into the extension of a bfloat's floor; without conversion of half, whatever reads or
computes halfs, comparisons too; and `frem`, everywhere. Selections, negation, loads and stores are fine.

`support` is for what LLVM makes of the rest: the library functions themselves, as part of the module.
"""

from __future__ import annotations

from dataclasses import dataclass

from isometal.soft.ir import Instruction
from isometal.soft.ir.lexer import split_commas
from isometal.soft.ir.types import is_type_start, read_type
from isometal.soft.lower.intrinsics.builder import Builder
from isometal.soft.lower.intrinsics.features import Features
from isometal.soft.lower.intrinsics.precision import convert
from isometal.soft.lower.intrinsics.shape import Shape

_ARITHMETIC = ("fadd", "fsub", "fmul", "fdiv", "frem")
_FROM_INTEGER = {"sitofp": "s", "uitofp": "u"}
_TO_INTEGER = ("fptosi", "fptoui")


# Library functions by name, with the types that they convert.
_LIBRARY = {"__truncsfbf2": ("f32", "bf16"), "__truncsfhf2": ("f32", "f16"), "__extendhfsf2": ("f16", "f32")}
_SUPPORT_ATTRIBUTES = 'noinline nounwind willreturn memory(none) "denormal-fp-math"="dynamic,dynamic"'


@dataclass(frozen=True, slots=True)
class Legalised:
    """What stands for an instruction.

    Attributes:
        lines: instructions; the last has the name of the original's result.
        declarations: of the intrinsics that they call, which `definition` knows.
    """

    lines: list[str]
    declarations: frozenset[str]


def legalise(instruction: Instruction, features: Features) -> Legalised | None:
    """Instructions that do the same on a target; None where the instruction can stay.

    Args:
        instruction: any.
        features: of the target.
    """
    if instruction.opcode in _ARITHMETIC:
        return _arithmetic(instruction, features)
    if instruction.opcode == "fcmp":
        return _comparison(instruction, features)
    if instruction.opcode in ("fptrunc", "fpext", *_FROM_INTEGER, *_TO_INTEGER):
        return _conversion(instruction, features)
    if instruction.opcode == "call" and instruction.callee.startswith("@llvm.fmuladd."):
        return _multiply_add(instruction, features)
    return None


def support() -> str:
    """The library functions that LLVM may call for half and bfloat, to stand at the end of a module."""
    functions = []
    for name, (source, to) in _LIBRARY.items():
        builder = Builder(Features(half_conversion=False, bfloat_conversion=False))
        argument = builder.value(Shape(source), "%x")
        result = convert(argument, to)
        lines = "\n".join([*builder.lines, f"ret {result.typed}"])
        signature = f"{result.shape.text} @{name}({argument.typed})"
        functions.append(f"define linkonce_odr hidden {signature} {_SUPPORT_ATTRIBUTES} {{\n{lines}\n}}")
    names = ", ".join(f"ptr @{name}" for name in _LIBRARY)
    used = f'[{len(_LIBRARY)} x ptr] [{names}], section "llvm.metadata"'
    return "\n".join([*functions, f"@llvm.compiler.used = appending global {used}"])


class _Writer:
    """Lines for one instruction; names of intermediate results derive from the result's."""

    def __init__(self, result: str) -> None:
        self.result = result
        self.lines: list[str] = []
        self.declarations: set[str] = set()

    def emit(self, text: str, *, last: bool = False) -> str:
        name = self.result if last else f"{self.result}.l{len(self.lines)}"
        self.lines.append(f"{name} = {text}")
        return name

    def convert(self, value: str, source: Shape, to: Shape, *, last: bool = False, kinds: str = "ff") -> str:
        name = f"@air.convert.{kinds[0]}.{to.spelling}.{kinds[1]}.{source.spelling}"
        return self.call(name, to, [(source, value)], last=last)

    def call(self, name: str, returns: Shape, arguments: list[tuple[Shape, str]], *, last: bool = False) -> str:
        types = ", ".join(shape.text for shape, _ in arguments)
        self.declarations.add(f"declare {returns.text} {name}({types})")
        values = ", ".join(f"{shape.text} {value}" for shape, value in arguments)
        return self.emit(f"call {returns.text} {name}({values})", last=last)

    def finish(self) -> Legalised:
        return Legalised(self.lines, frozenset(self.declarations))


def _must_round(shape: Shape | None, features: Features) -> bool:
    """Whether results of this type cannot be computed, nor values of it extended."""
    missing = {"f16": not features.half_conversion, "bf16": not features.bfloat_conversion}
    return shape is not None and missing.get(shape.element, False)


def _must_widen(shape: Shape | None, features: Features) -> bool:
    """Whether values of this type cannot even be read: a bfloat is the upper half of a float."""
    return shape is not None and shape.element == "f16" and _must_round(shape, features)


def _typed_operands(instruction: Instruction) -> tuple[str, Shape | None, list[str]]:
    """What stands before the operands' type (opcode, flags, predicate), that type, and the operands."""
    tokens = instruction.tokens
    start = next(i for i, token in enumerate(tokens) if i and is_type_start(token))
    type_, end = read_type(tokens, start)
    operands = [" ".join(part) for part in split_commas(tokens[end:]) if part and part[0][0] != "!"]
    return " ".join(tokens[:start]), Shape.from_text(type_), operands


def _arithmetic(instruction: Instruction, features: Features) -> Legalised | None:
    words, shape, operands = _typed_operands(instruction)
    remainder = instruction.opcode == "frem"
    if shape is None or shape.element == "f64" or not (remainder or _must_round(shape, features)):
        return None
    writer = _Writer(instruction.result)
    if remainder:
        writer.call(f"@air.fmod.{shape.spelling}", shape, [(shape, value) for value in operands], last=True)
        return writer.finish()
    wide = shape.with_element("f32")
    left, right = (writer.convert(value, shape, wide) for value in operands)
    writer.convert(writer.emit(f"{words} {wide.text} {left}, {right}"), wide, shape, last=True)
    return writer.finish()


def _comparison(instruction: Instruction, features: Features) -> Legalised | None:
    words, shape, operands = _typed_operands(instruction)
    if shape is None or not _must_widen(shape, features):
        return None
    writer = _Writer(instruction.result)
    wide = shape.with_element("f32")
    left, right = (writer.convert(value, shape, wide) for value in operands)
    writer.emit(f"{words} {wide.text} {left}, {right}", last=True)
    return writer.finish()


def _conversion(instruction: Instruction, features: Features) -> Legalised | None:
    tokens = instruction.tokens
    start = next(i for i, token in enumerate(tokens) if i and is_type_start(token))
    type_, end = read_type(tokens, start)
    to_at = len(tokens) - 1 - tokens[::-1].index("to")
    value = " ".join(tokens[end:to_at])
    source, to = Shape.from_text(type_), Shape.from_text(read_type(tokens, to_at + 1)[0])
    if source is None or to is None or "f64" in (source.element, to.element):
        return None
    opcode = instruction.opcode
    writer = _Writer(instruction.result)
    if opcode in _TO_INTEGER:
        if not _must_widen(source, features):
            return None
        wide = source.with_element("f32")
        writer.emit(f"{opcode} {wide.text} {writer.convert(value, source, wide)} to {to.text}", last=True)
    elif opcode == "fpext":
        if not _must_round(source, features):
            return None
        writer.convert(value, source, to, last=True)
    elif not _must_round(to, features):
        return None
    else:
        writer.convert(value, source, to, last=True, kinds="f" + _FROM_INTEGER.get(opcode, "f"))
    return writer.finish()


def _multiply_add(instruction: Instruction, features: Features) -> Legalised | None:
    call = instruction.call()
    shape = Shape.from_text(call.returns)
    if shape is None or not _must_round(shape, features):
        return None
    writer = _Writer(instruction.result)
    wide = shape.with_element("f32")
    x, y, z = (writer.convert(" ".join(argument.value), shape, wide) for argument in call.arguments)
    total = writer.call(f"@llvm.fmuladd.{wide.spelling}", wide, [(wide, x), (wide, y), (wide, z)])
    writer.convert(total, wide, shape, last=True)
    return writer.finish()
