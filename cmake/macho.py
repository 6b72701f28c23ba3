"""What a Mach-O library says of itself, read with LIEF: the facts that cmake/wheel_check.py has rules for."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, field

import lief

#: Names that the interpreter, not a library, has to define: looked up in everything that is loaded.
FLAT = "interpreter"
#: Weak C++ symbols, which the loader may take from another library that has the same.
WEAK = "any library"

_FLAT_LOOKUP = -2
_SUPER_BLOB, _CODE_DIRECTORY = 0xFADE0CC0, 0xFADE0C02
_SHA256 = 2
_INDIRECT_LOCAL, _INDIRECT_ABSOLUTE = 0x80000000, 0x40000000


class NotMachO(Exception):
    """The bytes are no Mach-O file, or one that lacks what every library has."""


@dataclass
class Library:
    """A library for one architecture."""

    architecture: str  #: as in `arm64`
    file_type: str  #: `dylib` or `bundle`
    platform: str
    minimum_os: tuple[int, int]
    install_name: str | None
    loads: list[str] = field(default_factory=list)  #: install names
    search_paths: list[str] = field(default_factory=list)
    #: Symbols by the library that is to have them, by FLAT or by WEAK, without the underscore that C puts before them.
    imports: dict[str, set[str]] = field(default_factory=dict)
    exports: set[str] = field(default_factory=set)
    #: What is wrong with the file itself, such as a signature that does not fit its bytes.
    damage: list[str] = field(default_factory=list)


def read(data: bytes) -> Library:
    """Raises NotMachO."""
    lief.logging.disable()
    fat = lief.MachO.parse(list(data))
    if not isinstance(fat, lief.MachO.FatBinary):
        raise NotMachO("it is no Mach-O file")
    if fat.size != 1:
        raise NotMachO(f"it holds {fat.size} architectures instead of one")
    binary = fat.at(0)
    if binary is None or not binary.has_build_version:
        raise NotMachO("it does not say which macOS it is for")
    version = binary.build_version
    library = Library(
        architecture=binary.header.cpu_type.name.lower(),
        file_type=binary.header.file_type.name.lower(),
        platform=version.platform.name.lower(),
        minimum_os=(version.minos[0], version.minos[1]),
        install_name=None,
    )
    for command in binary.commands:
        if isinstance(command, lief.MachO.DylibCommand):
            if command.command == lief.MachO.LoadCommand.TYPE.ID_DYLIB:
                library.install_name = command.name
            else:
                library.loads.append(command.name)
        elif isinstance(command, lief.MachO.RPathCommand):
            library.search_paths.append(command.path)
    for binding in binary.bindings:
        if binding.has_symbol:
            library.imports.setdefault(_provider(binding), set()).add(_c_name(binding.symbol.name))
    library.exports = {_c_name(symbol.name) for symbol in binary.exported_symbols}
    library.damage = _wrong_signature(binary, data) + _wrong_indirect_symbols(binary, data)
    return library


def _c_name(symbol: str) -> str:
    return symbol.removeprefix("_")


def _provider(binding: lief.MachO.BindingInfo) -> str:
    if binding.has_library:
        return str(binding.library.name)
    if isinstance(binding, lief.MachO.DyldBindingInfo) and binding.binding_class.name == "WEAK":
        return WEAK
    return FLAT if binding.library_ordinal == _FLAT_LOOKUP else f"ordinal {binding.library_ordinal}"


def _wrong_signature(binary: lief.MachO.Binary, data: bytes) -> list[str]:
    """Every page is compared with its hash, as the kernel does: on arm64 it ends a process where one differs.

    The layout is that of xnu's osfmk/kern/cs_blobs.h.
    """
    if not binary.has_code_signature:
        return ["it is not signed"]
    start = binary.code_signature.data_offset
    try:
        magic, _, count = struct.unpack_from(">3I", data, start)
        if magic != _SUPER_BLOB:
            return ["its signature has no super blob"]
        for index in range(count):
            _, offset = struct.unpack_from(">2I", data, start + 12 + 8 * index)
            if struct.unpack_from(">I", data, start + offset)[0] == _CODE_DIRECTORY:
                return _wrong_pages(data, start + offset, start)
    except struct.error:
        return ["its signature is cut off"]
    return ["its signature has no code directory"]


def _wrong_pages(data: bytes, directory: int, signature: int) -> list[str]:
    fields = struct.unpack_from(">9I4B", data, directory)
    hashes, slots, limit = fields[4], fields[7], fields[8]
    size, kind, _, log2_page = fields[9:]
    page = 1 << log2_page
    if kind != _SHA256 or size != 32:
        return [f"its pages are hashed by algorithm {kind}, not SHA-256"]
    if limit != signature or slots != -(-limit // page):
        return [f"its signature covers {limit} bytes in {slots} pages, not the {signature} before it"]
    expected = directory + hashes
    wrong = [
        index
        for index in range(slots)
        if hashlib.sha256(data[index * page : min((index + 1) * page, limit)]).digest()
        != data[expected + 32 * index : expected + 32 * (index + 1)]
    ]
    return [f"{len(wrong)} of {slots} pages are not those that were signed, the first is {wrong[0]}"] if wrong else []


def _wrong_indirect_symbols(binary: lief.MachO.Binary, data: bytes) -> list[str]:
    """Pointers whose symbols are not in the symbol table, as zig's linker leaves them with -x."""
    table = binary.dynamic_symbol_command
    symbols = binary.symbol_command.numberof_symbols
    entries = struct.unpack_from(f"<{table.nb_indirect_symbols}I", data, table.indirect_symbol_offset)
    special = {_INDIRECT_LOCAL, _INDIRECT_ABSOLUTE, _INDIRECT_LOCAL | _INDIRECT_ABSOLUTE}
    wrong = sum(entry >= symbols and entry not in special for entry in entries)
    return [f"{wrong} of {len(entries)} indirect symbols are not in the symbol table"] if wrong else []
