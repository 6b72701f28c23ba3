"""Evaluates Metal expressions on the software device: source, front end, lowering, executor, and back to NumPy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import ml_dtypes
import numpy as np

from isometal.soft import Library

Array = np.ndarray[Any, Any]

DTYPES: dict[str, Any] = {
    "bool": np.bool_,
    "char": np.int8,
    "uchar": np.uint8,
    "short": np.int16,
    "ushort": np.uint16,
    "int": np.int32,
    "uint": np.uint32,
    "long": np.int64,
    "ulong": np.uint64,
    "half": np.float16,
    "bfloat": ml_dtypes.bfloat16,
    "float": np.float32,
}
_NAMES = {np.dtype(dtype): name for name, dtype in DTYPES.items()}


def evaluate(
    expressions: Sequence[str],
    inputs: Mapping[str, Array],
    returns: str = "float",
    *,
    declarations: str = "",
    variables: str = "",
    fast_math: bool = False,
    version: tuple[int, int] = (3, 1),
) -> list[Array]:
    """Each expression's value, as `returns`, for each element of the inputs, which it names; g is the element's number.

    `declarations` stand in front of the kernel, `variables` at its beginning.
    """
    count = len(next(iter(inputs.values())))
    parameters = "".join(
        f", device const {_NAMES[values.dtype]}* in_{name} [[buffer({index + 1})]]"
        for index, (name, values) in enumerate(inputs.items())
    )
    read = "".join(f"  {_NAMES[values.dtype]} {name} = in_{name}[g];\n" for name, values in inputs.items())
    cast = f"static_cast<{returns}>"
    results = "".join(f"  out[{row} * {count} + g] = {cast}({e});\n" for row, e in enumerate(expressions))
    source = (
        f"#include <metal_stdlib>\nusing namespace metal;\n{declarations}\n"
        f"kernel void evaluate(device {returns}* out [[buffer(0)]]{parameters},\n"
        f"                     uint g [[thread_position_in_grid]]) {{\n{read}  {variables}\n{results}}}\n"
    )
    out = np.zeros((len(expressions), count), DTYPES[returns])
    run(source, "evaluate", out, *inputs.values(), grid=count, fast_math=fast_math, version=version)
    return list(out)


def run(
    source: str,
    kernel: str,
    *buffers: object,
    grid: int,
    threadgroup: int | None = None,
    fast_math: bool = False,
    version: tuple[int, int] = (3, 1),
    mode: str = "fast",
    seed: int = 0,
) -> None:
    """Compiles `source` and runs one dispatch of `kernel` over `grid` threads."""
    library = Library.from_source(source, fast_math=fast_math, language_version=version)
    launch: dict[str, Any] = {"grid": grid, "threadgroup": threadgroup, "mode": mode, "seed": seed}
    library.kernel(kernel)(*buffers, **launch)


def kernel(body: str, parameters: str, *, headers: Sequence[str] = (), declarations: str = "") -> str:
    """The source of a kernel named k: its position is g, its lane `lane`, its simdgroup `group`."""
    includes = "".join(f"#include <{header}>\n" for header in ("metal_stdlib", *headers))
    return (
        f"{includes}using namespace metal;\n{declarations}\nkernel void k({parameters},\n"
        "    uint g [[thread_position_in_grid]], uint t [[thread_index_in_threadgroup]],\n"
        "    uint lane [[thread_index_in_simdgroup]], uint group [[simdgroup_index_in_threadgroup]]) {\n"
        f"{body}\n}}\n"
    )
