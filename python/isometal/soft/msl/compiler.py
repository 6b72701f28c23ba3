"""Metal source to AIR: the whole way, with its attempts, checks and errors."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from isometal.soft.errors import MslError
from isometal.soft.msl import driver
from isometal.soft.msl.air_library import AirLibrary, CompiledKernel, CompiledSource
from isometal.soft.msl.air_module import AirOptions, Constants
from isometal.soft.msl.bindings import Binding, bind
from isometal.soft.msl.clang_messages import Message, forbidden, parse_messages, to_diagnostics
from isometal.soft.msl.declarations import Source
from isometal.soft.msl.derived_constants import find_derived
from isometal.soft.msl.described import Described, describe
from isometal.soft.msl.diagnostics import Diagnostic, RejectedSource, SourceLines, rejected
from isometal.soft.msl.edits import Rendered
from isometal.soft.msl.ir_checks import check_constants, check_ir, check_recursion, source_name
from isometal.soft.msl.ir_text import ModuleText
from isometal.soft.msl.lint_language import lint_language
from isometal.soft.msl.locations import Locator
from isometal.soft.msl.passes.repairs import Repairs
from isometal.soft.msl.repair import find_repairs, repair_vector_code
from isometal.soft.msl.rewriter import Rewritten, read, rewrite
from isometal.soft.msl.tokens import Position
from isometal.soft.msl.vector_code import has_vector_code, places_of_vector_code

__all__ = ["compile_source"]

_MAX_ATTEMPTS = 12
_STDLIB = re.compile(rf'^# \d+ "{re.escape(str(driver.HEADERS))}[/\\\\]preprocess[/\\\\]', re.MULTILINE)
_VERSIONS = ((2, 4), (3, 0), (3, 1), (3, 2), (4, 0))
_MACRO = re.compile(r"[A-Za-z_]\w*(\([\w, .]*\))?(=.*)?", re.DOTALL)


def compile_source(
    text: str,
    *,
    name: str = "program_source",
    macros: Sequence[str] = (),
    include_dirs: Sequence[str | os.PathLike[str]] = (),
    fast_math: bool = False,
    language_version: tuple[int, int] = (3, 1),
    bfloat: bool = True,
) -> AirLibrary:
    """Compile Metal source.

    Args:
        text: the source.
        name: what to call it in messages; for a file, its path, beside which `#include "..."` then looks first.
        macros: `NAME` or `NAME=value`.
        include_dirs: where `#include` looks.
        fast_math: allow what Metal's fast math allows. Apple's default is on; ours is off, for exactness.
        language_version: of Metal, for example (3, 1).
        bfloat: the GPU has the type, and the source may say so.

    Raises:
        MslError: the source does not compile (`diagnostics` holds file, line, column and text of each error), or
            ziglang is not installed.
    """
    if language_version not in _VERSIONS:
        known = ", ".join(f"({a}, {b})" for a, b in _VERSIONS)
        raise MslError(f"[soft] Metal {language_version} is not known; one of {known} would be.")
    for macro in macros:
        if not _MACRO.fullmatch(macro) or "\0" in macro:
            raise MslError(f"[soft] macro {macro!r} is no NAME or NAME=value.")
    for place in include_dirs:
        if "\0" in os.fspath(place):
            raise MslError(f"[soft] include folder {os.fspath(place)!r} has a NUL in its name.")
    compilation = _Compilation(text, name, fast_math, language_version, bfloat)
    with driver.scratch_folder() as folder:
        try:
            return compilation.run(folder, macros, include_dirs)
        except RejectedSource as error:
            located = [compilation.located(d) for d in error.diagnostics]
            raise rejected(name, located, compilation.lines) from None


@dataclass(slots=True)
class _Compilation:
    text: str
    name: str
    fast_math: bool
    language_version: tuple[int, int]
    bfloat: bool
    lines: SourceLines = field(init=False)
    options: driver.CompileOptions = field(init=False)
    source: Source | None = None
    locator: Locator | None = None

    def __post_init__(self) -> None:
        self.lines = SourceLines(self.name, self.text)

    def run(self, folder: Path, macros: Sequence[str], include_dirs: Sequence[str | os.PathLike[str]]) -> AirLibrary:
        version = self.language_version[0] * 100 + self.language_version[1] * 10
        known = [
            "__METAL__=1",
            f"__METAL_VERSION__={version}",
            "__METAL_MACOS__=1",
            "__MSL_SOFT__=1",
        ]
        known += ["__HAVE_BFLOAT__=1"] if self.bfloat and self.language_version >= (3, 1) else []
        known += ["__FAST_MATH__=1"] if self.fast_math else []
        places = [Path(place).absolute() for place in include_dirs]
        beside = Path(self.name).absolute().parent if _is_file(self.name) else None
        result = driver.preprocess(folder, self.text, self.name, [*known, *macros], places, beside)
        if not result.succeeded:
            raise RejectedSource(to_diagnostics(parse_messages(result.messages), _as_given))
        stdlib = _STDLIB.search(result.output) is not None
        self.options = driver.CompileOptions(stdlib, self.fast_math, version)
        self.source = read(result.output, self.name)
        problems: list[Diagnostic] = []
        lint_language(self.source, self.language_version, self.bfloat, problems)
        if problems:
            raise RejectedSource(problems)
        rewritten, module = self._attempts(folder)
        described = describe(module)
        kernels: dict[str, CompiledKernel] = {}
        constants = _constants(module, rewritten, described)
        self._check_constants(rewritten, described, problems)
        for instantiation in rewritten.instantiations:
            kernel = described.kernels[instantiation.number]
            bindings = bind(instantiation, kernel, problems)
            kernels[instantiation.host_name] = CompiledKernel(instantiation.number, bindings, kernel.max_threads)
            self._check_conditions(constants, bindings, problems)
        check_constants(module, constants.derived, rewritten, {c.symbol for c, _ in constants.given}, problems)
        check_ir(module, rewritten, problems)
        check_recursion(module, rewritten, lambda ir: _optimized(folder, ir), problems)
        if problems:
            raise RejectedSource(problems)
        options = AirOptions(self.fast_math, self.language_version)
        hosts = [(i.number, i.host_name) for i in rewritten.instantiations]
        facts = repr((rewritten.rendered.text, hosts, self.options, self.language_version))
        identity = hashlib.sha256(facts.encode("utf-8", "surrogatepass")).hexdigest()
        compiled = CompiledSource(rewritten, module, constants, kernels, self.options, options)
        return AirLibrary(self.name, compiled, identity)

    def located(self, diagnostic: Diagnostic) -> Diagnostic:
        """The diagnostic with its column counted in the user's line."""
        if diagnostic.position is None or self.source is None:
            return diagnostic
        locator = self.locator or Locator(self.source.tokens, Rendered("", []), "", self.lines)
        return Diagnostic(diagnostic.severity, locator.exact(diagnostic.position), diagnostic.message)

    def _attempts(self, folder: Path) -> tuple[Rewritten, ModuleText]:
        """Rewrite and compile until no place is left that needs another rewriting."""
        assert self.source is not None
        repairs = Repairs()
        for _ in range(_MAX_ATTEMPTS):
            rewritten = rewrite(self.source, repairs)
            file = str(folder / "rewritten.cl")
            self.locator = locator = Locator(self.source.tokens, rewritten.rendered, file, self.lines)
            result = driver.compile_text(folder, rewritten.rendered.text, self.options)
            messages = parse_messages(result.messages)
            before = repairs.count()
            find_repairs(self.source, repairs, messages, locator)
            if repairs.count() > before:
                continue
            if not result.succeeded:
                raise RejectedSource(to_diagnostics(messages, locator.message) or [_unexplained(result.messages)])
            problems = forbidden(messages, locator.message)
            if problems:
                raise RejectedSource(problems)
            module = ModuleText.parse(result.output)
            if has_vector_code(module):
                self._find_vector_code(folder, rewritten, repairs, file)
                if repairs.count() > before:
                    continue
            return rewritten, module
        raise MslError(f"[soft] {self.name}: gave up after {_MAX_ATTEMPTS} attempts to rewrite it.")

    def _find_vector_code(self, folder: Path, rewritten: Rewritten, repairs: Repairs, file: str) -> None:
        assert self.source is not None
        assert self.locator is not None
        result = driver.compile_text(folder, rewritten.rendered.text, self.options, lines=True)
        problems: list[Diagnostic] = []
        places = places_of_vector_code(ModuleText.parse(result.output), Path(file).name)
        for (line, column), kind in sorted(places.items()):
            index = rewritten.rendered.token_at(line, column)
            problem = repair_vector_code(self.source, repairs, index, kind) if index is not None else None
            if index is not None and problem is not None:
                problems.append(Diagnostic("error", self.source.tokens[index].position, problem))
        if problems:
            raise RejectedSource(problems)

    def _check_constants(self, rewritten: Rewritten, described: Described, problems: list[Diagnostic]) -> None:
        indices: dict[int, str] = {}
        for constant in rewritten.constants:
            known = described.constants.get(constant.number)
            if known is None or known.type.startswith("?"):
                message = f"function constant '{constant.name}' must be a scalar or a vector"
                problems.append(Diagnostic("error", constant.position, message))
                continue
            if not 0 <= known.index < 1 << 16:
                message = f"function constant '{constant.name}' has index {known.index}; 0 to 65535 are possible"
                problems.append(Diagnostic("error", constant.position, message))
            if known.index in indices:
                message = f"function constant index {known.index} is already that of '{indices[known.index]}'"
                problems.append(Diagnostic("error", constant.position, message))
            indices[known.index] = constant.name

    def _check_conditions(self, constants: Constants, bindings: list[Binding], problems: list[Diagnostic]) -> None:
        for binding in bindings:
            if binding.condition and binding.condition not in constants.symbols:
                message = f"'{binding.condition}' is no function constant"
                problems.append(Diagnostic("error", binding.parameter.position, message))


def _constants(module: ModuleText, rewritten: Rewritten, described: Described) -> Constants:
    names = {constant.number: constant.name for constant in rewritten.constants}
    given = [(constant, names[number]) for number, constant in sorted(described.constants.items())]
    derived = find_derived(module)
    symbols = {source_name(symbol): symbol for symbol in derived.functions.values()}
    return Constants(given, derived, symbols | {name: constant.symbol for constant, name in given})


def _optimized(folder: Path, ir: str) -> str:
    result = driver.optimize(folder, ir)
    if not result.succeeded:
        raise MslError("[soft] the optimiser refused what the front end made; this is a fault of it.", result.messages)
    return result.output


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except (OSError, ValueError):
        return False


def _as_given(message: Message) -> Position | None:
    return Position(message.file, message.line, message.column)


def _unexplained(text: str) -> Diagnostic:
    return Diagnostic("error", None, text.strip()[:1000] or "clang gave no reason")
