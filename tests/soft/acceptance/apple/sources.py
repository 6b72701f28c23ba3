"""The source of MLX's kernels: by name, the headers of the wheel mlx-metal and the instantiation that make one.

MLX's own .metal files are not in the wheel; their instantiations follow from the templates' parameters and from the
names, which the metallib keeps.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

_KERNELS = "mlx/backend/metal/kernels"
_TYPES = {
    "float32": "float",
    "float16": "half",
    "bfloat16": "bfloat16_t",
    "bool_": "bool",
    "complex64": "complex64_t",
    **{f"{sign}int{bits}": f"{sign}int{bits}_t" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}
_TYPE = "(" + "|".join(sorted(_TYPES, key=len, reverse=True)) + ")"
#: Binary ops whose result is bool.
_COMPARISONS = ("Equal", "NotEqual", "NaNEqual", "Less", "LessEqual", "Greater", "GreaterEqual")


@dataclass(frozen=True)
class Source:
    """Headers below mlx/backend/metal/kernels, and the arguments of MLX's macro instantiate_kernel after the name."""

    headers: tuple[str, ...]
    template: str

    def instantiation(self, kernel: str) -> str:
        return f'instantiate_kernel("{kernel}", {self.template})'


def _variant(variant: str) -> str:
    """What follows a vector template's op: one element per thread is said, 8 bytes per thread is the default."""
    return ", 1" if variant == "" else ""


def _binary(match: re.Match[str]) -> Source:
    layout, variant, op, kind = match.groups()
    t = _TYPES[kind]
    out = "bool" if op in _COMPARISONS else t
    stem = f"binary_{layout}{'2' if variant == '2' else ''}"
    tail = "" if layout == "ss" else _variant(variant)
    header = "binary_two.h" if op == "DivMod" else "binary.h"
    return Source(("binary_ops.h", header), f"{stem}, {t}, {out}, {op}{tail}")


def _binary_strided(match: re.Match[str]) -> Source:
    rank, large, op, kind = match.groups()
    t = _TYPES[kind]
    out = "bool" if op in _COMPARISONS else t
    index = "" if large else ", int"
    if rank.startswith("n"):
        tail = f", {rank[1:]}{index}"
        return Source(("binary_ops.h", "binary.h"), f"binary_g, {t}, {out}, {op}{tail}")
    return Source(("binary_ops.h", "binary.h"), f"binary_g_nd{rank}, {t}, {out}, {op}{index}")


def _unary(match: re.Match[str]) -> Source:
    variant, op, source, target = match.groups()
    stem = f"unary_v{'2' if variant == '2' else ''}"
    return Source(("unary_ops.h", "unary.h"), f"{stem}, {_TYPES[source]}, {_TYPES[target]}, {op}{_variant(variant)}")


def _unary_strided(match: re.Match[str]) -> Source:
    number, large, op, source, target = match.groups()
    index = "" if large else ", int"
    return Source(("unary_ops.h", "unary.h"), f"unary_g, {_TYPES[source]}, {_TYPES[target]}, {op}, {number}{index}")


def _select(match: re.Match[str]) -> Source:
    variant, kind = match.groups()
    return Source(("ternary_ops.h", "ternary.h"), f"ternary_v, {_TYPES[kind]}, Select, false, false{_variant(variant)}")


def _copy(match: re.Match[str]) -> Source:
    stem, variant, source, target = match.groups()
    template = f"copy_{stem}{'2' if variant == '2' else ''}"
    return Source(("copy.h",), f"{template}, {_TYPES[source]}, {_TYPES[target]}{_variant(variant)}")


def _copy_strided(match: re.Match[str]) -> Source:
    stem, rank, large, dynamic, source, target = match.groups()
    index = "" if large else ", int"
    template = f"copy_{stem}{'_dynamic' if dynamic else ''}"
    types = f"{_TYPES[source]}, {_TYPES[target]}"
    tail = f", {types}, {rank[1:]}{index}" if rank.startswith("n") else f"_nd{rank}, {types}{index}"
    return Source(("copy.h",), f"{template}{tail}")


def _softmax(match: re.Match[str]) -> Source:
    kind, precise, dtype = match.groups()
    template = "softmax_looped" if kind == "looped" else "softmax_single_row"
    return Source(("softmax.h",), f"{template}, {_TYPES[dtype]}{', float' if precise else ''}")


def _logsumexp(match: re.Match[str]) -> Source:
    kind, dtype = match.groups()
    return Source(("logsumexp.h",), f"logsumexp{'_looped' if kind == 'looped' else ''}, {_TYPES[dtype]}")


def _reduce_types(op: str, dtype: str) -> str:
    """Template arguments T, U and Op."""
    t = _TYPES[dtype]
    out = "bool" if op in ("and", "or") else "int32_t" if op in ("sum", "prod") and dtype in ("int8", "int16") else t
    return f"{t}, {out}, {op.capitalize()}<{out}>"


_REDUCE = ("reduce_utils.h", "reduce.h")


def _reduce(match: re.Match[str]) -> Source:
    stem, op, dtype = match.groups()
    return Source(_REDUCE, f"{stem}, {_reduce_types(op, dtype)}")


def _reduce_axes(match: re.Match[str]) -> Source:
    stem, large, dims, tile, op, dtype = match.groups()
    index = "int64_t" if large else "uint"
    return Source(_REDUCE, f"{stem}, {_reduce_types(op, dtype)}, {index}, {dims}{tile.replace('_', ', ')}")


def _init_reduce(match: re.Match[str]) -> Source:
    op, dtype = match.groups()
    return Source(_REDUCE, f"init_reduce, {_TYPES[dtype]}, {op.capitalize()}<{_TYPES[dtype]}>")


def _gemv(match: re.Match[str]) -> Source:
    stem, dtype, *numbers = match.groups()
    *tile, batch, axpby = numbers
    return Source(("gemv.h",), f"{stem}, {_TYPES[dtype]}, {', '.join(tile)}, {batch}, {axpby}")


def _gemm(match: re.Match[str]) -> Source:
    a, b, dtype, _, *tile = match.groups()
    orders = ", ".join("true" if order == "t" else "false" for order in (a, b))
    headers = ("steel/gemm/gemm.h", "steel/gemm/kernels/steel_gemm_fused.h")
    return Source(headers, f"gemm, {_TYPES[dtype]}, {', '.join(tile)}, {orders}")


#: The attention kernels name types as Metal does.
_METAL_TYPES = {"float": "float", "float16_t": "half", "bfloat16_t": "bfloat16_t"}


def _attention(match: re.Match[str]) -> Source:
    stem, dtype, *widths = match.groups()
    return Source(("sdpa_vector.h",), f"{stem}, {_METAL_TYPES[dtype]}, {', '.join(width for width in widths if width)}")


#: Query heads that a thread computes, by query heads per key head and width: what fits into threadgroup memory.
_HEADS_PER_THREAD = {("8", "64"): 8, ("8", "128"): 4, ("12", "128"): 4, ("16", "128"): 2}


def _grouped_attention(match: re.Match[str]) -> Source:
    group, dtype, width = match.groups()
    heads = _HEADS_PER_THREAD[group, width]
    kind = _METAL_TYPES[dtype]
    return Source(("sdpa_vector.h",), f"sdpa_vector_2pass_1_gqa, {kind}, {width}, {width}, {group}, {heads}")


_N = r"(\d+)"
#: The first pattern that matches a whole name counts.
_RULES: tuple[tuple[str, Callable[[re.Match[str]], Source]], ...] = (
    (rf"v([n2]?)_Select{_TYPE}", _select),
    (rf"v([n2]?)_([A-Z]\w*?){_TYPE}{_TYPE}", _unary),
    (rf"gn(\d)(large)?_([A-Z]\w*?){_TYPE}{_TYPE}", _unary_strided),
    (rf"(vv|vs|sv|ss)([n2]?)_([A-Z]\w*?){_TYPE}", _binary),
    (rf"g(\d|n\d)(large)?_([A-Z]\w*?){_TYPE}", _binary_strided),
    (rf"(v|s)([n2]?)_copy{_TYPE}{_TYPE}", _copy),
    (rf"(gg?)(\d|n\d)(large)?(_dynamic)?_copy{_TYPE}{_TYPE}", _copy_strided),
    (rf"arange{_TYPE}", lambda m: Source(("arange.h",), f"arange, {_TYPES[m[1]]}")),
    (rf"(block|looped)_softmax_(precise_)?{_TYPE}", _softmax),
    (rf"(block|looped)_logsumexp_{_TYPE}", _logsumexp),
    (rf"(all_reduce|row_reduce_simple)_([a-z]+?){_TYPE}", _reduce),
    (rf"((?:row|col)_reduce_[a-z0-9]+)(_large)?_(\d)((?:_\d+_\d+)?)_reduce_([a-z]+?){_TYPE}", _reduce_axes),
    (rf"init_reduce_([a-z]+?){_TYPE}", _init_reduce),
    (rf"(gemv(?:_t)?)_{_TYPE}_bm{_N}_bn{_N}_sm{_N}_sn{_N}_tm{_N}_tn{_N}_nc{_N}_axpby{_N}", _gemv),
    (rf"steel_gemm_fused_([nt])([nt])_{_TYPE}_{_TYPE}_bm{_N}_bn{_N}_bk{_N}_wm{_N}_wn{_N}", _gemm),
    (r"sdpa_vector_2pass_1_gqa_(8|12|16)_(float16_t|bfloat16_t|float)_(\d+)_\d+", _grouped_attention),
    (rf"(sdpa_vector|sdpa_vector_2pass_1|sdpa_vector_2pass_2)_(float16_t|bfloat16_t|float)_{_N}(?:_{_N})?", _attention),
)


def source_of(kernel: str) -> Source:
    """Raises KeyError for a kernel whose source is not in the wheel's headers."""
    for pattern, make in _RULES:
        match = re.fullmatch(pattern, kernel)
        if match is not None:
            return make(match)
    raise KeyError(f"{kernel} is not one of the kernels whose headers are in the wheel")


def source_text(kernels: Iterable[str]) -> str:
    """One source for kernels of one family."""
    wanted = {kernel: source_of(kernel) for kernel in kernels}
    headers = dict.fromkeys(header for source in wanted.values() for header in source.headers)
    lines = [f'#include "{_KERNELS}/{header}"' for header in ("utils.h", *headers)]
    return "\n".join([*lines, *(source.instantiation(kernel) for kernel, source in wanted.items()), ""])
