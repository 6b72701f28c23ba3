"""What must be known of a kernel before its regions are written: what lives across sites, and where it is kept."""

from __future__ import annotations

from collections.abc import Iterable

from isometal.soft.ir import Instruction, Parameter, Phi
from isometal.soft.ir.flow import liveness
from isometal.soft.lower.builtins import Source
from isometal.soft.lower.frame import Frame
from isometal.soft.lower.rematerialise import recipes
from isometal.soft.lower.sites import Piece, Site, SiteGraph


class Plan:
    """A kernel cut at its sites, with what its regions share.

    Attributes:
        graph: pieces and sites.
        parameters: the kernel's parameters and where they come from.
        offsets: threadgroup variables by local name: bytes into the threadgroup's memory.
        arrays: allocas by name.
        types: types of all values by name.
        live: values live at the start of each piece, by its label.
        recipes: values that regions compute again.
        frame: columns and arrays.
    """

    def __init__(
        self, graph: SiteGraph, parameters: list[Parameter], sources: list[Source], offsets: dict[str, int]
    ) -> None:
        self.graph = graph
        self.parameters = list(zip(parameters, sources, strict=True))
        self.offsets = offsets
        self.types = {p.name: p.type for p in parameters}
        self.arrays = self._take_arrays()
        self._note_types()
        self.positions = {p.name for p, source in self.parameters if source.is_position}
        # What every region can make anew: it needs no column.
        self.ambient = set(self.types.keys() & {p.name for p in parameters}) - self.positions | set(self.arrays)
        self.live = self._liveness()
        uniform = {p.name for p, source in self.parameters if source.is_uniform} | set(offsets)
        instructions = [i for piece in graph.pieces.values() for i in piece.instructions]
        self.recipes = recipes(instructions, uniform, self.ambient - uniform)
        self.frame = self._make_frame()

    @property
    def single(self) -> bool:
        """Whether no thread ever waits."""
        return len(self.graph.sites) == 1

    def _take_arrays(self) -> dict[str, Instruction]:
        arrays: dict[str, Instruction] = {}
        for piece in self.graph.pieces.values():
            arrays.update((i.result, i) for i in piece.instructions if i.opcode == "alloca")
            # Lifetimes of arrays in the frame are LLVM's business no more.
            piece.instructions = [
                i for i in piece.instructions if i.opcode != "alloca" and not i.callee.startswith("@llvm.lifetime")
            ]
        return arrays

    def _note_types(self) -> None:
        for piece in self.graph.pieces.values():
            self.types.update((i.result, i.type) for i in piece.instructions if i.result)
        for site in self.graph.sites:
            self.types.update((call.result, call.type) for call in site.calls if call.result)

    def _values(self, names: Iterable[str]) -> set[str]:
        return {name for name in names if name in self.types and name not in self.ambient}

    def _liveness(self) -> dict[str, set[str]]:
        uses: dict[str, set[str]] = {}
        defines: dict[str, set[str]] = {}
        edges: dict[tuple[str, str], set[str]] = {}
        for label, piece in self.graph.pieces.items():
            uses[label], defines[label] = self._uses_and_definitions(piece)
            for instruction in piece.instructions:
                if isinstance(instruction, Phi):
                    for value, origin in instruction.incoming:
                        edges.setdefault((origin, label), set()).update(self._values(value))
        return liveness(self.graph.flow, uses, defines, edges)

    def _uses_and_definitions(self, piece: Piece) -> tuple[set[str], set[str]]:
        used: set[str] = set()
        defined: set[str] = set()
        for instruction in piece.instructions:
            if not isinstance(instruction, Phi):
                used |= self._values(instruction.uses()) - defined
            if instruction.result:
                defined.add(instruction.result)
        if piece.site:
            results = set(piece.site.results())
            for call in piece.site.calls:
                used |= self._values(call.uses()) - defined - results
            defined |= results
        return used, defined

    def _make_frame(self) -> Frame:
        frame = Frame()
        if self.single:
            return frame
        for alloca in self.arrays.values():
            frame.add_array(alloca)
        kept: dict[str, tuple[str, set[int]]] = {}
        for site in self.graph.sites[1:]:
            at_site = {name: self.types[name] for name in sorted(self.live[site.resume] - self.recipes.keys())}
            for call in site.calls:
                if call.result:
                    at_site[call.result] = call.type
                for index, argument in enumerate(call.call().arguments):
                    at_site[self.operand_name(site, call, index, argument.value)] = argument.type
            for name, type_ in at_site.items():
                kept.setdefault(name, (type_, set()))[1].add(site.number)
        frame.add_columns(kept)
        return frame

    def operand_name(self, site: Site, call: Instruction, index: int, value: list[str]) -> str:
        """Name of the column from which a call takes an operand: that of the value, or one of its own."""
        name = value[0]
        if len(value) == 1 and name in self.types and name not in self.ambient and name not in self.recipes:
            return name
        return f"operand.{site.number}.{site.calls.index(call)}.{index}"

    def reachable(self, start: str) -> list[str]:
        """Labels of the pieces that a thread may come through from `start` on without passing a site, in order."""
        found = {start}
        stack = [start]
        while stack:
            piece = self.graph.pieces[stack.pop()]
            for label in [] if piece.site else piece.successors():
                if label not in found:
                    found.add(label)
                    stack.append(label)
        return [label for label in self.graph.flow.order if label in found]
