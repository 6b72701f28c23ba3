"""Sites: the points of a kernel at which a thread may have to wait, and the pieces of code between them.

Calls that lanes make together share a site where nothing between them depends on an earlier one of them but through its
operands: sixteen matrix products of a tile are one rendezvous.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from isometal.soft.errors import LoweringError
from isometal.soft.ir import Block, FlowGraph, Function, Instruction
from isometal.soft.ir.lexer import words
from isometal.soft.lower import intrinsics
from isometal.soft.lower.abi import JOIN, SEVERAL, SIMDGROUP, START, THREADGROUP_BARRIER
from isometal.soft.lower.joins import JOIN_CALL, add_joins

_PURE = words(
    "add sub mul udiv sdiv urem srem shl lshr ashr and or xor fadd fsub fmul fdiv frem fneg freeze icmp "
    "fcmp select trunc zext sext fptrunc fpext fptoui fptosi uitofp sitofp ptrtoint inttoptr bitcast "
    "getelementptr extractelement insertelement shufflevector extractvalue insertvalue"
)
_PURE_CALLS = ("@llvm.fma", "@llvm.fabs", "@llvm.smin", "@llvm.smax", "@llvm.umin", "@llvm.umax", "@isometal.lane")


@dataclass(slots=True)
class Site:
    """A site: the calls that lanes make together there, and the label of the piece that goes on behind it."""

    kind: int
    calls: list[Instruction]
    resume: str
    memory_flags: int = 0
    number: int = 0

    def results(self) -> list[str]:
        return [call.result for call in self.calls if call.result]

    def describe(self) -> str:
        """What a report calls it."""
        names = [call.callee[1:].strip('"') for call in self.calls]
        if not names:
            return "join" if self.kind == JOIN else "start"
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        return f"{names[0]}{more}"


@dataclass(slots=True)
class Piece:
    """Straight-line code. It ends in a terminator, or, where `site` is set, at a site."""

    label: str
    instructions: list[Instruction]
    site: Site | None = None

    def successors(self) -> list[str]:
        return [self.site.resume] if self.site else self.instructions[-1].labels()


@dataclass(slots=True)
class SiteGraph:
    """A kernel cut at its sites. `sites` is ordered by number; site 0 is the entry."""

    pieces: dict[str, Piece]
    sites: list[Site]
    flow: FlowGraph = field(repr=False)


def cut(function: Function, *, keep_barriers: bool = False) -> SiteGraph:
    """Cut a kernel at the calls that may wait.

    Args:
        function: the kernel; its blocks are taken apart.
        keep_barriers: keep simdgroup barriers that order nothing, for observers.

    Raises:
        LoweringError: a call of an `air.` function that is no rendezvous; it has no definition.
    """
    pieces: dict[str, Piece] = {}
    ends: dict[str, str] = {}
    sites: list[Site] = []
    if not keep_barriers:
        for block in function.blocks:
            _drop_idle_barriers(block)
    add_joins(function, lambda instruction: _kind(instruction) is not None)
    for block in function.blocks:
        made = _cut_block(block, sites)
        ends[block.label] = made[-1].label
        pieces.update((piece.label, piece) for piece in made)
    for piece in pieces.values():
        for instruction in piece.instructions:
            for phi in [instruction] if instruction.opcode == "phi" else []:
                phi.incoming = [(value, ends[label]) for value, label in phi.incoming]  # type: ignore[attr-defined]
    entry = function.blocks[0].label
    flow = FlowGraph(entry, {label: piece.successors() for label, piece in pieces.items()})
    position = {label: index for index, label in enumerate(flow.order)}
    reached = [site for site in sites if site.resume in position]
    ordered = [Site(START, [], entry), *sorted(reached, key=lambda site: position[site.resume])]
    if len(ordered) >= SEVERAL:
        raise LoweringError(f"[soft] a kernel with {len(ordered)} rendezvous; at most {SEVERAL - 1} are possible.")
    for number, site in enumerate(ordered):
        site.number = number
    return SiteGraph({label: pieces[label] for label in flow.order}, ordered, flow)


def _cut_block(block: Block, sites: list[Site]) -> list[Piece]:
    pieces: list[Piece] = []
    label = block.label
    rest = block.instructions
    while True:
        start = next((i for i, instruction in enumerate(rest) if _kind(instruction) is not None), None)
        if start is None:
            pieces.append(Piece(label, rest))
            return pieces
        kind = _kind(rest[start]) or SIMDGROUP
        resume = f"{block.label}${len(pieces) + 1}"
        if kind == JOIN:
            site, before, rest = Site(JOIN, [], resume), rest[:start], rest[start + 1 :]
        else:
            before, calls, rest = _group(rest, start)
            flags = _memory_flags(calls[0]) if "barrier" in calls[0].callee else 0
            site = Site(kind, calls, resume, flags)
        sites.append(site)
        pieces.append(Piece(label, before, site))
        label = site.resume


def _drop_idle_barriers(block: Block) -> None:
    """Drop simdgroup barriers that order nothing: no memory is written between the rendezvous around them."""
    kept: list[Instruction] = []
    waited = False  # the previous rendezvous is in this block
    wrote = False  # since then
    for index, instruction in enumerate(block.instructions):
        if instruction.callee == "@air.simdgroup.barrier":
            after = block.instructions[index + 1 :]
            end = next((i for i, following in enumerate(after) if _kind(following) is not None), None)
            if waited and not wrote and end is not None and not any(map(_writes, after[:end])):
                continue
        if _kind(instruction) is not None:
            waited, wrote = True, False
        else:
            wrote = wrote or _writes(instruction)
        kept.append(instruction)
    block.instructions = kept


def _writes(instruction: Instruction) -> bool:
    if instruction.opcode == "call":
        return not instruction.callee.startswith(_PURE_CALLS)
    return instruction.opcode in ("store", "atomicrmw", "cmpxchg", "fence")


def _kind(instruction: Instruction) -> int | None:
    """Kind of site that an instruction asks for, None for one that never waits."""
    callee = instruction.callee
    if callee == JOIN_CALL:
        return JOIN
    if not callee.startswith("@air."):
        return None
    found = intrinsics.rendezvous(callee[1:])
    if found is None:
        raise LoweringError(f"[soft] intrinsic {callee[1:]!r} has no definition.")
    return THREADGROUP_BARRIER if found.kind == "threadgroup" else SIMDGROUP


def _memory_flags(call: Instruction) -> int:
    flags = call.call().arguments[0].value[0]
    return int(flags) if flags.isdigit() else 3


def _group(block: list[Instruction], start: int) -> tuple[list[Instruction], list[Instruction], list[Instruction]]:
    """Instructions before the site, the calls that share it, and the instructions behind it."""
    first = block[start]
    before, calls, behind = block[:start], [first], block[start + 1 :]
    if "barrier" in first.callee:
        return before, calls, behind
    while True:
        joined = _join(before, calls, behind)
        if joined is None:
            return before, calls, behind
        before, calls, behind = joined


def _join(
    before: list[Instruction], calls: list[Instruction], behind: list[Instruction]
) -> tuple[list[Instruction], list[Instruction], list[Instruction]] | None:
    """The next call behind the site, moved into it with what it needs; None where that is not possible."""
    at = next((i for i, instruction in enumerate(behind) if _kind(instruction) is not None), None)
    if at is None or "barrier" in behind[at].callee:
        return None
    call = behind[at]
    results = {c.result for c in calls}
    defined = {instruction.result: index for index, instruction in enumerate(behind[:at]) if instruction.result}
    needed: set[int] = set()
    pending = [name for name in call.uses() if name in defined]
    if not any(map(_writes, behind[:at])):
        # A barrier may have been dropped here. What was read before it stays in front of what is written behind it.
        pending += [instruction.result for instruction in behind[:at] if instruction.opcode == "load"]
    while pending:
        index = defined[pending.pop()]
        if index in needed:
            continue
        if not _movable(behind, index):
            return None
        needed.add(index)
        for name in behind[index].uses():
            if name in results:
                return None
            if name in defined:
                pending.append(name)
    moved = [behind[index] for index in sorted(needed)]
    stay = [instruction for index, instruction in enumerate(behind) if index != at and index not in needed]
    return before + moved, [*calls, call], stay


def _movable(behind: list[Instruction], index: int) -> bool:
    """Whether an instruction may move in front of all that stands before it in the list, but for what it needs."""
    instruction = behind[index]
    if instruction.opcode in _PURE:
        return True
    if instruction.opcode == "call":
        return instruction.callee.startswith(_PURE_CALLS)
    if instruction.opcode == "load" and "volatile" not in instruction.tokens and "atomic" not in instruction.tokens:
        return not any(map(_writes, behind[:index]))
    return False
