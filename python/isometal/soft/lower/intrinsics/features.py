"""What a target's instructions can do that decides how an intrinsic is written."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Features:
    """Instructions for which LLVM would otherwise call a library function that generated kernels do not have.

    Attributes:
        fused_multiply_add: float fma in one instruction.
        half_conversion: conversions between half and float.
        bfloat_conversion: conversion of float to bfloat.
    """

    fused_multiply_add: bool = True
    half_conversion: bool = True
    bfloat_conversion: bool = False

    @property
    def complete(self) -> bool:
        """Whether no conversion is missing."""
        return self.half_conversion and self.bfloat_conversion

    @staticmethod
    def of(triple: str, features: str) -> Features:
        """Features of a target, never more than LLVM will use.

        Args:
            triple: LLVM's target triple.
            features: what the processor has, as LLVM's ``+a,-b``. The processor's name does not count: what is not
                listed is done without. For the processor of this process LLVM lists everything.
        """
        if triple.startswith(("aarch64", "arm64")):
            # Expanded in line to integer operations where there is no instruction.
            return Features(bfloat_conversion=True)
        has = set(features.split(","))
        return Features(
            fused_multiply_add="+fma" in has and has.isdisjoint(_UNDER_FMA),
            half_conversion=("+f16c" in has and has.isdisjoint(_UNDER_FMA))
            or ("+avx512f" in has and has.isdisjoint(_UNDER_AVX512)),
            bfloat_conversion=has.issuperset({"+avx512bf16", "+avx512vl"})
            and has.isdisjoint(_UNDER_AVX512 | {"-avx512f", "-avx512bw"}),
        )


# What LLVM switches off takes what rests on it along: a virtual machine may hide the one and show the other.
_UNDER_FMA = frozenset({"-avx"})
_UNDER_AVX512 = frozenset({"-avx", "-avx2", "-fma", "-f16c"})

MODERN = Features()
