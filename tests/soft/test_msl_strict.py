"""What Apple's compiler rejects is rejected here too, with the place and a reason."""

from __future__ import annotations

import pytest

from isometal.soft.errors import MslError
from isometal.soft.msl import compile_source

HEADER = "#include <metal_stdlib>\nusing namespace metal;\n"

#: name -> (source below HEADER; the error that is expected: line below HEADER, column, and a part of its text)
REJECTED: dict[str, tuple[str, tuple[int, int, str]]] = {
    # address spaces
    "pointer_parameter_without_space": (
        "int f(int* p) { return *p; }\nkernel void k(device int* a) { a[0] = 1; }",
        (1, 10, "parameter 'p': a pointer needs an address space"),
    ),
    "reference_parameter_without_space": (
        "int f(const int& p) { return p; }\nkernel void k(device int* a) { a[0] = 1; }",
        (1, 16, "parameter 'p': a reference needs an address space"),
    ),
    "local_pointer_without_space": (
        "kernel void k(device int* a) {\n  int x = 1;\n  int* p = &x;\n  a[0] = *p;\n}",
        (3, 6, "'p': a pointer needs an address space"),
    ),
    "member_pointer_without_space": (
        "struct S { float* p; };\nkernel void k(device int* a) { a[0] = 1; }",
        (1, 17, "'p': a pointer needs an address space"),
    ),
    "cast_to_pointer_without_space": (
        "kernel void k(device int* a) { a[0] = *(float*)a; }",
        (1, 46, "a pointer needs an address space"),
    ),
    "alias_of_pointer_without_space": (
        "using P = float*;\nkernel void k(device int* a) { a[0] = 1; }",
        (1, 16, "'P': a pointer needs an address space"),
    ),
    "reference_to_array_without_space": (
        "int f(int (&x)[2]) { return x[0]; }\nkernel void k(device int* a) { a[0] = 1; }",
        (1, 12, "a reference needs an address space"),
    ),
    "result_without_space": (
        "int* f(thread int* p) { return p; }\nkernel void k(device int* a) { a[0] = 1; }",
        (1, 4, "the result of 'f': a pointer needs an address space"),
    ),
    "kernel_pointer_without_space": (
        "kernel void k(int* a) { a[0] = 1; }",
        (1, 18, "parameter 'a': a pointer needs an address space"),
    ),
    "kernel_pointer_to_thread": (
        "kernel void k(thread int* a) { a[0] = 1; }",
        (1, 27, "must be in device, constant or threadgroup memory, not in thread"),
    ),
    "device_to_thread_pointer": (
        "int f(thread int* p) { return *p; }\nkernel void k(device int* a) { a[0] = f(a); }",
        (2, 39, "no matching function for call to 'f'"),
    ),
    "threadgroup_to_device_pointer": (
        "kernel void k(device int* a, threadgroup int* b) { device int* c = b; a[0] = *c; }",
        (1, 64, "cannot initialize a variable of type 'device int *"),
    ),
    "constant_to_device_pointer": (
        "kernel void k(constant int* a, device int* b) { const device int* p = a; b[0] = *p; }",
        (1, 67, "cannot initialize a variable of type 'const device int *"),
    ),
    "thread_method_of_device_object": (
        "struct S { int v; int get() { return v; } };\nkernel void k(device S* a) { a[0].v = a[1].get(); }",
        (2, 39, "cannot initialize object parameter of type 'thread S' with an expression of type 'device S'"),
    ),
    "spaces_mixed_in_a_conditional": (
        "kernel void k(device int* a, threadgroup int* b) { a[0] = *(a[0] ? a : b); }",
        (1, 66, "incompatible operand types ('device int *' and 'threadgroup int *')"),
    ),
    "space_changed_by_a_cast": (
        "kernel void k(device int* a, threadgroup int* b) { device int* p = (device int*)b; a[0] = *p; }",
        (1, 68, "converts between mismatching address spaces"),
    ),
    "space_changed_by_static_cast": (
        "kernel void k(device int* a, threadgroup int* b) { device int* p = static_cast<device int*>(b); a[0] = *p; }",
        (1, 68, "static_cast from 'threadgroup int *' to 'device int *' is not allowed"),
    ),
    "write_to_member_of_constant": (
        "struct S { int x; };\nkernel void k(constant S& a) { a.x = 1; }",
        (2, 36, "cannot assign to variable 'a' with const-qualified type"),
    ),
    "write_to_constant": ("kernel void k(constant int* a) { a[0] = 1; }", (1, 39, "not assignable")),
    "constant_in_function": (
        "int f(int i) {\n  constant int t[2] = {1, 2};\n  return t[i];\n}\nkernel void k(device int* a) { a[0] = "
        "f(0); }",
        (2, 16, "constant address space"),
    ),
    # program scope
    "mutable_global": ("int n = 0;\nkernel void k(device int* a) { a[0] = n; }", (1, 5, "must reside in constant")),
    "const_global": (
        "const int n = 0;\nkernel void k(device int* a) { a[0] = n; }",
        (1, 11, "must reside in constant"),
    ),
    "constexpr_global": (
        "constexpr int n = 0;\nkernel void k(device int* a) { a[0] = n; }",
        (1, 15, "constant address"),
    ),
    "static_member_without_constant": (
        "struct S { static constexpr int n = 3; };\nkernel void k(device int* a) { a[0] = S::n; }",
        (1, 33, "must reside in constant"),
    ),
    "constant_without_value": (
        "constant int n;\nkernel void k(device int* a) { a[0] = n; }",
        (1, 14, "must be initialized"),
    ),
    "computed_constant": (
        "int f() { return 3; }\nconstant int n = f();\nkernel void k(device int* a) { a[0] = n; }",
        (2, 14, "'n' must be initialized by a constant expression"),
    ),
    "static_local": (
        "kernel void k(device int* a) {\n  static int n = 0;\n  a[0] = n;\n}",
        (2, 3, "static variables are not allowed in functions"),
    ),
    # threadgroup memory
    "threadgroup_variable_in_helper": (
        "float f(device float* a) { threadgroup float x[2]; x[0] = a[0]; return x[1]; }\n"
        "kernel void k(device float* a) { a[0] = f(a); }",
        (1, 46, "threadgroup variable 'x' in 'f', which is no kernel"),
    ),
    "threadgroup_variable_with_value": (
        "kernel void k(device int* a) { threadgroup int x = 3; a[0] = x; }",
        (1, 48, "threadgroup variable 'x' cannot have an initializer"),
    ),
    "threadgroup_memory_over_32_kb": (
        "kernel void k(device float* a) { threadgroup float x[8192], y; x[0] = a[0]; y = x[0]; a[1] = y; }",
        (1, 13, "32772 bytes of threadgroup variables ('x' 32768, 'y' 4); 32768 are the limit"),
    ),
    # types
    "double": ("kernel void k(device float* a) { double x = a[0]; a[1] = x; }", (1, 34, "Metal has no double")),
    "long_long": ("kernel void k(device long* a) { long long x = a[0]; a[1] = x; }", (1, 33, "no 'long long'")),
    "float_to_bfloat": (
        "kernel void k(device bfloat* b, device float* a) { b[0] = a[0]; }",
        (1, 59, "'float' to 'bfloat'; in Metal this needs a cast"),
    ),
    "float_literal_to_bfloat": (
        "kernel void k(device bfloat* b) { bfloat x = 1.0f; b[0] = x; }",
        (1, 46, "implicit conversion from 'float' to 'bfloat'"),
    ),
    "float_result_to_bfloat": (
        "bfloat f(float x) { return x; }\nkernel void k(device bfloat* b) { b[0] = f(1); }",
        (1, 28, "'float' to 'bfloat'"),
    ),
    "half_to_bfloat": ("kernel void k(device bfloat* a, device half* b) { a[0] = b[0]; }", (1, 58, "device half")),
    "half_constructed_of_bfloat": (
        "kernel void k(device bfloat* a, device half* b) { half x(a[0]); b[0] = x; }",
        (1, 56, "cannot initialize a variable of type 'thread half'"),
    ),
    "bfloat_compound_float": (
        "kernel void k(device bfloat* b, device float* a) { b[0] += a[0]; }",
        (1, 60, "'float' to 'bfloat'"),
    ),
    "bfloat_to_half": ("kernel void k(device half* a, device bfloat* b) { a[0] = b[0]; }", (1, 58, "'half'")),
    "float4_to_half4": (
        "kernel void k(device half4* a, device float4* b) { a[0] = b[0]; }",
        (1, 59, "from incompatible type 'device "),
    ),
    "float4_to_int4": ("kernel void k(device int4* a, device float4* b) { a[0] = b[0]; }", (1, 58, "vec<int, 4>")),
    "float3_to_float4": (
        "kernel void k(device float4* a, device float3* b) { a[0] = b[0]; }",
        (1, 60, "from incompatible type 'device "),
    ),
    "vector_condition": (
        "kernel void k(device float4* a) { a[0] = a[1] < a[2] ? a[1] : a[2]; }",
        (1, 42, "bool4"),
    ),
    "narrowing": (
        "kernel void k(device int* a, device float* f) { int x{f[0]}; a[0] = x; }",
        (1, 55, "cannot be narrowed"),
    ),
    # kernels
    "kernel_with_result": ("kernel int k(device int* a) { return a[0]; }", (1, 12, "kernel 'k' must return void")),
    "buffer_index_out_of_range": (
        "kernel void k(device int* a [[buffer(31)]]) { a[0] = 1; }",
        (1, 27, "buffer index 31 is out of range; 0 to 30 are possible"),
    ),
    "buffer_index_twice": (
        "kernel void k(device int* a [[buffer(3)]], device int* b [[buffer(3)]]) { a[0] = b[0]; }",
        (1, 56, "buffer index 3 is already that of 'a'"),
    ),
    "scalar_by_value": (
        "kernel void k(device int* a, int n [[buffer(1)]]) { a[0] = n; }",
        (1, 34, "'int' by value cannot be a buffer; 'constant int&' or a pointer would be one"),
    ),
    "parameter_without_attribute": (
        "kernel void k(device int* a, uint i) { a[i] = 1; }",
        (1, 35, "parameter 'i' of kernel 'k': its value comes from nowhere"),
    ),
    "unknown_attribute": (
        "kernel void k(device int* a, uint i [[thread_position]]) { a[i] = 1; }",
        (1, 35, "attribute 'thread_position' is not one that kernels' parameters can have"),
    ),
    "wrong_type_of_builtin": (
        "kernel void k(device int* a, int i [[thread_position_in_grid]]) { a[i] = 1; }",
        (1, 34, "'thread_position_in_grid' cannot have type 'int'"),
    ),
    "vector_of_scalar_builtin": (
        "kernel void k(device int* a, uint2 i [[thread_index_in_simdgroup]]) { a[i.x] = 1; }",
        (1, 36, "'thread_index_in_simdgroup' cannot have type 'uint2'; it can have uint, ushort"),
    ),
    "builtin_as_pointer": (
        "kernel void k(device int* a, device uint* i [[thread_position_in_grid]]) { a[0] = i[0]; }",
        (1, 43, "attribute 'thread_position_in_grid' needs a value, not a pointer"),
    ),
    "buffer_attribute_on_threadgroup_memory": (
        "kernel void k(device int* a, threadgroup int* t [[buffer(1)]]) { a[0] = t[0]; }",
        (1, 47, "[[buffer(n)]] does not fit threadgroup memory"),
    ),
    "kernel_name_twice": (
        'kernel void k(device int* a) { a[0] = 1; }\n[[host_name("k")]] kernel void l(device int* a) { a[0] = 1; }',
        (2, 32, "the name 'k' is given to two kernels"),
    ),
    "instantiation_without_name": (
        "template <typename T> kernel void k(device T* a) { a[0] = 1; }\ntemplate kernel void k<int>(device int*);",
        (2, 1, "an instantiation of kernel 'k' needs [[host_name"),
    ),
    "instantiation_of_unknown_kernel": (
        'template [[host_name("x")]] [[kernel]] decltype(k<int>) k<int>;',
        (1, 57, "'k' is instantiated as a kernel, but no kernel has that name"),
    ),
    "kernel_in_class": (
        "struct S { static kernel void f(device int* a) { a[0] = 1; } };",
        (1, 31, "kernel 'f' cannot be a member of a class"),
    ),
    "vertex_function": ("[[vertex]] float4 v() { return float4(0); }", (1, 3, "vertex functions are not supported")),
    "too_many_function_constants_of_an_index": (
        "constant int a [[function_constant(1)]];\nconstant int b [[function_constant(1)]];\n"
        "kernel void k(device int* x) { x[0] = a + b; }",
        (2, 14, "function constant index 1 is already that of 'a'"),
    ),
    "function_constant_with_value": (
        "constant int a [[function_constant(1)]] = 3;\nkernel void k(device int* x) { x[0] = a; }",
        (1, 14, "function constant 'a' cannot have an initializer"),
    ),
    "condition_that_is_no_function_constant": (
        "constant bool a = true;\nkernel void k(device int* x, device int* y [[function_constant(a)]]) { x[0] = "
        "y[0]; }",
        (2, 42, "'a' is no function constant"),
    ),
    # statements and functions
    "goto": ("kernel void k(device int* a) {\n  goto end;\nend:\n  a[0] = 1;\n}", (2, 3, "goto is not allowed")),
    "recursion": (
        "int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }\n"
        "kernel void k(device int* a) { a[0] = fib(a[1]); }",
        (1, 5, "'fib' calls itself; recursion is not allowed"),
    ),
    "recursion_of_a_template": (
        "template <typename T> T fib(T n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }\n"
        "kernel void k(device int* a) { a[0] = fib(a[1]); }",
        (1, 25, "'fib' calls itself; recursion is not allowed"),
    ),
    "mutual_recursion": (
        "int odd(int n);\nint even(int n) { return n == 0 ? 1 : odd(n - 1) + 2 * odd(n - 3); }\n"
        "int odd(int n) { return n == 0 ? 0 : even(n - 1) + 3 * even(n - 2); }\n"
        "kernel void k(device int* a) { a[0] = even(a[1]); }",
        (2, 5, "'even' calls itself; recursion is not allowed"),
    ),
    "call_of_a_kernel": (
        "kernel void k(device int* a) { a[0] = 1; }\nkernel void l(device int* a) { k(a); }",
        (2, 13, "'l' calls kernel 'k'; in Metal, kernels are not called"),
    ),
    "call_of_an_instantiated_kernel": (
        "template <typename T> kernel void k(device T* a) { a[0] = 1; }\nvoid f(device int* a) { k(a); }\n"
        'template [[host_name("k")]] kernel decltype(k<int>) k<int>;\nkernel void l(device int* a) { f(a); }',
        (2, 6, "'f' calls kernel 'k'"),
    ),
    "call_through_pointer": (
        "float f(float x) { return x; }\nkernel void k(device float* a) { float (*p)(float) = f; a[0] = p(a[1]); }",
        (2, 13, "'k' calls a function through a pointer"),
    ),
    "variadic_function": (
        "int f(int n, ...) { return n; }\nkernel void k(device int* a) { a[0] = f(1, 2); }",
        (1, 5, "variadic arguments are not allowed in Metal"),
    ),
    "variable_length_array": (
        "kernel void k(device int* a) { int n = a[0]; int x[n]; x[0] = 1; a[0] = x[0]; }",
        (1, 52, "array size is not a constant expression"),
    ),
    "virtual_function": ("struct S { virtual int f() { return 1; } };", (1, 12, "virtual functions are not allowed")),
    "new": ("kernel void k(device int* a) { auto p = new int; a[0] = *p; }", (1, 41, "no dynamic memory")),
    "delete": ("kernel void k(device int* a) { delete a; }", (1, 32, "no dynamic memory")),
    "throw": ("kernel void k(device int* a) { throw 1; }", (1, 32, "exceptions are not allowed")),
    "try": ("kernel void k(device int* a) { try { a[0] = 1; } catch (...) {} }", (1, 32, "exceptions are not allowed")),
    "dynamic_cast": (
        "kernel void k(device int* a) { dynamic_cast<int>(a[0]); }",
        (1, 32, "dynamic_cast is not allowed"),
    ),
    "thread_local": ("thread_local int n;", (1, 1, "thread_local is not allowed")),
    "std": ("kernel void k(device int* a) { a[0] = std::max(a[1], a[2]); }", (1, 39, "no namespace std")),
    "asm": ('kernel void k(device int* a) { asm("nop"); }', (1, 32, "inline assembly is not allowed")),
    "noexcept_operator": (
        "int f(int x) noexcept { return x; }\nkernel void k(device int* a) { a[0] = noexcept(f(1)); }",
        (2, 39, "the noexcept operator is not allowed"),
    ),
    # what Metal 3.1 does not have yet
    "lambda": (
        "kernel void k(device int* a) { auto f = [&](int x) { return x + a[1]; }; a[0] = f(1); }",
        (1, 41, "lambda expressions need Metal 3.2"),
    ),
    "lambda_as_argument": (
        "template <typename F> int f(F g) { return g(1); }\n"
        "kernel void k(device int* a) { a[0] = f([](int x) { return x; }); }",
        (2, 41, "lambda expressions need Metal 3.2"),
    ),
    "fence": (
        "kernel void k(device int* a) { atomic_thread_fence(mem_flags::mem_device, memory_order_seq_cst); a[0] = 1; }",
        (1, 32, "'atomic_thread_fence' needs Metal 3.2; this is Metal 3.1"),
    ),
    "coherent": ("kernel void k(coherent device int* a) { a[0] = 1; }", (1, 15, "'coherent' needs Metal 3.2")),
    "deduced_class_arguments": (
        "template <typename T> struct S { T x; S(T y) : x(y) {} };\n"
        "kernel void k(device int* a) { S s(3); a[0] = s.x; }",
        (2, 32, "class template argument deduction needs Metal 4.0; write the arguments"),
    ),
    "auto_template_parameter": (
        "template <typename T, auto N> T f() { return N; }\nkernel void k(device int* a) { a[0] = f<int, 3>(); }",
        (1, 23, "'auto' as a template parameter needs Metal 4.0"),
    ),
    # positions
    "positions_of_other_components": (
        "kernel void k(device int* a, uint3 g [[threadgroup_position_in_grid]], uint t "
        "[[threads_per_threadgroup]]) { a[g.x] = t; }",
        (1, 77, "'threads_per_threadgroup' of type 'uint' needs as many components as 'threadgroup_position_in_grid'"),
    ),
    "positions_of_other_types": (
        "kernel void k(device int* a, uint2 i [[thread_position_in_grid]], ushort2 n [[threads_per_grid]]) "
        "{ a[i.x] = n.x; }",
        (
            1,
            75,
            "'threads_per_grid' of type 'ushort2' needs the same type as 'thread_position_in_grid' of type 'uint2'",
        ),
    ),
    "reserved_name": ("int __msl_entry_0;", (1, 5, "names that begin with")),
    "inline_assembly": (
        'kernel void k(device int* a) { __asm("nop"); a[0] = 1; }',
        (1, 13, "'k' has inline assembly, which Metal does not allow"),
    ),
    "undeclared": ("kernel void k(device int* a) { a[0] = b; }", (1, 39, "use of undeclared identifier 'b'")),
}


@pytest.mark.parametrize("name", REJECTED)
def test_rejected_with_place_and_reason(name: str) -> None:
    source, (line, column, reason) = REJECTED[name]
    with pytest.raises(MslError, match=r"program_source does not compile: \d+ errors?\.") as caught:
        compile_source(HEADER + source)
    place = f"program_source:{line + HEADER.count(chr(10))}:{column}: error: "
    errors = [text for text in caught.value.diagnostics.split("\n") if ": error: " in text]
    assert any(text.startswith(place) and reason in text for text in errors), caught.value.diagnostics
    told = "".join(errors).replace("begin with __msl_", "")
    assert "__" not in told, "an error speaks of the rewriter's words"


NO_BFLOAT = {
    "scalar": "kernel void k(device bfloat* a) { a[0] = a[1]; }",
    "vector": "kernel void k(device ushort* a) { a[0] = as_type<ushort2>(bfloat2(1)).x; }",
    "packed": "kernel void k(device packed_bfloat4* a) { a[0] = a[1]; }",
    "matrix": "kernel void k(device float* a) { simdgroup_bfloat8x8 m; a[0] = 1; }",
}


@pytest.mark.parametrize("name", NO_BFLOAT)
def test_a_gpu_without_bfloat_does_not_know_its_words(name: str) -> None:
    compile_source(HEADER + NO_BFLOAT[name])
    with pytest.raises(MslError) as caught:
        compile_source(HEADER + NO_BFLOAT[name], bfloat=False)
    assert ":3:" in caught.value.diagnostics
    assert "is not available: this GPU has no bfloat" in caught.value.diagnostics


def test_a_source_can_ask_whether_there_is_bfloat() -> None:
    source = (
        "#ifdef __HAVE_BFLOAT__\nusing T = bfloat;\n#else\nusing T = ushort;\n#endif\n"
        "kernel void k(device T* a) { a[0] = a[1]; }"
    )
    types = [compile_source(HEADER + source, bfloat=bfloat).air("k") for bfloat in (True, False)]
    assert ["bfloat" in text for text in types] == [True, False]


def test_what_a_version_does_not_have_the_next_one_has() -> None:
    for name in ("lambda", "lambda_as_argument", "fence", "coherent"):
        compile_source(HEADER + REJECTED[name][0], language_version=(3, 2))
    for name in ("deduced_class_arguments", "auto_template_parameter"):
        compile_source(HEADER + REJECTED[name][0], language_version=(4, 0))


def test_bfloat_is_of_metal_3_1() -> None:
    with pytest.raises(MslError) as caught:
        compile_source(HEADER + NO_BFLOAT["scalar"], language_version=(3, 0))
    assert "program_source:3:22: error: 'bfloat' needs Metal 3.1; this is Metal 3.0" in caught.value.diagnostics
    compile_source(f"{HEADER}#ifdef __HAVE_BFLOAT__\n#error\n#endif\n", language_version=(3, 0))
