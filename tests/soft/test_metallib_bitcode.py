"""Bitcode with the right hash that LLVM cannot cope with costs an error, not the process."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import fuzz_metallib
import pytest
from containers import Kernel, build

from isometal.soft import isolated
from isometal.soft.bitcode import disassemble
from isometal.soft.errors import MetallibError
from isometal.soft.metallib import Metallib


def library(blob: bytes) -> Metallib:
    return Metallib(build([Kernel("k", blob)]), "x.metallib")


def test_bitcode_becomes_text():
    text = disassemble(library(fuzz_metallib.air_bitcode()), "k")
    assert "define void @double_all(ptr addrspace(1) %x, i32 %i) {" in text
    assert '!"air.thread_position_in_grid"' in text


@pytest.mark.parametrize("blob", [b"", b"nonsense", b"BC\xc0\xde" + b"abcd" * 20, bytes(100)])
def test_what_is_no_bitcode_is_an_error_with_its_offset(blob):
    found = library(blob)
    with pytest.raises(MetallibError, match="the bitcode of 'k': LLVM bitcode parsing error") as caught:
        disassemble(found, "k")
    assert caught.value.offset == found.functions["k"].offset


def test_invalid_ir_is_an_error():
    """It parses, but uses a value before its definition: LLVM's own verifier has to look."""
    import llvmlite.binding as llvm

    text = """
        define i32 @f(i1 %c) {
          br i1 %c, label %a, label %b
        a:
          %x = add i32 1, 1
          br label %b
        b:
          ret i32 %x
        }"""
    with pytest.raises(RuntimeError, match="dominate"):
        llvm.parse_assembly(text).verify()
    blob = llvm.parse_assembly(text).as_bitcode()
    with pytest.raises(MetallibError, match="Instruction does not dominate all uses"):
        disassemble(library(blob), "k")


def test_damaged_bitcode_is_isolated():
    """As fuzz_metallib.py does by hand, for longer. The seed is one for which LLVM does abort."""
    counts = fuzz_metallib.fuzz_bitcode(rounds=300, random=random.Random(5))
    assert counts["isolated"] > 0
    assert counts["ok"] > 0
    assert sum(counts.values()) == 300


# -- the workers ------------------------------------------------------------------------------------------------------


def sleep(header, body):
    """Runs in a worker, as do the next ones."""
    time.sleep(header["seconds"])
    return {}, b""


def die(header, body):
    os.kill(os.getpid(), header["signal"])


def pid(header, body):
    return {"pid": os.getpid()}, b""


def echo(header, body):
    print("must not land among the answers")
    return header, body


def answers() -> bool:
    return isolated.call("test_metallib_bitcode:echo", {"a": [1, "ü"]}, b"body", seconds=30) == (
        {"a": [1, "ü"]},
        b"body",
    )


def test_a_call_that_takes_too_long_is_ended():
    start = time.monotonic()
    with pytest.raises(isolated.WorkerCrash, match=r"gave no answer within 0\.3 s"):
        isolated.call("test_metallib_bitcode:sleep", {"seconds": 60}, b"", seconds=0.3)
    assert time.monotonic() - start < 20
    assert answers()


def test_a_worker_that_dies_is_replaced():
    with pytest.raises(isolated.WorkerCrash, match="died of SIGKILL"):
        isolated.call("test_metallib_bitcode:die", {"signal": int(signal.SIGKILL)}, b"", seconds=30)
    assert answers()


def test_calls_from_many_threads_get_their_own_answers():
    blobs = {size: fuzz_metallib.air_bitcode() for size in range(8)}
    found: dict[int, str] = {}

    def run(number: int) -> None:
        name = f"kernel{number}"
        found[number] = disassemble(Metallib(build([Kernel(name, blobs[number])])), name)

    threads = [threading.Thread(target=run, args=(number,)) for number in blobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found.values())) == 1


def test_a_forked_child_starts_workers_of_its_own():
    answers()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            answers()
            os.write(writer, b"ok")
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        assert pipe.read() == b"ok"
    os.waitpid(child, 0)
    assert answers()


def test_workers_end_with_their_parent():
    code = (
        f"import os, sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from isometal.soft import isolated\n"
        "print(isolated.call('test_metallib_bitcode:pid', {}, b'', seconds=30)[0]['pid'], flush=True)\n"
        "os._exit(0)\n"  # no atexit handlers: as if it were killed
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    worker = int(printed)
    deadline = time.monotonic() + 20
    while is_running(worker):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    # In a container, nobody may be there to take note of its end.
    stat = Path(f"/proc/{process}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_damaged_bitcode_that_can_be_read_compiles_or_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setenv("ISOMETAL_CACHE_DIR", str(tmp_path))
    counts = fuzz_metallib.fuzz_compile(rounds=150, random=random.Random(6))
    assert set(counts) <= {"ok", "MetallibError", "LoweringError"}
    assert counts["ok"] > 0
    assert counts["LoweringError"] > 0
