"""Loops over a row of threads become vector loops, whatever the strides."""

from __future__ import annotations

import re

import pytest

from isometal.soft.lower import llvm

#: out[i] = sqrt(x[i * stride]), as the lowering writes a row of threads: the stride is known to the parameters alone.
_ROW = """
declare float @llvm.sqrt.f32(float)
define void @row(ptr noalias %out, ptr noalias %x, i64 %stride, i64 %count) {
head:
  br label %lane
lane:
  %i = phi i64 [ 0, %head ], [ %next, %lane ]
  %offset = mul nsw i64 %i, %stride
  %from = getelementptr inbounds float, ptr %x, i64 %offset
  %value = load float, ptr %from
  %root = call float @llvm.sqrt.f32(float %value)
  %to = getelementptr inbounds float, ptr %out, i64 %i
  store float %root, ptr %to
  %next = add nuw nsw i64 %i, 1
  %done = icmp eq i64 %next, %count
  br i1 %done, label %end, label %lane
end:
  ret void
}
"""
_X86 = llvm.Target("x86_64-unknown-linux-gnu", "znver4", "+avx512f,+avx512vl,+prefer-no-gather")


@pytest.mark.parametrize("target", [llvm.host(), _X86], ids=["host", "x86"])
def test_a_stride_that_only_parameters_tell_is_not_taken_for_1(target: llvm.Target) -> None:
    module = llvm.parse(f'target triple = "{target.triple}"\n{_ROW}')
    llvm.optimise(module, target, vectorise=True)
    text = str(module)
    assert re.search(r"@llvm\.sqrt\.v\d+f32", text)
    # No loop for the stride 1 beside a scalar one.
    assert not re.search(r"icmp (eq|ne) i64 %stride, 1", text)


def test_single_loads_instead_of_gathers_on_x86() -> None:
    assert "x86_64" not in llvm.host().triple or "+prefer-no-gather" in llvm.host().features
    module = llvm.parse(f'target triple = "{_X86.triple}"\n{_ROW}')
    llvm.optimise(module, _X86, vectorise=True)
    assert "gather" not in str(module)
