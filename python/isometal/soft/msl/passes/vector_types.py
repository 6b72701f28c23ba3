"""Which tokens name a vector type: `float4`, `metal::uint2`, `vec<T, 2>`, and the source's own names for them."""

from __future__ import annotations

from isometal.soft.msl.declarations import DeclarationKind, Source
from isometal.soft.msl.edits import Edits

__all__ = ["VectorTypes", "rewrite_bool_vectors"]

_ELEMENTS = ("bool", "char", "uchar", "short", "ushort", "int", "uint", "long", "ulong", "half", "bfloat", "float")
_BUILT_IN = frozenset(f"{element}{size}" for element in _ELEMENTS for size in (2, 3, 4))
# Words that may stand beside the type in an alias declaration.
_IGNORED = frozenset(["metal", "typename", "const", "typedef", "using"])


class VectorTypes:
    """Names of vector types in a source. Aliases are found by name, whatever their scope."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._names = set(_BUILT_IN)
        pending = [d for d in source.walk() if d.kind is DeclarationKind.ALIAS and d.name is not None]
        while True:
            found = {
                source.tokens[d.name].text for d in pending if d.name is not None and self._is_alias(d.head, d.end)
            }
            if found <= self._names:
                break
            self._names |= found

    def match(self, start: int) -> int | None:
        """Index behind the vector type that starts at `start`; None where none does."""
        source, index = self._source, start
        while source.word(index, "typename") or (source.word(index) and source.operator(index + 1, "::")):
            index += 1 if source.word(index, "typename") else 2
        if source.operator(index, "::"):
            index += 1
        if not source.word(index):
            return None
        name = source.tokens[index].text
        is_template = source.operator(index + 1, "<")
        if is_template and (name == "vec" or name in self._names):
            closer = source.brackets.template_end(index + 1)
            return None if closer is None or not source.operator(closer, ">") else closer + 1
        return index + 1 if name in self._names else None

    def start(self, index: int) -> bool:
        """Whether a type name can start at `index`: it is not the later part of a qualified or member name."""
        source = self._source
        return not any(source.operator(index - 1, text) for text in ("::", ".", "->")) and not source.word(
            index - 1, "typename"
        )

    def _is_alias(self, start: int, end: int) -> bool:
        """Whether `typedef T name;` or `using name = T;` names a vector type, and no pointer or array."""
        source = self._source
        if source.word(start, "using"):
            start += 3
        else:
            start += 1
        while source.word(start, "const"):
            start += 1
        behind = self.match(start)
        if behind is None:
            return False
        return source.operator(behind, ";") or (source.word(behind) and source.operator(behind + 1, ";"))


def rewrite_bool_vectors(source: Source, edits: Edits) -> None:
    """`vec<bool, N>` is a class of its own here."""
    for index in range(len(source.tokens)):
        is_vector = source.word(index, "vec") and source.operator(index + 1, "<")
        if is_vector and source.word(index + 2, "bool") and source.operator(index + 3, ","):
            edits.replace(index, "__msl_bool_vector")
            edits.remove(index + 2, index + 4)
            # Unlike vec, it is no member of namespace metal.
            if source.operator(index - 1, "::") and source.word(index - 2, "metal"):
                edits.remove(index - 2, index)
