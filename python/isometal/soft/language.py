"""The parts of the Metal Shading Language that came after its first version, and which of them a kernel uses.

Versions are those that macOS's compiler has; sections are of Apple's Metal Shading Language Specification, version 4.
GPU families are those of Apple's Metal Feature Set Tables.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["FEATURES", "Feature", "least_gpu", "least_version", "used_by", "version_text"]

Version = tuple[int, int]


@dataclass(frozen=True)
class Feature:
    """A part of the language.

    Attributes:
        name: what reports call it.
        version: of the language that has it first.
        air: what is found in the AIR of a kernel that uses it; "" where AIR does not tell.
        words: identifiers of a source that uses it; "" where words do not tell.
        gpu: the first family of Apple's GPUs that has it, 7 for Apple7; 0 where the tables name none.
    """

    name: str
    version: Version
    air: str = ""
    words: str = ""
    gpu: int = 0


FEATURES = (
    Feature("function constants", (1, 2), r"^!air\.function_constants = !\{!"),  # 5.8.1
    Feature("simdgroup indices", (2, 0), r'!"air\.(thread_index_in|threads_per)_simdgroup"'),  # 5.2.3.6
    Feature("simdgroup indices", (2, 0), r'!"air\.(dispatch_)?simdgroups?_(index_in|per)_threadgroup"'),
    Feature("simdgroup_barrier", (2, 0), r"@air\.simdgroup\.barrier\("),  # 6.9.1
    Feature("simdgroup permutations", (2, 0), r"@air\.simd_(shuffle|broadcast)", gpu=6),  # 6.9.2
    Feature("quadgroup functions", (2, 1), r'@air\.quad_|!"air\.(thread_index_in_)?quadgroup', gpu=4),  # 6.9.3
    Feature("simdgroup votes", (2, 1), r"@air\.simd_(all|any|ballot|active_threads_mask|is_first)\b", gpu=6),
    Feature("simdgroup reductions", (2, 1), r"@air\.simd_(sum|product|min|max|and|or|xor|prefix)", gpu=7),
    Feature("64-bit integers in memory", (2, 2), r'!"u?(long[234]?|int64_t)"'),  # 2.1
    Feature(
        "simdgroup matrices", (2, 3), r"@air\.simdgroup_matrix_8x8_", r"simdgroup_matrix|simdgroup_\w+8x8", 7
    ),  # 2.4
    Feature("simd_shuffle_and_fill", (2, 4), r"@air\.simd_shuffle_and_fill", gpu=8),
    Feature("64-bit atomics", (2, 4), r"@air\.atomic\.global\.\w+\.[us]\.i64", "atomic_ulong", 8),  # 2.6
    Feature("float atomics", (3, 0), r"@air\.atomic\.\w+\.\w+(\.weak)?\.f32", "atomic_float", 7),  # 2.6
    Feature("bfloat", (3, 1), r"\bbfloat\b", r"(packed_)?bfloat[234]?|simdgroup_bfloat8x8", 6),  # 2.1
    Feature("nextafter", (3, 1), r"@air\.nextafter\.", "nextafter"),  # 6.5
    Feature("fences", (3, 2), r"@air\.atomic\.fence\(", r"atomic_thread_fence|thread_scope(_\w+)?"),  # 6.15.3
    Feature("coherent memory", (3, 2), "", "coherent"),  # 4.8
)
_BY_NAME = {feature.name: feature for feature in FEATURES}


def used_by(air: str) -> tuple[str, ...]:
    """Names of the features that AIR of one kernel uses, those of the newest versions first."""
    found = {f.name: f.version for f in FEATURES if f.air and re.search(f.air, air, re.MULTILINE)}
    return tuple(sorted(found, key=lambda name: (found[name], name), reverse=True))


def least_version(features: tuple[str, ...]) -> Version:
    """The first version of the language that has all of them."""
    return max((_BY_NAME[name].version for name in features), default=(1, 0))


def least_gpu(features: tuple[str, ...]) -> int:
    """The first family of Apple's GPUs that has all of them, 7 for Apple7; 0 for any."""
    return max((_BY_NAME[name].gpu for name in features), default=0)


def version_text(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version)) or "?"
