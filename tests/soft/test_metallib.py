"""The container reader: what it reads, and that damaged or hostile containers are errors with offset and reason."""

from __future__ import annotations

import os
import random
import struct
from pathlib import Path

import fuzz_metallib
import pytest
from containers import HEADER_BYTES, Kernel, build, record, small, tagged

from isometal.soft.errors import MetallibError
from isometal.soft.metallib import Metallib, PublicConstant

#: Where the fields of the header are.
KIND, SIZE, LIST, PUBLIC, PRIVATE, BITCODE = 10, 16, 24, 40, 56, 72


def patched(offset: int, form: str, *values: int, data: bytes | None = None) -> bytes:
    found = bytearray(small() if data is None else data)
    struct.pack_into(form, found, offset, *values)
    return bytes(found)


def number(offset: int) -> int:
    (found,) = struct.unpack_from("<Q", small(), offset)
    return found


def fault(data: bytes) -> MetallibError:
    """The error of a container, whose offset must lie in it."""
    with pytest.raises(MetallibError) as caught:
        for _ in Metallib(data, "x.metallib").verify():
            pass
    assert 0 <= caught.value.offset <= len(data)
    assert str(caught.value) == f"x.metallib: at byte {caught.value.offset:#x}: {caught.value.reason}"
    return caught.value


# -- what it reads ----------------------------------------------------------------------------------------------------


def test_functions_are_listed_in_order_with_type_and_versions():
    library = Metallib(small())
    assert list(library.functions) == ["add", "a kernel, with spaces", "shade"]
    assert [entry.type for entry in library.functions.values()] == ["kernel", "kernel", "fragment"]
    entry = library.functions["add"]
    assert (entry.air_version, entry.language_version, entry.size) == ((2, 6), (3, 1), 40)
    assert library.target == "macOS 14.0"


def test_bitcode_is_handed_out_and_constants_are_read():
    library = Metallib(small())
    assert library.bitcode("a kernel, with spaces") == b"\x02" * 24
    assert library.constants("add") == (PublicConstant("align", 53, 200), PublicConstant("count", 29, 201))
    assert library.constants("shade") == ()
    assert [entry.name for entry in library.verify()] == list(library.functions)


def test_a_library_may_be_empty():
    assert dict(Metallib(build([])).functions) == {}


def test_an_unknown_field_and_an_unknown_type_do_not_hide_the_functions():
    library = Metallib(build([Kernel("k", b"1234", type=77, fields={b"NEWX": b"abc"})]))
    assert library.functions["k"].type == "type 77"


def test_two_functions_may_share_a_blob():
    data = build([Kernel("a", b"1234"), Kernel("b", b"1234", fields={b"OFFT": struct.pack("<3Q", 0, 0, 0)})])
    assert Metallib(data).bitcode("b") == b"1234"


def test_a_file_is_read_when_asked(tmp_path):
    path = tmp_path / "k.metallib"
    path.write_bytes(small())
    with Metallib.open(path) as library:
        assert repr(library) == f"<Metallib {path}: 3 functions for macOS 14.0>"
        assert library.bitcode("add") == b"\x01" * 40
        with pytest.raises(KeyError):
            library.bitcode("nothing")
    with pytest.raises(ValueError, match="is closed"):
        library.bitcode("add")


def test_no_descriptor_is_left_open(tmp_path):
    path = tmp_path / "k.metallib"
    path.write_bytes(b"nonsense")
    before = len(list(Path("/dev/fd").iterdir()))
    for _ in range(3):
        with pytest.raises(MetallibError):
            Metallib.open(path)
    path.write_bytes(small())
    for _ in range(3):
        Metallib.open(path)
    assert len(list(Path("/dev/fd").iterdir())) == before


def test_what_is_no_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(MetallibError, match="not a regular file"):
            Metallib.open(path)
    with pytest.raises(FileNotFoundError):
        Metallib.open(tmp_path / "nothing")


# -- damage -----------------------------------------------------------------------------------------------------------


def test_every_truncation_is_an_error():
    data = small()
    for size in range(len(data)):
        error = fault(data[:size])
        assert "ends within the header" in error.reason if size < HEADER_BYTES else error.offset == SIZE


def test_every_truncation_that_lies_about_its_size_is_an_error():
    data = small()
    for size in range(HEADER_BYTES, len(data)):
        fault(patched(SIZE, "<Q", size, data=data)[:size])


def test_every_bit_of_the_bitcode_is_protected():
    data = small()
    start = number(BITCODE)
    for offset in range(start, len(data)):
        error = fault(data[:offset] + bytes([data[offset] ^ 0x10]) + data[offset + 1 :])
        assert "SHA-256" in error.reason


def test_a_flipped_byte_anywhere_is_an_error_or_does_not_matter():
    """What does not matter: versions, reserved fields, letters of a name. `read` accepts no other exception."""
    data = small()
    outcomes = set()
    for offset in range(number(BITCODE)):
        for flip in (0x01, 0x80, 0xFF):
            damaged = bytearray(data)
            damaged[offset] ^= flip
            outcomes.add(fuzz_metallib.read(bytes(damaged)))
    assert outcomes == {"ok", "error"}


def test_a_file_that_shrinks_while_open_is_an_error(tmp_path):
    path = tmp_path / "k.metallib"
    path.write_bytes(small())
    with Metallib.open(path) as library:
        os.truncate(path, 200)
        with pytest.raises(MetallibError, match="cut short while open"):
            library.bitcode("shade")


# -- hostile fields ---------------------------------------------------------------------------------------------------

FAR = 2**64 - 1
REQUIRED = ("NAME", "TYPE", "HASH", "OFFT", "VERS", "MDSZ")


@pytest.mark.parametrize(
    ("data", "offset", "reason"),
    [
        (b"", 0, "the file ends within the header, which has 88 bytes"),
        (b"BC\xc0\xde" + small()[4:], 0, "starts with b'BC\\xc0\\xde'; a metallib starts with b'MTLB'"),
        (b"\xcb\xfe\xba\xbe" + small()[4:], 0, "several architectures"),
        (patched(KIND, "B", 2), KIND, "is a dynamic library, not an executable library"),
        (patched(KIND, "B", 9), KIND, "is of unknown type 9"),
        (patched(SIZE, "<Q", FAR), SIZE, f"gives its own size as {FAR} bytes"),
        (small() + b"\0", SIZE, "gives its own size"),
        (patched(LIST, "<Q", 0), LIST, "within the header"),
        (patched(LIST, "<Q", FAR), LIST, "leaves the file"),
        (patched(LIST + 8, "<Q", FAR), LIST, "leaves the file"),
        (patched(LIST + 8, "<Q", FAR - 3), LIST, "leaves the file"),
        (patched(PUBLIC, "<Q", FAR), PUBLIC, "the public metadata"),
        (patched(PRIVATE + 8, "<Q", FAR), PRIVATE, "the private metadata"),
        (patched(BITCODE, "<Q", number(BITCODE) + 1), BITCODE, "the bitcode"),
        (patched(BITCODE, "<Q", number(BITCODE) - 1), BITCODE, "overlaps the private metadata"),
        (patched(PUBLIC, "<Q", HEADER_BYTES), PUBLIC, "overlaps the function list"),
        (patched(HEADER_BYTES, "<I", 2**32 - 1), HEADER_BYTES, "promises 4294967295 functions"),
        (patched(HEADER_BYTES, "<I", 4), None, "0 bytes are left, fewer than a record has"),
        (patched(HEADER_BYTES, "<I", 2), None, "bytes follow the last of 2 functions"),
        (patched(HEADER_BYTES + 4, "<I", 0), HEADER_BYTES + 4, "a record of 0 bytes"),
        (patched(HEADER_BYTES + 4, "<I", FAR & 0xFFFFFFFF), HEADER_BYTES + 4, "a record of 4294967295 bytes"),
        (build([], extension=b"UUID"), HEADER_BYTES + 4, "ends without its end mark"),
        (build([], extension=b"ENDTx"), HEADER_BYTES + 8, "1 bytes follow the end mark"),
    ],
)
def test_hostile_header(data, offset, reason):
    error = fault(data)
    assert reason in error.reason
    assert offset is None or error.offset == offset


def one(**fields: bytes | None) -> bytes:
    return build([Kernel("k", b"12345678", fields={tag.encode(): data for tag, data in fields.items()})])


def offsets(public: int = 0, private: int = 0, blob: int = 0) -> bytes:
    return struct.pack("<3Q", public, private, blob)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        *(
            (one(**{tag: None}), f"a function without {tag}")
            for tag in ("NAME", "TYPE", "HASH", "OFFT", "VERS", "MDSZ")
        ),
        *((one(**{tag: b"123"}), f"{tag} has 3 bytes") for tag in ("TYPE", "HASH", "OFFT", "VERS", "MDSZ")),
        (one(NAME=b""), "not a function's name"),
        (one(NAME=b"\0"), "not a function's name"),
        (one(NAME=b"k"), "not a function's name"),
        (one(NAME=b"a\0b\0"), "not a function's name"),
        (one(NAME=b"\xff\xfe\0"), "not a function's name"),
        (one(NAME=b"\x1b[2Jclear\0"), "not a function's name"),
        (one(NAME="right\u202eleft\0".encode()), "not a function's name"),
        (one(HASH=bytes(32)), "SHA-256"),
        (one(VERS=struct.pack("<4H", 3, 0, 4, 0)), "is AIR 3.0; this reader knows AIR 2"),
        (one(MDSZ=struct.pack("<Q", 9)), "leaves its section"),
        (one(MDSZ=struct.pack("<Q", FAR)), "leaves its section"),
        (one(OFFT=offsets(blob=1)), "leaves its section"),
        (one(OFFT=offsets(blob=FAR)), "leaves its section"),
        (one(OFFT=offsets(public=1)), "the public metadata of 'k' at 0x1 leaves its section"),
        (one(OFFT=offsets(private=FAR)), "the private metadata of 'k'"),
        (build([Kernel("k", b"1"), Kernel("k", b"2")]), "lists 'k' a second time"),
        (
            build([Kernel("a", b"1234"), Kernel("b", b"5678", fields={b"OFFT": offsets(blob=2)})]),
            "the bitcode of 'b' overlaps that of 'a'",
        ),
    ],
)
def test_hostile_function(data, reason):
    assert reason in fault(data).reason


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (tagged(b"NAME", b"k\0") * 2, "NAME comes a second time"),
        (b"NAME\xff\xff", "NAME has 65535 bytes and leaves"),
        (b"\x1b[2J\0\0", "is no tag"),
    ],
)
def test_hostile_fields(fields, reason):
    data = bytearray(one())
    (listed,) = struct.unpack_from("<Q", data, LIST + 8)
    entry = record(fields).ljust(listed, b"\0")
    data[HEADER_BYTES + 4 : HEADER_BYTES + 4 + listed] = entry[:listed]
    assert reason in fault(bytes(data)).reason


def constants(data: bytes) -> bytes:
    """A container whose public metadata has these bytes as its list of function constants."""
    found = build([Kernel("k", b"12345678", constants=[("abcdef", 53, 1)])])
    start = found.index(b"CNST")
    (length,) = struct.unpack_from("<H", found, start + 4)
    return found[: start + 6] + data.ljust(length, b"\0")[:length] + found[start + 6 + length :]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\xff\xff", "is not a constant's name"),
        (b"\x01\0abcdefghijklm", "ends within number 0"),
        (b"\x02\0abc\0\x35\1\0\1d\0", "ends within number 1"),
        (b"\x01\0ab\0\x35\1\0\1zzz", "bytes follow the last of 1 function constants"),
        (b"\x01\0\x1bbcdef\0\x35\1\0\1", "is not a constant's name"),
    ],
)
def test_hostile_constants(data, reason):
    assert reason in fault(constants(data)).reason


def test_a_metadata_record_that_leaves_its_section_is_an_error():
    data = bytearray(small())
    struct.pack_into("<I", data, number(PUBLIC), 2**31)
    assert fault(bytes(data)).reason == "a record of 2147483648 bytes leaves the public metadata"


def test_huge_sections_of_a_sparse_file_are_not_read(tmp_path):
    path = tmp_path / "huge.metallib"
    size = 2**40
    header = bytearray(small()[:HEADER_BYTES])
    struct.pack_into("<Q", header, SIZE, size)
    struct.pack_into("<2Q", header, LIST, HEADER_BYTES, size - 2**19 - HEADER_BYTES - 4)
    for index, at in enumerate((PUBLIC, PRIVATE, BITCODE)):
        struct.pack_into("<2Q", header, at, size - 2**19 + index * 16, 16)
    path.write_bytes(header)
    os.truncate(path, size)
    with pytest.raises(MetallibError, match="more than the 268435456 that this reader takes"):
        Metallib.open(path)


def test_random_damage():
    """As fuzz_metallib.py does by hand, for longer."""
    counts = fuzz_metallib.fuzz_containers(rounds=2000, random=random.Random(3))
    assert counts["error"] > 1000
    assert counts["error"] + counts["ok"] == 2000


# -- Apple's own ------------------------------------------------------------------------------------------------------


def test_apples_container_verifies(mlx_metal_wheel):
    with Metallib.open(mlx_metal_wheel / "mlx" / "lib" / "mlx.metallib") as library:
        assert len(library.functions) == 17248
        assert {entry.type for entry in library.functions.values()} == {"kernel"}
        assert {entry.air_version for entry in library.functions.values()} == {(2, 6)}
        assert sum(1 for _ in library.verify()) == 17248
        assert [c.name for c in library.constants("steel_gemm_fused_nn_float32_float32_bm64_bn64_bk16_wm2_wn2")] == [
            "has_batch",
            "use_out_source",
            "do_axpby",
            "align_M",
            "align_N",
            "align_K",
        ]
