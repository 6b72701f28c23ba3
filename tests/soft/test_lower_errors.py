"""AIR that cannot run is a LoweringError that says which kernel and why; what else its module holds does not matter."""

from __future__ import annotations

import re

import pytest
from reference.small import air

from isometal.soft.errors import LoweringError
from isometal.soft.lower import abi, lower_kernel

_STORE = """
entry:
  %p = getelementptr i32, ptr addrspace(1) %out, i32 %thread_position_in_grid
  store i32 1, ptr addrspace(1) %p, align 4
  ret void
"""


def _refused(text: str, *words: str, kernel: str = "k") -> None:
    with pytest.raises(LoweringError) as caught:
        lower_kernel(text, kernel, {})
    message = str(caught.value)
    assert message.startswith("[soft] ")
    assert [word for word in words if word not in message] == [], message


@pytest.mark.parametrize("name", ["air.frobnicate.s.i32", "air.frobnicate.i32"])
def test_an_unknown_intrinsic_is_named_with_its_kernel(name: str) -> None:
    body = _STORE.replace("i32 1,", "i32 %x,").replace("entry:", f"entry:\n  %x = call i32 @{name}(i32 3)")
    _refused(air(body, extra=f"declare i32 @{name}(i32)"), f"kernel 'k' calls '{name}'")


@pytest.mark.parametrize("name", ["air.simd_frobnicate.s.i32", "air.simd_sum.q.i32", "air.wg.barriers"])
def test_an_unknown_rendezvous_is_named_with_its_kernel(name: str) -> None:
    body = _STORE.replace("i32 1,", "i32 %x,").replace("entry:", f"entry:\n  %x = call i32 @{name}(i32 3)")
    _refused(air(body, extra=f"declare i32 @{name}(i32) convergent"), "'k'", f"'{name}'")


def test_an_intrinsic_that_is_declared_and_not_called_is_no_error() -> None:
    assert lower_kernel(air(_STORE, extra="declare i32 @air.frobnicate.s.i32(i32)"), "k", {}).ir


@pytest.mark.parametrize("attribute", ["", " noinline"])
def test_recursion(attribute: str) -> None:
    extra = """
define internal i32 @deeper(i32 %n)ATTRIBUTE {
entry:
  %c = icmp eq i32 %n, 0
  br i1 %c, label %done, label %more
more:
  %m = lshr i32 %n, 1
  %r = call i32 @deeper(i32 %m)
  %s = call i32 @deeper(i32 %r)
  br label %done
done:
  %v = phi i32 [ 1, %entry ], [ %s, %more ]
  ret i32 %v
}
"""
    body = _STORE.replace("i32 1,", "i32 %x,").replace(
        "entry:", "entry:\n  %x = call i32 @deeper(i32 %thread_position_in_grid)"
    )
    _refused(air(body, extra=extra.replace("ATTRIBUTE", attribute)), "kernel 'k'", "deeper", "recursive")


def test_recursion_of_several_functions() -> None:
    extra = """
define internal i32 @ping(i32 %n) {
  %c = icmp ugt i32 %n, 9
  br i1 %c, label %a, label %b
a:
  %r = call i32 @pong(i32 %n)
  ret i32 %r
b:
  ret i32 %n
}
define internal i32 @pong(i32 %n) {
  %q = udiv i32 %n, 3
  %r = call i32 @ping(i32 %q)
  %h = lshr i32 %n, 1
  %s = call i32 @ping(i32 %h)
  %t = mul i32 %r, %s
  ret i32 %t
}
"""
    body = _STORE.replace("i32 1,", "i32 %x,").replace(
        "entry:", "entry:\n  %x = call i32 @ping(i32 %thread_position_in_grid)"
    )
    _refused(air(body, extra=extra), "'k'", "recursive")


def test_a_kernel_that_calls_itself() -> None:
    call = "call void @k(ptr addrspace(1) %out, i32 %n, i32 %thread_index_in_simdgroup)"
    body = f"""
entry:
  %n = lshr i32 %thread_position_in_grid, 1
  %c = icmp eq i32 %n, 0
  br i1 %c, label %done, label %more
more:
  {call}
  {call}
  store volatile i32 1, ptr addrspace(1) %out, align 4
  br label %done
done:
  ret void
"""
    _refused(air(body), "'k'", "recurs")


def test_a_missing_kernel_is_an_error_that_lists_those_there_are() -> None:
    _refused(air(_STORE), "no kernel 'other'; it has @k", kernel="other")


def test_a_function_that_is_no_kernel_cannot_be_lowered() -> None:
    _refused(
        air(_STORE, extra="define void @helper() {\n  ret void\n}"),
        "'helper' has no entry in !air.kernel",
        kernel="helper",
    )


@pytest.mark.parametrize("kind", ["texture", "sampler", "visible_function_table", "instance_acceleration_structure"])
def test_parameters_that_the_device_does_not_have(kind: str) -> None:
    text = air(_STORE, *("out 0 1", "thread_position_in_grid i32", "picture i32")).replace(
        '!"air.picture"', f'!"air.{kind}"'
    )
    _refused(text, f"kernel 'k' has a parameter of kind '{kind}'")


@pytest.mark.parametrize("word", ["address_space", "location_index"])
def test_a_buffer_says_where_it_is(word: str) -> None:
    _refused(air(_STORE).replace(f'"air.{word}"', '"air.other"'), f"kernel 'k': its metadata has None as {word}")


def test_calls_through_pointers() -> None:
    body = """
entry:
  %p = load ptr, ptr addrspace(1) %out, align 8
  call void %p(i32 1)
  ret void
"""
    _refused(air(body), "'k'", "pointer")


def test_arrays_of_variable_length_across_a_rendezvous() -> None:
    body = """
entry:
  %a = alloca i32, i32 %thread_position_in_grid, align 4
  store volatile i32 1, ptr %a, align 4
  %s = call i32 @air.simd_sum.u.i32(i32 1)
  store volatile i32 %s, ptr %a, align 4
  %v = load volatile i32, ptr %a, align 4
  store i32 %v, ptr addrspace(1) %out, align 4
  ret void
"""
    _refused(air(body), "variable length")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not LLVM at all",
        "define void @k() {\n  frobnicate\n}",
        "define void @k() {\n  ret void\n}\n!air.kernel = !{!0}\n!0 = !{ptr @k, !1}\n!1 = !{}",
        "define void @k() {\n  ret void\n}\n!air.kernel = !{!0}\n!0 = !{ptr @k, !1, !2}\n!1 = !{}\n!2 = !{!3}",
        air(_STORE).replace("!2 = !{!4, !5, !6}", "!2 = !{!4, !5}"),
        air(_STORE).replace("getelementptr i32", "getelementptr float, i32"),
        air(_STORE).replace("%p, align", "%q, align"),
    ],
)
def test_text_that_is_no_air(text: str) -> None:
    _refused(text)


def _two(first: str, second: str, *, extra: str = "") -> str:
    """A module with the kernels k and other."""
    other = "define void @other(ptr addrspace(1) %out) {\n" + second.strip("\n") + "\n}\n" + extra
    text = air(first, extra=other)
    text = text.replace("!air.kernel = !{!0}", "!air.kernel = !{!0, !100}")
    nodes = "!100 = !{ptr @other, !1, !101}\n!101 = !{!4}\n"
    return text + nodes


def test_other_kernels_of_the_module_may_be_unknown() -> None:
    body = "entry:\n  %x = call i32 @air.frobnicate.s.i32(i32 3)\n  store i32 %x, ptr addrspace(1) %out\n  ret void"
    text = _two(_STORE, body, extra="declare i32 @air.frobnicate.s.i32(i32)")
    assert len(lower_kernel(text, "k", {}).sites) == 1
    _refused(text, "'other'", "'air.frobnicate.s.i32'", kernel="other")


def test_other_kernels_of_the_module_cost_nothing() -> None:
    """Neither their threadgroup memory nor their rendezvous."""
    body = """
entry:
  store i32 3, ptr addrspace(3) @big, align 4
  call void @air.wg.barrier(i32 2, i32 1)
  %x = load i32, ptr addrspace(3) @big, align 4
  store i32 %x, ptr addrspace(1) %out, align 4
  ret void
"""
    extra = (
        "@big = internal addrspace(3) global [5000 x i32] undef, align 4\n"
        "declare void @air.wg.barrier(i32, i32) convergent"
    )
    text = _two(_STORE, body, extra=extra)
    lowered = lower_kernel(text, "k", {})
    assert (lowered.threadgroup_bytes, lowered.frame_bytes, len(lowered.sites)) == (0, 0, 1)
    other = lower_kernel(text, "other", {})
    assert other.threadgroup_bytes == -(-20000 // abi.THREADGROUP_ALIGNMENT) * abi.THREADGROUP_ALIGNMENT
    assert [site.kind for site in other.sites] == [abi.START, abi.THREADGROUP_BARRIER]


def test_only_the_kernel_is_exported() -> None:
    lowered = lower_kernel(_two(_STORE, _STORE.replace("%thread_position_in_grid", "0")), "k", {})
    exported = re.findall(r"^(?:define|@\S+ =) (?!internal|private)(?:.*@)?(\S+)", lowered.ir, re.MULTILINE)
    assert re.findall(r"^@(\S+) = constant", lowered.ir, re.MULTILINE) == [abi.KERNEL_SYMBOL]
    assert not any("other" in name for name in exported)
