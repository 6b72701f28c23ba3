"""Arrays from the words of a command line: `zeros:float32:64x100`, `x.npy`, `[1, 2]`."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np

from isometal.soft.errors import SoftDeviceError

__all__ = ["array_of", "constant_of", "sizes_of", "split"]

_DTYPES = (
    *("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
    *("float16", "bfloat16", "float32", "complex64"),
)
_MAKERS = ("zeros", "ones", "arange", "random")
_SHAPE = re.compile(r"\d+(?:x\d+)*")
_NUMBER = re.compile(r"[-+]?(?:inf|nan|(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)", re.IGNORECASE)
_MAX_ELEMENTS = 2**32


def split(text: str, what: str) -> tuple[str, str]:
    """The two sides of `NAME=VALUE`. Raises SoftDeviceError."""
    name, equals, value = text.partition("=")
    if not name or not equals or not value:
        raise SoftDeviceError(f"[soft] {what} {text!r} is not of the form NAME=VALUE.")
    return name.strip(), value.strip()


def sizes_of(text: str, what: str) -> tuple[int, ...]:
    """One to three sizes, separated by commas. Raises SoftDeviceError."""
    parts = text.split(",")
    if not 1 <= len(parts) <= 3 or not all(part.strip().isdecimal() for part in parts):
        raise SoftDeviceError(f"[soft] {what} {text!r} is no size; give one to three whole numbers: 64,8.")
    return tuple(int(part) for part in parts)


def constant_of(text: str) -> Any:
    """A constant's value: true, 3, 0.5, [1, 2]. Raises SoftDeviceError."""
    found = _number_or_json(text)
    if found is None or isinstance(found, dict | str):
        raise SoftDeviceError(f"[soft] {text!r} is no value of a constant; give true, false, a number or [1, 2].")
    return found


def array_of(text: str) -> Any:
    """What a value on the command line means. Raises SoftDeviceError, OSError."""
    maker, colon, rest = text.partition(":")
    if colon and maker in _MAKERS:
        return _made(maker, rest, text)
    found = _number_or_json(text)
    if found is not None:
        return found
    path = Path(text)
    if path.suffix == ".npy":
        return _loaded(path)
    if path.is_file():
        return path.read_bytes()
    raise SoftDeviceError(
        f"[soft] {text!r} is no value: no file of that name, no number, and none of {', '.join(_MAKERS)}:DTYPE:SHAPE."
    )


def _number_or_json(text: str) -> Any:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if _NUMBER.fullmatch(text):
        number = float(text)
        return number if not math.isfinite(number) or not text.lstrip("+-").isdecimal() else int(text)
    if text[:1] in "[{":
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise SoftDeviceError(f"[soft] {text!r:.80} is not JSON: {error}.") from None
    return None


def _loaded(path: Path) -> np.ndarray[Any, Any]:
    try:
        return np.load(path, allow_pickle=False)  # type: ignore[no-any-return]
    except ValueError as error:
        raise SoftDeviceError(f"[soft] {path} cannot be read as a NumPy array: {error}.") from None


def _made(maker: str, rest: str, text: str) -> np.ndarray[Any, Any]:
    name, _, place = rest.partition(":")
    shape_text, _, seed_text = place.partition(":")
    if name not in _DTYPES:
        raise SoftDeviceError(f"[soft] {text!r}: no dtype {name!r}; there are {', '.join(_DTYPES)}.")
    if not _SHAPE.fullmatch(shape_text) or (seed_text and (maker != "random" or not seed_text.isdecimal())):
        raise SoftDeviceError(f"[soft] {text!r} is not of the form {maker}:DTYPE:SHAPE, with SHAPE 1000 or 64x100.")
    shape = tuple(int(part) for part in shape_text.split("x"))
    if math.prod(shape) > _MAX_ELEMENTS:
        raise SoftDeviceError(f"[soft] {text!r} has {math.prod(shape)} elements; at most 2^32 are possible here.")
    dtype = _dtype(name)
    if maker == "arange":
        return np.arange(math.prod(shape)).reshape(shape).astype(dtype)
    if maker == "random":
        return _random(dtype, shape, int(seed_text or 0))
    return np.full(shape, maker == "ones").astype(dtype)


def _dtype(name: str) -> np.dtype[Any]:
    if name == "bfloat16":
        import ml_dtypes

        brain: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
        return brain
    return np.dtype(name)


def _random(dtype: np.dtype[Any], shape: tuple[int, ...], seed: int) -> np.ndarray[Any, Any]:
    generator = np.random.default_rng(seed)
    if dtype.kind == "b":
        return generator.integers(0, 2, shape).astype(dtype)
    if dtype.kind in "iu":
        return generator.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    if dtype.kind == "c":
        parts = generator.standard_normal((*shape, 2)).astype(np.float32)
        return parts.view(dtype).reshape(shape)
    return generator.standard_normal(shape).astype(dtype)
