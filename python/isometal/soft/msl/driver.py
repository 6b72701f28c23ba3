"""Runs ziglang's clang: the preprocessor, the compiler and the optimiser, each in a process with a time limit."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from isometal.soft.errors import MslError

__all__ = [
    "HEADERS",
    "CompileOptions",
    "Result",
    "compile_text",
    "optimize",
    "preprocess",
    "record_layouts",
    "scratch_folder",
]

#: Our Metal headers.
HEADERS = Path(__file__).with_name("include")
#: The target is chosen for how it passes arguments and numbers address spaces: see CONVENTIONS.md. No PTX is made.
_TARGET = ("-target", "nvptx64-nvidia-cuda")
_DEFAULT_SECONDS = 120.0
_SECONDS_VARIABLE = "ISOMETAL_MSL_TIMEOUT"
_MAX_OUTPUT = 1 << 28
_EXTENSIONS = ",".join(
    ["-all", "+cl_khr_fp16", "+__opencl_c_generic_address_space", "+__opencl_c_int64", "+__cl_clang_function_pointers"]
)


@dataclass(frozen=True, slots=True)
class Result:
    """What a run of clang gave. `output` is empty where it failed."""

    succeeded: bool
    output: str
    messages: str


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder that only this user can read, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="isometal-msl-") as folder:
        yield Path(folder)


@cache
def zig() -> str:
    """Path of the zig executable. Raises MslError where the package is missing."""
    spec = importlib.util.find_spec("ziglang")
    places = list(spec.submodule_search_locations or ()) if spec is not None else []
    for place in places:
        for name in ("zig", "zig.exe"):
            path = Path(place) / name
            if path.is_file():
                return str(path)
    raise MslError(
        "[soft] compiling Metal source needs clang from the package ziglang, which is not installed; "
        "pip install 'isometal[soft]' would install it."
    )


def preprocess(
    folder: Path,
    text: str,
    name: str,
    macros: Sequence[str],
    include_dirs: Sequence[str | os.PathLike[str]],
    beside: Path | None = None,
) -> Result:
    """Includes, macros and comments dealt with. `macros` are `NAME=value`; lines of `text` say they are from `name`.
    `beside` is the folder that the source lies in."""
    source = folder / "source.metal"
    source.write_text(f'#line 1 "{_escape(name)}"\n{text}\n', encoding="utf-8", errors="replace")
    arguments = [*_TARGET, "-E", "-x", "c++", "-std=c++17", "-nostdinc", "-undef", "-fno-caret-diagnostics"]
    arguments += ["-ferror-limit=0", "-Wno-everything", "-Winvalid-pp-token", f"-I{HEADERS / 'preprocess'}"]
    arguments += [f"-I{os.fspath(place)}" for place in include_dirs]
    arguments += [f"-D{macro}" for macro in macros] + (["-iquote", str(beside)] if beside is not None else [])
    return _run(folder, arguments, source, "preprocessed.ii")


@dataclass(frozen=True, slots=True)
class CompileOptions:
    """How rewritten source is compiled. `stdlib`: it includes Metal's library; `version`: 310 for Metal 3.1."""

    stdlib: bool
    fast_math: bool
    version: int

    def arguments(self) -> list[str]:
        arguments = [*_TARGET, "-nostdinc", "-x", "clcpp", "-cl-std=CLC++2021", "-cl-no-stdinc"]
        arguments += ["-cl-single-precision-constant", "-ffp-contract=on", "-Xclang", f"-cl-ext={_EXTENSIONS}"]
        for kind in ("bfloat16", "float16"):
            arguments += ["-Xclang", f"-f{kind}-excess-precision=none"]
        if self.fast_math:
            arguments += ["-ffast-math", "-ffp-contract=fast"]
        arguments += [f"-I{HEADERS}", "-include", "msl/prelude.h", f"-DMSL_FAST_MATH={int(self.fast_math)}"]
        return [*arguments, f"-D__METAL_VERSION__={self.version}", *(["-DMSL_STDLIB"] if self.stdlib else [])]


def compile_text(folder: Path, text: str, options: CompileOptions, *, lines: bool = False) -> Result:
    """LLVM IR of rewritten source, not optimised. `lines`: with line tables."""
    source = folder / "rewritten.cl"
    source.write_text(text, encoding="utf-8", errors="replace")
    arguments = [*options.arguments(), "-O2", "-Xclang", "-disable-llvm-passes", "-S", "-emit-llvm"]
    arguments += ["-gline-tables-only", "-gcolumn-info"] if lines else []
    arguments += ["-fno-caret-diagnostics", "-ferror-limit=0", "-ftemplate-backtrace-limit=6", "-fno-elide-type"]
    # Warnings are read, not shown: clang_messages.py makes errors of some. What clang makes errors by default stays so.
    arguments += ["-Wpre-c++17-compat"] if options.version < 400 else []
    arguments += ["-Wimplicit-float-conversion", "-Wno-defaulted-function-deleted", "-fno-diagnostics-fixit-info"]
    return _run(folder, arguments, source, "unoptimized.ll")


def record_layouts(folder: Path, text: str, options: CompileOptions) -> str:
    """Clang's dump of the layouts of all classes in rewritten source that compiles."""
    source = folder / "rewritten.cl"
    source.write_text(text, encoding="utf-8", errors="replace")
    dump = ["-Xclang", "-fdump-record-layouts", "-Xclang", "-fdump-record-layouts-canonical"]
    arguments = [*options.arguments(), "-fsyntax-only", "-w", *dump]
    return _run(folder, arguments, source, None).messages


def optimize(folder: Path, ir: str) -> Result:
    """The same module after -O2, without vectorisation and without unrolling that the source does not ask for."""
    source = folder / "module.ll"
    source.write_text(ir, encoding="utf-8")
    arguments = [*_TARGET, "-x", "ir", "-O2", "-S", "-emit-llvm", "-Wno-everything"]
    arguments += ["-fno-vectorize", "-fno-slp-vectorize", "-fno-unroll-loops"]
    return _run(folder, arguments, source, "optimized.ll")


def time_limit() -> float:
    """Seconds that one run of clang may take."""
    text = os.environ.get(_SECONDS_VARIABLE, "")
    if not text:
        return _DEFAULT_SECONDS
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise MslError(f"[soft] {_SECONDS_VARIABLE}={text!r} is no time limit; a number of seconds above 0 would be.")
    return seconds


def _run(folder: Path, arguments: Sequence[str], source: Path, output: str | None) -> Result:
    """Run clang. Without an `output`, what it prints is all that there is."""
    target = folder / output if output is not None else None
    command = [zig(), "clang", *arguments, *(["-o", str(target)] if target is not None else []), str(source)]
    if target is not None:
        target.unlink(missing_ok=True)
    seconds = time_limit()
    # A process group of its own: clang's driver starts further processes, and all must end with it.
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=folder,
        env=_environment(folder),
        start_new_session=True,
    )
    try:
        printed, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        _kill(process)
        raise MslError(
            f"[soft] clang did not finish within {seconds:g} s; {_SECONDS_VARIABLE} sets another limit."
        ) from None
    except BaseException:
        _kill(process)
        raise
    text, status = printed[:_MAX_OUTPUT].decode("utf-8", "replace"), process.returncode
    if status < 0 or (status != 0 and "error:" not in text):
        raise MslError(
            f"[soft] clang failed with status {status} on this source; this is a fault of the compiler.", text
        )
    if status != 0 or (target is not None and not target.is_file()):
        return Result(False, "", text)
    if target is None:
        return Result(True, "", text)
    return Result(True, target.read_text(encoding="utf-8", errors="replace"), text)


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def _environment(folder: Path) -> dict[str, str]:
    """Nothing of the user's that clang would read, such as CPATH. Zig's caches go to the folder."""
    kept = {key: os.environ[key] for key in ("PATH", "SYSTEMROOT", "TEMP", "TMP") if key in os.environ}
    return {
        **kept,
        "HOME": str(folder),
        "ZIG_GLOBAL_CACHE_DIR": str(folder),
        "ZIG_LOCAL_CACHE_DIR": str(folder),
        "LC_ALL": "C",
    }


def _escape(name: str) -> str:
    return name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
