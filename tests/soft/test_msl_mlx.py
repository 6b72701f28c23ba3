"""MLX's kernel headers are a corpus: all that need no tensor hardware compile, with the metadata of Apple's compiler.

tests/soft/msl/mlx holds one source for each family of kernels; each includes MLX's headers from the wheel and
instantiates their kernels, under the names that they have in MLX's own metallib where they are in it.
By hand, all kernels instead of a sample: ISOMETAL_MSL_ALL=1 pytest tests/soft/test_msl_mlx.py
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import llvmlite.binding as llvm
import pytest

from isometal.soft.bitcode import disassemble
from isometal.soft.errors import MslError
from isometal.soft.metadata import reflect
from isometal.soft.metallib import Metallib
from isometal.soft.msl import compile_source
from isometal.soft.reflection import Argument

SOURCES = Path(__file__).with_name("msl") / "mlx"
KERNELS = "mlx/backend/metal/kernels"
#: Kernels of each source that are finished and compared.
SAMPLE = 5
#: Headers that use Apple's tensor units through MetalPerformancePrimitives, which is not ours to write.
TENSOR = re.compile(r"nax")


@pytest.fixture(scope="module")
def include(mlx_metal_wheel: Path) -> Path:
    return mlx_metal_wheel / "mlx" / "include"


@pytest.fixture(scope="module")
def apple(mlx_metal_wheel: Path) -> Iterator[Metallib]:
    with Metallib.open(mlx_metal_wheel / "mlx" / "lib" / "mlx.metallib") as library:
        yield library


@pytest.mark.parametrize("path", sorted(SOURCES.glob("*.metal")), ids=lambda path: path.stem)
def test_kernels_compile_with_apples_metadata(path: Path, include: Path, apple: Metallib) -> None:
    library = compile_source(path.read_text(encoding="utf-8"), name=str(path), include_dirs=[include])
    assert library.kernels
    kernels = list(library.kernels)
    random.Random(path.stem).shuffle(kernels)
    for kernel in kernels if os.environ.get("ISOMETAL_MSL_ALL") else kernels[:SAMPLE]:
        air = library.air(kernel)
        llvm.parse_assembly(air).verify()
        if kernel in apple.functions:
            assert facts(air, kernel) == facts(disassemble(apple, kernel), kernel)


def facts(air: str, kernel: str) -> object:
    """What two compilers must agree on. Whether an argument is used is up to their optimisers."""
    found = reflect(air, kernel)
    arguments = [{**vars_of(argument), "used": True} for argument in found.arguments]
    constants = sorted((c.index, c.name, c.type_name) for c in found.constants)
    return arguments, constants, found.max_threads_per_threadgroup, found.options


def vars_of(argument: Argument) -> dict[str, object]:
    found = {each.name: getattr(argument, each.name) for each in fields(argument)}
    if "atomic" in argument.type_name:
        # What an atomic is made of is each library's own business.
        del found["type_name"], found["fields"]
    return found


def test_every_header_is_in_the_corpus(include: Path) -> None:
    """Each header is included by a source of the corpus or compiles by itself; the exceptions are those of TENSOR."""
    covered: set[str] = set()
    for path in SOURCES.glob("*.metal"):
        follow(path, include, covered)
    headers = {str(path.relative_to(include)) for path in (include / KERNELS).rglob("*.h")}
    assert len(headers) > 90
    alone = sorted(h for h in headers - covered if not TENSOR.search(h))
    text = f'#include <metal_stdlib>\n#include "{KERNELS}/utils.h"\n'
    failures = []
    for header in alone:
        try:
            compile_source(f'{text}#include "{header}"\n', name=header, include_dirs=[include])
        except MslError as error:
            failures.append(f"{header}: {error}")
    assert not failures, "\n".join(failures)


def follow(path: Path, include: Path, covered: set[str]) -> None:
    """Add what a file includes to `covered`, and what that includes."""
    for name in re.findall(r'#include "(mlx/[^"]+)"', path.read_text(encoding="utf-8")):
        if name not in covered:
            covered.add(name)
            follow(include / name, include, covered)


def test_tensor_headers_say_what_is_missing(include: Path) -> None:
    header = f"{KERNELS}/steel/gemm/nax.h"
    with pytest.raises(MslError, match=r"MetalPerformancePrimitives.*file not found"):
        compile_source(f'#include <metal_stdlib>\n#include "{header}"\n', include_dirs=[include])
