"""Sphinx's configuration. `python docs/build.py` builds and checks; _ext/ holds what is generated from the code."""

from __future__ import annotations

import sys
from pathlib import Path

import isometal

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "isometal"
author = "isometal authors"
copyright = author
version = release = isometal.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "docstrings", "op_sections", "cli_reference"]
exclude_patterns = ["_ext", "examples"]
# Languages of code blocks are given; an indented block is no Python.
highlight_language = "none"

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
napoleon_use_rtype = False
napoleon_use_ivar = True

myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]

nitpicky = True
# Types of the language, of NumPy and of our own internals in signatures: there is no page to lead to.
nitpick_ignore_regex = [
    (r"py:.*", r"(collections\.abc|contextlib|numpy|os|pathlib|typing|types)\..*"),
    (
        r"py:(class|obj)",
        r"(Any|ArrayLike|Axis|Backend|Data|DType|Given|NDArray|NativeKernel|PathLike|Shape|Size|_Source)",
    ),
    (r"py:(class|obj|exc)", r"(bool|bytes|float|int|list|object|str|tuple|dict|None|\w+Error)"),
]

html_theme = "furo"
html_title = f"isometal {release}"
html_static_path = ["_static"]
html_css_files = ["isometal.css"]
html_show_sphinx = False
html_copy_source = False

# MLX's and NumPy's pages refuse robots now and then; what is wrong stays wrong on the second try.
linkcheck_retries = 2
linkcheck_timeout = 30
