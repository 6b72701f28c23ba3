"""bfloat16 elements on whichever device the environment sets: prints `name: digest` of what becomes of every one, of
every float32 that is near one, and of special ones with each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from schedule_cases import digest

from isometal import dtypes
from isometal.backends.metal import MetalBackend

#: What a float32 has below a bfloat16: nothing, ties, their neighbours, all.
BELOW = (0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF)
#: Zero, the least and the largest subnormal, the least normal, values around 1, the largest, infinity, NaN.
SPECIAL = (0, 1, 0x7F, 0x80, 0x3F7F, 0x3F80, 0x3F81, 0x4040, 0x4B01, 0x7F7F, 0x7F80, 0x7F81, 0x7FC0, 0x7FFF)


def cases(metal: MetalBackend) -> Iterator[tuple[str, Any]]:
    every = np.arange(1 << 16, dtype=np.uint16)
    x = metal.from_numpy(every.view(dtypes.bfloat16))
    yield "negative", metal.negative(x)
    for dtype in dtypes.BY_NAME.values():
        if dtype != dtypes.bfloat16:
            yield f"to {dtypes.NAME_OF[dtype]}", metal.astype(x, dtype)
    # Subnormal float32 stay or become 0 as a CPU's own conversion has it (x86's is the one that flushes).
    above = every[(every & 0x7F80) != 0].astype(np.uint32) << 16
    near = (above[:, None] | np.array(BELOW, np.uint32)).reshape(-1)
    yield "from float32", metal.astype(metal.from_numpy(near.view(np.float32)), dtypes.bfloat16)
    yield "from float16", metal.astype(metal.from_numpy(every.view(np.float16)), dtypes.bfloat16)
    numbers = np.arange(-(1 << 24), 1 << 24, 997)
    for integer in (np.int32, np.int64, np.uint32):
        yield f"from {integer.__name__}", metal.astype(metal.from_numpy(numbers.astype(integer)), dtypes.bfloat16)
    both = np.array([*SPECIAL, *(0x8000 | bits for bits in SPECIAL), *range(0x3F00, 0x4100, 7)], np.uint16)
    a = metal.from_numpy(np.repeat(both, both.size).view(dtypes.bfloat16))
    b = metal.from_numpy(np.tile(both, both.size).view(dtypes.bfloat16))
    for op in ("add", "subtract", "multiply", "divide"):
        yield op, getattr(metal, op)(a, b)
    rows = metal.from_numpy(np.linspace(-2, 2, 7 * 600, dtype=np.float32).reshape(7, 600))
    weight = metal.from_numpy(np.linspace(0.5, 3, 600).astype(dtypes.bfloat16))
    yield "weight of float32 rows", metal.layer_norm(rows, weight, weight, 1e-5)


def main() -> None:
    metal = MetalBackend()
    for name, result in cases(metal):
        print(f"{name}: {digest(metal, result)}")


if __name__ == "__main__":
    main()
