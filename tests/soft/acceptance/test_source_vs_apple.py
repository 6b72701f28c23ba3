"""MLX's kernels from source, through our front end and headers, against Apple's compilation of them: the same bits.

What may differ is what a compiler may choose; for these kernels Metal leaves no choice that shows: contraction within
an expression only, no reassociation, correctly rounded division. Sign and payload of a NaN are nobody's promise.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from apple.case import Group
from apple.device import SoftDevice
from apple.launch import NDArray
from apple.report import all_groups
from apple.run import execute
from apple.sample import profile
from apple.sources import source_of, source_text

from isometal.soft import Library

#: Groups of cases, by name: at least one of every family and every kind of type.
COMPARED = (
    "vv_Add-float32",
    "vvn_Divide-float16",
    "vv_Power-float32",
    "vvn_LogAddExp-bfloat16",
    "vv_DivMod-float32",
    "vvn_Remainder-float16",
    "sv_Subtract-bfloat16",
    "gn_Divide-float32",
    "g2_Less-float16",
    "vv_FloorDivide-int32",
    "v_Exp-float32",
    "v_Erf-float32",
    "v_Expm1-float16",
    "v_Log1p-bfloat16",
    "v_Sigmoid-float16",
    "v_Tanh-float32",
    "gn1_Exp-bfloat16",
    "vn_Select-float16",
    "v_copyfloat32-bfloat16",
    "v_copyint64-float16",
    "g3_copy-float32",
    "gg_copy-int64",
    "arange-float32",
    "block_softmax-float32",
    "looped_softmax-float16",
    "block_softmax_precise-bfloat16",
    "looped_logsumexp-float32",
    "all_reduce_sum-float32",
    "all_reduce (two passes)_prod-float16",
    "row_reduce_simple_max-float32",
    "row_reduce_small_sum-bfloat16",
    "row_reduce_looped_sum-float32",
    "col_reduce_small_min-float16",
    "col_reduce_longcolumn_sum-float32",
    "col_reduce_2pass_sum-float16",
    "col_reduce_looped_and-bool",
    "gemv_nc1_axpby1-float16",
    "gemv_t_nc0_axpby1-bfloat16",
    "steel_gemm_fused_nn_bm64_bn64_bk16_wm2_wn2-float32",
    "steel_gemm_fused_tn_bm64_bn64_bk16_wm2_wn2-bfloat16",
    "sdpa_vector_64_64 causal-float32",
    "sdpa_vector_64_64 float mask-float16",
    "sdpa_vector_2pass_64_64 bool mask-bfloat16",
)
#: Families whose sources are .metal files, which the wheel lacks.
_WITHOUT_HEADERS = ("rms_norm", "layer_norm", "rope", "arg_reduce")
_GROUPS = {group.id: group for group in all_groups()}


def _names() -> list[str]:
    """In the profile deep every group whose kernels' headers are in the wheel."""
    if profile() != "deep":
        return list(COMPARED)
    return [name for name, group in _GROUPS.items() if group.family not in _WITHOUT_HEADERS]


class _FromSource(SoftDevice):
    """The device on kernels that our front end compiles."""

    def __init__(self, text: str, includes: Path) -> None:
        self._library = Library.from_source(text, include_dirs=[includes])
        self._kernels = {}


def _bits(array: NDArray) -> NDArray:
    return array.view(f"u{array.itemsize}")


@pytest.mark.parametrize("name", _names())
def test_same_bits(name: str, device: SoftDevice, mlx_metal_wheel: Path) -> None:
    group: Group = _GROUPS[name]
    cases = group.cases()
    kernels = dict.fromkeys(launch.kernel for case in cases for launch in case.program.launches)
    ours = _FromSource(source_text(kernels), mlx_metal_wheel / "mlx" / "include")
    for case in cases:
        expected, found = execute(device, case.program), execute(ours, case.program)
        differs = _bits(expected) != _bits(found)
        if np.issubdtype(expected.dtype, np.inexact) or expected.dtype.kind == "V":
            differs &= ~(np.isnan(expected) & np.isnan(found))
        at = int(differs.argmax())
        assert not differs.any(), f"{case.name}: element {at} is {found[at]}, {expected[at]} from Apple's bitcode"


def test_names_that_have_no_header_are_refused() -> None:
    with pytest.raises(KeyError, match="rmsfloat32"):
        source_of("rmsfloat32")
