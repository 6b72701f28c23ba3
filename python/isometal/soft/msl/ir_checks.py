"""What Metal does not allow and clang would, as far as IR tells: recursion and too much threadgroup memory."""

from __future__ import annotations

from isometal.soft.msl.diagnostics import Diagnostic
from isometal.soft.msl.ir_text import ModuleText
from isometal.soft.msl.kernel_ir import kernel_ir
from isometal.soft.msl.rewriter import Rewritten

__all__ = ["check_ir"]

_THREADGROUP_BYTES = 32768


def check_ir(module: ModuleText, rewritten: Rewritten, problems: list[Diagnostic]) -> None:
    for instantiation in rewritten.instantiations:
        used = kernel_ir(module, instantiation.number, rewritten.threadgroup_variables).variables
        total = sum(use.size for use in used)
        if total > _THREADGROUP_BYTES:
            sizes = ", ".join(f"'{use.variable.name}' {use.size}" for use in used)
            message = (
                f"kernel '{instantiation.host_name}' has {total} bytes of threadgroup variables ({sizes}); "
                f"{_THREADGROUP_BYTES} are the limit"
            )
            problems.append(Diagnostic("error", instantiation.position, message))
