"""What `isometal soft`, `soft info`, `soft run` and `soft cache` do and print."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from isometal.soft.arrays import array_of, constant_of, sizes_of, split
from isometal.soft.cache import Cache
from isometal.soft.device import device
from isometal.soft.errors import FunctionError, SoftDeviceError
from isometal.soft.kernel import Kernel
from isometal.soft.library import Library
from isometal.soft.reflection import Argument, KernelReflection

__all__ = ["Run", "cache", "device_text", "info", "run"]

#: Of more kernels than this, `info` shows only the names.
_DESCRIBED = 8
_SHOWN_VALUES = 6
_LISTED_VALUES = 64
_STD = re.compile(r"metal(\d)\.(\d)")


@dataclass(frozen=True)
class Run:
    """The options of `soft run`, as they were written."""

    file: Path
    std: str
    kernel: str | None
    buffers: Sequence[str]
    constants: Sequence[str]
    outputs: Sequence[str]
    grid: str
    threadgroup: str | None
    dispatch: str
    memory: Sequence[str]
    mode: str
    seed: int
    threads: int


# -- isometal soft ----------------------------------------------------------------------------------------------------


def device_text() -> str:
    """The device, in lines. Raises SoftDeviceError."""
    found, kept = device(), Cache().info()
    return (
        f"device    {found.name}\n"
        f"threads   {found.threads}\n"
        f"compiler  {found.compiler}\n"
        f"cache     {_cache_line(kept.entries, kept.size, kept.limit)}, {kept.folder}\n"
    )


def _version(std: str) -> tuple[int, int]:
    """Of the language, as `metal3.1` names it for Apple's compiler."""
    found = _STD.fullmatch(std)
    if found is None:
        raise SoftDeviceError(f"[soft] --std {std!r} names no version of Metal; metal3.1 would.")
    return int(found[1]), int(found[2])


# -- soft info --------------------------------------------------------------------------------------------------------


def info(file: Path, std: str, names: Sequence[str], match: str | None, *, as_json: bool) -> str:
    """Kernels of a library and, of few, what they take. Raises SoftDeviceError, OSError."""
    library = Library.open(file, language_version=_version(std))
    chosen = list(names) or [name for name in library.kernels if match is None or match in name]
    if not chosen and match is not None:
        raise FunctionError(f"[soft] no kernel of {library.origin} has {match!r} in its name.")
    described = len(chosen) <= _DESCRIBED or bool(names)
    reflections = [library.reflection(name) for name in chosen] if described else []
    if as_json:
        return _json(
            {
                "file": library.origin,
                "device": device().name,
                "kernels": chosen,
                "reflections": [
                    {
                        **reflection.to_json(),
                        "least_language_version": reflection.least_language_version,
                        "least_gpu_family": reflection.least_gpu_family,
                    }
                    for reflection in reflections
                ],
            }
        )
    head = f"{library.origin}: {len(library.kernels)} kernel{'s' if len(library.kernels) != 1 else ''}"
    if not described:
        return "\n".join([head, *(f"  {name}" for name in chosen)]) + "\n"
    return "\n\n".join([head, *map(str, reflections)]) + "\n"


# -- soft run ---------------------------------------------------------------------------------------------------------


def run(request: Run, *, as_json: bool) -> str:
    """Runs a kernel, writes what was asked for, tells what it wrote. Raises SoftDeviceError, OSError."""
    library = Library.open(request.file, language_version=_version(request.std))
    kernel = library.kernel(_kernel_name(library, request.kernel), _constants(library, request))
    values = _values(kernel.reflection, request)
    written = {a: value for a, value in values.items() if a.writes and isinstance(value, np.ndarray)}
    outputs = _outputs(kernel.reflection, written, request.outputs)
    start = time.perf_counter()
    kernel(
        {_key(argument): value for argument, value in values.items()},
        grid=sizes_of(request.grid, "--grid"),
        threadgroup=None if request.threadgroup is None else sizes_of(request.threadgroup, "--threadgroup"),
        dispatch=cast(Any, request.dispatch),
        mode=cast(Any, request.mode),
        seed=request.seed,
        threads=request.threads,
    )
    seconds = time.perf_counter() - start
    for argument, path in outputs.items():
        with path.open("wb") as file:
            np.save(file, written[argument], allow_pickle=False)
    return _report_json(kernel, written, outputs, seconds) if as_json else _report(kernel, written, outputs, seconds)


def _kernel_name(library: Library, name: str | None) -> str:
    if name is not None:
        return name
    if len(library.kernels) == 1:
        return library.kernels[0]
    listed = ", ".join(library.kernels[:_DESCRIBED]) + (", ..." if len(library.kernels) > _DESCRIBED else "")
    raise FunctionError(f"[soft] {library.origin} has {len(library.kernels)} kernels; choose with --kernel: {listed}.")


def _constants(library: Library, request: Run) -> dict[int | str, Any]:
    values: dict[int | str, Any] = {}
    for text in request.constants:
        name, value = split(text, "--constant")
        values[int(name) if name.isdecimal() else name] = constant_of(value)
    return values


def _values(reflection: KernelReflection, request: Run) -> dict[Argument, Any]:
    values: dict[Argument, Any] = {}
    for text in request.buffers:
        name, value = split(text, "--buffer")
        argument = _binding(reflection, name, "--buffer", "buffer")
        if argument in values:
            raise SoftDeviceError(f"[soft] --buffer: {argument.title} has two values; give one.")
        values[argument] = array_of(value)
    for text in request.memory:
        name, value = split(text, "--memory")
        values[_binding(reflection, name, "--memory", "threadgroup")] = sizes_of(value, "--memory")[0]
    return values


def _binding(reflection: KernelReflection, name: str, option: str, kind: str) -> Argument:
    candidates = [argument for argument in reflection.bindings if argument.kind == kind]
    for argument in candidates:
        if name == argument.name or name == str(argument.index):
            return argument
    titles = ", ".join(argument.title for argument in candidates) or "none"
    raise SoftDeviceError(f"[soft] {option}: kernel {reflection.name!r} has no {kind} {name!r}; it has {titles}.")


def _outputs(
    reflection: KernelReflection, written: Mapping[Argument, Any], options: Sequence[str]
) -> dict[Argument, Path]:
    outputs: dict[Argument, Path] = {}
    for text in options:
        name, path = split(text, "--out")
        argument = _binding(reflection, name, "--out", "buffer")
        if argument not in written:
            right = (
                "only what it writes can be written to a file"
                if not argument.writes
                else "--buffer must make it an array"
            )
            raise SoftDeviceError(f"[soft] --out {text}: {argument.title} is no array that the kernel writes; {right}.")
        outputs[argument] = Path(path)
    return outputs


def _key(argument: Argument) -> int | str:
    return argument.index if argument.kind == "buffer" else f"threadgroup {argument.index}"


def _report(kernel: Kernel, written: Mapping[Argument, Any], outputs: Mapping[Argument, Path], seconds: float) -> str:
    lines = [f"{kernel.name} on {device().name}: {seconds * 1e3:.3f} ms"]
    for argument, array in written.items():
        flat = array.reshape(-1)
        shown = ", ".join(str(value) for value in flat[:_SHOWN_VALUES]) + (", ..." if flat.size > _SHOWN_VALUES else "")
        saved = f" -> {outputs[argument]}" if argument in outputs else ""
        lines.append(f"  {argument.title}: {array.dtype} {array.shape} [{shown}]{saved}")
    return "\n".join(lines) + "\n"


def _report_json(
    kernel: Kernel, written: Mapping[Argument, Any], outputs: Mapping[Argument, Path], seconds: float
) -> str:
    buffers = [
        {
            "index": argument.index,
            "name": argument.name,
            "dtype": str(array.dtype),
            "shape": list(array.shape),
            "values": [_plain(value) for value in array.reshape(-1)[:_LISTED_VALUES]],
            "file": str(outputs[argument]) if argument in outputs else None,
        }
        for argument, array in written.items()
    ]
    return _json({"kernel": kernel.name, "device": device().name, "seconds": seconds, "written": buffers})


def _plain(value: Any) -> Any:
    """As JSON can hold it: what is not finite, and what is complex, as text."""
    if isinstance(value, np.bool_ | np.integer):
        return value.item()
    number = complex(value)
    return float(value) if not number.imag and np.isfinite(number) else str(value)


# -- soft cache -------------------------------------------------------------------------------------------------------


def cache(*, clear: bool, as_json: bool) -> str:
    """The compile cache, after removing what is in it where that is asked for. Raises SoftDeviceError, OSError."""
    store = Cache()
    removed = store.clear() if clear else None
    found = store.info()
    if as_json:
        facts = {"folder": str(found.folder), "entries": found.entries, "bytes": found.size, "limit": found.limit}
        return _json({**facts, "removed": removed})
    if removed is not None:
        return f"Removed {removed} entries from {found.folder}.\n"
    return f"{_cache_line(found.entries, found.size, found.limit)}\n  {found.folder}\n"


def _cache_line(entries: int, size: int, limit: int) -> str:
    return f"{entries} entries, {size / 2**20:.1f} of at most {limit / 2**20:.0f} MiB"


def _json(answer: object) -> str:
    return json.dumps(answer, indent=2) + "\n"
