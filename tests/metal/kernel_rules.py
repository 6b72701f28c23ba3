"""What each kernel of metal/ asks of a GPU, and fails where one asks for more than all of Apple's from M1 on have.

Usage: python tests/metal/kernel_rules.py [--all] -- a line for each family, or with --all for each kernel.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from isometal import kernels, provenance
from isometal.soft import Library
from isometal.soft.language import version_text
from isometal.soft.reflection import KernelReflection

#: Of family Apple7 and later: Metal Feature Set Tables, and the sizes that setBytes takes.
MEMORY, BUFFERS, THREADS, PARAMETERS = 32768, 31, 1024, 4096
#: The first family of GPUs that is in a Mac: M1's.
GPU = 7
#: The dispatcher asks for this version of the language: macOS 14 has it.
LANGUAGE = (3, 1)
#: All that a kernel may see which gets threadgroups of any size (launch::Dispatch::threads).
OF_THE_GRID = {"thread_position_in_grid", "threads_per_grid"}


@dataclass(frozen=True)
class Kernel:
    family: str
    bfloat: bool  # of the source for devices that have the type
    asks: KernelReflection

    @property
    def buffers(self) -> int:
        return sum(argument.kind == "buffer" for argument in self.asks.arguments)

    @property
    def parameters(self) -> int:
        """Bytes of the largest struct that setBytes gives."""
        return max((a.type_size for a in self.asks.arguments if a.space == "constant"), default=0)

    @property
    def sees_its_threadgroup(self) -> bool:
        builtins = {argument.builtin for argument in self.asks.arguments if argument.kind == "builtin"}
        lanes = any(name.startswith("simd") for name in self.asks.features)
        return bool(builtins - OF_THE_GRID) or lanes or self.asks.static_threadgroup_bytes > 0


def all_kernels() -> Iterator[Kernel]:
    """Of all sources; those that use the type bfloat also without it."""
    for path in sorted(provenance.data_directory("metal").glob("*.metal")):
        native, none = (
            Library.from_source(kernels.source(path.stem, bfloat), bfloat=bfloat) for bfloat in (True, False)
        )
        asks = {name: native.reflection(name) for name in native.kernels}
        yield from (Kernel(path.stem, True, reflection) for reflection in asks.values())
        others = [name for name, reflection in asks.items() if "bfloat" in reflection.features]
        yield from (Kernel(path.stem, False, none.reflection(name)) for name in others)


def broken_rules(kernel: Kernel) -> Iterator[str]:
    asks = kernel.asks
    name = asks.name if kernel.bfloat else f"{asks.name} without bfloat"
    limits = (
        (asks.static_threadgroup_bytes, MEMORY, "bytes of threadgroup memory"),
        (kernel.buffers, BUFFERS, "buffers"),
        (asks.declared_threads, THREADS, "threads in a threadgroup"),
        (kernel.parameters, PARAMETERS, "bytes of parameters"),
    )
    for value, most, what in limits:
        if value > most:
            yield f"{name} asks for {value} {what}; {most} are there"
    if asks.least_language_version > LANGUAGE:
        needed, has = version_text(asks.least_language_version), version_text(LANGUAGE)
        yield f"{name} needs Metal {needed}, for {asks.features[0]}; the dispatcher asks for {has}"
    if asks.least_gpu_family > GPU:
        yield f"{name} needs a GPU of Apple{asks.least_gpu_family}; M1's is of Apple{GPU}"
    if not kernel.bfloat and "bfloat" in asks.features:
        yield f"{name} uses bfloat"
    if kernel.sees_its_threadgroup and not asks.declared_threads:
        yield f"{name} depends on the size of its threadgroup, and declares no max_total_threads_per_threadgroup"
    if any(argument.kind == "threadgroup" for argument in asks.arguments):
        yield f"{name} has threadgroup memory of a size that only its dispatches know; teach this check what they give"


def table(found: list[Kernel], *, each: bool) -> Table:
    """A row for each family, or for each kernel."""
    made = Table(
        "family", "kernels", "memory", "buffers", "parameters", "declared threads", "constants", "Metal", "GPU"
    )
    rows: dict[str, list[Kernel]] = {}
    for kernel in found:
        family = kernel.family if kernel.bfloat else f"{kernel.family}, no bfloat"
        rows.setdefault(f"{kernel.asks.name}, {family}" if each else family, []).append(kernel)
    for title, group in rows.items():
        constants = {c.index: f"{c.index} {c.name} {c.type_name}" for k in group for c in k.asks.constants}
        declared = sorted({kernel.asks.declared_threads for kernel in group})
        made.add_row(
            title,
            str(len(group)),
            str(max(kernel.asks.static_threadgroup_bytes for kernel in group)),
            str(max(kernel.buffers for kernel in group)),
            str(max(kernel.parameters for kernel in group)),
            ", ".join(str(threads or "any") for threads in declared),
            ", ".join(constants[index] for index in sorted(constants)),
            ", ".join(version_text(v) for v in sorted({kernel.asks.least_language_version for kernel in group})),
            ", ".join(f"Apple{n}" if n else "any" for n in sorted({kernel.asks.least_gpu_family for kernel in group})),
        )
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="a line for each kernel")
    arguments = parser.parse_args()
    found = list(all_kernels())
    console = Console(width=None if sys.stdout.isatty() else 200)
    console.print(table(found, each=arguments.all))
    wrong = [text for kernel in found for text in broken_rules(kernel)]
    for text in wrong:
        console.print(f"  {text}", highlight=False, soft_wrap=True)
    if wrong or not found:
        sys.exit(f"[kernels] {len(wrong)} rules broken by {len(found)} kernels; see above.")
    console.print(
        f"All {len(found)} keep to what every Apple GPU from M1 on offers, by Metal {version_text(LANGUAGE)}."
    )


if __name__ == "__main__":
    main()
