"""What can be bound to a kernel's argument, and what is refused with what would be right."""

from __future__ import annotations

import array
import struct

import ml_dtypes
import numpy as np
import pytest

import isometal as im
from isometal.soft.buffers import to_memory
from isometal.soft.errors import ValidationError
from isometal.soft.reflection import Argument, Field

SIZES = {"bool": 1, "char": 1, "short": 2, "half": 2, "bfloat": 2, "uint": 4, "float": 4, "long": 8}


def argument(type_name: str = "float", *, writes: bool = False, size: int | None = None, fields=()) -> Argument:
    size = SIZES.get(type_name, 4) if size is None else size
    access = "read_write" if writes else "read"
    return Argument(
        "x", type_name, "buffer", access=access, index=3, type_size=size, required_bytes=size, fields=fields
    )


def refused(value: object, message: str, type_name: str = "float", **options: object) -> None:
    with pytest.raises(ValidationError) as caught:
        to_memory("k", argument(type_name, **options), value)
    assert str(caught.value).startswith(f"[soft] kernel 'k', buffer 3 (x) of type {type_name}: ")
    assert message in str(caught.value)


# -- arrays -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type_name", "dtype"),
    [
        *(("bool", "bool"), ("char", "int8"), ("uchar", "uint8"), ("short", "int16"), ("ushort", "uint16")),
        *(("int", "int32"), ("uint", "uint32"), ("long", "int64"), ("ulong", "uint64")),
        *(("half", "float16"), ("float", "float32"), ("bfloat", ml_dtypes.bfloat16)),
        *(("float4", "float32"), ("packed_half3", "float16"), ("uint2", "uint32"), ("uint8_t", "uint8")),
    ],
)
def test_an_array_is_bound_as_it_is(type_name, dtype):
    values = np.ones((2, 4), dtype)
    for writes in (False, True):
        memory = to_memory("k", argument(type_name, writes=writes, size=1), values)
        assert memory.ctypes.data == values.ctypes.data
        assert memory.nbytes == values.nbytes


@pytest.mark.parametrize(
    ("type_name", "dtype", "needed"),
    [
        ("float", "float64", "float32"),
        ("half", "bfloat16", "float16"),
        ("uint", "int32", "uint32"),
        ("bool", "uint8", "bool"),
    ],
)
def test_an_array_of_another_dtype_is_refused(type_name, dtype, needed):
    values = np.ones(4, ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    refused(values, f"an array of {dtype}; {needed} is needed.", type_name)


def test_an_array_that_is_not_contiguous_is_refused():
    for values in (np.zeros((4, 4), "f")[:, ::2], np.zeros((4, 4), "f").T, np.zeros(4, "f")[::-1]):
        if not values.flags.c_contiguous:
            refused(values, "not contiguous; pass np.ascontiguousarray(...).")


def test_memory_that_cannot_be_written_to_stays_so():
    values = np.zeros(4, np.float32)
    values.flags.writeable = False
    for writes in (False, True):
        assert not to_memory("k", argument(writes=writes), values).flags.writeable
        assert not to_memory("k", argument(writes=writes), b"1234").flags.writeable


def test_rows_of_three_are_not_taken_for_rows_of_four():
    refused(np.zeros((5, 3), np.float32), "each float3 takes the place of four numbers", "float3", size=16)
    assert to_memory("k", argument("float3", size=16), np.zeros((5, 4), np.float32)).nbytes == 80
    assert to_memory("k", argument("packed_float3", size=12), np.zeros((5, 3), np.float32)).nbytes == 60


def test_other_objects_with_memory():
    owner = bytearray(16)
    assert to_memory("k", argument(writes=True), owner).ctypes.data == np.frombuffer(owner, np.uint8).ctypes.data
    typed = array.array("f", [1, 2, 3])
    written = to_memory("k", argument(writes=True), typed)
    written[:4] = list(struct.pack("<f", 7))
    assert typed[0] == 7
    refused(array.array("d", [1]), "an array of float64; float32 is needed.")
    refused(memoryview(np.zeros(4, np.int32)), "an array of int32; float32 is needed.")
    assert to_memory("k", argument(), memoryview(b"12345678")).nbytes == 8


def test_isometals_arrays_are_read_and_not_written():
    values = im.array([1.0, 2.0], backend="cpu")
    assert to_memory("k", argument(), values).view(np.float32).tolist() == [1.0, 2.0]
    refused(values, "a Array that hands out a copy; pass a NumPy array to write to.", writes=True)


# -- numbers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type_name", "value", "expected"),
    [
        ("float", 1.5, struct.pack("<f", 1.5)),
        ("float", 3, struct.pack("<f", 3)),
        ("uint", 2**32 - 1, b"\xff" * 4),
        ("long", -(2**63), struct.pack("<q", -(2**63))),
        ("bool", True, b"\1"),
        ("bool", [1, 0], b"\1\0"),
        ("half", [1, 2], np.array([1, 2], "<f2").tobytes()),
        ("bfloat", 1.0, b"\x80\x3f"),
        ("uint3", [[1, 2, 3]], struct.pack("<3I", 1, 2, 3)),
        ("float", float("inf"), struct.pack("<f", float("inf"))),
        ("char", (-128, 127), b"\x80\x7f"),
    ],
)
def test_numbers_are_converted_to_the_arguments_type(type_name, value, expected):
    assert to_memory("k", argument(type_name, size=1), value).tobytes() == expected


@pytest.mark.parametrize(
    ("type_name", "value", "message"),
    [
        ("uint", -1, "-1; uint holds 0 to 4294967295."),
        ("uchar", [1, 256], "uchar holds 0 to 255"),
        ("bool", 2, "2; bool holds 0 to 1."),
        ("uint", 1.5, "1.5; uint is needed."),
        ("float", "1", "a str; pass an array, bytes or numbers."),
        ("float", ["a"], "float is needed"),
        ("float", [[1], [2, 3]], "all rows of one length"),
        ("float", None, "a NoneType"),
        ("float", 1e39, "1e+39; too large for float."),
        ("half", [1, 65536], "too large for half"),
        ("float2", 1, "2 numbers make a float2"),
        ("float2", [1, 2, 3], "2 numbers make a float2"),
        (
            "float",
            {"a": 1},
            "a mapping, but its members are not known; pass bytes, or an array with elements of its size.",
        ),
        ("Params", 3, "a int; pass bytes or an array with elements of its size."),
    ],
)
def test_numbers_that_do_not_fit_are_refused(type_name, value, message):
    refused(value, message, type_name, size=4)


def test_numbers_cannot_be_written_to():
    for value in (3, [1.0], {"a": 1}):
        refused(value, "but the kernel writes to it; pass an array to write to.", writes=True)


# -- structs ----------------------------------------------------------------------------------------------------------

INNER = (Field("x", "float", 0, 4), Field("y", "half2", 4, 4))
PARAMS = (
    Field("n", "int", 0, 4),
    Field("strides", "long", 8, 8, 2),
    Field("inner", "Inner", 24, 8, 0, INNER),
    Field("origin", "float3", 32, 16),
)


def params(**options: object) -> Argument:
    return argument("Params", size=48, fields=PARAMS, **options)


def test_a_mapping_fills_a_struct_with_zeros_between_members():
    value = {"n": -2, "strides": [3, 4], "inner": {"x": 1.5, "y": [1, 2]}, "origin": [5, 6, 7]}
    memory = to_memory("k", params(), value).tobytes()
    assert memory == struct.pack("<i4x2qf2e3f4x", -2, 3, 4, 1.5, 1, 2, 5, 6, 7)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n": None}, "n = None; int is needed"),
        ({"m": 1}, "a mapping with unknown m; its members are n, strides, inner, origin."),
        ({"strides": [1]}, "strides = [1]; its shape is (2,)."),
        ({"strides": 1}, "strides = 1; its shape is (2,)."),
        ({"n": [1]}, "n = [1]; its shape is ()."),
        ({"n": 2**31}, "n = 2147483648; int holds"),
        ({"inner": {"x": 1}}, "a mapping without inner.y"),
        ({"inner": 3}, "its member inner is of type Inner; pass the struct as bytes."),
        ({"origin": [1, 2]}, "origin = [1, 2]; 3 numbers make a float3"),
    ],
)
def test_members_that_do_not_fit_are_refused(change, message):
    value = {"n": 1, "strides": [3, 4], "inner": {"x": 1, "y": [1, 2]}, "origin": [5, 6, 7], **change}
    with pytest.raises(ValidationError) as caught:
        to_memory("k", params(), value)
    assert message in str(caught.value)


def test_missing_members_are_refused():
    with pytest.raises(ValidationError, match="a mapping without strides, inner, origin; its members are n, strides"):
        to_memory("k", params(), {"n": 1})


def test_a_number_is_no_struct():
    with pytest.raises(
        ValidationError, match=r"a int; pass bytes or a mapping of its members \(n, strides, inner, origin"
    ):
        to_memory("k", params(), 3)


def test_a_struct_takes_elements_of_its_size():
    complex_t = argument(
        "complex_t<float>", writes=True, size=8, fields=(Field("real", "float", 0, 4), Field("imag", "float", 4, 4))
    )
    for dtype in ("complex64", "float32", "uint8", [("real", "f4"), ("imag", "f4")]):
        values = np.zeros(16, dtype)
        assert to_memory("k", complex_t, values).ctypes.data == values.ctypes.data
    with pytest.raises(ValidationError, match="an array of float16; elements of 8 bytes, or bytes, are needed"):
        to_memory("k", complex_t, np.zeros(16, np.float16))
    with pytest.raises(ValidationError, match="object"):
        to_memory("k", complex_t, np.zeros(16, object))


def test_a_member_beyond_the_struct_is_damaged_air():
    damaged = argument("P", size=4, fields=(Field("n", "int", 2, 4),))
    with pytest.raises(ValidationError, match="its member n lies beyond its 4 bytes"):
        to_memory("k", damaged, {"n": 1})
