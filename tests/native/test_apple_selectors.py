"""What the Metal backend asks of macOS: all of it is in csrc/dispatcher/macos.toml, and what is newer is asked for."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, os.fspath(ROOT / "cmake"))

import apple_compile  # noqa: E402
import apple_selectors  # noqa: E402

MINIMUM = (14, 0)
Reached = apple_selectors.Reached


@pytest.fixture(scope="session")
def headers() -> apple_selectors.Headers:
    try:
        return apple_selectors.read_headers(apple_compile.headers_of_mlx())
    except apple_compile.Failure as failure:
        if os.environ.get("ISOMETAL_OFFLINE"):
            pytest.skip(f"ISOMETAL_OFFLINE is set: {failure}")
        pytest.fail(f"{failure}\nSet ISOMETAL_OFFLINE=1 to skip what needs it.", pytrace=False)


@pytest.fixture(scope="session")
def build(headers: apple_selectors.Headers) -> Path:
    """The folder with the objects of the backend as it is. They are compiled once; CI has done so before."""
    for package in ("lief", "ziglang"):
        pytest.importorskip(package, reason=f"{package} is not installed (extra `dev`), which the Apple build needs")
    for tool in ("cmake", "ninja"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed (extra `dev`), which the Apple build needs")
    if not apple_compile.is_compiled():
        apple_compile.compile_all(apple_compile.headers_of_mlx())
    return apple_compile.BUILD


@pytest.fixture(scope="session")
def backend(build: Path, headers: apple_selectors.Headers, tmp_path_factory: pytest.TempPathFactory) -> Reached:
    into = tmp_path_factory.mktemp("functions")
    return apple_selectors.reached_by(apple_selectors.units(build), headers, into)


@pytest.fixture
def reach(build: Path, headers: apple_selectors.Headers, tmp_path: Path) -> Callable[[str], Reached]:
    """reach(text): what a source with that text asks, compiled as the dispatcher's are."""
    (like,) = [unit for unit in apple_selectors.units(build) if unit.source.name == "pipelines.cpp"]

    def reach(text: str) -> Reached:
        source = tmp_path / "case.cpp"
        source.write_text("#include <Metal/Metal.hpp>\n" + text)
        command = [os.fspath(source) if Path(word) == like.source else word for word in like.command]
        command[command.index("-o") + 1] = os.fspath(tmp_path / "case.o")
        subprocess.run(command, cwd=like.folder, check=True)
        return apple_selectors.reached_by(
            [dataclasses.replace(like, source=source, command=command)], headers, tmp_path
        )

    return reach


def problems(reached: Reached, **introduced: str) -> str:
    """With a table of what is reached, of macOS 10.11 or as `introduced` says by name."""
    names = {name.rstrip(":").replace(":", "_"): (section, name) for section, name in reached.uses}
    assert introduced.keys() <= names.keys(), f"not reached: {introduced.keys() - names.keys()}"
    versions = {entry: apple_selectors.version(introduced.get(name, "10.11")) for name, entry in names.items()}
    return "\n".join(apple_selectors.compare(reached, versions, apple_selectors.TABLE))


class TestBackend:
    def test_it_asks_for_what_the_table_has_and_no_more(self, build: Path) -> None:
        figures = apple_selectors.check(build, apple_compile.headers_of_mlx())
        assert f"newer than macOS {apple_selectors.shown(MINIMUM)}" in figures

    def test_it_is_built_for_the_macos_of_its_wheel(self, backend: Reached) -> None:
        assert backend.minimum == MINIMUM
        assert 'MACOSX_DEPLOYMENT_TARGET = "14.0"' in (ROOT / "pyproject.toml").read_text()

    def test_each_entry_that_is_taken_out_is_missed(self, backend: Reached) -> None:
        table = apple_selectors.read_table(apple_selectors.TABLE)
        for entry in backend.uses:
            shorter = {other: version for other, version in table.items() if other != entry}
            found = [
                text for text in apple_selectors.compare(backend, shorter, apple_selectors.TABLE) if entry[1] in text
            ]
            assert any(f"[{entry[0]}] {entry[1]}, used by" in text and "is not in macos.toml" in text for text in found)

    def test_an_entry_that_nothing_uses_is_named(self, backend: Reached) -> None:
        table = apple_selectors.read_table(apple_selectors.TABLE)
        table["methods.MTLDevice", "newEvent"] = (10, 14)
        found = "\n".join(apple_selectors.compare(backend, table, apple_selectors.TABLE))
        assert "[methods.MTLDevice] newEvent is in macos.toml, and nothing uses it" in found

    def test_the_stubs_that_are_linked_have_the_functions_of_the_table(self) -> None:
        stubs = " ".join(path.read_text() for path in (ROOT / "cmake" / "apple_stubs" / "lib").rglob("*.tbd"))
        linked = {
            name for symbols in re.findall(r"symbols:\s*\[([^]]*)\]", stubs) for name in re.findall(r"_(\w+)", symbols)
        }
        table = apple_selectors.read_table(apple_selectors.TABLE)
        assert linked == {name for section, name in table if section == "functions"}

    def test_the_same_selector_of_two_classes_is_two(self, backend: Reached) -> None:
        assert {("methods.MTLDevice", "name"), ("methods.MTLArchitecture", "name")} <= backend.uses.keys()

    def test_classes_and_selectors_that_are_not_there_are_null(self, headers: apple_selectors.Headers) -> None:
        """metal-cpp looks all of its own up when the module is loaded, of newer systems too."""
        folder = apple_compile.headers_of_mlx()
        for path in ("Foundation/NSPrivate.hpp", "Metal/MTLPrivate.hpp"):
            text = (folder / path).read_text()
            assert "objc_lookUpClass(#symbol)" in text
            assert "objc_getRequiredClass" not in text  # ends the process where there is no class


class TestCases:
    NEWER = """
    MTL::ResidencySet* residency(MTL::Device* device) {
      %s
      return device->newResidencySet(nullptr, nullptr);
    }"""
    ASK = """
    struct Ask : NS::Object { using NS::Object::respondsToSelector; };
    bool responds(const void* object, SEL selector) { return Ask::respondsToSelector(object, selector); }"""

    def test_a_newer_method_must_be_asked_for(self, reach: Callable[[str], Reached]) -> None:
        found = problems(reach(self.NEWER % ""), newResidencySetWithDescriptor_error="15.0")
        assert "newResidencySetWithDescriptor:error:, used by residency, is of macOS 15.0, and 14.0 is" in found
        assert found.endswith("; residency must ask first (docs/metal-backend.md).")

    @pytest.mark.parametrize("question", ["Ask::respondsToSelector", "responds"])
    def test_one_that_is_asked_for_may_be_newer(self, reach: Callable[[str], Reached], question: str) -> None:
        selector = "MTL::Private::Selector::s_knewResidencySetWithDescriptor_error_"
        text = self.ASK + self.NEWER % f"if (!{question}(device, {selector})) return nullptr;"
        assert problems(reach(text), newResidencySetWithDescriptor_error="15.0") == ""

    def test_a_question_about_another_is_none(self, reach: Callable[[str], Reached]) -> None:
        text = self.ASK + self.NEWER % "if (!responds(device, MTL::Private::Selector::s_kname)) return nullptr;"
        assert "must ask first" in problems(reach(text), newResidencySetWithDescriptor_error="15.0")

    def test_each_caller_must_ask(self, reach: Callable[[str], Reached]) -> None:
        selector = "MTL::Private::Selector::s_knewResidencySetWithDescriptor_error_"
        text = self.ASK + self.NEWER % f"if (!responds(device, {selector})) return nullptr;"
        text += "void* other(MTL::Device* device) { return device->newResidencySet(nullptr, nullptr); }"
        found = problems(reach(text), newResidencySetWithDescriptor_error="15.0")
        assert "; other must ask first" in found

    def test_what_metal_cpp_asks_for_may_be_newer(self, reach: Callable[[str], Reached]) -> None:
        text = "bool family(MTL::Device* device) { return device->supportsFamily(MTL::GPUFamilyApple9); }"
        assert problems(reach(text), supportsFamily="15.0") == ""

    def test_a_newer_class_must_be_asked_for(self, reach: Callable[[str], Reached]) -> None:
        text = "void* made() { %s return MTL::ResidencySetDescriptor::alloc(); }"
        assert "must ask first" in problems(reach(text % ""), MTLResidencySetDescriptor="15.0")
        ask = "if (MTL::Private::Class::s_kMTLResidencySetDescriptor == nullptr) return nullptr;"
        assert problems(reach(text % ask), MTLResidencySetDescriptor="15.0") == ""

    def test_what_is_never_called_is_not_reached(self, reach: Callable[[str], Reached]) -> None:
        text = "inline void never(MTL::Device* device) { device->newFence(); }\n"
        text += "template <typename T> void neither(T* device) { device->newEvent(); }\n"
        text += "void* called(MTL::Device* device) { return device->newCommandQueue(); }"
        assert set(reach(text).uses) == {("methods.MTLDevice", "newCommandQueue"), ("functions", "objc_msgSend")}

    def test_a_function_and_a_constant_of_apples_count(self, reach: Callable[[str], Reached]) -> None:
        text = 'extern "C" void* const MTLNewConstant; extern "C" void* MTLNewThing();\n'
        text += "bool made() { return MTLNewConstant != MTLNewThing() || NS::LocalizedDescriptionKey == nullptr; }"
        reached = reach(text)
        assert {("functions", "MTLNewConstant"), ("functions", "MTLNewThing")} <= reached.uses.keys()
        assert "must ask first" in problems(reached, NSLocalizedDescriptionKey="15.0")

    def test_messages_without_metal_cpp_are_refused(self, reach: Callable[[str], Reached]) -> None:
        text = "#include <objc/message.h>\n"
        text += "using Send = void* (*)(void*, SEL);\n"
        text += "void* sent(MTL::Device* device) {\n"
        text += "  return reinterpret_cast<Send>(objc_msgSend)(device, MTL::Private::Selector::s_knewFence);\n}"
        with pytest.raises(apple_selectors.Problems, match="calls objc_msgSend itself"):
            reach(text)


class TestEnumerators:
    HEADERS = apple_selectors.Headers(
        enumerators={"GPUFamilyApple10": "MTLGPUFamilyApple10", "LanguageVersion4_0": "MTLLanguageVersion4_0"},
        enums={"GPUFamily"},
    )

    def found(self, text: str) -> SimpleNamespace:
        reached = Reached(MINIMUM)
        apple_selectors.add_enumerators(reached, "case.cpp", text, self.HEADERS)
        return SimpleNamespace(names=[name for _, name in reached.uses], uses=reached.uses, reached=reached)

    @pytest.mark.parametrize("text", ["f(MTL::GPUFamilyApple10)", "f(::MTL::GPUFamily::\n GPUFamilyApple10)"])
    def test_one_that_is_passed_counts(self, text: str) -> None:
        found = self.found(f"/* one\n line */ {text};")
        assert found.names == ["MTLGPUFamilyApple10"]
        (user,) = found.uses["enumerators", "MTLGPUFamilyApple10"]
        assert user.startswith("case.cpp:2")

    def test_comments_and_texts_do_not(self) -> None:
        text = '// MTL::GPUFamilyApple10\n/* MTL::GPUFamilyApple10 */ "\\"MTL::GPUFamilyApple10"; x = 1\'000;'
        assert self.found(text).names == []
        assert self.found(text + "f(MTL::LanguageVersion4_0); c = 'a';").names == ["MTLLanguageVersion4_0"]

    def test_a_newer_one_is_only_for_questions(self) -> None:
        entry = "enumerators", "MTLGPUFamilyApple10"
        for text, bare in {"device->supportsFamily(MTL::GPUFamilyApple10)": 0, "use(MTL::GPUFamilyApple10)": 1}.items():
            wrong = apple_selectors.compare(self.found(text).reached, {entry: (26, 0)}, apple_selectors.TABLE)
            assert len(wrong) == bare

    @pytest.mark.parametrize(
        "text",
        ["using namespace MTL;", "using MTL::GPUFamily;", "using enum MTL::GPUFamily;", "namespace metal = MTL;"],
    )
    def test_no_name_may_be_hidden(self, text: str) -> None:
        with pytest.raises(apple_selectors.Problems, match="hides names of metal-cpp"):
            self.found(text)

    @pytest.mark.parametrize(
        "text",
        ["static_cast<MTL::GPUFamily>(1010)", "MTL::GPUFamily(1010)", "(MTL::GPUFamily)1010", "MTL::GPUFamily{1}"],
    )
    def test_no_number_may_be_an_enumerator(self, text: str) -> None:
        with pytest.raises(apple_selectors.Problems, match="makes an enumerator of a number"):
            self.found(f"f({text});")

    @pytest.mark.parametrize(
        "text", ["using Done = MTL::HandlerFunction;", "MTL::Size(1, 1, 1)", "MTL::GPUFamily f(int);"]
    )
    def test_other_uses_of_the_namespaces_are_free(self, text: str) -> None:
        assert self.found(text).names == []
