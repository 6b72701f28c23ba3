"""How kernels are instantiated: by decltype, by a name for it, by a signature, in macros, with functions."""

from __future__ import annotations

import numpy as np
import pytest

from isometal.soft import Library
from isometal.soft.errors import MslError
from isometal.soft.msl import compile_source

HEADER = "#include <metal_stdlib>\nusing namespace metal;\n"
SCALE = (
    HEADER + "template <typename T, int N>\n"
    "[[kernel]] void scale(device T* x [[buffer(0)]], constant uint& n [[buffer(1)]],\n"
    "                      uint i [[thread_position_in_grid]]) { if (i < n) x[i] *= T(N); }\n"
    "namespace inner { template <typename T> kernel void twice(device T* x) { x[0] += x[0]; }\n"
    "                  typedef decltype(twice<float>) twice_t; }\n"
)

#: name -> an instantiation of kernel "k" for float that multiplies by 2
FORMS = {
    "decltype": 'template [[host_name("k")]] [[kernel]] decltype(scale<float, 2>) scale<float, 2>;',
    "signature": (
        'template [[host_name("k")]] [[kernel]] void scale<float, 2>(\n'
        "    device float* x [[buffer(0)]], constant uint& n [[buffer(1)]], uint i [[thread_position_in_grid]]);"
    ),
    "types_only": 'template [[host_name("k")]] [[kernel]] void scale<float, 2>(device float*, constant uint&, uint);',
    "typedef": (
        'typedef decltype(scale<float, 1>) scale_t;\ntemplate [[host_name("k")]] kernel scale_t scale<float, 2>;'
    ),
    "using": (
        'using scale_t = decltype(scale<float, 1>);\ntemplate [[host_name("k")]] [[kernel]] scale_t scale<float, 2>;'
    ),
    "function_type": (
        "typedef void scale_t(device float*, constant uint&, uint);\n"
        'template [[host_name("k")]] [[kernel]] scale_t scale<float, 2>;'
    ),
    "attribute_behind_type": (
        'template [[host_name("k")]] void [[kernel]] scale<float, 2>(device float*, constant uint&, uint);'
    ),
    "deduced": 'template [[host_name("k")]] kernel void inner::twice(device float*);',
    "typedef_in_namespace": 'template [[host_name("k")]] kernel inner::twice_t inner::twice<float>;',
    "macro": (
        "#define INSTANTIATE(name, T, N) \\\n"
        '  template [[host_name("k" name)]] [[kernel]] decltype(scale<T, N>) scale<T, N>;\n'
        'INSTANTIATE("", float, 2) INSTANTIATE("_half", half, 3) INSTANTIATE("_" "bfloat", bfloat, 4)'
    ),
    "macro_that_makes_strings": (
        "#define INSTANTIATE(T, name, N) \\\n"
        '  template [[host_name("k" #name)]] [[kernel]] void scale<T, N>(device T*, constant uint&, uint);\n'
        "INSTANTIATE(half, _float16_2, 2) INSTANTIATE(float, , 2)"
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_instantiations(form: str) -> None:
    library = Library.from_source(SCALE + FORMS[form])
    x = np.array([1.5, 2], np.float32)
    bound = [x, 1][: len(library.reflection("k").bindings)]
    library.kernel("k")(*bound, grid=1)
    assert x.tolist() == [3, 2]


def test_names_in_macros() -> None:
    assert compile_source(SCALE + FORMS["macro"]).kernels == ("k", "k_half", "k_bfloat")
    assert compile_source(SCALE + FORMS["macro_that_makes_strings"]).kernels == ("k_float16_2", "k")


@pytest.mark.parametrize(
    ("instantiation", "column", "message"),
    [
        ("kernel void scale<float, 2>(device half*, constant uint&, uint);", 13, "no kernel 'scale' has the type"),
        (
            "kernel void scale<float, 2>(device const float*, constant uint&, uint);",
            13,
            "no kernel 'scale' has the type",
        ),
        ("kernel int scale<float, 2>(device float*, constant uint&, uint);", 12, "no kernel 'scale' has the type"),
        ("kernel void scale<float, 2>(device float*);", 13, "has 3 parameters, this instantiation 1"),
        ("kernel inner::twice_t inner::twice<half>;", 23, "no kernel 'twice' has the type of this instantiation"),
        ("kernel decltype(inner::twice<int>) inner::twice<half>;", 36, "no kernel 'twice' has the type of this inst"),
        ("kernel twice_t inner::twice<float>;", 16, "unknown type name 'twice_t'"),
        ("kernel decltype(scale<int>) scale<int>;", 29, ""),
    ],
)
def test_instantiations_of_another_type(instantiation: str, column: int, message: str) -> None:
    with pytest.raises(MslError) as caught:
        compile_source(f'{SCALE}template [[host_name("k")]]\n{instantiation}')
    line = SCALE.count("\n") + 2
    errors = [line for line in caught.value.diagnostics.split("\n") if ": error: " in line]
    assert any(e.startswith(f"program_source:{line}:{column}: error: ") and message in e for e in errors), errors


def test_overloads_are_told_apart_by_their_parameters() -> None:
    source = HEADER + (
        "template <typename T> kernel void f(device T* x) { x[0] = 1; }\n"
        "template <typename T> kernel void f(device T* x, device T* y) { x[0] = 2; y[0] = 3; }\n"
        'template [[host_name("one")]] kernel void f<int>(device int*);\n'
        'template [[host_name("two")]] kernel void f<int>(device int*, device int*);\n'
    )
    library = Library.from_source(source)
    x, y = np.zeros(1, np.int32), np.zeros(1, np.int32)
    library.kernel("one")(x, grid=1)
    assert (x[0], y[0]) == (1, 0)
    library.kernel("two")(x, y, grid=1)
    assert (x[0], y[0]) == (2, 3)


def test_functions_and_function_templates_as_arguments_of_kernels() -> None:
    """The form of llama.cpp's kernels for quantised blocks."""
    source = HEADER + (
        "struct block { half scale; char values[2]; };\n"
        "template <typename T> void unpack(device const block* b, short i, thread T& x) {\n"
        "  x = b->values[i] * b->scale;\n}\n"
        "void negate(device const block* b, short i, thread float4& x) { x = -float(b->values[i]); }\n"
        "template <typename block_t, short N, void (*f)(device const block_t*, short, thread float4&)>\n"
        "kernel void get(device const block_t* blocks, device float4* out, uint i [[thread_position_in_grid]]) {\n"
        "  for (short j = 0; j < N; j++) { float4 x; f(blocks + i, j, x); out[i * N + j] = x; }\n}\n"
        "typedef decltype(get<block, 2, unpack>) get_t;\n"
        'template [[host_name("get_unpack")]] kernel get_t get<block, 2, unpack>;\n'
        'template [[host_name("get_negate")]] kernel get_t get<block, 2, negate>;\n'
    )
    library = Library.from_source(source)
    blocks = np.zeros(2, np.dtype([("scale", np.float16), ("values", np.int8, 2)]))
    blocks["scale"], blocks["values"] = [0.5, 2], [[1, 2], [3, -4]]
    for name, expected in (("get_unpack", [0.5, 1, 6, -8]), ("get_negate", [-1, -2, -3, 4])):
        out = np.zeros((4, 4), np.float32)
        library.kernel(name)(blocks, out, grid=2)
        np.testing.assert_array_equal(out, np.repeat(expected, 4).reshape(4, 4))
