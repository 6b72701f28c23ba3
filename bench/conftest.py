"""What `pytest --benchmark` collects from its tests, prints at the end and writes.

--benchmark-report PATH        the whole run as JSON
--benchmark-update-baseline    rewrite bench/baseline.json from this run
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest
from bench_session import GROUP_IDS, BenchLog

from isometal import selection
from isometal.files import write_atomic
from isometal.parity import baseline, timing

BASELINE = Path(__file__).parent / "baseline.json"


_LOG = pytest.StashKey[BenchLog]()


@pytest.fixture(scope="session")
def bench_log(pytestconfig: pytest.Config) -> BenchLog:
    if hasattr(pytestconfig, "workerinput"):
        raise pytest.UsageError("[benchmark] processes side by side time each other's work; run without -n.")
    log = pytestconfig.stash[_LOG]
    log.ceilings = timing.machine_ceilings()
    return log


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_LOG] = BenchLog()


def pytest_collection_finish(session: pytest.Session) -> None:
    config, log = session.config, session.config.stash[_LOG]
    collected = {item.callspec.id for item in session.items if hasattr(item, "callspec")}
    backends = selection.available()
    log.whole = collected.issuperset(GROUP_IDS)
    log.expected = frozenset(f"{one}-{backend}" for one in collected for backend in backends)
    if _updating(config) and not log.whole:
        raise pytest.UsageError("[benchmark] a baseline is one whole run; leave out -k and paths to update it.")


def _updating(config: pytest.Config) -> bool:
    return bool(config.getoption("--benchmark-update-baseline", default=False))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config) -> None:
    log = config.stash[_LOG]
    if not (log.rows or log.goals):
        return

    def section(title: str, lines: list[str]) -> None:
        terminalreporter.section(title)
        for line in lines:
            terminalreporter.write_line(line)

    reached = ", ".join(f"{name} {value:.1f}" for name, value in log.ceilings.items())
    section(f"bench ({reached})", baseline.table(log.rows))
    if log.goals:
        section("goals", [str(goal) for goal in log.goals])
    comparison = _compare(log)
    section(f"against {BASELINE.name}", comparison)
    path = config.getoption("--benchmark-report", default=None)
    if path:
        goals = [{**asdict(goal), "met": goal.met} for goal in log.goals]
        write_atomic(path, baseline.report(log.rows, ceilings=log.ceilings, goals=goals, comparison=comparison))
        terminalreporter.write_line(f"wrote {path}")
    if _updating(config):
        if exitstatus != pytest.ExitCode.OK:
            terminalreporter.write_line(f"{BASELINE} left as it was: the run did not pass")
        else:
            baseline.write(BASELINE, log.rows)
            terminalreporter.write_line(f"wrote {BASELINE}")


def _compare(log: BenchLog) -> list[str]:
    if not BASELINE.is_file():
        return [f"{BASELINE} does not exist yet"]
    before = baseline.read(BASELINE)
    # Rows that nobody asked for in this run are not missing.
    rows = {key: of for key, of in before.rows.items() if log.whole or key in log.expected}
    return baseline.describe(baseline.compare(rows, baseline.figures(log.rows)), before, baseline.environment())
