"""Regions: for each site the function that runs the lanes of a span from there to their next sites.

What a lane needs behind a site is kept in the simdgroup's frame, one column of 32 elements per value. A region loads
what is live at its site, runs the code, and stores at each exit what it changed and what is live there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from isometal.soft.errors import LoweringError
from isometal.soft.ir import Instruction, Parameter, Phi
from isometal.soft.ir.flow import liveness
from isometal.soft.ir.types import layout
from isometal.soft.lower import builtins
from isometal.soft.lower.abi import COLUMN_ALIGNMENT, FINISHED, LANES, SEVERAL
from isometal.soft.lower.builtins import INDEX, LANE_VALUE, SPAN_FIELD, THREAD, Source
from isometal.soft.lower.observe import OBSERVE_LOAD, OBSERVE_STORE
from isometal.soft.lower.sites import Piece, Site, SiteGraph


@dataclass(frozen=True, slots=True)
class Column:
    """32 elements of a type in the frame, `offset` bytes from its start."""

    offset: int
    type: str

    @property
    def stored(self) -> str:
        """The type in memory: single bits take a byte."""
        return "i8" if self.type == "i1" else self.type


@dataclass(slots=True)
class Frame:
    """The frame of a simdgroup: columns for values that outlive a region, and each lane's own arrays."""

    columns: dict[str, Column] = field(default_factory=dict)
    arrays: dict[str, tuple[int, int]] = field(default_factory=dict)  # alloca -> offset, bytes per lane
    size: int = 0

    def add(self, name: str, type_: str) -> Column:
        column = self.columns.get(name)
        if column is None:
            column = Column(self._reserve(layout("i8" if type_ == "i1" else type_)[0]), type_)
            self.columns[name] = column
        return column

    def add_array(self, name: str, size: int, alignment: int) -> None:
        stride = -(-size // alignment) * alignment
        self.arrays[name] = (self._reserve(stride), stride)

    def _reserve(self, bytes_per_lane: int) -> int:
        offset = self.size
        self.size += -(-bytes_per_lane * LANES // COLUMN_ALIGNMENT) * COLUMN_ALIGNMENT
        return offset


@dataclass(slots=True)
class Region:
    """The function of one region, and where it leads."""

    text: str
    successor: int


class RegionBuilder:
    """Builds the regions of one kernel."""

    def __init__(
        self,
        graph: SiteGraph,
        parameters: list[Parameter],
        sources: list[Source],
        threadgroup_offsets: dict[str, int],
    ) -> None:
        self.graph = graph
        self.parameters = list(zip(parameters, sources, strict=True))
        self.offsets = threadgroup_offsets
        self.frame = Frame()
        self.single = len(graph.sites) == 1
        self.types = {p.name: p.type for p in parameters}
        self.arrays: dict[str, Instruction] = {}
        self._collect()
        self.live = self._liveness()
        self._assign_columns()

    # What is known before any region is built.

    def _collect(self) -> None:
        for piece in self.graph.pieces.values():
            kept: list[Instruction] = []
            for instruction in piece.instructions:
                if instruction.opcode == "alloca":
                    self.arrays[instruction.result] = instruction
                elif not instruction.callee.startswith("@llvm.lifetime"):
                    kept.append(instruction)
            piece.instructions = kept
            for instruction in kept:
                if instruction.result:
                    self.types[instruction.result] = instruction.type
        for site in self.graph.sites:
            for call in site.calls:
                if call.result:
                    self.types[call.result] = call.type
        # What every region can make anew: it needs no column.
        self.ambient = {p.name for p, source in self.parameters if not source.is_position} | set(self.arrays)

    def _values(self, names: Iterable[str]) -> set[str]:
        return {name for name in names if name in self.types and name not in self.ambient}

    def _liveness(self) -> dict[str, set[str]]:
        uses: dict[str, set[str]] = {}
        defines: dict[str, set[str]] = {}
        edges: dict[tuple[str, str], set[str]] = {}
        for label, piece in self.graph.pieces.items():
            used: set[str] = set()
            defined: set[str] = set()
            for instruction in piece.instructions:
                if isinstance(instruction, Phi):
                    for value, origin in instruction.incoming:
                        edges.setdefault((origin, label), set()).update(self._values(value))
                else:
                    used |= self._values(instruction.uses()) - defined
                if instruction.result:
                    defined.add(instruction.result)
            if piece.site:
                results = set(piece.site.results())
                for call in piece.site.calls:
                    used |= self._values(call.uses()) - defined - results
                defined |= results
            uses[label], defines[label] = used, defined
        return liveness(self.graph.flow, uses, defines, edges)

    def _assign_columns(self) -> None:
        for name, alloca in self.arrays.items():
            size, alignment = _array_layout(alloca)
            if not self.single:
                self.frame.add_array(name, size, max(alignment, 16))
        for site in self.graph.sites[1:]:
            for name in sorted(self.live[site.resume]):
                self.frame.add(name, self.types[name])
            for call in site.calls:
                if call.result:
                    self.frame.add(call.result, call.type)
                for index, argument in enumerate(call.call().arguments):
                    self.frame.add(self.operand_name(site, call, index, argument.value), argument.type)

    def operand_name(self, site: Site, call: Instruction, index: int, value: list[str]) -> str:
        """Name of the column from which a call takes an operand: that of the value, or one of its own."""
        if len(value) == 1 and value[0] in self.types and value[0] not in self.ambient:
            return value[0]
        return f"operand.{site.number}.{site.calls.index(call)}.{index}"

    # Regions.

    def region(self, site: Site) -> Region:
        """The region of a site."""
        labels = self._reachable(site.resume)
        exits = {p.site.number if p.site else FINISHED for p in self._leaving(labels)}
        successor = exits.pop() if len(exits) == 1 else SEVERAL
        return Region(_RegionText(self, site, labels, successor).build(), successor)

    def _reachable(self, start: str) -> list[str]:
        found = {start}
        stack = [start]
        while stack:
            piece = self.graph.pieces[stack.pop()]
            for label in [] if piece.site else piece.successors():
                if label not in found:
                    found.add(label)
                    stack.append(label)
        return [label for label in self.graph.flow.order if label in found]

    def _leaving(self, labels: list[str]) -> list[Piece]:
        pieces = [self.graph.pieces[label] for label in labels]
        return [p for p in pieces if p.site or p.instructions[-1].opcode in ("ret", "unreachable")]


class _RegionText:
    """Writes the function of one region."""

    def __init__(self, builder: RegionBuilder, site: Site, labels: list[str], successor: int) -> None:
        self.builder = builder
        self.site = site
        self.labels = labels
        self.successor = successor
        self.pieces = [builder.graph.pieces[label] for label in labels]
        self.inside = set(labels)
        self.defined = {i.result for p in self.pieces for i in p.instructions if i.result}
        self.live = builder.live[site.resume] if site.number else set[str]()
        # Defined here and live at the start as well: a variable, since either value may arrive.
        self.variables = sorted(self.live & self.defined)
        self.count = 0
        self.fed: set[tuple[str, str]] = set()

    def build(self) -> str:
        head: list[str] = []
        body: list[str] = []
        self._prologue(head, body)
        code: list[str] = []
        for piece in self.pieces:
            code.append(f"{piece.label[1:]}:")
            code += self._piece(piece)
        lines = [
            f"define internal void @region.{self.site.number}(ptr noalias %$threadgroup, ptr noalias %$span, "
            "ptr noalias %$frame, ptr noalias %$next) nounwind {",
            "$region$head:",
            *head,
            "br label %$region$lane",
            "$region$lane:",
            f"{INDEX}$wide = phi i64 [ 0, %$region$head ], [ {INDEX}$next, %$region$latch ]",
            *body,
            f"br label {self.site.resume}",
            *code,
            "$region$latch:",
            f"{INDEX}$next = add nuw nsw i64 {INDEX}$wide, 1",
            f"%$region$done = icmp eq i64 {INDEX}$next, %$span$count$wide",
            "br i1 %$region$done, label %$region$end, label %$region$lane",
            "$region$end:",
            "ret void",
            "}",
        ]
        return "\n".join(lines)

    def _prologue(self, head: list[str], body: list[str]) -> None:
        builder = self.builder
        head += builtins.span_prologue()
        head += [
            f"{SPAN_FIELD.format('count')}$wide = zext i32 {SPAN_FIELD.format('count')} to i64",
            f"%$first = and i32 {SPAN_FIELD.format('thread')}, {LANES - 1}",
            "%$first$wide = zext i32 %$first to i64",
        ]
        body += [
            f"{INDEX} = trunc nuw i64 {INDEX}$wide to i32",
            f"{THREAD} = add nuw i32 {SPAN_FIELD.format('thread')}, {INDEX}",
        ]
        if builder.single:
            body += [f"{LANE_VALUE} = and i32 {THREAD}, {LANES - 1}"]
        else:
            body += [
                f"{LANE_VALUE}$wide = add nuw nsw i64 %$first$wide, {INDEX}$wide",
                f"{LANE_VALUE} = trunc nuw i64 {LANE_VALUE}$wide to i32",
            ]
        used = self._used()
        for parameter, source in builder.parameters:
            if parameter.name in used and (self.site.number == 0 or not source.is_position):
                (head if source.is_uniform else body).extend(builtins.define(parameter, source))
        for name in sorted(builder.offsets.keys() & used):
            head += builtins.threadgroup_variable(name, builder.offsets[name])
        for name, alloca in builder.arrays.items():
            if name in used:
                self._array(name, alloca, head, body)
        for name in self.variables:
            head.append(f"{_variable(name)} = alloca {builder.types[name]}")
        for name in sorted(self.live & used | set(self.variables)):
            target = f"{name}$in" if name in self.variables else name
            body += self._load(name, target)
            if name in self.variables:
                body.append(f"store {builder.types[name]} {target}, ptr {_variable(name)}")

    def _used(self) -> set[str]:
        names = {name for p in self.pieces for i in p.instructions for name in i.uses()}
        for piece in self.pieces:
            if piece.site:
                names.update(name for call in piece.site.calls for name in call.uses())
                kept = self.defined | self._positions() if self.site.number == 0 else self.defined
                names |= self.builder.live[piece.site.resume] & kept
        return names

    def _array(self, name: str, alloca: Instruction, head: list[str], body: list[str]) -> None:
        if self.builder.single:
            head.append(str(alloca))
            return
        offset, stride = self.builder.frame.arrays[name]
        body += [
            f"{name}$offset = mul nuw nsw i64 {LANE_VALUE}$wide, {stride}",
            f"{name}$base = getelementptr inbounds i8, ptr %$frame, i64 {offset}",
            f"{name} = getelementptr inbounds i8, ptr {name}$base, i64 {name}$offset",
        ]

    # Columns.

    def _address(self, column: Column, name: str) -> list[str]:
        return [
            f"{name}$column = getelementptr inbounds i8, ptr %$frame, i64 {column.offset}",
            f"{name}$at = getelementptr inbounds {column.stored}, ptr {name}$column, i64 {LANE_VALUE}$wide",
        ]

    def _load(self, name: str, target: str) -> list[str]:
        column = self.builder.frame.columns[name]
        lines = self._address(column, target)
        if column.type != "i1":
            return [*lines, f"{target} = load {column.type}, ptr {target}$at"]
        return [*lines, f"{target}$byte = load i8, ptr {target}$at", f"{target} = trunc i8 {target}$byte to i1"]

    def _store(self, name: str, value: str) -> list[str]:
        column = self.builder.frame.columns[name]
        self.count += 1
        temporary = f"%$out{self.count}"
        lines = self._address(column, temporary)
        if column.type == "i1":
            lines.append(f"{temporary}$byte = zext i1 {value} to i8")
            value = f"{temporary}$byte"
        return [*lines, f"store {column.stored} {value}, ptr {temporary}$at"]

    # Code.

    def _piece(self, piece: Piece) -> list[str]:
        phis: list[str] = []
        lines: list[str] = []
        local: set[str] = set()
        stores: list[str] = []
        for instruction in piece.instructions:
            if isinstance(instruction, Phi):
                phis.append(self._phi(instruction))
                stores += self._set_variable(instruction.result)
                local.add(instruction.result)
                continue
            if instruction.is_terminator:
                break
            copy = instruction.copy()
            lines += self._read_variables(copy, local)
            lines += self._instruction(copy)
            if copy.result:
                lines += self._set_variable(copy.result)
                local.add(copy.result)
        lines = phis + stores + lines
        if piece.site:
            lines += self._exit(piece.site, local)
            return lines
        terminator = piece.instructions[-1].copy()
        if terminator.opcode in ("ret", "unreachable"):
            return [*lines, *self._go(FINISHED)]
        lines += self._read_variables(terminator, local)
        for successor in terminator.labels():
            lines += self._feed_phis(piece.label, successor, local)
        return [*lines, str(terminator)]

    def _instruction(self, instruction: Instruction) -> list[str]:
        if instruction.callee == "@isometal.lane":
            return [f"{instruction.result} = add i32 {LANE_VALUE}, 0"]
        if instruction.callee in (OBSERVE_LOAD, OBSERVE_STORE):
            address, size, space, access = (" ".join(a.value) for a in instruction.call().arguments)
            helper = instruction.callee
            return [
                f"{instruction.result} = call ptr {helper}(ptr %$threadgroup, ptr {address}, i64 {size}, i32 {space}, "
                f"i32 {access}, i32 {THREAD})"
            ]
        return [str(instruction)]

    def _phi(self, phi: Phi) -> str:
        kept = phi.copy()
        kept.incoming = [
            (self._fed(value, origin), origin)
            for value, origin in phi.incoming
            if origin in self.inside and not self._leaves(origin)
        ]
        return str(kept)

    def _leaves(self, label: str) -> bool:
        return self.builder.graph.pieces[label].site is not None

    def _fed(self, value: list[str], origin: str) -> list[str]:
        if len(value) == 1 and value[0] in self.variables and not self._defined_in(value[0], origin):
            return [_fed_name(value[0], origin)]
        return value

    def _defined_in(self, name: str, label: str) -> bool:
        return any(i.result == name for i in self.builder.graph.pieces[label].instructions)

    def _feed_phis(self, origin: str, successor: str, local: set[str]) -> list[str]:
        """Loads of the variables that phis of a successor take from here; each once."""
        lines: list[str] = []
        for phi in self.builder.graph.pieces[successor].instructions:
            if not isinstance(phi, Phi):
                break
            for value, label in phi.incoming:
                name = value[0]
                if label != origin or name not in self.variables or name in local or (name, origin) in self.fed:
                    continue
                self.fed.add((name, origin))
                lines.append(f"{_fed_name(name, origin)} = load {self.builder.types[name]}, ptr {_variable(name)}")
        return lines

    def _set_variable(self, name: str) -> list[str]:
        if name not in self.variables:
            return []
        return [f"store {self.builder.types[name]} {name}, ptr {_variable(name)}"]

    def _read_variables(self, instruction: Instruction, local: set[str]) -> list[str]:
        """Loads of the variables that an instruction reads and that this piece has not defined."""
        lines: list[str] = []
        loaded: dict[str, str] = {}
        for name in dict.fromkeys(instruction.uses()):
            if name in self.variables and name not in local:
                self.count += 1
                loaded[name] = f"%$read{self.count}"
                lines.append(f"{loaded[name]} = load {self.builder.types[name]}, ptr {_variable(name)}")
        if loaded:
            instruction.rename(lambda name: loaded.get(name, name))
        return lines

    def _exit(self, site: Site, local: set[str]) -> list[str]:
        builder = self.builder
        lines: list[str] = []
        results = set(site.results())
        wanted: dict[str, list[str]] = {}
        for name in sorted(builder.live[site.resume] - results):
            wanted[name] = [name]
        for call in site.calls:
            for index, argument in enumerate(call.call().arguments):
                column = builder.operand_name(site, call, index, argument.value)
                if argument.value[0] not in results:
                    wanted[column] = argument.value
        for column, value in wanted.items():
            name = value[0]
            if (
                column == name
                and name not in self.defined
                and not (self.site.number == 0 and name in self._positions())
            ):
                continue  # its column holds it already
            if name in self.variables and name not in local:
                self.count += 1
                lines.append(f"%$read{self.count} = load {builder.types[name]}, ptr {_variable(name)}")
                lines += self._store(column, f"%$read{self.count}")
            else:
                lines += self._store(column, " ".join(value))
        return lines + self._go(site.number)

    def _positions(self) -> set[str]:
        return {p.name for p, source in self.builder.parameters if source.is_position}

    def _go(self, number: int) -> list[str]:
        lines: list[str] = []
        if self.successor == SEVERAL:
            self.count += 1
            at = f"%$next{self.count}"
            lines = [
                f"{at} = getelementptr inbounds i16, ptr %$next, i64 {LANE_VALUE}$wide",
                f"store i16 {number if number < 0x8000 else number - 0x10000}, ptr {at}",
            ]
        return [*lines, "br label %$region$latch"]


def _variable(name: str) -> str:
    return f"%$variable.{name[1:]}"


def _fed_name(name: str, origin: str) -> str:
    return f"%$fed.{name[1:]}.{origin[1:]}"


def _array_layout(alloca: Instruction) -> tuple[int, int]:
    from isometal.soft.ir.types import read_type

    tokens = alloca.tokens
    type_, index = read_type(tokens, 1)
    size, alignment = layout(type_)
    rest = tokens[index:]
    if len(rest) > 2 and rest[1] != "align" and rest[1][0] != "!":
        if not rest[2].isdigit():
            raise LoweringError(f"[soft] an array of variable length: {alloca}.")
        size *= int(rest[2])
    if "align" in rest:
        alignment = int(rest[rest.index("align") + 1])
    return size, alignment
