"""LLVM itself, through llvmlite: targets, optimisation, object code."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from isometal.soft.errors import LoweringError

if TYPE_CHECKING:
    import llvmlite.binding


def binding() -> Any:
    """llvmlite's binding. Raises LoweringError where the extra `soft` is not installed."""
    try:
        import llvmlite.binding as llvm
    except ImportError as error:
        raise LoweringError(
            "[soft] the software Metal device needs llvmlite, which is not installed; pip install 'isometal[soft]'."
        ) from error
    return llvm


@dataclass(frozen=True, slots=True)
class Target:
    """What native code is made for.

    Attributes:
        triple: LLVM's target triple.
        cpu: LLVM's name of the processor.
        features: what the processor has, as LLVM's `+a,-b`.
    """

    triple: str
    cpu: str
    features: str

    @property
    def data_layout(self) -> str:
        return _data_layout(self)

    def machine(self, jit: bool = False) -> llvmlite.binding.TargetMachine:
        """A new target machine: LLVM's are not safe to share between threads."""
        llvm = binding()
        _initialise()
        target = llvm.Target.from_triple(self.triple)
        return target.create_target_machine(
            cpu=self.cpu, features=self.features, opt=2, reloc="pic", codemodel="jitdefault" if jit else "default"
        )


@functools.cache
def _data_layout(target: Target) -> str:
    return str(target.machine().target_data)


@functools.cache
def _initialise() -> None:
    llvm = binding()
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()


@functools.cache
def host() -> Target:
    """The processor that this process runs on."""
    llvm = binding()
    _initialise()
    features: str = llvm.get_host_cpu_features().flatten()
    if llvm.get_process_triple().startswith("x86_64"):
        # Single loads into a vector: on today's processors a gather takes longer than those.
        features += ",+prefer-no-gather"
    return Target(llvm.get_process_triple(), llvm.get_host_cpu_name(), features)


def parse(text: str) -> llvmlite.binding.ModuleRef:
    """A verified module from its text. Raises LoweringError with LLVM's message."""
    llvm = binding()
    try:
        module = llvm.parse_assembly(text)
        module.verify()
    except RuntimeError as error:
        raise LoweringError(f"[soft] LLVM does not accept the lowered kernel: {error}") from error
    return module


@functools.cache
def _vectorise_any_stride() -> None:
    """LLVM would guess that a stride which only parameters tell is 1, and leave one scalar loop for all others."""
    binding().set_option("isometal", "-enable-mem-access-versioning=false")


def optimise(module: llvmlite.binding.ModuleRef, target: Target, *, vectorise: bool) -> None:
    """LLVM's -O2, in place; without vectorisation for code that is still one thread of many."""
    llvm = binding()
    _vectorise_any_stride()
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    options.loop_vectorization = vectorise
    options.slp_vectorization = vectorise
    builder = llvm.create_pass_builder(target.machine(), options)
    builder.getModulePassManager().run(module, builder)


def object_code(module: llvmlite.binding.ModuleRef, target: Target) -> bytes:
    """The module as a relocatable object."""
    code: bytes = target.machine(jit=True).emit_object(module)
    return code
