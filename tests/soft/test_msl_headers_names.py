"""Every AIR function that the headers can call is one that the lowering defines, with the attributes it must have."""

from __future__ import annotations

import functools
import re

import msl_headers
import pytest

from isometal.soft.lower.intrinsics import definition, rendezvous

# A declaration with a label, as the preprocessor leaves it: `float exp(float x) __asm("air." "exp" "." "f32") ...;`
LABELLED = re.compile(r'([\w<>, ]+?) (\w+)\(([^()]*)\)\s*__asm\(\s*((?:"[^"]*"\s*)+)\) (__attribute__\(\(.*?\)\));')
# What reads or writes memory: these alone are not functions of their arguments' values.
MEMORY = re.compile(r"air\.(atomic\.|simdgroup_matrix_8x8_(load|store)|(fast_)?(frexp|modf|sincos)\.)")


@functools.cache
def everything(fast_math: bool) -> str:
    """IR that calls all labelled functions of the headers."""
    text = msl_headers.run("", "-E", "-P", fast_math=fast_math).text
    functions: dict[str, str] = {}
    found = LABELLED.findall(text)
    assert len(found) == text.count("__asm(")
    for returns, _, parameters, label, attributes in found:
        name = "".join(re.findall(r'"([^"]*)"', label))
        if name in functions:
            continue
        types = [re.sub(r"\s*\b\w+$", "", parameter.strip()) for parameter in split(parameters)]
        number = len(functions)
        arguments = ", ".join(f"{type_} a{i}" for i, type_ in enumerate(types))
        passed = ", ".join(f"a{i}" for i in range(len(types)))
        result = re.sub(r".*\bstatic\b|.*[;{}]", "", returns).strip()
        functions[name] = (
            f'{result} f{number}({", ".join(types)}) __asm("{name}") {attributes};\n'
            f"{result} call{number}({arguments}) {{ return f{number}({passed}); }}"
        )
    source = "using namespace metal;\n" + "\n".join(functions.values())
    text = msl_headers.ir(source, "-O0", fast_math=fast_math)
    assert set(msl_headers.declarations(text)) == set(functions)
    return text


def split(parameters: str) -> list[str]:
    """Parameters at the commas outside of <>."""
    return re.findall(r"(?:[^,<>]|<[^<>]*>)+", parameters)


@pytest.mark.parametrize("fast_math", [False, True])
def test_every_name_is_defined(fast_math: bool) -> None:
    names = msl_headers.declarations(everything(fast_math))
    assert len(names) > 2500
    unknown = [d for n, d in names.items() if definition(d) is None and rendezvous(n) is None]
    assert unknown == []


@pytest.mark.parametrize("fast_math", [False, True])
def test_attributes_say_what_a_function_depends_on(fast_math: bool) -> None:
    wrong = []
    for name, words in msl_headers.attributes(everything(fast_math)).items():
        if rendezvous(name) is not None:
            right = "convergent" in words and not any(word.startswith("memory(") for word in words)
        elif MEMORY.match(name):
            right = "memory(none)" not in words
        else:
            right = {"memory(none)", "nounwind", "willreturn"} <= words
        if not right:
            wrong.append((name, words))
    assert wrong == []


def test_matrix_loads_only_read() -> None:
    loads = {
        name: words for name, words in msl_headers.attributes(everything(False)).items() if "matrix_8x8_load" in name
    }
    assert len(loads) == 6
    assert all({"memory(read)", "convergent"} <= words for words in loads.values())
