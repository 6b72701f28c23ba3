"""The directive `op-sections`: a section for each op, from its row in the op table and its docstring."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx import addnodes
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import nested_parse_with_titles

from isometal.optable import KINDS, OPS, Op, Tolerance


def setup(app: Any) -> dict[str, Any]:
    app.add_directive("op-sections", OpSections)
    app.add_directive("op-list", OpList)
    app.connect("autodoc-process-signature", _signature)
    return {"parallel_read_safe": True}


class OpSections(SphinxDirective):
    """All ops, in the order of the matrix."""

    def run(self) -> list[nodes.Node]:
        lines: list[str] = []
        for op in OPS.values():
            lines += section(op)
        holder = nodes.section()
        holder.document = self.state.document
        nested_parse_with_titles(self.state, StringList(lines, "the op table"), holder)
        for signature in holder.findall(addnodes.desc_signature):
            # The section is in the contents; the function in it need not be.
            signature["_toc_name"] = ""
        return holder.children


class OpList(SphinxDirective):
    """One line for each category."""

    def run(self) -> list[nodes.Node]:
        by_category: dict[str, list[str]] = {}
        for op in OPS.values():
            by_category.setdefault(op.category, []).append(f":py:func:`~isometal.{op.name}`")
        rows = [f"   * - {category}\n     - {', '.join(names)}" for category, names in by_category.items()]
        text = "\n".join([".. list-table::", "   :widths: 20 80", "", *rows])
        holder = nodes.container()
        self.state.nested_parse(StringList(text.splitlines(), "the op table"), 0, holder)
        return holder.children


def section(op: Op) -> list[str]:
    """The section of one op, as lines of reStructuredText."""
    facts = {
        "in the matrix": f"{op.category}, {op.label}",
        "dtypes": ", ".join(op.dtypes),
        "tolerance": "; ".join(tolerances(op)),
        "a green cell owes": ", ".join(f"{kind} ({KINDS[kind].partition(':')[0]})" for kind in op.owes)
        + (" and the attention-block golden" if op.owes_text else ""),
        "the gate": "waits for it" if op.required else "does not wait for it",
        "ground truth": f"``{op.mlx}``",
    }
    rows = [line for name, text in facts.items() for line in (f"   * - {name}", f"     - {text}")]
    table = [".. list-table::", "   :widths: 25 75", "", *rows, ""]
    title = [f".. _op-{op.name}:", "", op.name, "-" * len(op.name), ""]
    return [*title, f".. autofunction:: isometal.{op.name}", "", *table]


def tolerances(op: Op) -> list[str]:
    """Each distinct bound with the dtypes of the result that it holds for."""
    dtypes: dict[str, list[str]] = {}
    for dtype in op.dtypes:
        dtypes.setdefault(bound(op.tolerance[dtype]), []).append(dtype)
    return list(dtypes) if len(dtypes) == 1 else [f"{text} ({', '.join(names)})" for text, names in dtypes.items()]


def bound(tolerance: Tolerance) -> str:
    value = f"{tolerance.value:g}"
    return {
        "exact": "exact",
        "ulp": f"{value} ULP",
        "close": f"{value} + {value} · \\|t\\|",
        "magnitude": f"{value} · sum of magnitudes",
    }[tolerance.rule]


def _signature(app: Any, what: str, name: str, obj: object, options: object, signature: str, returns: str) -> Any:
    op = OPS.get(name.removeprefix("isometal."))
    return (op.signature, None) if what == "function" and op else None
