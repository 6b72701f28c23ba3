"""The `metal` backend: our own Metal kernels. Not part of this version yet, and says so."""

from __future__ import annotations

#: Why the backend cannot run; `isometal.selection.unavailable("metal")` returns it.
REASON = "the Metal backend is not part of this version of isometal yet: it has no kernels to run"
