"""The documentation builds without a warning, its links and paths lead somewhere, its code and commands are true."""

from __future__ import annotations

import ast
import contextlib
import functools
import importlib.util
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import pytest
import typer

import isometal as im
from isometal import _core, bundle
from isometal.cli import app
from isometal.optable import OPS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PORT = DOCS / "examples" / "port"
PAGES = sorted(DOCS.glob("*.md"))
needs_soft = pytest.mark.skipif(
    not hasattr(_core, "SoftKernel"), reason="the software device is for machines without an Apple GPU"
)


def build_module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_build", DOCS / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


build = build_module()


# -- the site ---------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built pages."""
    for name in ("sphinx", "furo", "myst_parser"):
        pytest.importorskip(name, reason="what builds the documentation is in the extra `docs`")
    pytest.importorskip("isometal.soft", reason="wheels for macOS have no software device to document")
    output = tmp_path_factory.mktemp("docs")
    command = [sys.executable, str(DOCS / "build.py"), "--output", str(output)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(" 0 broken links or paths\n")
    return output / "html"


def page(site: Path, name: str) -> tuple[set[str], str]:
    """The ids of a page, and its text."""
    html = (site / f"{name}.html").read_text()
    words: list[str] = []
    reader = HTMLParser()
    reader.handle_data = words.append  # type: ignore[method-assign]
    reader.feed(html)
    return set(re.findall(r'id="([^"]+)"', html)), " ".join(" ".join(words).split())


def test_every_op_has_a_section_with_what_its_row_says(site: Path) -> None:
    ids, text = page(site, "op-reference")
    assert {f"isometal.{op}" for op in OPS} <= ids
    for op in OPS.values():
        assert f"isometal. {op.name} ( " in text
        assert op.mlx in text
    # One row of each rule; softmax's is the rule `close`.
    for bound in ("exact", "1 ULP", "1e-06 + 1e-06 · |t| (float32)", "1e-05 · sum of magnitudes (float32)"):
        assert bound in text
    # In columns, as the docstring has them.
    assert "dims how many of the D features rotate; even, at most D." in text


def test_every_public_name_is_documented(site: Path) -> None:
    from isometal import soft

    ids = page(site, "op-reference")[0] | page(site, "api")[0] | page(site, "api-soft")[0]
    assert {f"isometal.{name}" for name in im.__all__ if name != "__version__"} <= ids
    assert {f"isometal.soft.{name}" for name in soft.__all__} <= ids
    public = {name for name in vars(im.Array) if not name.startswith("_")}
    assert {f"isometal.Array.{name}" for name in public} <= ids


def test_every_command_has_a_section_with_its_options(site: Path) -> None:
    ids, _ = page(site, "cli")
    for name, command in commands():
        assert f"cli-{name.replace(' ', '-')}" in ids
        for parameter in command.params:
            for option in parameter.opts if parameter.param_type_name == "option" else ():
                assert f"cmdoption-{name.replace(' ', '-')}-{option.lstrip('-')}" in ids, (name, option)


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text('<a href="b.html#here">x</a><a href="b.html#gone">x</a><a href="c.html">x</a>')
    (tmp_path / "b.html").write_text('<h1 id="here"></h1><a href="https://example.org/">x</a><a href="#here">x</a>')
    assert list(build.broken_links(tmp_path)) == [
        "a.html: b.html#gone: there is no such anchor",
        "a.html: c.html: there is no such file",
    ]


def test_a_path_that_is_not_there_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "`docs/build.py`, `docs/*.md`, tests/unit, `isometal/metal/`, docs/gone.md and `csrc/gone/`."
    (tmp_path / "page.md").write_text(text)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "build.py").touch()
    (tmp_path / "docs" / "a.md").touch()
    (tmp_path / "tests" / "unit").mkdir(parents=True)
    monkeypatch.setattr(build, "ROOT", tmp_path)
    monkeypatch.setattr(build, "PAGES", (tmp_path / "page.md",))
    assert list(build.missing_paths()) == [
        "page.md: csrc/gone/: there is no such path",
        "page.md: docs/gone.md: there is no such path",
    ]


# -- lists that the code knows ----------------------------------------------------------------------------------------
@functools.cache
def sources() -> tuple[ast.Module, ...]:
    return tuple(ast.parse(path.read_text()) for path in sorted((ROOT / "python" / "isometal").rglob("*.py")))


def constants(node: ast.AST) -> set[str]:
    return {part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)}


@functools.cache
def reason_codes() -> frozenset[str]:
    """The first argument of every Reason, and the codes of EvidenceError, which become reasons."""
    codes: set[str] = set()
    for module in sources():
        for function in (node for node in ast.walk(module) if isinstance(node, ast.FunctionDef)):
            named = {
                target.id: constants(node.value)
                for node in ast.walk(function)
                if isinstance(node, ast.Assign)
                for target in node.targets
                if isinstance(target, ast.Name)
            }
            for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
                called = call.func.id if isinstance(call.func, ast.Name) else ""
                first = call.args[0] if call.args else None
                if called == "Reason" and isinstance(first, ast.Constant):
                    codes.add(str(first.value))
                elif called == "Reason" and isinstance(first, ast.Name):
                    # An expression that chooses one of two; what it compares with is a name.
                    codes |= named[first.id]
                elif called == "EvidenceError" and len(call.args) == 3:
                    codes |= constants(call.args[2])
            for key, value in ((k, v) for node in ast.walk(function) if isinstance(node, ast.Dict)
                               for k, v in zip(node.keys, node.values, strict=True)):  # fmt: skip
                if isinstance(key, ast.Constant) and key.value == "code" and isinstance(value, ast.Constant):
                    codes.add(str(value.value))
    return frozenset(codes | {"malformed"})  # EvidenceError's default


def first_column(name: str) -> set[str]:
    return set(re.findall(r"^\| `([\w-]+)` \|", (DOCS / name).read_text(), re.MULTILINE))


def test_every_reason_of_the_gate_is_explained() -> None:
    assert {"device-kind", "metal-unavailable", "format-version", "rehearsal"} <= reason_codes()
    assert first_column("evidence.md") == reason_codes()


def test_every_environment_variable_is_explained() -> None:
    name = re.compile(r"(?:ISOMETAL|MLX_RS)_[A-Z_]+")
    read = {text for module in sources() for text in constants(module) if name.fullmatch(text)}
    for path in (ROOT / "csrc").rglob("*.cpp"):
        read |= set(re.findall(r'"((?:ISOMETAL|MLX_RS)_[A-Z_]+)"', path.read_text()))
    for path in (ROOT / "cmake").glob("*.cmake"):
        read |= set(re.findall(r"^ *isometal_setting\((\w+) ", path.read_text(), re.MULTILINE))
    assert {"ISOMETAL_BACKEND", "ISOMETAL_SOFT_MODE", "ISOMETAL_AIR"} <= read
    assert first_column("settings.md") == read


def test_every_option_of_the_pytest_plugin_is_explained() -> None:
    plugin = (ROOT / "python" / "isometal" / "parity" / "pytest_plugin.py").read_text()
    options = set(re.findall(r'addoption\(\s*"(--[\w-]+)"', plugin))
    assert {"--benchmark", "--parity-seed"} <= options
    assert set(re.findall(r"--(?:benchmark|parity)[\w-]*", (DOCS / "api-parity.rst").read_text())) == options


def test_every_part_of_a_bundle_is_explained() -> None:
    table = re.findall(r"^\| (`[^|]*`) \|", (DOCS / "qualify.md").read_text(), re.MULTILINE)
    assert set(re.findall(r"`([^`]+)`", " ".join(table))) == {"README.txt", *bundle._ABOUT}


# -- what a reader types ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", [path for path in PAGES if "```python" in path.read_text()], ids=lambda p: p.stem)
def test_the_code_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "".join(re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL))
    if "isometal.soft" in code and not hasattr(_core, "SoftKernel"):
        pytest.skip("this build has no software device")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ISOMETAL_CACHE_DIR", str(tmp_path))
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        if "evidence.json" in code:
            arguments = ["parity", "--op", "add", "--kind", "U", "--backend", "cpu", "--json", "evidence.json"]
            typer.main.get_command(app).main(arguments, standalone_mode=False)
        exec(compile(code, path.name, "exec"), {"__name__": path.stem})
    if path.stem == "port":
        assert "2 threads wait at site 1" in printed.getvalue()


def commands() -> Iterator[tuple[str, typer.core.TyperCommand]]:
    def below(name: str, command: object) -> Iterator[tuple[str, typer.core.TyperCommand]]:
        yield name, command  # type: ignore[misc]
        for part, inner in getattr(command, "commands", {}).items():
            yield from below(f"{name} {part}", inner)

    return below("isometal", typer.main.get_command(app))


def typed() -> Iterator[tuple[str, str]]:
    """The calls of `isometal` in code blocks of the pages, with the page."""
    for path in (*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md"):
        text = re.sub(r"\\\n\s*", "", path.read_text())
        for line in re.findall(r"^    (.*\bisometal (?!-).*)$", text, re.MULTILINE):
            for part in re.split(r"&&|\|", re.sub(r"(?:^|\s)#.*", "", line)):
                words = shlex.split(part)
                while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
                    words = words[1:]
                if words[:1] == ["isometal"]:
                    yield path.name, shlex.join(words[1:])


@pytest.mark.parametrize(("name", "line"), sorted(set(typed())), ids=lambda value: value)
def test_a_command_takes_what_a_page_gives_it(name: str, line: str) -> None:
    command, words = typer.main.get_command(app), shlex.split(line)
    context = command.make_context("isometal", list(words), resilient_parsing=False)
    while hasattr(command, "commands") and context._protected_args:
        words = [*context._protected_args, *context.args]
        command = command.commands[words[0]]
        context = command.make_context(words[0], words[1:], parent=context)


# -- the examples -----------------------------------------------------------------------------------------------------
def run_port(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_kernels.py"]
    environment = {**os.environ, "ISOMETAL_CACHE_DIR": str(folder / "cache")}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


@needs_soft
def test_the_project_of_the_port_page_passes_and_finds_a_missing_barrier(tmp_path: Path) -> None:
    shutil.copytree(PORT, tmp_path, dirs_exist_ok=True)
    done = run_port(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    kernel = tmp_path / "kernels" / "row_mean.metal"
    text = kernel.read_text()
    barrier = "  threadgroup_barrier(mem_flags::mem_threadgroup);\n"
    assert barrier in text
    kernel.write_text(text.replace(barrier, ""))
    done = run_port(tmp_path)
    assert done.returncode == 1
    assert "FAILED test_kernels.py::test_no_race" in done.stdout


@pytest.mark.parametrize("patch", sorted((DOCS / "examples" / "square").glob("*.patch")), ids=lambda p: p.stem)
def test_the_patches_of_the_guide_apply(patch: Path) -> None:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")

    def apply(*options: str) -> subprocess.CompletedProcess[str]:
        command = ["git", "apply", "--check", *options, str(patch)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    done = apply()
    # Whoever follows the guide has applied them.
    assert done.returncode == 0 or apply("--reverse").returncode == 0, done.stderr
