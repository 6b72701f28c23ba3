"""Build the documentation and check it: Sphinx without a warning, every link, every path that a page names.

Needs `pip install '.[docs]'`. Exit codes: 0 all is well; 1 a warning, a broken link or a path that is not there;
2 usage or environment.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
#: What is written by hand and names files of the repository.
PAGES = (*sorted(DOCS.glob("*.md")), *sorted(DOCS.glob("*.rst")), ROOT / "README.md", ROOT / "CONTRIBUTING.md")
_NEEDED = ("sphinx", "furo", "myst_parser", "isometal")
_FOLDERS = ("bench", "cmake", "csrc", "docs", "goldens", "metal", "python", "tests", ".ci", ".github")
_PATH = re.compile(rf"(?<![\w./-])(?:{'|'.join(map(re.escape, _FOLDERS))})/[\w./*-]*")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=DOCS / "_build", help="where the pages go; default: docs/_build")
    parser.add_argument("--external", action="store_true", help="check links to the web too; needs the network")
    options = parser.parse_args(arguments)
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        print(f"[docs] {', '.join(missing)} cannot be imported; pip install '.[docs]'.", file=sys.stderr)
        return 2
    html = options.output / "html"
    if sphinx("html", html) != 0:
        return 1
    wrong = [*broken_links(html), *missing_paths()]
    for line in wrong:
        print(line, file=sys.stderr)
    print(f"{len(list(html.rglob('*.html')))} pages in {html}, {len(wrong)} broken links or paths")
    if options.external and sphinx("linkcheck", options.output / "linkcheck") != 0:
        return 1
    return 1 if wrong else 0


def sphinx(builder: str, output: Path) -> int:
    """Sphinx's exit code; a warning is an error. Everything is read anew, so that no warning is lost."""
    with tempfile.TemporaryDirectory(prefix="isometal-docs-") as doctrees:
        command = [sys.executable, "-m", "sphinx", "-q", "-W", "-n", "--keep-going", "-E", "-b", builder]
        return subprocess.run([*command, "-d", doctrees, str(DOCS), str(output)], check=False).returncode


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.ids.add(value)
            elif name in ("href", "src") and value:
                self.links.append(value)


def broken_links(html: Path) -> Iterator[str]:
    """Links within the site whose file or anchor is not there."""
    pages = {path: _Page(path.read_text(encoding="utf-8")) for path in sorted(html.rglob("*.html"))}
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_file():
                yield f"{path.relative_to(html)}: {link}: there is no such file"
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].ids:
                yield f"{path.relative_to(html)}: {link}: there is no such anchor"


def missing_paths() -> Iterator[str]:
    """Paths of the repository that a page names and that are not there."""
    for page in PAGES:
        for found in sorted(set(_PATH.findall(page.read_text(encoding="utf-8")))):
            name = found.rstrip(".-")
            if not any(ROOT.glob(name.rstrip("/"))):
                yield f"{page.relative_to(ROOT)}: {name}: there is no such path"


if __name__ == "__main__":
    sys.exit(main())
