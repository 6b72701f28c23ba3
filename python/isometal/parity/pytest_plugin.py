"""pytest plugin: parity checks as tests, and ``--benchmark``.

Load it with ``-p isometal.parity.pytest_plugin``. A test that takes the argument ``parity_check`` is run once for
each check of the engine's plan; `isometal.parity.test_parity` holds that test, so that an installed wheel is proved
by ``pytest -p isometal.parity.pytest_plugin --pyargs isometal.parity``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from isometal.parity.model import DEFAULT_SEED, PROFILES, Check

_BENCH = "bench"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("isometal", "isometal parity and benchmarks")
    # Not the default of --benchmark-*: the exact option runs bench/, and only then is bench/ collected.
    group.addoption("--benchmark", action="store_true", help="run the benchmarks in bench/ instead of the tests")
    # Here because bench/conftest.py is loaded after the command line is read.
    group.addoption("--benchmark-report", metavar="PATH", help="with --benchmark: write the run to PATH as JSON")
    group.addoption(
        "--benchmark-update-baseline", action="store_true", help="with --benchmark: rewrite bench/baseline.json"
    )
    group.addoption("--parity-seed", type=int, default=DEFAULT_SEED, metavar="N", help="seed of the parity cases")
    group.addoption("--parity-profile", choices=PROFILES, default="ci", help="how many parity cases and examples")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--hypothesis-profile", default=None) in PROFILES:
        # Before Hypothesis's own plugin looks for it.
        from isometal.parity.properties import register_profiles

        register_profiles()
    asked_for_paths = config.args_source is pytest.Config.ArgsSource.ARGS
    if config.getoption("--benchmark") and not asked_for_paths:
        folder = config.rootpath / _BENCH
        if not folder.is_dir():
            raise pytest.UsageError(f"[benchmark] {folder} is no folder; --benchmark runs in a checkout of isometal.")
        config.args[:] = [str(folder)]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    bench = config.rootpath / _BENCH
    if not config.getoption("--benchmark") and bench in (collection_path, *collection_path.parents):
        return True
    return None


def pytest_report_header(config: pytest.Config) -> str:
    return f"isometal: parity seed {_seed(config)}, profile {config.getoption('--parity-profile')}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "parity_check" not in metafunc.fixturenames:
        return
    checks = _plan(metafunc.config)
    assert checks, "the parity plan is empty: zero cases is a failure"
    metafunc.parametrize("parity_check", checks, ids=[check.id for check in checks])


def _plan(config: pytest.Config) -> list[Check]:
    from isometal.parity import engine

    return engine.plan(engine.Selection(seed=_seed(config), profile=config.getoption("--parity-profile")))


def _seed(config: pytest.Config) -> int:
    return int(config.getoption("--parity-seed"))
