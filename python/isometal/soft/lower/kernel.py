"""A kernel as a whole: from AIR to a module with the table of sites."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from isometal.soft.ir.lexer import tokenize
from isometal.soft.lower import abi, intrinsics, llvm, threadgroup
from isometal.soft.lower.constants import ConstantValue
from isometal.soft.lower.narrow import narrow_matrices
from isometal.soft.lower.observe import OBSERVE_LOAD, OBSERVE_STORE, Access
from isometal.soft.lower.plan import Plan
from isometal.soft.lower.prepare import LANE, Prepared, prepare
from isometal.soft.lower.regions import Region, write_region
from isometal.soft.lower.sites import Site, SiteGraph, cut

# An operation that is called more often is not inlined: sixteen matrix products in line help nobody.
_INLINED_CALLS = 2


@dataclass(frozen=True, slots=True)
class SiteDescription:
    """A site as reports name it: its kind (abi.START ...), and the calls made there."""

    kind: int
    text: str


@dataclass(frozen=True, slots=True)
class Lowered:
    """A lowered kernel.

    Attributes:
        ir: text of an LLVM module for the target; exports the symbol abi.KERNEL_SYMBOL.
        sites: what the sites are, by number.
        threadgroup_bytes: memory that the kernel's own threadgroup variables take.
        frame_bytes: memory that a simdgroup needs for what outlives a region.
        accesses: the loads and stores that an observer is told about, by number.
    """

    ir: str
    sites: tuple[SiteDescription, ...]
    threadgroup_bytes: int
    frame_bytes: int
    accesses: tuple[Access, ...]


def lower_kernel(
    air: str,
    kernel: str,
    constants: Mapping[int, ConstantValue] | None = None,
    *,
    observed: bool = False,
    target: llvm.Target | None = None,
) -> Lowered:
    """Lower a kernel.

    Args:
        air: text of a module in AIR that defines the kernel.
        kernel: its name.
        constants: function constants by index; one that is missing is zero.
        observed: report loads and stores to the dispatch's memory observer.
        target: the processor to make code for; this one where it is None.

    Raises:
        LoweringError: what the device cannot run, with kernel and reason: an unknown intrinsic, a recursive call, a
            kind of parameter that only other stages have.
    """
    chosen = target or llvm.host()
    prepared = prepare(air, kernel, constants or {}, chosen, observed=observed)
    offsets, threadgroup_bytes = threadgroup.offsets(prepared.variables)
    names = {symbol: f"%$variable{number}" for number, symbol in enumerate(offsets)}
    threadgroup.localise(prepared.function, names)
    narrow_matrices(prepared.function)
    graph = cut(prepared.function, keep_barriers=observed)
    places = {names[symbol]: offset for symbol, offset in offsets.items()}
    plan = Plan(graph, prepared.function.parameters, prepared.sources, places)
    regions = [write_region(plan, site) for site in graph.sites]
    flags = (abi.FLUSH_DENORMALS if prepared.flush_denormals else 0) | (abi.OBSERVED if observed else 0)
    features = intrinsics.Features.of(chosen.triple, chosen.features)
    text = _module_text(prepared, graph, plan, regions, threadgroup_bytes, flags, set(offsets), features)
    return Lowered(
        ir=text,
        sites=tuple(SiteDescription(site.kind, site.describe()) for site in graph.sites),
        threadgroup_bytes=threadgroup_bytes,
        frame_bytes=plan.frame.size,
        accesses=tuple(prepared.accesses),
    )


def _module_text(
    prepared: Prepared,
    graph: SiteGraph,
    plan: Plan,
    regions: list[Region],
    threadgroup_bytes: int,
    flags: int,
    symbols: set[str],
    features: intrinsics.Features,
) -> str:
    module = prepared.module
    module.functions = {}
    for symbol in symbols:
        module.globals.pop(symbol, None)
    module.globals.pop("@llvm.global_ctors", None)
    operations: dict[str, str] = {}
    needs: dict[str, str] = {}
    functions = [region.text for region in regions]
    for site in graph.sites[1:]:
        text = _operation(site, plan, operations, needs, features)
        if text:
            functions.append(text)
    calls = Counter(call.callee[1:].strip('"') for site in graph.sites for call in site.calls)
    for name, number in calls.items():
        if number > _INLINED_CALLS and name in operations:
            operations[name] = operations[name].replace("alwaysinline", "noinline")
    for name in [n for n in module.declarations if n.startswith(("@air.", LANE)) or n in (OBSERVE_LOAD, OBSERVE_STORE)]:
        del module.declarations[name]
    if prepared.accesses:
        functions += [_observer(OBSERVE_LOAD, "load"), _observer(OBSERVE_STORE, "store")]
    for name, need in needs.items():
        module.declarations.setdefault(name, need)
    if not features.complete:
        functions.append(intrinsics.support())
    table = _table(graph, plan, regions, threadgroup_bytes, flags)
    return "\n".join([str(module), *operations.values(), *functions, table])


def _operation(
    site: Site, plan: Plan, operations: dict[str, str], needs: dict[str, str], features: intrinsics.Features
) -> str:
    """The function of what lanes do together at a site, "" where they only wait."""
    lines: list[str] = []
    for index, call in enumerate(site.calls):
        if "barrier" in call.callee:
            continue
        name = call.callee[1:].strip('"')
        found = intrinsics.rendezvous(name, features)
        assert found is not None
        operations[name] = found.text
        for helper in sorted(found.helpers):
            operations[helper] = helper
        for need in sorted(found.needs):
            needs[next(token for token in tokenize(need) if token[0] == "@")] = need
        columns = [call.result] if call.result else []
        columns += [plan.operand_name(site, call, i, a.value) for i, a in enumerate(call.call().arguments)]
        pointers: list[str] = []
        for number, column in enumerate(columns):
            pointer = f"%column.{index}.{number}"
            lines.append(f"{pointer} = getelementptr inbounds i8, ptr %frame, i64 {plan.frame.columns[column].offset}")
            pointers.append(f"ptr {pointer}")
        lines.append(f'call void @"op.{name}"({", ".join(pointers)}, i32 %mask)')
    if not lines:
        return ""
    return "\n".join(
        [
            f"define internal void @operation.{site.number}(ptr noalias %frame, i32 %mask) nounwind "
            f"{intrinsics.ANY_SUBNORMALS} {{",
            *lines,
            "ret void",
            "}",
        ]
    )


def _observer(symbol: str, field: str) -> str:
    """A call through the threadgroup's observer, as csrc/soft/kernel_abi.h describes it."""
    parameters = "ptr %threadgroup, ptr %address, i64 %bytes, i32 %space, i32 %access, i32 %thread"
    return f"""define internal ptr {symbol}({parameters}) {{
%at = getelementptr inbounds i8, ptr %threadgroup, i64 {abi.THREADGROUP["observer"]}
%observer = load ptr, ptr %at
%self = load ptr, ptr %observer
%function.at = getelementptr inbounds i8, ptr %observer, i64 {abi.OBSERVER[field]}
%function = load ptr, ptr %function.at
%result = call ptr %function(ptr %self, ptr %address, i64 %bytes, i32 %space, i32 %access, i32 %thread)
ret ptr %result
}}"""


def _table(graph: SiteGraph, plan: Plan, regions: list[Region], threadgroup_bytes: int, flags: int) -> str:
    rows: list[str] = []
    for site, region in zip(graph.sites, regions, strict=True):
        operation = f"@operation.{site.number}" if any("barrier" not in call.callee for call in site.calls) else "null"
        rows.append(
            f"{abi.SITE_TYPE} {{ ptr @region.{site.number}, ptr {operation}, i16 {site.kind}, "
            f"i16 {_signed(region.successor)}, i32 {site.memory_flags} }}"
        )
    count = len(rows)
    return "\n".join(
        [
            f"@sites = internal constant [{count} x {abi.SITE_TYPE}] [{', '.join(rows)}]",
            f"@{abi.KERNEL_SYMBOL} = constant {abi.KERNEL_TYPE} {{ i32 {abi.VERSION}, i32 {count}, "
            f"i64 {plan.frame.size}, i64 {threadgroup_bytes}, i32 {flags}, i32 0, ptr @sites }}",
            "",
        ]
    )


def _signed(number: int) -> int:
    return number if number < 0x8000 else number - 0x10000
