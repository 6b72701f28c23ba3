"""Which backend runs: order of the defaults, environment, contexts and threads."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest

import isometal as im
from isometal import selection

HAS_MLX = selection.unavailable("mlx") is None


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    for variable in selection.ENVIRONMENT:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("ISOMETAL_STATE_DIR", str(tmp_path))
    selection.forget_machine_default()
    yield
    im.set_default_backend(None)
    selection.forget_machine_default()


def test_without_a_choice_it_is_mlx_or_cpu() -> None:
    found = selection.default()
    assert found.name == ("mlx" if HAS_MLX else "cpu")
    assert found.reason


def test_set_default_and_undo() -> None:
    im.set_default_backend("cpu")
    assert im.default_backend() == "cpu"
    assert im.add(1, 2).backend == "cpu"
    im.set_default_backend(None)
    assert im.default_backend() == selection.default().name


@pytest.mark.skipif(not HAS_MLX, reason="MLX is not installed: two backends are needed")
def test_use_backend_nests_and_unwinds_on_errors() -> None:
    def fail_inside_mlx() -> None:
        with im.use_backend("mlx"):
            assert im.array([1]).backend == "mlx"
            raise ZeroDivisionError

    with im.use_backend("cpu"):
        with pytest.raises(ZeroDivisionError):
            fail_inside_mlx()
        assert im.array([1]).backend == "cpu"


@pytest.mark.parametrize("variable", selection.ENVIRONMENT)
def test_environment_names_the_default(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "cpu")
    assert selection.default() == selection.Default("cpu", f"the environment variable {variable}")
    assert im.array([1]).backend == "cpu"


def test_the_alias_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISOMETAL_BACKEND", "cpu")
    monkeypatch.setenv("MLX_RS_BACKEND", "mlx")
    assert im.default_backend() == "cpu"


@pytest.mark.parametrize("variable", selection.ENVIRONMENT)
@pytest.mark.parametrize("value", ["gpu", "CPU", "", " cpu"])
def test_a_value_that_names_no_backend_is_an_error(variable: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, value)
    expected = f"[backend] {variable}={value!r} names no backend; choose one of cpu, mlx, metal."
    for call in (im.default_backend, lambda: im.add(1, 2), lambda: im.array([1])):
        with pytest.raises(im.BackendNameError) as caught:
            call()
        assert str(caught.value) == expected


def test_a_choice_in_the_context_beats_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISOMETAL_BACKEND", "metal")
    with im.use_backend("cpu"):
        assert im.array([1]).backend == "cpu"


@pytest.mark.parametrize("call", [im.set_default_backend, lambda n: im.use_backend(n).__enter__()])
def test_unknown_names_and_backends_that_cannot_run(call) -> None:
    with pytest.raises(im.BackendNameError, match=r"'gpu' names no backend; choose one of cpu, mlx, metal\."):
        call("gpu")
    reason = selection.unavailable("metal")
    if reason is not None:
        with pytest.raises(im.BackendError) as caught:
            call("metal")
        assert str(caught.value) == reason
        assert reason.startswith("[metal] ")


def test_operands_win_over_the_default() -> None:
    x = im.array([1.0, 2.0], backend="cpu")
    for other in (np.ones(2, np.float32), [1, 2], 3.0):
        assert (x + other).backend == "cpu"
        assert (other + x).backend == "cpu"
        assert isinstance(other + x, im.Array)


def test_threads_do_not_see_each_others_choice() -> None:
    names = selection.available()
    barrier = threading.Barrier(8)
    wrong: list[str] = []

    def work(name: str) -> None:
        barrier.wait()
        for _ in range(200):
            im.set_default_backend(name)
            if im.array([1.0]).backend != name or im.default_backend() != name:
                wrong.append(name)

    threads = [threading.Thread(target=work, args=(names[i % len(names)],)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert im.default_backend() == selection.default().name


@pytest.mark.skipif(not HAS_MLX, reason="MLX is not installed: two backends are needed")
def test_asyncio_tasks_do_not_see_each_others_choice() -> None:
    async def work(name: str) -> bool:
        im.set_default_backend(name)
        await asyncio.sleep(0)
        return im.array([1.0]).backend == name

    async def main() -> list[bool]:
        return await asyncio.gather(*[work(name) for name in ("cpu", "mlx") * 4])

    assert all(asyncio.run(main()))


def test_first_use_from_many_threads_loads_one_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "_loaded", {})
    barrier = threading.Barrier(8)
    found: list[object] = []

    def work() -> None:
        barrier.wait()
        found.append(selection.get("cpu"))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len({id(one) for one in found}) == 1
