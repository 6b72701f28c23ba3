"""The border between generated code and the executor: csrc/soft/kernel_abi.h says the same as lower/abi.py.

The header is read, not compiled: its structures hold nothing but pointers and fixed-width integers, and the sizes that
the compiler asserts there show that they are laid out as assumed here.
"""

from __future__ import annotations

import re
from pathlib import Path

from isometal.soft.ir.types import fields, layout
from isometal.soft.lower import abi

_HEADER = Path(__file__).parents[2] / "csrc" / "soft" / "kernel_abi.h"
_TEXT = re.sub(r"//.*", "", _HEADER.read_text())
_WIDTHS = {"std::uint16_t": 2, "std::uint32_t": 4, "std::uint64_t": 8, "Run": 8, "Operation": 8}


def _constants() -> dict[str, int]:
    found = re.findall(r"inline constexpr std::uint\d+_t (k\w+) =\s*(\w+);", _TEXT)
    return {name: int(value, 0) for name, value in found}


def _enumerators(name: str) -> tuple[str, dict[str, int]]:
    """The underlying type of an enumeration, and its values."""
    match = re.search(rf"enum class {name} : (std::\w+) \{{(.*?)\}};", _TEXT, re.DOTALL)
    assert match is not None
    return match[1], {word: int(value) for word, value in re.findall(r"(\w+) = (\d+)", match[2])}


def _structure(name: str) -> tuple[dict[str, int], dict[str, int], int]:
    """Offsets and sizes of the fields of a structure, and its own size."""
    match = re.search(rf"struct {name} \{{(.*?)\n\}};", _TEXT, re.DOTALL)
    assert match is not None
    widths = {**_WIDTHS, "SiteKind": _WIDTHS[_enumerators("SiteKind")[0]]}
    offsets: dict[str, int] = {}
    sizes: dict[str, int] = {}
    offset, most = 0, 1
    for declaration in " ".join(match[1].split()).split(";"):
        for field, width, count in _fields(declaration.strip(), widths):
            offset = -(-offset // width) * width
            offsets[field], sizes[field] = offset, width * count
            offset += width * count
            most = max(most, width)
    return offsets, sizes, -(-offset // most) * most


def _fields(declaration: str, widths: dict[str, int]) -> list[tuple[str, int, int]]:
    """Name, width and number of elements of each field that a declaration declares."""
    if not declaration:
        return []
    function = re.fullmatch(r"void\* \(\*(\w+)\)\(.*\)", declaration)
    if function:
        return [(function[1], 8, 1)]
    pointer = re.fullmatch(r"[^,]*\* ?(\w+)", declaration)
    if pointer:
        return [(pointer[1], 8, 1)]
    type_, _, names = declaration.partition(" ")
    found = []
    for name in names.split(","):
        word, _, count = name.strip().rstrip("]").partition("[")
        found.append((word, widths[type_], int(count or 1)))
    return found


def test_constants() -> None:
    assert _constants() == {
        "kVersion": abi.VERSION,
        "kLanes": abi.LANES,
        "kArguments": abi.ARGUMENTS,
        "kFinished": abi.FINISHED,
        "kSeveral": abi.SEVERAL,
        "kFlushDenormals": abi.FLUSH_DENORMALS,
        "kObserved": abi.OBSERVED,
    }


def test_kinds_of_sites() -> None:
    assert _enumerators("SiteKind")[1] == {
        "start": abi.START,
        "join": abi.JOIN,
        "simdgroup": abi.SIMDGROUP,
        "threadgroup": abi.THREADGROUP_BARRIER,
    }


def test_offsets_of_what_kernels_read() -> None:
    for name, known in (("Threadgroup", abi.THREADGROUP), ("Span", abi.SPAN), ("MemoryObserver", abi.OBSERVER)):
        assert _structure(name)[0] == known, name


def test_sizes_are_those_that_the_compiler_asserts() -> None:
    asserted = {name: int(size) for name, size in re.findall(r"sizeof\((\w+)\) == (\d+)", _TEXT)}
    assert set(asserted) == {"Threadgroup", "Span", "Site", "Kernel"}
    assert {name: _structure(name)[2] for name in asserted} == asserted


def test_what_kernels_export_has_the_layout_of_the_structures() -> None:
    for name, type_ in (("Site", abi.SITE_TYPE), ("Kernel", abi.KERNEL_TYPE)):
        offsets, sizes, size = _structure(name)
        members = fields(type_)
        assert members is not None
        assert [layout(member)[0] for member in members] == list(sizes.values()), name
        place = 0
        for member, offset in zip(members, offsets.values(), strict=True):
            place = -(-place // layout(member)[1]) * layout(member)[1]
            assert place == offset, (name, member)
            place += layout(member)[0]
        assert layout(type_)[0] == size


def test_positions_are_vectors_that_one_load_reads() -> None:
    offsets, sizes, _ = _structure("Threadgroup")
    vectors = [name for name, size in sizes.items() if size == 16]
    assert len(vectors) == 5
    assert all(offsets[name] % 16 == 0 for name in vectors)
