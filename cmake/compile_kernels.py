"""Compiles kernel families of this source tree into the files that isometal.kernels looks for.

For the software device our own front end makes AIR, with clang of ziglang and LLVM of llvmlite; with --xcrun, Xcode's
metal compiles. CMake runs it (cmake/CompiledKernels.cmake), in a build environment that holds none of isometal's own
requirements: only modules that need the standard library alone are imported, and those of this tree.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import types
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def use_this_tree() -> None:
    """Makes `isometal` this tree's, without what its __init__ modules import."""
    for name in ("isometal", "isometal.soft"):
        package = types.ModuleType(name)
        package.__path__ = [str(ROOT / "python" / name.replace(".", "/"))]
        sys.modules[name] = package


def air_library(text: str) -> bytes:
    """A metallib whose kernels are AIR, for the software device."""
    import llvmlite.binding as llvm

    from isometal.soft.metadata import reflect
    from isometal.soft.metallib_writer import KernelCode, write_metallib
    from isometal.soft.msl import compile_source

    version = (3, 1)
    compiled = compile_source(text, language_version=version)
    kernels = []
    for name in compiled.kernels:
        air = compiled.air(name)
        bitcode = llvm.parse_assembly(air).as_bitcode()
        kernels.append(KernelCode(name, bitcode, reflect(air, name).constants, version))
    return write_metallib(kernels)


def xcode_library(text: str, xcrun: str) -> bytes:
    from isometal.kernels import APPLE_FLAGS

    with tempfile.TemporaryDirectory() as folder:
        source, air, library = (Path(folder) / name for name in ("k.metal", "k.air", "k.metallib"))
        source.write_text(text, encoding="utf-8")
        tools = [xcrun, "-sdk", "macosx"]
        subprocess.run([*tools, "metal", *APPLE_FLAGS, "-c", source, "-o", air], check=True)
        subprocess.run([*tools, "metallib", air, "-o", library], check=True)
        return library.read_bytes()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("families", nargs="+", metavar="FAMILY", help="files of metal/, without .metal")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where the metallibs go")
    parser.add_argument("--xcrun", metavar="PROGRAM", help="compile with Xcode's metal, found by this xcrun")
    parser.add_argument("--stamp", type=Path, metavar="FILE", help="touch this file at the end")
    arguments = parser.parse_args()
    use_this_tree()
    from isometal import kernels

    arguments.out.mkdir(parents=True, exist_ok=True)
    for family in arguments.families:
        text = kernels.source(family)
        target = arguments.out / kernels.compiled_name(family, text, apple=arguments.xcrun is not None)
        for old in arguments.out.glob(f"{family}-*.metallib"):
            old.unlink()
        target.write_bytes(xcode_library(text, arguments.xcrun) if arguments.xcrun else air_library(text))
    if arguments.stamp:
        arguments.stamp.touch()


if __name__ == "__main__":
    main()
