"""What the model of LLVM's text reads and prints is the same module; what it cannot read is an IrError."""

from __future__ import annotations

import random
import re

import llvmlite.binding as llvm
import pytest
from reference.generator import generate
from reference.texts import ALL, NAMED_TYPES, UNNAMED

from isometal.soft.errors import LoweringError
from isometal.soft.ir import Instruction, IrError, parse_instruction, parse_module
from isometal.soft.ir.lexer import split_commas, tokenize
from isometal.soft.lower import llvm as lowering_llvm

_LOCAL = re.compile(r'%(?:"(?:[^"\\]|\\.)*"|[-a-zA-Z$._0-9]+)|^(?:"(?:[^"\\]|\\.)*"|[-a-zA-Z$._0-9]+):$')


def _canonical(text: str) -> list[str]:
    """The lines of LLVM's own print of a module, local names and labels numbered in each function anew."""
    module = lowering_llvm.parse(text)
    module.name = "module"
    numbers: dict[str, str] = {}

    def number(match: re.Match[str]) -> str:
        name = match.group()
        if name[0] == "%":
            return numbers.setdefault(name, f"%{len(numbers)}")
        return numbers.setdefault("%" + name[: name.rindex(":")], f"%{len(numbers)}") + ":"

    lines: list[str] = []
    printed = [line.partition(" ; preds")[0].rstrip() for line in str(module).split("\n") if line[:1] != ";"]
    for line, following in zip(printed, [*printed[1:], ""], strict=True):
        if line.startswith("define "):
            numbers.clear()
        lines.append(_LOCAL.sub(number, line))
        if line.startswith("define ") and not following.endswith(":"):  # the entry block's label is not printed
            unnamed = len(re.findall(r"%\d+\b", line))
            lines.append(_LOCAL.sub(number, f"{unnamed}:"))
    return sorted(lines)


def _object(text: str) -> bytes:
    module = lowering_llvm.parse(text)
    module.name = "module"
    return lowering_llvm.object_code(module, lowering_llvm.host())


def _printed(text: str) -> str:
    return str(lowering_llvm.parse(text))


@pytest.mark.parametrize("name", sorted(ALL))
def test_the_code_is_the_same_after_a_round_trip(name: str) -> None:
    printed = _printed(ALL[name])
    assert _object(str(parse_module(printed))) == _object(printed)


@pytest.mark.parametrize("name", sorted(set(ALL) - {"named_types", "calls"}))
def test_nothing_is_lost_in_a_round_trip(name: str) -> None:
    """Named types are expanded, so texts that use them print differently."""
    printed = _printed(ALL[name])
    assert _canonical(str(parse_module(printed))) == _canonical(printed)


def test_reading_what_was_printed_changes_nothing() -> None:
    for text in ALL.values():
        once = str(parse_module(_printed(text)))
        assert str(parse_module(once, prefix="t")) == once


@pytest.mark.parametrize("seed", range(5))
def test_generated_kernels_survive(seed: int) -> None:
    printed = _printed(generate(seed).air)
    assert _canonical(str(parse_module(printed))) == _canonical(printed)


def _stored(instruction: Instruction) -> Instruction:
    return parse_instruction(f"store {instruction.type} {instruction.result}, ptr null")


def test_result_types_are_those_of_llvm() -> None:
    """Each result is stored by its type as the model says: LLVM rejects a store of another type."""
    for name, text in ALL.items():
        module = parse_module(_printed(text))
        checked = 0
        for function in module.functions.values():
            for block in function.blocks:
                phis: list[Instruction] = list(block.phis())
                made = [*phis, *map(_stored, phis)]
                for instruction in block.instructions[len(phis) :]:
                    made.append(instruction)
                    # Nothing may stand between such a call and the return.
                    if instruction.result and instruction.tokens[0] != "musttail":
                        made.append(_stored(instruction))
                checked += len(made) - len(block.instructions)
                block.instructions = made
        lowering_llvm.parse(str(module))
        assert checked, name


def test_named_types_are_expanded_through_and_through() -> None:
    module = parse_module(_printed(NAMED_TYPES))
    extracted = {i.opcode: i.type for i in module.functions["@f"].instructions() if i.opcode.endswith("value")}
    assert extracted["insertvalue"] == "{ [2 x { float, float }], i32, { float, float } }"
    assert "%struct" not in str(module)


def test_a_switch_over_several_lines_is_one_instruction() -> None:
    module = parse_module(_printed(ALL["switches"]))
    terminator = module.functions["@f"].blocks[0].terminator
    assert terminator.opcode == "switch"
    assert terminator.labels() == ["%other", "%zero", "%seven"]
    assert terminator.is_terminator


def test_unnamed_blocks_and_values_get_names() -> None:
    function = parse_module(_printed(UNNAMED)).functions["@f"]
    assert [p.name for p in function.parameters] == ["%$v0", "%p", "%$v1"]
    assert [b.label for b in function.blocks] == ["%$v2", "%$v3", "%$v4"]
    phi = function.blocks[2].phis()[0]
    assert phi.incoming == [(["%$v0"], "%$v2"), (["7"], "%$v3")]


def test_renaming_touches_values_and_not_labels() -> None:
    branch = parse_instruction("br i1 %a, label %a, label %b")
    branch.rename(lambda name: name + "x")
    assert str(branch) == "br i1 %ax , label %a , label %b"
    branch.relabel(lambda name: name + "y")
    assert str(branch) == "br i1 %ax , label %ay , label %by"
    phi = parse_instruction("%p = phi i32 [ %a, %a ], [ 1, %b ]")
    phi.rename(lambda name: name + "x")
    assert list(phi.uses()) == ["%ax"]
    assert "%a ]" in str(phi)


def test_the_callee_of_calls() -> None:
    functions = parse_module(_printed(ALL["calls"])).functions
    calls = [i for i in functions["@f"].instructions() if i.opcode == "call"]
    assert [c.callee for c in calls] == ["@va", "@attrs", "", "@llvm.fma.f32", "@self", "@llvm.assume"]
    assert [c.call().callee for c in calls][2] == "%fn"
    site = calls[1].call()
    assert (site.returns, [(a.type, a.value) for a in site.arguments]) == ("ptr", [("ptr", ["%p"]), ("i32", ["4"])])
    assert [a.value for a in calls[3].call().arguments] == [["%x"], ["1.000000e+00"], ["-1.000000e+00"]]


def test_debug_records_are_dropped() -> None:
    text = "define void @f() {\n    #dbg_value(i32 0, !1, !DIExpression(), !2)\n  ret void\n}"
    assert [i.opcode for i in parse_module(text).functions["@f"].instructions()] == ["ret"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("define void @f() {\n  ret void", "line 1"),
        ("define void @f(i32 %x, ...) {\n  ret void\n}", "variadic"),
        ("define void @f() {\n  %x = frobnicate i32 1\n  ret void\n}", "frobnicate"),
        ("define void @f() {\n  %x = add %unknown 1, 2\n  ret void\n}", "line 1"),
        ("define void @f() {\n  invoke void @g() to label %a unwind label %b\n}", "invoke"),
        ('module asm "nop"', "assembly"),
        ("whatever", "unknown entity"),
        ("@x", "line 1"),
        ("declare void", "line 1"),
        ("define void @f() {\n\x00\n}", "line 1"),
        ("define", "line 1"),
        ("define void @f() {\n  switch i32 0, label %a [\n}", "line 1"),
        ("define void @f() {\n}", "line 1"),
        ("define void @f() {\n  %x = add i32 1, 2\n}", "line 1"),
        ("%t = type { %t }\n@x = global %t undef", "line 2"),
        ("%a = type { i8 }\n%b = type { %a, " + "%a, " * 70000 + "%a }\n@x = global %b undef", "parts"),
        ("define void @f() {\n  %x = load " + "{" * 5000 + "\n  ret void\n}", "line 1"),
        ("define void @f() {\n  %x = extractvalue [999999999999 x i8] undef, 1\n  ret void\n}", "no value"),
    ],
)
def test_garbage_is_an_ir_error(text: str, reason: str) -> None:
    with pytest.raises(IrError, match=re.escape(reason)):
        parse_module(text)


def test_mutated_texts_are_read_or_refused() -> None:
    """Whatever happens to a text, nothing but IrError comes out, when reading and when looking at what was read."""
    rng = random.Random(1)
    texts = [_printed(text) for text in ALL.values()]
    pool = [token for text in texts for line in text.split("\n") for token in tokenize(line)]
    refused = 0
    for _ in range(3000):
        lines = rng.choice(texts).split("\n")
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(lines))
            parts = re.split(r"(\s+)", lines[at])
            place = rng.randrange(len(parts))
            change = rng.randrange(4)
            if change == 0:
                del parts[place]
            elif change == 1:
                parts[place] = rng.choice(pool)
            elif change == 2:
                parts[place] = parts[place][: rng.randrange(len(parts[place]) + 1)]
            else:
                parts.insert(place, f" {rng.choice(pool)} ")
            lines[at] = "".join(parts)
        try:
            module = parse_module("\n".join(lines))
            str(module)
            for function in module.functions.values():
                for instruction in function.instructions():
                    if instruction.opcode == "call":
                        instruction.call()
        except IrError:
            refused += 1
    assert 500 < refused < 2500


def test_ir_errors_are_lowering_errors() -> None:
    assert issubclass(IrError, LoweringError)


def test_commas_within_brackets_do_not_split() -> None:
    tokens = tokenize("<i32 1, i32 2>, { a, [b, c] } , (d, e)")
    assert [" ".join(part) for part in split_commas(tokens)] == [
        "< i32 1 , i32 2 >",
        "{ a , [ b , c ] }",
        "( d , e )",
    ]
    assert split_commas([]) == []


@pytest.mark.parametrize("text", ['"open', '%"open', "^", "a ~ b", "\\"])
def test_what_is_no_token_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="no token"):
        tokenize(text)


def test_comments_end_lines_but_not_within_strings() -> None:
    assert tokenize('@a = "x;y" ; "z"') == ["@a", "=", '"x;y"']
    assert llvm  # the binding that the lowering uses
