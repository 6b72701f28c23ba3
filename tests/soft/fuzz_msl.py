"""Fuzzes the Metal front end: mutated sources must give a library or MslError, in bounded time, and nothing else.

    python tests/soft/fuzz_msl.py [--sources 10000] [--compile 100] [--seed 1] [FILE.metal ...]

All mutants go through lexer and rewriter; every n-th goes the whole way, clang included. Without files, the seeds are
those of tests/soft/msl. A failure is printed with its source.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from isometal.soft.errors import MslError
from isometal.soft.msl import compile_source
from isometal.soft.msl.diagnostics import RejectedSource
from isometal.soft.msl.rewriter import read, rewrite
from isometal.soft.msl.tokens import Kind, lex

SEEDS = Path(__file__).with_name("msl")
#: Seconds that the rewriter may take for one source of a few kilobytes.
REWRITE_SECONDS = 5.0
_BRACKETS = frozenset(["(", ")", "[", "]", "{", "}", "[[", "]]"])
_SPICE = (
    *("<", ">", "<<", ">>", "[[", "]]", "[", "]", "(", ")", "{", "}", ";", ",", ":", "::", "?", "=", "==", "...", "->"),
    *(
        "*",
        "&",
        "&&",
        "!",
        ".",
        "#",
        '"',
        "'",
        "\\",
        "0x",
        "1.0",
        "1e",
        "0",
        "@",
        "$",
        "`",
        "\x00",
        "\x7f",
        "é",
        'R"(',
        ')"',
    ),
    *("template", "kernel", "[[kernel]]", "threadgroup", "constant", "device", "thread", "coherent", "struct", "union"),
    *(
        "enum",
        "class",
        "namespace",
        "using",
        "typedef",
        "operator",
        "decltype",
        "static_cast",
        "vec<float,4>",
        "vec<bool, 2>",
    ),
    *(
        "float4",
        "bool4",
        "vec",
        "return",
        "if",
        "for",
        "while",
        "[[buffer(0)]]",
        "[[function_constant(0)]]",
        "host_name",
    ),
    *(
        "goto",
        "auto",
        "__msl_infix",
        "MSL_COPIES",
        "#pragma",
        "#line",
        'extern "C"',
        "static",
        "const",
        "half",
        "bfloat",
    ),
)


@dataclass(slots=True)
class _Word:
    """A token, and the white space and lines before it."""

    kind: Kind
    space: str
    text: str

    def __str__(self) -> str:
        return self.space + self.text


def mutants(seeds: Sequence[str], generator: random.Random) -> Iterator[str]:
    """Endless sources, each a seed with one to eight changes. Half of them keep brackets and kinds of tokens."""
    texts = [_words(seed) for seed in seeds]
    while True:
        words = list(generator.choice(texts))
        change = generator.choice((_break, _vary))
        for _ in range(generator.choice((1, 1, 2, 3, 8))):
            change(words, generator, texts)
        yield "".join(map(str, words))


def _words(seed: str) -> list[_Word]:
    words: list[_Word] = []
    row = 1
    for token in lex(seed):
        words.append(_Word(token.kind, "\n" * (token.row - row) + token.space, token.text))
        row = token.row
    return words


def _vary(words: list[_Word], generator: random.Random, texts: list[list[_Word]]) -> None:
    """Put another token of the same kind in the place of one that is no bracket."""
    place = generator.randrange(len(words))
    kind = words[place].kind
    donors = [word.text for word in generator.choice(texts) if word.kind is kind and word.text not in _BRACKETS]
    if donors and words[place].text not in _BRACKETS:
        words[place] = _Word(kind, words[place].space, generator.choice(donors))


def _break(words: list[_Word], generator: random.Random, texts: list[list[_Word]]) -> None:
    """Delete, repeat, replace, insert or swap whatever tokens."""
    place = generator.randrange(max(len(words), 1))
    length = min(generator.choice((1, 1, 1, 2, 3, 8, 40)), len(words) - place)
    spice = _Word(Kind.OTHER, " ", generator.choice(_SPICE))
    kind = generator.randrange(7) if words else 3
    if kind == 0:
        del words[place : place + length]
    elif kind == 1:
        words[place:place] = words[place : place + length]
    elif kind == 2:
        words[place] = spice
    elif kind == 3:
        words.insert(place, spice)
    elif kind == 4:
        other = generator.randrange(len(words))
        words[place], words[other] = words[other], words[place]
    elif kind == 5:
        donor = generator.choice(texts)
        start = generator.randrange(len(donor))
        words[place:place] = donor[start : start + length]
    else:
        words[place:place] = [spice] * generator.choice((2, 20, 300))


def check_rewriter(source: str) -> str:
    """Lex and rewrite; returns what became of it. Raises AssertionError where it took too long."""
    start = time.monotonic()
    try:
        rewrite(read(source))
        outcome = "rewritten"
    except RejectedSource:
        outcome = "rejected"
    seconds = time.monotonic() - start
    assert seconds < REWRITE_SECONDS, f"the rewriter took {seconds:.1f} s"
    return outcome


def check_compiler(source: str) -> str:
    """The whole way, with the first kernel's AIR; returns what became of it."""
    try:
        library = compile_source(source, name="fuzz.metal")
        if library.kernels:
            library.air(library.kernels[0])
    except MslError:
        return "error"
    return "compiled"


def run(seeds: Sequence[str], sources: int, compiled: int, seed: int) -> dict[str, int]:
    """Check mutants; returns how many had which outcome. Raises what a check raises, the source in its notes."""
    counts: dict[str, int] = {}
    every = max(sources // compiled, 1) if compiled else 0
    for number, source in enumerate(mutants(seeds, random.Random(seed))):
        if number >= sources:
            return counts
        outcomes = []
        try:
            outcomes.append(check_rewriter(source))
            if every and number % every == 0:
                outcomes.append(check_compiler(source))
        except Exception:
            print(f"seed {seed}, source {number}:\n{source}", file=sys.stderr)
            raise
        for outcome in outcomes:
            counts[outcome] = counts.get(outcome, 0) + 1
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", type=int, default=10000)
    parser.add_argument("--compile", type=int, default=100, dest="compiled")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("files", nargs="*", type=Path)
    arguments = parser.parse_args()
    files = arguments.files or sorted(SEEDS.glob("*.metal"))
    seeds = [path.read_text(encoding="utf-8") for path in files]
    start = time.monotonic()
    counts = run(seeds, arguments.sources, arguments.compiled, arguments.seed)
    print(f"{arguments.sources} sources, seed {arguments.seed}: {counts} in {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
