"""A build for Apple silicon on a real Mac and on a virtual one: the device says which it is. The device is a fake."""

from __future__ import annotations

import pytest

from isometal import _core, devices
from isometal.errors import BackendError

NAMES = {"apple-gpu": "Apple M4 Max", "apple-paravirtual": "Apple Paravirtual device"}
OTHER = {"apple-gpu": "apple-paravirtual", "apple-paravirtual": "apple-gpu"}


@pytest.fixture(params=NAMES)
def kind(request, monkeypatch):
    """The kind of this Mac's device."""
    opened = []

    class Metal:
        def __init__(self, library):
            opened.append(self)

        def info(self):
            return {
                "kind": request.param,
                "name": NAMES[request.param],
                "family": "apple9",
                "memory_bytes": 2**34,
                "bfloat": request.param == "apple-gpu",
            }

        def shut_down(self):
            opened.remove(self)

    monkeypatch.setattr(_core, "Metal", Metal, raising=False)
    monkeypatch.setattr(devices, "held_kinds", lambda: ("apple-gpu", "apple-paravirtual"))
    monkeypatch.delenv(devices.VARIABLE, raising=False)
    yield request.param
    assert len(opened) <= 1, "a device that nobody has was left open"


def test_the_device_is_listed_under_its_own_kind(kind):
    facts = devices.collect()
    assert facts["chosen"] == kind
    assert [name for name, one in facts["devices"].items() if one["available"]] == [kind]
    assert facts["devices"][kind]["name"] == NAMES[kind]
    why = f"the Metal device of this machine is {NAMES[kind]}, of the kind {kind}."
    assert facts["devices"][OTHER[kind]]["reason"] == why
    assert facts["devices"]["software"]["reason"].endswith(
        "the device software is in those for machines without an Apple GPU."
    )
    text = devices.as_text(facts)
    assert f"* {kind}" in text
    assert ("bfloat16 by way of float32" in text) == (kind == "apple-paravirtual")


@pytest.mark.parametrize("asked", [False, True])
def test_it_opens_by_default_and_by_name(kind, monkeypatch, asked):
    if asked:
        monkeypatch.setenv(devices.VARIABLE, kind)
    assert devices.open_device().info()["kind"] == kind
    assert devices.collect()["chosen"] == kind


def test_the_other_kind_does_not_open(kind, monkeypatch):
    monkeypatch.setenv(devices.VARIABLE, OTHER[kind])
    with pytest.raises(BackendError, match=f"{devices.VARIABLE}={OTHER[kind]}: the Metal device of this machine is "):
        devices.open_device()
    assert devices.collect()["chosen"] is None
