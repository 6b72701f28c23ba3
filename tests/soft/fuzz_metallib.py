"""Damages containers and bitcode at random and sees that each is an error or still fine: never a crash, never a hang.

The tests run a few thousand rounds; by hand:

    python tests/soft/fuzz_metallib.py --containers 100000 --bitcode 20000 --apple --seed 1
"""

from __future__ import annotations

import argparse
import hashlib
import random as randomness
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import llvmlite.binding as llvm
from containers import Kernel, build, small

from isometal.soft.bitcode import disassemble
from isometal.soft.errors import MetallibError, SoftDeviceError
from isometal.soft.library import Library
from isometal.soft.metallib import Metallib

_INTERESTING = (0, 1, 2, 7, 8, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1)
_SLOW_SECONDS = 5.0

AIR = """
target triple = "air64_v26-apple-macosx14.0.0"
define void @double_all(ptr addrspace(1) %x, i32 %i) {
entry:
  %p = getelementptr inbounds float, ptr addrspace(1) %x, i32 %i
  %v = load float, ptr addrspace(1) %p, align 4
  %c = icmp ult i32 %i, 100
  br i1 %c, label %then, label %done
then:
  %w = fadd fast float %v, %v
  store float %w, ptr addrspace(1) %p, align 4
  br label %done
done:
  ret void
}
!air.kernel = !{!0}
!0 = !{ptr @double_all, !1, !2}
!1 = !{}
!2 = !{!3, !4}
!3 = !{i32 0, !"air.buffer", !"air.location_index", i32 0, i32 1, !"air.read_write", !"air.address_space", i32 1, !"air.arg_type_size", i32 4, !"air.arg_type_align_size", i32 4, !"air.arg_type_name", !"float", !"air.arg_name", !"x"}
!4 = !{i32 1, !"air.thread_position_in_grid", !"air.arg_type_name", !"uint", !"air.arg_name", !"i"}
"""  # noqa: E501


def air_bitcode() -> bytes:
    """A kernel of our own as bitcode. For Apple's triples LLVM puts it into the wrapper that metallibs have."""
    code: bytes = llvm.parse_assembly(AIR).as_bitcode()
    return code


# -- damage -----------------------------------------------------------------------------------------------------------


def _flip(data: bytearray, random: randomness.Random) -> None:
    data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def _overwrite(data: bytearray, random: randomness.Random) -> None:
    form = random.choice("BHIQ")
    size = struct.calcsize(form)
    if len(data) >= size:
        value = random.choice((*_INTERESTING, random.getrandbits(64), len(data), len(data) - 1))
        struct.pack_into(f"<{form}", data, random.randrange(len(data) - size + 1), value & (256**size - 1))


def _cut(data: bytearray, random: randomness.Random) -> None:
    start = random.randrange(len(data))
    del data[start : start + random.choice((1, 2, 4, 8, 100))]


def _truncate(data: bytearray, random: randomness.Random) -> None:
    del data[random.randrange(len(data)) :]


def _repeat(data: bytearray, random: randomness.Random) -> None:
    start = random.randrange(len(data))
    piece = data[start : start + random.randrange(1, 64)]
    at = random.randrange(len(data))
    data[at:at] = piece


def _move(data: bytearray, random: randomness.Random) -> None:
    size = random.randrange(1, 64)
    start, at = random.randrange(len(data)), random.randrange(len(data))
    data[at : at + size] = data[start : start + size]


_DAMAGE: Sequence[Callable[[bytearray, randomness.Random], None]] = (
    *(_flip, _flip, _overwrite, _overwrite, _overwrite),
    *(_cut, _truncate, _repeat, _move),
)


def damage(original: bytes, random: randomness.Random) -> bytes:
    data = bytearray(original)
    for _ in range(random.choice((1, 1, 1, 2, 3, 8))):
        if data:
            random.choice(_DAMAGE)(data, random)
    return bytes(data)


def repair(data: bytes, random: randomness.Random) -> bytes:
    """Often sets the size and the hashes right again, so that damage is met beyond them."""
    if len(data) < 88 or random.random() < 0.2:
        return data
    found = bytearray(data)
    struct.pack_into("<Q", found, 16, len(found))
    try:
        entries = Metallib(bytes(found)).functions.values()
    except MetallibError:
        return bytes(found)
    for entry in entries:
        found = bytearray(found.replace(entry.hash, hashlib.sha256(found[entry.offset :][: entry.size]).digest(), 1))
    return bytes(found)


# -- rounds -----------------------------------------------------------------------------------------------------------


def read(data: bytes) -> str:
    """Reads all that a container has; `ok` or `error`. Any exception but MetallibError is a fault."""
    start = time.perf_counter()
    outcome = "ok"
    try:
        library = Metallib(data)
    except MetallibError as error:
        outcome = _checked(error, data)
    else:
        for name in library.functions:
            try:
                library.bitcode(name)
                library.constants(name)
            except MetallibError as error:
                outcome = _checked(error, data)
    if time.perf_counter() - start > _SLOW_SECONDS:
        raise AssertionError(f"slow: {data.hex()}")
    return outcome


def _checked(error: MetallibError, data: bytes) -> str:
    if not 0 <= error.offset <= len(data) or not error.reason:
        raise AssertionError(f"{error}: offset or reason is missing: {data.hex()}")
    return "error"


def fuzz_containers(rounds: int, random: randomness.Random) -> Counter[str]:
    """Damaged containers; counts of `ok` and `error`."""
    seeds = [small(), build([]), build([Kernel("double_all", air_bitcode(), constants=[("flag", 53, 3)])])]
    return Counter(read(repair(damage(random.choice(seeds), random), random)) for _ in range(rounds))


def fuzz_bitcode(rounds: int, random: randomness.Random, seeds: Sequence[bytes] = ()) -> Counter[str]:
    """Containers whose hashes are right and whose bitcode is damaged; counts of `ok`, `error` and `isolated`.

    `isolated` are the blobs on which LLVM ended its process.
    """
    seeds = [*seeds, air_bitcode()]
    counts: Counter[str] = Counter()
    for _ in range(rounds):
        library = Metallib(build([Kernel("k", damage(random.choice(seeds), random))]))
        try:
            disassemble(library, "k")
            counts["ok"] += 1
        except MetallibError as error:
            crashed = ": LLVM died of " in error.reason or ": LLVM gave no answer " in error.reason
            counts["isolated" if crashed else "error"] += 1
            if error.offset != library.functions["k"].offset:
                raise AssertionError(f"{error}: not where the bitcode is") from error
    return counts


def fuzz_compile(rounds: int, random: randomness.Random, seeds: Sequence[bytes] = ()) -> Counter[str]:
    """As `fuzz_bitcode`, but what can be read is compiled too, and loaded; counts of the exceptions' names and `ok`."""
    seeds = [*seeds, air_bitcode()]
    counts: Counter[str] = Counter()
    for _ in range(rounds):
        library = Library.from_metallib(build([Kernel("double_all", damage(random.choice(seeds), random))]))
        try:
            library.kernel("double_all")
            counts["ok"] += 1
        except SoftDeviceError as error:
            counts[type(error).__name__] += 1
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--containers", type=int, default=100_000)
    parser.add_argument("--bitcode", type=int, default=10_000)
    parser.add_argument("--compile", type=int, default=1000)
    parser.add_argument("--apple", action="store_true", help="damage bitcode of Apple's too, from the mlx-metal wheel")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    random = randomness.Random(arguments.seed)
    start = time.perf_counter()
    counts = fuzz_containers(arguments.containers, random)
    print(f"containers: {dict(counts)} in {time.perf_counter() - start:.0f} s", flush=True)
    start = time.perf_counter()
    counts = fuzz_bitcode(arguments.bitcode, random, _apples() if arguments.apple else ())
    print(f"bitcode: {dict(counts)} in {time.perf_counter() - start:.0f} s", flush=True)
    start = time.perf_counter()
    counts = fuzz_compile(arguments.compile, random)
    print(f"compile: {dict(counts)} in {time.perf_counter() - start:.0f} s", flush=True)


def _apples() -> list[bytes]:
    """Every 500th of the blobs that Apple's compiler made for MLX."""
    import mlx_wheel

    with Metallib.open(mlx_wheel.folder() / "mlx" / "lib" / "mlx.metallib") as library:
        return [library.bitcode(name) for name in list(library.functions)[::500]]


if __name__ == "__main__":
    main()
