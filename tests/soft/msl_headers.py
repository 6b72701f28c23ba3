"""The Metal headers by themselves: C++ for OpenCL through the raw compiler, without rewriter and driver."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import ziglang

INCLUDE = Path(str(files("isometal.soft"))) / "msl" / "include"
ZIG = Path(ziglang.__file__).parent / "zig"
# As in msl/CONVENTIONS.md.
LANGUAGE = [
    *("-target", "nvptx64-nvidia-cuda", "-nostdinc", "-x", "clcpp", "-cl-std=CLC++2021", "-cl-no-stdinc"),
    *("-cl-single-precision-constant", "-ffp-contract=on"),
    *("-Xclang", "-cl-ext=-all,+cl_khr_fp16,+__opencl_c_generic_address_space,+__opencl_c_int64"),
    *("-Xclang", "-fbfloat16-excess-precision=none", "-Xclang", "-ffloat16-excess-precision=none"),
]


@dataclass(frozen=True)
class Compilation:
    """What clang said, and the IR, or the preprocessed text, when it said no error."""

    text: str
    errors: str

    def errors_only(self) -> list[str]:
        """The messages of its errors, without place."""
        return re.findall(r"error: (.*)", self.errors)


def run(source: str, *options: str, fast_math: bool = False, version: int = 310, library: bool = True) -> Compilation:
    """Compile `source`, which sees the prelude, with the standard library unless `library` is false."""
    command = [ZIG, "clang", *LANGUAGE, "-I", INCLUDE, "-include", "msl/prelude.h", "-w"]
    command += [f"-DMSL_FAST_MATH={int(fast_math)}", f"-D__METAL_VERSION__={version}"]
    command += ["-DMSL_STDLIB"] if library else []
    command += [*options, "-", "-o", "-"]
    result = subprocess.run(command, check=False, input=source, capture_output=True, text=True)
    return Compilation(result.stdout if result.returncode == 0 else "", result.stderr)


def ir(source: str, *options: str, fast_math: bool = False, version: int = 310, library: bool = True) -> str:
    """The IR of `source`, optimised unless the options say otherwise; AssertionError with the errors if it fails."""
    compilation = run(
        source, "-O2", "-S", "-emit-llvm", *options, fast_math=fast_math, version=version, library=library
    )
    assert compilation.text, compilation.errors
    return compilation.text


def calls(text: str) -> list[str]:
    """The names of AIR functions that IR calls, in the order of the text."""
    return re.findall(r"call [^\n]*?@(air\.[\w.]+)\(", text)


def declarations(text: str) -> dict[str, str]:
    """The declarations of AIR functions in IR, by name."""
    return {match[2]: match[1] for match in re.finditer(r"(?m)^(declare [^\n]*@(air\.[\w.]+)\([^\n]*)$", text)}


def attributes(text: str) -> dict[str, set[str]]:
    """What the attribute groups of the declarations of AIR functions say, without the target's strings."""
    groups = dict(re.findall(r"(?m)^attributes #(\d+) = {(.*)}$", text))
    words = {group: set(re.sub(r'"[^"]*"(="[^"]*")?', "", body).split()) for group, body in groups.items()}
    return {
        name: words[group[1]]
        for name, line in declarations(text).items()
        if (group := re.search(r"#(\d+)", line)) is not None
    }
