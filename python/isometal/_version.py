"""The version: one place, read by the build (pyproject.toml, CMakeLists.txt) and by the package."""

__version__ = "0.1.0"
