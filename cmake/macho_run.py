"""Runs the start of a library for macOS on arm64 in an emulator: its initialisers, then its entry point for Python.

What a Mac would do first with the bytes that a linker on Linux wrote, on any machine: addresses are rebased, pointers
to other libraries bound, and what runs at load time runs, in Unicorn. The other libraries are not there: the few of
their functions that a library may well call at that time have an answer here, any other is an error.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field

import lief
from unicorn import UC_ARCH_ARM64, UC_HOOK_CODE, UC_MODE_ARM, Uc, UcError
from unicorn.arm64_const import (
    UC_ARM64_REG_LR,
    UC_ARM64_REG_PC,
    UC_ARM64_REG_SP,
    UC_ARM64_REG_X0,
    UC_ARM64_REG_X1,
    UC_CPU_ARM64_MAX,
)

_PAGE = 0x4000
_BASE = 0x1_0000_0000  #: where the library lies, above 4 GB as on macOS
_IMPORTS = 0x2_0000_0000  #: a slot for each symbol of another library, which begins with a return
_SLOT = 0x100
_HEAP, _HEAP_SIZE = 0x3_0000_0000, 0x200_0000
_STACK, _STACK_SIZE = 0x4_0000_0000, 0x10_0000
_END = 0x5_0000_0000  #: where what is called returns to
_RETURN = 0xD65F03C0
#: Instructions of one call. Starting takes some tens of thousands.
_LIMIT = 50_000_000


class Crash(Exception):
    """What the code did that would end a process, or that nothing here can answer."""


@dataclass
class Start:
    """What a library did when it was loaded."""

    initialisers: int = 0
    selectors: set[str] = field(default_factory=set)  #: registered with the Objective-C runtime
    classes: set[str] = field(default_factory=set)  #: asked for there
    module: str | None = None  #: name in the definition that the entry point gave to Python


def run(data: bytes, entry: str) -> Start:
    """Raises Crash."""
    machine = _Machine(data)
    try:
        for function in machine.initialisers():
            machine.call(function)
            machine.start.initialisers += 1
        machine.call(machine.export(entry))
    except UcError as error:
        raise Crash(f"{error} at {machine.place()}") from None
    return machine.start


class _Machine:
    def __init__(self, data: bytes) -> None:
        fat = lief.MachO.parse(list(data))
        binary = fat.at(0) if isinstance(fat, lief.MachO.FatBinary) else None
        if binary is None:
            raise Crash("it is no Mach-O file")
        self.binary = binary
        self.start = Start()
        self.imports: list[str] = []
        self.heap = _HEAP
        self.problem: Crash | None = None
        self.cpu = Uc(UC_ARCH_ARM64, UC_MODE_ARM)
        self.cpu.ctl_set_cpu_model(UC_CPU_ARM64_MAX)
        self._load(data)
        self._bind()
        for begin, size in ((_HEAP, _HEAP_SIZE), (_STACK, _STACK_SIZE), (_END, _PAGE)):
            self.cpu.mem_map(begin, size)
        self.cpu.hook_add(UC_HOOK_CODE, self._called, begin=_IMPORTS, end=_IMPORTS + _SLOT * len(self.imports))

    # -- what the loader does -------------------------------------------------------------------------------------

    def _load(self, data: bytes) -> None:
        for segment in self.binary.segments:
            self.cpu.mem_map(_BASE + segment.virtual_address, -(-segment.virtual_size // _PAGE) * _PAGE)
            content = data[segment.file_offset : segment.file_offset + segment.file_size]
            self.cpu.mem_write(_BASE + segment.virtual_address, content)
        for relocation in self.binary.relocations:
            self._write(_BASE + relocation.address, self._read(_BASE + relocation.address) + _BASE)

    def _bind(self) -> None:
        slots: dict[str, int] = {}
        for binding in self.binary.bindings:
            # A weak one is of this library where no other has the symbol, and none is here.
            if isinstance(binding, lief.MachO.DyldBindingInfo) and binding.binding_class.name == "WEAK":
                continue
            name = binding.symbol.name.removeprefix("_")
            if name not in slots:
                slots[name] = _IMPORTS + _SLOT * len(self.imports)
                self.imports.append(name)
            self._write(_BASE + binding.address, slots[name] + binding.addend)
        self.cpu.mem_map(_IMPORTS, -(-_SLOT * len(self.imports) // _PAGE) * _PAGE)
        for slot in slots.values():
            self.cpu.mem_write(slot, struct.pack("<I", _RETURN))

    def initialisers(self) -> list[int]:
        found = []
        for section in self.binary.sections:
            if section.name == "__mod_init_func":
                begin = _BASE + section.virtual_address
                found += [self._read(begin + offset) for offset in range(0, section.size, 8)]
        return found

    def export(self, name: str) -> int:
        for symbol in self.binary.exported_symbols:
            if symbol.name == f"_{name}":
                return int(_BASE + symbol.value)
        raise Crash(f"no {name}")

    # -- running --------------------------------------------------------------------------------------------------

    def call(self, address: int) -> None:
        self.cpu.reg_write(UC_ARM64_REG_SP, _STACK + _STACK_SIZE - 0x1000)
        self.cpu.reg_write(UC_ARM64_REG_LR, _END)
        self.cpu.emu_start(address, _END, count=_LIMIT)
        if self.problem is not None:
            raise self.problem
        if self.cpu.reg_read(UC_ARM64_REG_PC) != _END:
            raise Crash(f"it does not end within {_LIMIT:,} instructions")

    def place(self) -> str:
        at = self.cpu.reg_read(UC_ARM64_REG_PC)
        return f"{at - _BASE:#x}" if _BASE <= at < _IMPORTS else f"address {at:#x}"

    def _called(self, cpu: Uc, address: int, size: int, data: object) -> None:
        name = self.imports[(address - _IMPORTS) // _SLOT]
        arguments = [cpu.reg_read(register) for register in (UC_ARM64_REG_X0, UC_ARM64_REG_X1)]
        try:
            cpu.reg_write(UC_ARM64_REG_X0, self._answer(name, *arguments))
        except (Crash, UcError) as error:
            # An exception would not leave the emulator.
            self.problem = error if isinstance(error, Crash) else Crash(f"{name}: {error}")
            cpu.emu_stop()

    def _answer(self, name: str, a: int, b: int) -> int:
        known: dict[str, Callable[[], int]] = {
            "malloc": lambda: self._new(a),
            "free": lambda: 0,
            "__cxa_atexit": lambda: 0,
            "PyMem_Calloc": lambda: self._new(a * b),
            "sel_registerName": lambda: self._note(self.start.selectors, a),
            "objc_lookUpClass": lambda: self._note(self.start.classes, a),
            "objc_getProtocol": lambda: self._new(8),
            # Of what may not be there: metal-cpp's functions for files, since macOS 13.
            "dlsym": lambda: 0,
            "PyModuleDef_Init": lambda: self._define(a),
        }
        if name not in known:
            raise Crash(f"it calls {name} when it is loaded, which nothing here answers")
        return known[name]()

    def _new(self, size: int) -> int:
        address, self.heap = self.heap, self.heap + -(-(size + 1) // 64) * 64
        if self.heap > _HEAP + _HEAP_SIZE:
            raise Crash(f"it takes more than {_HEAP_SIZE:,} bytes of memory when it is loaded")
        return address

    def _note(self, names: set[str], text: int) -> int:
        names.add(self._text(text))
        return self._new(8)

    def _define(self, definition: int) -> int:
        # struct PyModuleDef: m_base, of five words, then m_name.
        self.start.module = self._text(self._read(definition + 40))
        return definition

    def _text(self, address: int) -> str:
        data = bytearray()
        while (byte := self.cpu.mem_read(address + len(data), 1)) != b"\0":
            data += byte
        return data.decode("utf-8", "replace")

    def _read(self, address: int) -> int:
        return int(struct.unpack("<Q", self.cpu.mem_read(address, 8))[0])

    def _write(self, address: int, value: int) -> None:
        self.cpu.mem_write(address, struct.pack("<Q", value))
