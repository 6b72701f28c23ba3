"""Exception types. Every message reads ``[op] what is wrong: the values; what would be right.``

Each type also derives from the builtin that callers expect: ValueError for shapes and values, TypeError for
dtypes, RuntimeError for device or build. The check layer raises them before a backend runs, so the text is the
same whatever the backend.
"""

from __future__ import annotations


class IsometalError(Exception):
    """Base of every error that isometal raises on purpose."""


class ShapeError(IsometalError, ValueError):
    """A shape, an axis or a value is wrong."""


class DTypeError(IsometalError, TypeError):
    """A dtype, or the type of an argument, is wrong."""


class BackendError(IsometalError, RuntimeError):
    """A backend, device or build cannot do what was asked."""


class BackendNameError(IsometalError, ValueError):
    """A name that names no backend."""
