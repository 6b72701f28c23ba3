"""What the Metal backend asks of macOS through metal-cpp, against csrc/dispatcher/macos.toml.

Reads the objects of an Apple build: methods with their class, classes, C functions, and from the sources the
enumerators. Each must be in the table with the macOS that introduced it, and nothing else may be; what is newer than
the macOS that the objects are built for must be asked for before it is used. Where metal-cpp is inlined, an object
names selectors and no classes. So what names any is compiled once more with metal-cpp's functions as functions.
"""

from __future__ import annotations

import bisect
import json
import os
import re
import shlex
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10; pytest brings it
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "csrc" / "dispatcher" / "macos.toml"
#: metal-cpp's namespaces; with them in front its names are those of Objective-C.
SPACES = ("NS", "MTL", "MTL4", "CA", "MTLFX", "MTL4FX")
#: C names of Apple's frameworks and of the Objective-C runtime.
APPLES = re.compile(r"_(NS|MTL|CA|CF|CG|IOSurface)[A-Z0-9]\w*|_(objc|sel|class|object|protocol|method|ivar|imp)_\w+")
#: Metal-cpp's functions become calls of functions that have names.
AS_FUNCTIONS = ("-O0", "-g0", "-fno-sanitize=undefined", "-Dalways_inline=noinline")
RESPONDS = "__ZN2NS7Private8Selector22s_krespondsToSelector_E"
#: Metal-cpp's own question: it sends a message to what responds to it.
SAFE = ("NS", "Object", "sendMessageSafe")

#: A section of the table and a name in it.
Entry = tuple[str, str]
Version = tuple[int, ...]


class Problems(Exception):
    """All that is wrong, a line each."""


# -- objects ------------------------------------------------------------------------------------------------------


@dataclass
class Object:
    path: Path
    minimum: Version  #: macOS that it is built for
    undefined: set[str] = field(default_factory=set)
    references: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))  #: of each function or datum


def read(path: Path) -> Object:
    import lief

    fat = lief.MachO.parse(os.fspath(path))
    if fat is None or fat.at(0).build_version is None:
        raise Problems(f"{path} is no Mach-O file that names its macOS.")
    binary = fat.at(0)
    result = Object(path, tuple(binary.build_version.minos[:2]))
    defined: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for symbol in binary.symbols:
        if symbol.raw_type & 0xE0:  # N_STAB: for debuggers
            continue
        if symbol.raw_type & 0x0E:  # N_TYPE: defined in a section
            if symbol.name.startswith("_"):
                defined[symbol.numberof_sections].append((symbol.value, symbol.name))
        elif symbol.name:
            result.undefined.add(symbol.name)
    for number, section in enumerate(binary.sections, 1):
        symbols = sorted(defined[number])
        starts = [start for start, _ in symbols]
        for relocation in section.relocations:
            # lief counts from the begin of the file.
            at = relocation.address - section.offset + section.virtual_address
            index = bisect.bisect_right(starts, at) - 1
            if relocation.has_symbol and index >= 0:
                result.references[symbols[index][1]].add(relocation.symbol.name)
    return result


@cache
def scope(symbol: str) -> tuple[str, ...]:
    """('MTL', 'Device', 'newFence') of __ZN3MTL6Device8newFenceEv: the names of a C++ symbol before any template."""
    names = []
    at = re.match(r"__Z(NK?|L)?(?=\d)", symbol)
    position = at.end() if at else len(symbol)
    while digits := re.compile(r"\d+").match(symbol, position):
        position = digits.end() + int(digits[0])
        names.append(symbol[digits.end() : position])
    return tuple(names)


def is_metal_cpp(symbol: str) -> bool:
    return scope(symbol)[:1] in {(space,) for space in SPACES}


def is_private(symbol: str) -> bool:
    """A selector's or class's variable of metal-cpp."""
    return is_metal_cpp(symbol) and scope(symbol)[1:2] == ("Private",)


def readable(symbol: str) -> str:
    return "::".join(scope(symbol)) or symbol


# -- metal-cpp's headers ------------------------------------------------------------------------------------------


@dataclass
class Headers:
    selectors: dict[tuple[str, str], str] = field(default_factory=dict)  #: by namespace and variable
    enumerators: dict[str, str] = field(default_factory=dict)  #: Objective-C's name by C++'s
    enums: set[str] = field(default_factory=set)
    constants: dict[str, str] = field(default_factory=dict)  #: Objective-C's name by symbol: metal-cpp's are of C


def read_headers(folder: Path) -> Headers:
    result = Headers()
    for path in sorted(folder.rglob("*.hpp")):
        text = path.read_text(encoding="utf-8")
        for space, variable, selector in re.findall(r'_(\w+)_PRIVATE_DEF_SEL\(\s*(\w+),\s*"([^"]+)"\s*\)', text):
            result.selectors[space, "s_k" + variable] = selector
        for space, name in re.findall(r"^_(NS|MTL)_CONST\([^,]+,\s*(\w+)\s*\)", text, re.MULTILINE):
            result.constants["_" + name] = space + name
        spaces = [(match.start(), match[1]) for match in re.finditer(r"^namespace (\w+)", text, re.MULTILINE)]
        for match in re.finditer(r"_\w+_(?:ENUM|OPTIONS)\([^,]+,\s*(\w+)\s*\)\s*\{(.*?)\}", text, re.DOTALL):
            space = next((space for start, space in reversed(spaces) if start < match.start()), None)
            if space in SPACES:
                result.enums.add(match[1])
                for name in re.findall(r"(?:^|,)\s*(\w+)", match[2]):
                    result.enumerators[name] = space + name
    if not (result.selectors and result.enumerators and result.constants):
        raise Problems(f"{folder} has no metal-cpp that this can read.")
    return result


# -- what is reached ----------------------------------------------------------------------------------------------


@dataclass
class Reached:
    minimum: Version = ()
    #: Who uses an entry, and whether that one asks first.
    uses: dict[Entry, dict[str, bool]] = field(default_factory=lambda: defaultdict(dict))

    def add(self, entry: Entry, user: str, asks: bool = False) -> None:
        self.uses[entry][user] = self.uses[entry].get(user, True) and asks


@dataclass
class Unit:
    """A source of ours and how the build compiles it."""

    source: Path
    folder: Path
    command: list[str]

    @property
    def object(self) -> Path:
        return self.folder / self.command[self.command.index("-o") + 1]

    def compile_as_functions(self, into: Path) -> Object:
        target = into / f"{self.source.parent.name}-{self.source.name}.o"
        command = [*self.command, *AS_FUNCTIONS]
        command[command.index("-o") + 1] = os.fspath(target)
        subprocess.run(command, cwd=self.folder, check=True)
        return read(target)


def units(build: Path) -> list[Unit]:
    commands = json.loads((build / "compile_commands.json").read_text(encoding="utf-8"))
    return [
        Unit(Path(entry["file"]), Path(entry["directory"]), shlex.split(entry["command"]))
        for entry in commands
        if Path(entry["file"]).is_relative_to(ROOT / "csrc")
    ]


class Graph:
    """Who refers to what, in objects whose metal-cpp is functions."""

    def __init__(self, objects: Iterable[Object], headers: Headers) -> None:
        self.headers = headers
        self.references: dict[str, set[str]] = defaultdict(set)
        self.users: dict[str, set[str]] = defaultdict(set)
        for each in objects:
            for symbol, names in each.references.items():
                self.references[symbol] |= names
                for name in names:
                    self.users[name].add(symbol)

    def our_users(self, symbol: str) -> set[str]:
        """Our functions that come to `symbol` through metal-cpp alone."""
        ours, seen, todo = set(), {symbol}, [symbol]
        while todo:
            for user in self.users[todo.pop()] - seen:
                seen.add(user)
                if is_metal_cpp(user):
                    todo.append(user)
                else:
                    ours.add(user)
        return ours

    def asks(self, function: str, variable: str) -> bool:
        """`function` names the selector or class itself, and for a selector calls respondsToSelector or one of ours
        that does."""
        if variable not in self.references[function]:
            return False
        if scope(variable)[2] == "Class":
            return True  # a class that is not there is null
        questions = self.users[RESPONDS]
        return any(self.references[name] & questions for name in {function} | self.references[function] - questions)

    def add_to(self, reached: Reached) -> None:
        for name in [name for name in self.users if name.startswith(("_objc_", "_sel_"))]:
            for user in self.users[name]:
                if scope(user)[:3] not in (SAFE, ("NS", "Object", "sendMessage")):
                    raise Problems(f"{readable(user)} calls {name[1:]} itself; metal-cpp has a function for it.")
        for variable in [name for name in self.users if is_private(name)]:
            space, _, kind, name = scope(variable)
            for function in self.users[variable]:
                if not is_metal_cpp(function):
                    continue  # a question, not a message
                if kind == "Class":
                    entry = ("classes", name.removeprefix("s_k"))
                else:
                    entry = (f"methods.{receiver(function)}", self.headers.selectors[space, name])
                safe = any(scope(called)[:3] == SAFE for called in self.references[function])
                for user in self.our_users(function):
                    reached.add(entry, readable(user), safe or self.asks(user, variable))


def receiver(function: str) -> str:
    """The class or protocol whose method a function of metal-cpp sends."""
    space, *names = scope(function)
    if space == "NS" and names[:1] in (["Object"], ["Referencing"], ["Copying"], ["SecureCoding"]):
        return "NSObject"
    if len(names) != 2:
        raise Problems(f"metal-cpp's {readable(function)} sends a message, and to whom cannot be told.")
    return space + names[0]


def reached_by(sources: list[Unit], headers: Headers, into: Path) -> Reached:
    """By the objects of `sources`; others are made of some of them in the folder `into`."""
    reached = Reached()
    inlined: set[str] = set()
    again = []
    for unit in sources:
        compiled = read(unit.object)
        reached.minimum = max(reached.minimum, compiled.minimum)
        for name in compiled.undefined:
            if name in headers.constants:
                reached.add(("constants", headers.constants[name]), unit.source.name)
            elif APPLES.fullmatch(name):
                reached.add(("functions", name[1:]), unit.source.name)
        if private := {name for name in compiled.undefined if is_private(name)}:
            inlined |= private
            again.append(unit.compile_as_functions(into))
    graph = Graph(again, headers)
    if missed := inlined - graph.users.keys():
        raise Problems(f"Only the inlined objects name {', '.join(sorted(map(readable, missed)))}.")
    graph.add_to(reached)
    return reached


# -- enumerators, which no object names ---------------------------------------------------------------------------

_WORDLESS = re.compile(r"""//[^\n]*|/\*.*?\*/|\b\d[\w']*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])+'""", re.DOTALL)
_NAMESPACE = rf"(?:::\s*)?\b(?:{'|'.join(SPACES)})\b"
_HIDES = re.compile(rf"\busing\s+(?:namespace\s+|enum\s+)?{_NAMESPACE}[^;=]*;|\bnamespace\s+\w+\s*=\s*{_NAMESPACE}\s*;")
_CAST = re.compile(
    rf"(?:<\s*{_NAMESPACE}\s*::\s*(\w+)\s*>\s*\(|\(\s*{_NAMESPACE}\s*::\s*(\w+)\s*\)\s*[\w(]"
    rf"|{_NAMESPACE}\s*::\s*(\w+)\s*[({{])"
)


def sources(build: Path) -> Iterator[Path]:
    """What the build compiles of ours, headers included."""
    todo, seen = [unit.source for unit in units(build)], set()
    while todo:
        path = todo.pop().resolve()
        if path in seen:
            continue
        seen.add(path)
        yield path
        for name in re.findall(r'^\s*#\s*include\s+"([^"]+)"', path.read_text(encoding="utf-8"), re.MULTILINE):
            folders = (path.parent, ROOT / "csrc", ROOT / "metal")
            todo += [folder / name for folder in folders if (folder / name).is_file()][:1]


def add_enumerators(reached: Reached, source: str, text: str, headers: Headers) -> None:
    # Without comments and texts, and with lines where they were.
    text = _WORDLESS.sub(lambda match: "0" if match[0][0].isdigit() else " " + "\n" * match[0].count("\n"), text)

    def at(match: re.Match[str]) -> str:
        return f"{source}:{text.count(chr(10), 0, match.start()) + 1}"

    if hidden := _HIDES.search(text):
        raise Problems(f"{at(hidden)}: '{hidden[0]}' hides names of metal-cpp; write them in full.")
    for cast in _CAST.finditer(text):
        if set(cast.groups()) & headers.enums:
            raise Problems(f"{at(cast)}: '{cast[0]}' makes an enumerator of a number; name the enumerator.")
    for match in re.finditer(r"::\s*(\w+)", text):
        if match[1] in headers.enumerators:
            # supportsFamily() and its like say no to a number that they do not know.
            asks = re.search(rf"\bsupports\w*\s*\(\s*{_NAMESPACE}\s*$", text[: match.start()]) is not None
            reached.add(("enumerators", headers.enumerators[match[1]]), at(match), asks)


# -- the table ----------------------------------------------------------------------------------------------------


def version(text: str) -> Version:
    return tuple(int(part) for part in text.split("."))


def read_table(path: Path) -> dict[Entry, Version]:
    sections = tomllib.loads(path.read_text(encoding="utf-8"))
    methods = {f"methods.{owner}": entries for owner, entries in sections.pop("methods").items()}
    return {
        (section, name): version(introduced)
        for section, entries in {**methods, **sections}.items()
        for name, introduced in entries.items()
    }


def shown(numbers: Version) -> str:
    return ".".join(map(str, numbers))


def compare(reached: Reached, table: dict[Entry, Version], path: Path) -> list[str]:
    """What is wrong."""
    problems = []
    for (section, name), users in sorted(reached.uses.items()):
        introduced = table.get((section, name))
        by = f"[{section}] {name}, used by {', '.join(sorted(users))},"
        if introduced is None:
            problems.append(f"{by} is not in {path.name}; add it with the macOS that introduced it.")
        elif introduced > reached.minimum:
            bare = sorted(user for user, asks in users.items() if not asks)
            if bare:
                problems.append(
                    f"{by} is of macOS {shown(introduced)}, and {shown(reached.minimum)} is the oldest that this is "
                    f"built for; {', '.join(bare)} must ask first (docs/metal-backend.md)."
                )
    for section, name in sorted(table.keys() - reached.uses.keys()):
        problems.append(f"[{section}] {name} is in {path.name}, and nothing uses it; remove it.")
    return problems


def check(build: Path, metal_cpp: Path, table: Path = TABLE) -> str:
    """A line of figures. `build` has the compiled objects and a compile_commands.json. Raises Problems."""
    headers = read_headers(metal_cpp)
    into = build / "selectors"
    into.mkdir(exist_ok=True)
    reached = reached_by(units(build), headers, into)
    if not reached.uses:
        raise Problems(f"No object in {build} asks anything of macOS: it is not the Metal backend's.")
    for path in sources(build):
        name = os.fspath(path.relative_to(ROOT))
        add_enumerators(reached, name, path.read_text(encoding="utf-8"), headers)
    versions = read_table(table)
    if problems := compare(reached, versions, table):
        raise Problems("\n".join(problems))
    counts = Counter(section.partition(".")[0] for section, _ in versions)
    newer = sum(introduced > reached.minimum for introduced in versions.values())
    figures = ", ".join(f"{number} {section}" for section, number in counts.items())
    return f"{figures}; {newer} of them newer than macOS {shown(reached.minimum)}, and asked for before use."
