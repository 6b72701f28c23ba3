"""The build: release switch and gate, the fallback to ziglang, Apple's headers, what a wheel and an sdist hold."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from isometal import _core, kernels, native_sources, provenance

ROOT = Path(__file__).parents[2]
COMPILE_KERNELS = ROOT / "cmake" / "compile_kernels.py"
SWITCH = ("ISOMETAL_DEFAULT_BACKEND", "ISOMETAL_EVIDENCE")
pytestmark = pytest.mark.skipif(shutil.which("cmake") is None, reason="cmake is not installed (extra `dev`)")


def run(*command: str | Path, cwd: Path = ROOT, **env: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if k not in SWITCH and not k.startswith(("ISOMETAL_", "CMAKE_"))}
    return subprocess.run(
        command, cwd=cwd, env={**clean, **env}, capture_output=True, text=True, check=False, timeout=600
    )


def gate_script(source: Path, *defines: str, **env: str) -> subprocess.CompletedProcess[str]:
    python = f"-DPython_EXECUTABLE={sys.executable}"
    return run("cmake", python, *defines, "-P", source / "cmake" / "ReleaseGate.cmake", **env)


def text(result: subprocess.CompletedProcess[str]) -> str:
    """All output in one line: CMake wraps its messages."""
    return " ".join((result.stdout + result.stderr).split())


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A source tree whose gate gives the verdict that the evidence file names."""
    tree = tmp_path / "source"
    shutil.copytree(ROOT / "cmake", tree / "cmake", ignore=shutil.ignore_patterns("__pycache__"))
    parity = tree / "python" / "isometal" / "parity"
    parity.mkdir(parents=True)
    (parity.parent / "__init__.py").touch()
    (parity / "__init__.py").touch()
    (parity / "release_gate.py").write_text(
        "import pathlib, sys\n"
        "verdict = pathlib.Path(sys.argv[1]).read_text()\n"
        "print('the verdict is', verdict)\n"
        "if verdict != 'silent':\n"
        "    sys.exit(int(verdict))\n"
    )
    return tree


class TestReleaseSwitch:
    @pytest.mark.parametrize("backend", ["", "cpu", "mlx"])
    def test_backends_without_a_gate(self, backend: str) -> None:
        for result in (
            gate_script(ROOT, ISOMETAL_DEFAULT_BACKEND=backend),
            gate_script(ROOT, f"-DISOMETAL_DEFAULT_BACKEND={backend}"),
        ):
            assert result.returncode == 0
            assert f"Default backend: {backend}".strip() in text(result)

    def test_the_backend_is_compiled_in(self, tmp_path: Path) -> None:
        result = run(
            "cmake",
            "-S",
            ROOT,
            "-B",
            tmp_path,
            f"-DPython_EXECUTABLE={sys.executable}",
            ISOMETAL_DEFAULT_BACKEND="mlx",
        )
        assert result.returncode == 0, text(result)
        assert 'default_backend = "mlx"' in (tmp_path / "build_info.cpp").read_text()

    def test_unknown_backend_lists_the_valid_ones(self) -> None:
        result = gate_script(ROOT, ISOMETAL_DEFAULT_BACKEND="cuda")
        assert result.returncode != 0
        assert "unknown ISOMETAL_DEFAULT_BACKEND 'cuda'; use one of cpu, mlx, metal" in text(result)

    def test_a_define_overrides_the_environment(self) -> None:
        result = gate_script(ROOT, "-DISOMETAL_DEFAULT_BACKEND=cpu", ISOMETAL_DEFAULT_BACKEND="cuda")
        assert "Default backend: cpu" in text(result)

    def test_metal_without_evidence_is_refused(self) -> None:
        for result in (
            gate_script(ROOT, ISOMETAL_DEFAULT_BACKEND="metal"),
            gate_script(ROOT, "-DISOMETAL_DEFAULT_BACKEND=metal"),
            gate_script(ROOT, ISOMETAL_DEFAULT_BACKEND="metal", ISOMETAL_EVIDENCE=""),
        ):
            assert result.returncode != 0
            assert "ISOMETAL_DEFAULT_BACKEND=metal without evidence" in text(result)

    def test_metal_with_evidence_that_is_no_file_is_refused(self, tmp_path: Path) -> None:
        for path in (tmp_path / "absent.json", tmp_path):
            result = gate_script(ROOT, ISOMETAL_DEFAULT_BACKEND="metal", ISOMETAL_EVIDENCE=str(path))
            assert result.returncode != 0
            assert "ISOMETAL_EVIDENCE names no file" in text(result)

    def test_only_a_gate_that_qualifies_lets_metal_through(self, source: Path, tmp_path: Path) -> None:
        evidence = tmp_path / "evidence.json"
        for verdict, passes in {"0": True, "3": False, "2": False, "1": False, "silent": False}.items():
            evidence.write_text(verdict)
            result = gate_script(source, ISOMETAL_DEFAULT_BACKEND="metal", ISOMETAL_EVIDENCE=str(evidence))
            assert (result.returncode == 0) is passes, text(result)
            assert f"the verdict is {verdict}" in text(result)
            assert ("the gate refuses metal" in text(result)) is not passes

    def test_an_absent_or_broken_gate_refuses(self, source: Path, tmp_path: Path) -> None:
        evidence = tmp_path / "evidence.json"
        evidence.write_text("0")
        # An isometal installed beside it, editable or not, must not stand in.
        gate = source / "python" / "isometal" / "parity" / "release_gate.py"
        gate.write_text("raise ImportError('broken')\n")
        broken = gate_script(source, ISOMETAL_DEFAULT_BACKEND="metal", ISOMETAL_EVIDENCE=str(evidence))
        gate.unlink()
        absent = gate_script(source, ISOMETAL_DEFAULT_BACKEND="metal", ISOMETAL_EVIDENCE=str(evidence))
        for result in (broken, absent):
            assert result.returncode != 0
            assert "the gate refuses metal" in text(result)

    def test_a_direct_cmake_call_is_gated(self, tmp_path: Path) -> None:
        result = run(
            "cmake",
            "-S",
            ROOT,
            "-B",
            tmp_path / "build",
            f"-DPython_EXECUTABLE={sys.executable}",
            "-DISOMETAL_DEFAULT_BACKEND=metal",
        )
        assert result.returncode != 0
        assert "ISOMETAL_DEFAULT_BACKEND=metal without evidence" in text(result)


class TestBuildBackend:
    @pytest.fixture
    def backend(self, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
        pytest.importorskip("scikit_build_core", reason="scikit-build-core is in the extra `dev`")
        for name in ("CXX", "CMAKE_TOOLCHAIN_FILE", "CMAKE_ARGS", "SKBUILD_CMAKE_ARGS", *SWITCH):
            monkeypatch.delenv(name, raising=False)
        path = ROOT / "cmake" / "build_backend" / "isometal_build.py"
        spec = importlib.util.spec_from_file_location("isometal_build", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        monkeypatch.chdir(ROOT)
        return module

    def requires(self, backend: ModuleType, settings: dict[str, str] | None = None) -> list[str]:
        wheel: list[str] = backend.get_requires_for_build_wheel(settings)
        assert wheel == backend.get_requires_for_build_editable(settings)
        return [re.split(r"[^\w-]", requirement)[0] for requirement in wheel]

    def test_ziglang_only_without_a_compiler(
        self, backend: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        assert "ziglang" in self.requires(backend)
        compiler = tmp_path / "clang++"
        compiler.touch(mode=0o755)
        assert "ziglang" not in self.requires(backend)
        # scikit-build-core would ask for the compiler that built the interpreter. Set here, so that it is unset again.
        monkeypatch.setenv("CXX", "")
        backend._choose_compiler(None)
        assert os.environ["CXX"] == "clang++"

    @pytest.mark.parametrize(
        ("env", "settings"),
        [
            ({"CXX": "mine"}, None),
            ({"CMAKE_TOOLCHAIN_FILE": "mine.cmake"}, None),
            ({"CMAKE_ARGS": "-DCMAKE_CXX_COMPILER=mine"}, None),
            ({}, {"cmake.define.CMAKE_CXX_COMPILER": "mine"}),
            ({}, {"cmake.toolchain-file": "mine.cmake"}),
        ],
    )
    def test_the_users_compiler_is_respected(
        self,
        backend: ModuleType,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
        env: dict[str, str],
        settings: dict[str, str] | None,
    ) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        before = dict(os.environ)
        assert "ziglang" not in self.requires(backend, settings)
        backend._choose_compiler(settings)
        assert dict(os.environ) == before

    def test_the_gate_gets_what_it_imports(self, backend: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
        gate = {"numpy", "ml_dtypes", "jsonschema"}
        assert not gate & set(self.requires(backend))
        monkeypatch.setenv("ISOMETAL_DEFAULT_BACKEND", "metal")
        assert gate <= set(self.requires(backend))

    def test_apple_silicon_gets_apples_headers(self, backend: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
        def needs(system: str, machine: str) -> bool:
            monkeypatch.setattr(sys, "platform", system)
            monkeypatch.setattr(backend.platform, "machine", lambda: machine)
            return "mlx-metal>=0.32.3" in backend._extra_requires(None)

        assert needs("darwin", "arm64")
        assert not needs("darwin", "x86_64")
        assert not needs("linux", "arm64")

    def test_apple_silicon_means_macos_14(self, backend: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
        # Set here, so that they are unset again.
        monkeypatch.setenv("MACOSX_DEPLOYMENT_TARGET", "15.0")
        monkeypatch.setattr(backend.platform, "machine", lambda: "arm64")
        monkeypatch.setattr(sys, "platform", "darwin")
        backend._prepare_platform()
        assert os.environ["MACOSX_DEPLOYMENT_TARGET"] == "15.0"
        del os.environ["MACOSX_DEPLOYMENT_TARGET"]
        monkeypatch.setattr(sys, "platform", "linux")
        backend._prepare_platform()
        assert "MACOSX_DEPLOYMENT_TARGET" not in os.environ
        monkeypatch.setattr(sys, "platform", "darwin")
        backend._prepare_platform()
        assert os.environ["MACOSX_DEPLOYMENT_TARGET"] == "14.0"

    def test_a_build_for_a_mac_says_so_to_those_who_name_files(
        self, backend: ModuleType, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Set here, so that they are unset again.
        for name in ("_PYTHON_HOST_PLATFORM", "SETUPTOOLS_EXT_SUFFIX", "CMAKE_ARGS"):
            monkeypatch.setenv(name, "")
        backend._prepare_platform()
        assert os.environ["_PYTHON_HOST_PLATFORM"] == ""
        monkeypatch.setenv("ISOMETAL_ZIG_TARGET", "aarch64-macos.14.0")
        # What a build needs runs here, and must be for here.
        self.requires(backend)
        assert os.environ["_PYTHON_HOST_PLATFORM"] == ""
        backend._prepare_platform()
        suffix = f".cpython-{sys.version_info.major}{sys.version_info.minor}-darwin.so"
        assert os.environ["_PYTHON_HOST_PLATFORM"] == sysconfig.get_platform() == "macosx-14.0-arm64"
        assert os.environ["SETUPTOOLS_EXT_SUFFIX"] == suffix
        assert os.environ["CMAKE_ARGS"] == f"-DNB_SUFFIX={suffix}"

    def test_air_needs_the_compilers_of_the_extra_soft(
        self, backend: ModuleType, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert "llvmlite" not in self.requires(backend)
        monkeypatch.setenv("ISOMETAL_AIR", "off")
        assert "llvmlite" not in self.requires(backend)
        monkeypatch.setenv("ISOMETAL_AIR", "on")
        assert {"llvmlite", "ziglang"} <= set(self.requires(backend))
        project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
        soft = re.search(r"^soft = \[(.*?)^\]", project, re.M | re.S)
        assert soft is not None
        assert re.findall(r'^  "(.*)",$', soft[1], re.M) == backend._AIR_REQUIRES


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the compiled kernels of mask and copy."""
    for package in ("llvmlite", "ziglang"):
        pytest.importorskip(package, reason=f"{package} is in the extra `soft`")
    folder = tmp_path_factory.mktemp("compiled")
    code = (
        "import runpy, sys\n"
        "for name in ('numpy', 'ml_dtypes', 'typer', 'platformdirs'): sys.modules[name] = None\n"
        f"sys.argv = ['compile_kernels.py', 'mask', 'copy', '--out', {str(folder)!r}]\n"
        f"runpy.run_path({str(COMPILE_KERNELS)!r}, run_name='__main__')\n"
    )
    result = run(sys.executable, "-c", code)
    assert result.returncode == 0, text(result)
    return folder


class TestCompiledKernels:
    """cmake/compile_kernels.py, by CMake and by itself. It must need nothing that a build environment lacks."""

    def test_what_is_compiled_is_found(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.install(folder, monkeypatch)
        found = kernels.library("mask")
        assert isinstance(found, Path)
        assert sorted(path.name.partition("-")[0] for path in folder.iterdir()) == ["copy", "mask"]
        assert isinstance(kernels.library("rope"), str)

    def test_another_source_or_front_end_does_not_find_it(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.install(folder, monkeypatch)
        source = kernels.source
        monkeypatch.setattr(kernels, "source", lambda *of: source(*of) + " ")
        assert isinstance(kernels.library("mask"), str)
        monkeypatch.setattr(kernels, "source", source)
        assert isinstance(kernels.library("mask"), Path)
        monkeypatch.setattr("isometal.soft.msl.identity.front_end_hash", lambda: "another")
        assert isinstance(kernels.library("mask"), str)

    def test_compiled_kernels_run_and_compute_the_same(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        from isometal import soft
        from isometal.soft.msl import driver

        assert soft.missing() is None

        def both() -> list[bytes]:
            metal = _core.Metal(kernels.library)
            x = metal.adopt(_core.asarray(np.arange(12, dtype=np.float32).reshape(3, 4)))
            assert x is not None
            results = [metal.causal_mask(5, 7, "float32"), metal.contiguous(x.transpose())]
            return [np.asarray(result).tobytes() for result in results]

        expected = both()
        # No cache, and no front end.
        monkeypatch.setenv("ISOMETAL_CACHE_DIR", str(tmp_path))
        monkeypatch.setattr(driver, "_run", None)
        self.install(folder, monkeypatch)
        assert both() == expected

    def test_function_constants_are_listed(self, folder: Path) -> None:
        from isometal.soft import Library

        (compiled,) = folder.glob("copy-*")
        library, source = Library.from_metallib(compiled), Library.from_source(kernels.source("copy"))
        assert library.kernels == source.kernels
        for name in library.kernels:
            assert library.constants(name) == source.constants(name)
            assert library.reflection(name) == source.reflection(name)

    @staticmethod
    def install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        place = provenance.data_directory
        monkeypatch.setattr(provenance, "data_directory", lambda name: folder if name == "compiled" else place(name))

    @pytest.fixture
    def xcrun(self, tmp_path: Path) -> Path:
        """A stand-in for Xcode, which writes down what it was asked."""
        xcrun = tmp_path / "xcrun"
        xcrun.write_text(
            f"#!{sys.executable}\n"
            "import pathlib, sys\n"
            f"with open({str(tmp_path / 'log')!r}, 'a') as log: print(*sys.argv[1:], file=log)\n"
            "if '-o' in sys.argv: pathlib.Path(sys.argv[sys.argv.index('-o') + 1]).write_bytes(b'MTLB')\n"
        )
        xcrun.chmod(0o755)
        return xcrun

    def test_cmake_for_macos_compiles_every_family_where_xcode_is(self, xcrun: Path, tmp_path: Path) -> None:
        pytest.importorskip("ziglang", reason="ziglang is in the extra `soft`")
        headers = tmp_path / "metal_cpp" / "Metal"
        headers.mkdir(parents=True)
        (headers / "Metal.hpp").touch()
        defines = ["-DISOMETAL_ZIG_TARGET=aarch64-macos.14.0", f"-DISOMETAL_METAL_CPP={headers.parent}"]
        defines += [f"-DISOMETAL_ZIG_PYTHON={sys.executable}", f"-DPython_EXECUTABLE={sys.executable}"]
        # CMake does not look for headers of this machine's Python where it builds for another.
        defines += [f"-DPython_INCLUDE_DIR={sysconfig.get_path('include')}"]
        toolchain = f"--toolchain={ROOT / 'cmake' / 'toolchains' / 'zig.cmake'}"
        build = tmp_path / "build"
        for xcode, families in ((tmp_path / "none", 0), (xcrun, len(list((ROOT / "metal").glob("*.metal"))))):
            result = run("cmake", "-S", ROOT, "-B", build, toolchain, *defines, f"-DISOMETAL_XCRUN={xcode}")
            assert result.returncode == 0, text(result)
            made = run("cmake", "--build", build, "--target", "isometal_kernels")
            assert (made.returncode == 0) is (families > 0), text(made)
            assert len(list(build.glob("compiled/*.metallib"))) == families

    def test_xcode_is_asked_for_the_same_arithmetic(self, xcrun: Path, tmp_path: Path) -> None:
        result = run(sys.executable, COMPILE_KERNELS, "mask", "--out", tmp_path / "out", "--xcrun", xcrun)
        assert result.returncode == 0, text(result)
        asked = [line.split() for line in (tmp_path / "log").read_text().splitlines()]
        assert [line[:3] for line in asked] == [["-sdk", "macosx", "metal"], ["-sdk", "macosx", "metallib"]]
        assert "-std=metal3.1 -fno-fast-math" in " ".join(asked[0])
        name = kernels.compiled_name("mask", kernels.source("mask"), apple=True)
        assert (tmp_path / "out" / name).read_bytes() == b"MTLB"


class TestAppleCompile:
    """cmake/apple_compile.py itself runs in CI; here, what it says where something is missing."""

    def compile(self, *arguments: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
        return run(sys.executable, ROOT / "cmake" / "apple_compile.py", *arguments, **env)

    def test_help_names_its_options(self) -> None:
        result = self.compile("--help")
        assert result.returncode == 0
        assert "--metal-cpp FOLDER" in result.stdout

    def test_a_folder_without_the_headers_is_named(self, tmp_path: Path) -> None:
        pytest.importorskip("lief", reason="lief is in the extra `dev`")
        result = self.compile("--metal-cpp", tmp_path)
        assert result.returncode == 1
        assert f"[apple-compile] {tmp_path}/Metal/Metal.hpp is not there" in result.stderr

    def test_a_registry_out_of_reach_says_so(self, tmp_path: Path) -> None:
        result = self.compile(XDG_CACHE_HOME=str(tmp_path), PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tmp_path))
        assert result.returncode == 1
        assert "Apple's metal-cpp cannot be had: pip download mlx-metal==" in result.stderr

    def test_cmake_for_macos_asks_for_metal_cpp(self, tmp_path: Path) -> None:
        pytest.importorskip("ziglang", reason="ziglang is in the extra `soft`")
        defines = ["-DISOMETAL_ZIG_TARGET=aarch64-macos.14.0", f"-DISOMETAL_METAL_CPP={tmp_path}"]
        defines += [f"-DISOMETAL_ZIG_PYTHON={sys.executable}", "-DISOMETAL_BUILD_MODULE=OFF"]
        toolchain = f"--toolchain={ROOT / 'cmake' / 'toolchains' / 'zig.cmake'}"
        result = run("cmake", "-S", ROOT, "-B", tmp_path / "build", toolchain, *defines)
        assert result.returncode != 0
        assert "Apple's metal-cpp, Metal/Metal.hpp, is not in" in text(result)


class TestBuildInfo:
    def test_facts(self) -> None:
        from isometal import _version

        info = _core.build_info()
        assert _core.version() == info["version"] == _version.__version__
        assert info["cxx_standard"] >= 20
        assert info["abi"] in {"stable", f"cp{sys.version_info.major}{sys.version_info.minor}"}
        assert info["abi"] != "stable" or ".abi3." in Path(str(_core.__file__)).name
        assert info["platform"].split("-")[0] in {"Linux", "Darwin", "Windows"}
        assert info["build_type"] in {"Release", "RelWithDebInfo", "Debug", "MinSizeRel"}
        assert re.fullmatch(r"\w+ [\d.]+", info["compiler"])
        assert info["default_backend"] in {None, "cpu", "mlx", "metal"}
        built = native_sources.digest(ROOT / "csrc")
        assert info["sources"] == built, "the extension is older than csrc/: pip install -e ."
        assert set(info["sanitizers"]) <= {"address", "undefined", "thread"}


def test_cpp_tests_pass(tmp_path: Path) -> None:
    """The C++ tests, built here with warnings as errors and without Python in sight."""
    configure = ("cmake", "-S", ROOT, "-B", tmp_path, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug")
    options = ("-DISOMETAL_BUILD_MODULE=OFF", "-DISOMETAL_BUILD_TESTS=ON", "-DISOMETAL_WERROR=ON")
    ctest = ("ctest", "--test-dir", tmp_path, "--output-on-failure", "--no-tests=error")
    for command in ((*configure, *options), ("cmake", "--build", tmp_path), ctest):
        result = run(*command)
        assert result.returncode == 0, result.stdout + result.stderr
    assert "100% tests passed" in result.stdout
    # ctest runs what the executable holds, no less.
    registered = run(tmp_path / "tests" / "cpp" / "isometal_tests")
    cases = re.search(r"^(\d+) cases, 0 failed", registered.stdout, re.MULTILINE)
    assert cases is not None
    assert f"out of {cases[1]}" in result.stdout


def test_sdist_holds_what_a_build_needs(tmp_path: Path) -> None:
    pytest.importorskip("scikit_build_core", reason="scikit-build-core is in the extra `dev`")
    call = (
        "import sys; sys.path.insert(0, 'cmake/build_backend'); import isometal_build as b; b.build_sdist(sys.argv[1])"
    )
    result = run(sys.executable, "-c", call, tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    (archive,) = tmp_path.glob("isometal-*.tar.gz")
    shutil.unpack_archive(archive, tmp_path / "unpacked", filter="data")
    (tree,) = (tmp_path / "unpacked").iterdir()
    held = {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()}
    tracked = run("git", "ls-files", "csrc", "cmake", "metal", "tests/cpp", "tests/native", "python/isometal/_*")
    if tracked.returncode == 0:
        assert set(tracked.stdout.split()) <= held
    assert {"pyproject.toml", "CMakeLists.txt", "LICENSE", "PKG-INFO", "python/isometal/py.typed"} <= held
    assert not [name for name in held if name.startswith(("build/", "dist/")) or name.endswith((".so", ".pyc"))]
