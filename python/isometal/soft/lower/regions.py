"""Regions: for each site the function that runs the lanes of a span from there to their next sites.

What a lane needs behind a site is kept in the simdgroup's frame, one column of 32 elements per value. A region loads
what is live at its site, runs the code, and stores at each exit what it changed and what is live there.
"""

from __future__ import annotations

from dataclasses import dataclass

from isometal.soft.ir import Instruction, Phi
from isometal.soft.lower import builtins
from isometal.soft.lower.abi import FINISHED, LANES, SEVERAL
from isometal.soft.lower.builtins import INDEX, LANE_VALUE, SPAN_FIELD, THREAD
from isometal.soft.lower.frame import Column
from isometal.soft.lower.intrinsics import ANY_SUBNORMALS
from isometal.soft.lower.observe import OBSERVE_LOAD, OBSERVE_STORE
from isometal.soft.lower.plan import Plan
from isometal.soft.lower.rematerialise import closure
from isometal.soft.lower.sites import Piece, Site


@dataclass(frozen=True, slots=True)
class Region:
    """The function of one region, and the site that follows it: a number, abi.FINISHED or abi.SEVERAL."""

    text: str
    successor: int


def write_region(plan: Plan, site: Site) -> Region:
    """The region of a site, as the function `@region.<number>`."""
    labels = plan.reachable(site.resume)
    leaving = [p for p in map(plan.graph.pieces.__getitem__, labels) if p.site or not p.successors()]
    exits = {p.site.number if p.site else FINISHED for p in leaving}
    successor = exits.pop() if len(exits) == 1 else SEVERAL
    return Region(_Writer(plan, site, labels, successor).write(), successor)


class _Writer:
    """Writes the function of one region."""

    def __init__(self, plan: Plan, site: Site, labels: list[str], successor: int) -> None:
        self.plan = plan
        self.site = site
        self.successor = successor
        self.pieces = [plan.graph.pieces[label] for label in labels]
        self.inside = set(labels)
        self.count = 0
        self.fed: set[tuple[str, str]] = set()
        live = plan.live[site.resume] if site.number else set[str]()
        defined = {i.result for p in self.pieces for i in p.instructions if i.result}
        # Values that the pieces themselves make; positions are made before them.
        self.defined = defined | (set() if site.number else plan.positions)
        used = self._used()
        # Computed again at the start, and so no more where they were defined.
        self.again = closure(sorted(live & used & plan.recipes.keys()), plan.recipes)
        self.defined.difference_update(self.again)
        self.used = used.union(*(plan.recipes[name].instruction.uses() for name in self.again))
        self.loaded = sorted((live & used) - plan.recipes.keys() | (live & self.defined))
        # Defined here and live at the start as well: variables, since either value may arrive.
        self.variables = {name for name in self.loaded if name in self.defined}

    def _used(self) -> set[str]:
        names = {name for p in self.pieces for i in p.instructions for name in i.uses()}
        for piece in self.pieces:
            if piece.site:
                names.update(name for call in piece.site.calls for name in call.uses())
                names |= self.plan.live[piece.site.resume] & self.defined
        return names

    def write(self) -> str:
        head, body = self._prologue()
        code: list[str] = []
        for piece in self.pieces:
            code.append(f"{piece.label[1:]}:")
            code += self._piece(piece)
        lines = [
            f"define internal void @region.{self.site.number}(ptr noalias %$threadgroup, ptr noalias %$span, "
            f"ptr noalias %$frame, ptr noalias %$next) nounwind {ANY_SUBNORMALS} {{",
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

    # The start: what the code needs, once per span (head) and for each lane (body).

    def _prologue(self) -> tuple[list[str], list[str]]:
        plan = self.plan
        head = [
            *builtins.span_prologue(),
            f"{SPAN_FIELD.format('count')}$wide = zext i32 {SPAN_FIELD.format('count')} to i64",
            f"%$first = and i32 {SPAN_FIELD.format('thread')}, {LANES - 1}",
            "%$first$wide = zext i32 %$first to i64",
        ]
        body = [
            f"{INDEX} = trunc nuw i64 {INDEX}$wide to i32",
            f"{THREAD} = add nuw i32 {SPAN_FIELD.format('thread')}, {INDEX}",
        ]
        if plan.single:
            body += [f"{LANE_VALUE} = and i32 {THREAD}, {LANES - 1}"]
        else:
            body += [
                f"{LANE_VALUE}$wide = add nuw nsw i64 %$first$wide, {INDEX}$wide",
                f"{LANE_VALUE} = trunc nuw i64 {LANE_VALUE}$wide to i32",
            ]
        for parameter, source in plan.parameters:
            if parameter.name in self.used and (self.site.number == 0 or not source.is_position):
                (head if source.is_uniform else body).extend(builtins.define(parameter, source))
        for name in sorted(plan.offsets.keys() & self.used):
            head += builtins.threadgroup_variable(name, plan.offsets[name])
        for name, alloca in plan.arrays.items():
            if name in self.used:
                self._array(name, alloca, head, body)
        for name in self.again:
            recipe = plan.recipes[name]
            (head if recipe.uniform else body).append(str(recipe.instruction))
        for name in self.loaded:
            if name not in self.variables:
                body += self._load(name, name)
                continue
            head.append(f"{_variable(name)} = alloca {plan.types[name]}")
            body += [*self._load(name, f"{name}$in"), f"store {plan.types[name]} {name}$in, ptr {_variable(name)}"]
        return head, body

    def _array(self, name: str, alloca: Instruction, head: list[str], body: list[str]) -> None:
        if self.plan.single:
            head.append(str(alloca))
            return
        offset, stride = self.plan.frame.arrays[name]
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
        column = self.plan.frame.columns[name]
        lines = self._address(column, target)
        if column.type != "i1":
            return [*lines, f"{target} = load {column.type}, ptr {target}$at"]
        return [*lines, f"{target}$byte = load i8, ptr {target}$at", f"{target} = trunc i8 {target}$byte to i1"]

    def _store(self, name: str, value: str) -> list[str]:
        column = self.plan.frame.columns[name]
        temporary = self._fresh("out")
        lines = self._address(column, temporary)
        if column.type == "i1":
            lines.append(f"{temporary}$byte = zext i1 {value} to i8")
            value = f"{temporary}$byte"
        return [*lines, f"store {column.stored} {value}, ptr {temporary}$at"]

    def _fresh(self, word: str) -> str:
        self.count += 1
        return f"%${word}{self.count}"

    # Code.

    def _piece(self, piece: Piece) -> list[str]:
        phis: list[str] = []
        sets: list[str] = []
        lines: list[str] = []
        local: set[str] = set()
        for instruction in piece.instructions:
            if instruction.is_terminator:
                break
            if isinstance(instruction, Phi):
                phis.append(self._phi(instruction))
                sets += self._set_variable(instruction.result)
            elif instruction.result and instruction.result in self.again:
                continue
            else:
                copy = instruction.copy()
                lines += [*self._read_variables(copy, local), self._instruction(copy)]
                lines += self._set_variable(copy.result)
            local.add(instruction.result)
        lines = [*phis, *sets, *lines]
        if piece.site:
            return lines + self._exit(piece.site, local)
        terminator = piece.instructions[-1].copy()
        if not piece.successors():
            return lines + self._go(FINISHED)
        lines += self._read_variables(terminator, local)
        for successor in terminator.labels():
            lines += self._feed_phis(piece.label, successor, local)
        return [*lines, str(terminator)]

    def _instruction(self, instruction: Instruction) -> str:
        if instruction.callee == "@isometal.lane":
            return f"{instruction.result} = add i32 {LANE_VALUE}, 0"
        if instruction.callee in (OBSERVE_LOAD, OBSERVE_STORE):
            address, size, space, access = (" ".join(a.value) for a in instruction.call().arguments)
            return (
                f"{instruction.result} = call ptr {instruction.callee}(ptr %$threadgroup, ptr {address}, "
                f"i64 {size}, i32 {space}, i32 {access}, i32 {THREAD})"
            )
        return str(instruction)

    # Variables: values that may come from the frame or from this region. LLVM makes them registers again.

    def _set_variable(self, name: str) -> list[str]:
        return [f"store {self.plan.types[name]} {name}, ptr {_variable(name)}"] if name in self.variables else []

    def _read_variables(self, instruction: Instruction, local: set[str]) -> list[str]:
        """Loads of the variables that an instruction reads and that its piece has not defined."""
        lines: list[str] = []
        read: dict[str, str] = {}
        for name in dict.fromkeys(instruction.uses()):
            if name in self.variables and name not in local:
                read[name] = self._fresh("read")
                lines.append(f"{read[name]} = load {self.plan.types[name]}, ptr {_variable(name)}")
        if read:
            instruction.rename(lambda name: read.get(name, name))
        return lines

    def _phi(self, phi: Phi) -> str:
        kept = phi.copy()
        kept.incoming = [(self._fed(value, o), o) for value, o in phi.incoming if o in self.inside]
        return str(kept)

    def _fed(self, value: list[str], origin: str) -> list[str]:
        if value[0] in self.variables and not self._defined_in(value[0], origin):
            return [_fed_name(value[0], origin)]
        return value

    def _defined_in(self, name: str, label: str) -> bool:
        return any(i.result == name for i in self.plan.graph.pieces[label].instructions)

    def _feed_phis(self, origin: str, successor: str, local: set[str]) -> list[str]:
        """Loads of the variables that phis of a successor take from here, each once."""
        lines: list[str] = []
        for phi in self.plan.graph.pieces[successor].instructions:
            if not isinstance(phi, Phi):
                break
            for value, label in phi.incoming:
                name = value[0]
                if label != origin or name not in self.variables or name in local or (name, origin) in self.fed:
                    continue
                self.fed.add((name, origin))
                lines.append(f"{_fed_name(name, origin)} = load {self.plan.types[name]}, ptr {_variable(name)}")
        return lines

    # Exits.

    def _exit(self, site: Site, local: set[str]) -> list[str]:
        """Stores of what is live at a site, or an operand there, unless its column holds it already."""
        plan = self.plan
        results = set(site.results())
        wanted = {
            name: [name]
            for name in sorted((plan.live[site.resume] - results) & self.defined)
            if name in plan.frame.columns
        }
        for call in site.calls:
            for index, argument in enumerate(call.call().arguments):
                column = plan.operand_name(site, call, index, argument.value)
                name = argument.value[0]
                if name not in results and (column != name or name in self.defined):
                    wanted[column] = argument.value
        lines: list[str] = []
        for column, value in wanted.items():
            text = " ".join(value)
            if text in self.variables and text not in local:
                text = self._fresh("read")
                lines.append(f"{text} = load {plan.types[value[0]]}, ptr {_variable(value[0])}")
            lines += self._store(column, text)
        return lines + self._go(site.number)

    def _go(self, number: int) -> list[str]:
        lines: list[str] = []
        if self.successor == SEVERAL:
            at = self._fresh("next")
            lines = [
                f"{at} = getelementptr inbounds i16, ptr %$next, i64 {LANE_VALUE}$wide",
                f"store i16 {number if number < 0x8000 else number - 0x10000}, ptr {at}",
            ]
        return [*lines, "br label %$region$latch"]


def _variable(name: str) -> str:
    return f"%$variable.{name[1:]}"


def _fed_name(name: str, origin: str) -> str:
    return f"%$fed.{name[1:]}.{origin[1:]}"
