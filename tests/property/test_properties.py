"""Kind P on every cell; that each law can fail, that a search is reproducible, and what a failure shows."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import hypothesis
import numpy as np
import pytest

from isometal import selection
from isometal.optable import OPS, PROOF_DTYPES
from isometal.parity import properties
from isometal.parity.model import DEFAULT_SEED
from isometal.parity.properties import laws_activations
from isometal.parity.properties.law import PROFILES, Law, try_law
from isometal.parity.properties.trial import Broken, Trial, real

BACKENDS = selection.available()

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def profile() -> str:
    """What --hypothesis-profile says; ci where it says nothing."""
    return "deep" if hypothesis.settings.default.max_examples >= PROFILES["deep"] else "ci"


#: tests/parity runs the plan's property checks on every dtype. Here: other examples, on one dtype of each sort.
CELLS = [
    (op, dtype, backend)
    for op, row in OPS.items()
    for dtype in row.dtypes
    for backend in BACKENDS
    if profile() == "deep" or dtype in ("float32", "int32", "bool")
]


@pytest.mark.parametrize(("op", "dtype", "backend"), CELLS, ids=["-".join(cell) for cell in CELLS])
def test_laws_hold(op: str, dtype: str, backend: str) -> None:
    checks = properties.checks(op, dtype, backend, profile(), DEFAULT_SEED + 1)
    assert len(checks) >= 4
    for check in checks:
        outcome = check.run()
        assert outcome.status == "passed", outcome.message
        assert outcome.facts["examples"] >= 1


def test_every_op_has_laws_of_its_own() -> None:
    assert set(properties.LAWS) == set(OPS)
    for op, laws in properties.LAWS.items():
        names = [law.name for law in laws]
        assert len(set(names)) == len(names), op
        assert len(names) >= 4, op
        for law in laws:
            assert any(law.applies(dtype) for dtype in OPS[op].dtypes), f"{op} {law.name} is about no dtype"


# -- the laws can fail ------------------------------------------------------------------------------------------------
def spoiled(values: np.ndarray) -> np.ndarray:
    """A wrong result: other numbers in another order."""
    if values.dtype == np.bool_:
        return ~values
    with np.errstate(all="ignore"):
        wrong = (values.astype(np.float64) * 1.5 + 1 + np.arange(values.size).reshape(values.shape) % 3).astype(
            values.dtype
        )
    return np.roll(wrong, 1)


def always(backend: Any, true: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args: backend.from_numpy(spoiled(np.array(backend.to_numpy(true(*args)))))


def every_other_call(backend: Any, true: Callable[..., Any]) -> Callable[..., Any]:
    calls = iter(range(10**9))
    wrong = always(backend, true)
    return lambda *args: wrong(*args) if next(calls) % 2 else true(*args)


def halved(backend: Any, true: Callable[..., Any]) -> Callable[..., Any]:
    """Right in sign and order, too small; breaks what the others may leave alone by chance."""

    def op(*args: Any) -> Any:
        values = np.array(backend.to_numpy(true(*args)))
        return backend.from_numpy(values & False if values.dtype == np.bool_ else (values * 0.5).astype(values.dtype))

    return op


FAULTS = (always, every_other_call, halved)
LAWS = [(op, law) for op, laws in properties.LAWS.items() for law in laws]


@pytest.mark.parametrize(("op", "law"), LAWS, ids=[f"{op}-{law.name}" for op, law in LAWS])
def test_law_can_fail(op: str, law: Law, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each law is broken by one of three wrong backends: none is a statement that nothing could refute."""
    dtype = next(dtype for dtype in OPS[op].dtypes if law.applies(dtype))
    backend = selection.get("cpu")
    true = getattr(backend, op)
    for fault in FAULTS:
        monkeypatch.setattr(backend, op, fault(backend, true))
        outcome = try_law(law, op, dtype, "cpu", "ci", DEFAULT_SEED, shrink=False)
        if outcome.status == "failed":
            assert "Falsifying example" in outcome.message
            return
    pytest.fail(f"no fault breaks {law.name} of {op}")


# -- a search ---------------------------------------------------------------------------------------------------------
def recording() -> tuple[Law, list[str]]:
    seen: list[str] = []

    def holds(t: Trial) -> None:
        t.numbers(t.shape(), ("normal", "palette"))
        t.axes(2)
        seen.append(t.describe())

    return Law("recording", holds), seen


def test_search_is_reproducible_from_its_seed() -> None:
    runs = []
    for seed in (5, 5, 6):
        law, seen = recording()
        assert try_law(law, "add", "float32", "cpu", "ci", seed).status == "passed"
        assert len(seen) == PROFILES["ci"]
        runs.append(seen)
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_failure_shows_simplest_example_and_seed() -> None:
    def holds(t: Trial) -> None:
        x = t.numbers(t.shape(), ("palette",))
        if np.any(real(x) >= 2):
            raise Broken("a number is large.")

    outcome = try_law(Law("small", holds), "add", "float32", "cpu", "deep", 11)
    assert outcome.status == "failed"
    assert "law small broken (seed 11" in outcome.message
    assert outcome.message.endswith("a number is large. Falsifying example: x (palette) = float32 () [2.0]")
    assert outcome.facts["examples"] > 1


def test_exception_in_a_backend_is_a_failure_with_its_example(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("the device is gone")

    monkeypatch.setattr(selection.get("cpu"), "negative", broken)
    outcome = properties.checks("negative", "float32", "cpu", "ci", 1)[1].run()
    assert outcome.status == "failed"
    assert "RuntimeError: the device is gone Falsifying example: seed of x = " in outcome.message


def test_no_example_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hypothesis, "given", lambda *_: lambda example: lambda: None)
    outcome = try_law(recording()[0], "add", "float32", "cpu", "ci", 1)
    assert outcome.status == "failed"
    assert "no example ran" in outcome.message
    assert outcome.facts["examples"] == 0


def test_unknown_profile_is_an_error() -> None:
    with pytest.raises(ValueError, match="'fast' names no profile; choose one of ci, deep"):
        properties.checks("add", "float32", "cpu", "fast", 1)


def test_deep_tries_at_least_ten_times_as_many() -> None:
    assert PROFILES["deep"] >= 10 * PROFILES["ci"]


def test_hypothesis_is_imported_only_when_a_law_is_tried() -> None:
    code = "import sys, isometal.parity.properties; sys.exit('hypothesis' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", PROFILES)
def test_profiles_are_known_to_pytest(name: str) -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        f"--hypothesis-profile={name}",
        "--collect-only",
        "-v",
        __file__,
        "-k",
        "deep",
    ]
    text = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    assert f"hypothesis profile '{name}'" in text
    assert f"max_examples={PROFILES[name]}" in text


# -- comparisons of a trial -------------------------------------------------------------------------------------------
@pytest.fixture
def trial() -> Trial:
    return Trial(None, "add", "float32", "cpu")


ZERO, MINUS_ZERO = np.array([0.0], np.float32), np.array([-0.0], np.float32)


def test_same_tells_zeros_apart_and_equal_does_not(trial: Trial) -> None:
    trial.equal(ZERO, MINUS_ZERO, "law")
    with pytest.raises(Broken, match=r"law: element \(0,\)"):
        trial.same(ZERO, MINUS_ZERO, "law")


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (np.array([1.0], np.float32), np.array([1.0], np.float16)),
        (np.array([1.0], np.float32), np.array([[1.0]], np.float32)),
        (np.array([np.nan], np.float32), np.array([1.0], np.float32)),
        (np.array([2**53 + 1]), np.array([2**53])),
    ],
    ids=["dtype", "shape", "nan", "beyond-float64"],
)
def test_equal_refuses(trial: Trial, x: np.ndarray, y: np.ndarray) -> None:
    with pytest.raises(Broken):
        trial.equal(x, y, "law")


@pytest.mark.parametrize("wrong", [1.2, np.nan, np.inf], ids=str)
def test_within_refuses_what_is_out_of_bound(trial: Trial, wrong: float) -> None:
    trial.within(np.array([1.05]), np.array([1.0]), 0.1, "law")
    assert trial.worst == pytest.approx(0.5)
    with pytest.raises(Broken):
        trial.within(np.array([wrong]), np.array([1.0]), 0.1, "law")


def test_within_needs_equal_infinities(trial: Trial) -> None:
    trial.within(np.array([np.inf, np.nan]), np.array([np.inf, np.nan]), 0.0, "law")
    with pytest.raises(Broken):
        trial.within(np.array([-np.inf]), np.array([np.inf]), 1.0, "law")


def test_at_least_refuses_nan(trial: Trial) -> None:
    trial.at_least(np.array([1.0]), 1.1, 0.2, "law")
    for bad in (0.8, math.nan):
        with pytest.raises(Broken):
            trial.at_least(np.array([bad]), 1.1, 0.2, "law")


@pytest.mark.parametrize("layout", ["contiguous", "transposed", "reversed", "strided"])
def test_layouts_keep_the_values(trial: Trial, layout: str) -> None:
    values = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    np.testing.assert_array_equal(trial.place(values, layout).numpy(), values)


# -- constants that laws state ----------------------------------------------------------------------------------------
def gelus(x: np.ndarray) -> dict[str, np.ndarray]:
    with np.errstate(over="ignore"):
        sigmoid = {
            "silu": 1 / (1 + np.exp(-x)),
            "none": np.array([0.5 * math.erfc(-v * math.sqrt(0.5)) for v in x.tolist()]),
            "tanh": 1 / (1 + np.exp(-2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
            "fast": 1 / (1 + np.exp(-1.702 * x)),
        }
    return {name: x * f for name, f in sigmoid.items()}


def test_minima_of_activations() -> None:
    near = gelus(np.linspace(-2, 0, 200_001))
    for name, f in near.items():
        # The grid's least value lies at most curvature * step^2 / 8 above the minimum, and never below it.
        assert 0 <= f.min() - laws_activations._MINIMUM[name] < 1e-10


def test_distances_of_gelu_approximations() -> None:
    f = gelus(np.arange(-100_000, 100_001) * 1e-4)
    assert np.abs(f["tanh"] - f["none"]).max() == pytest.approx(4.732e-4, rel=1e-3)
    assert np.abs(f["fast"] - f["none"]).max() == pytest.approx(2.034e-2, rel=1e-3)


def test_bounds_are_not_vacuous() -> None:
    """A backend that is off by three times its tolerance breaks a law of every op that has a tolerance."""
    for op in ("silu", "gelu", "softmax", "rms_norm", "layer_norm"):
        tolerance = OPS[op].tolerance["float32"].value
        backend = selection.get("cpu")
        true = getattr(backend, op)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                backend,
                op,
                lambda *args, true=true, tolerance=tolerance: true(*args) * np.float32(1 + 6 * tolerance),
            )
            broken = [law.name for law in properties.LAWS[op] if _breaks(law, op)]
        assert "agrees-with-float64" in broken, op


def _breaks(law: Law, op: str) -> bool:
    return try_law(replace(law), op, PROOF_DTYPES[0], "cpu", "ci", 3, shrink=False).status == "failed"
