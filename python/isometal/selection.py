"""Which backend runs: loading the backends, and the default.

The default is the first of: `set_default_backend` or `use_backend` in this context, the environment
(`ISOMETAL_BACKEND`, alias `MLX_RS_BACKEND`), a default compiled into a release build, a qualification recorded on this
machine, `mlx` if it can be imported, `cpu`.
"""

from __future__ import annotations

import importlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import cast

from isometal.backends.base import Backend
from isometal.errors import BackendError, BackendNameError
from isometal.optable import BACKENDS

#: The environment variables that name the default, strongest first.
ENVIRONMENT = ("ISOMETAL_BACKEND", "MLX_RS_BACKEND")

_loaded: dict[str, Backend] = {}
_lock = threading.RLock()
_chosen: ContextVar[str | None] = ContextVar("isometal_backend", default=None)


@dataclass(frozen=True)
class Default:
    """The default backend and, for `isometal status`, why it is the default."""

    name: str
    reason: str


_machine_default: Default | None = None


def check_name(name: object, source: str = "") -> str:
    """``name`` if it names a backend; else BackendNameError, which lists the valid ones."""
    if isinstance(name, str) and name in BACKENDS:
        return name
    shown = f"{source}={name!r}" if source else repr(name)
    raise BackendNameError(f"[backend] {shown} names no backend; choose one of {', '.join(BACKENDS)}.")


def get(name: str) -> Backend:
    """The backend called ``name``, loaded on first use. BackendError says why one cannot run here."""
    try:
        return _loaded[name]
    except KeyError:
        return _load(check_name(name))


def unavailable(name: str) -> str | None:
    """Why the backend cannot run here, or None where it can."""
    try:
        get(name)
    except BackendError as error:
        return str(error)
    return None


def available() -> tuple[str, ...]:
    """The backends that can run here."""
    return tuple(name for name in BACKENDS if unavailable(name) is None)


def _load(name: str) -> Backend:
    with _lock:
        if name in _loaded:
            return _loaded[name]
        try:
            module = importlib.import_module(f"isometal.backends.{name}")
        except ModuleNotFoundError as error:
            if name != "mlx" or (error.name or "").partition(".")[0] != "mlx":
                raise
            raise BackendError("[mlx] MLX is not installed; pip install 'isometal[mlx]'.") from error
        except (ImportError, OSError) as error:
            raise BackendError(f"[{name}] the backend does not load: {error}; reinstall it.") from error
        backend = cast(Backend, module.BACKEND)
        _loaded[name] = backend
        return backend


def set_default_backend(name: str | None) -> None:
    """Make ``name`` the default in the current context (thread or asyncio task); None undoes it.

    A new thread starts without it: use the environment variable ISOMETAL_BACKEND for a whole process. Raises
    BackendNameError for an unknown name and BackendError where that backend cannot run.
    """
    if name is not None:
        get(check_name(name))
    _chosen.set(name)


@contextmanager
def use_backend(name: str) -> Iterator[None]:
    """Make ``name`` the default inside a ``with`` block, in this context only. Raises as `set_default_backend`."""
    get(check_name(name))
    token = _chosen.set(name)
    try:
        yield
    finally:
        _chosen.reset(token)


def default_backend() -> str:
    """Name of the backend that runs ops whose operands hold no `Array`.

    Raises BackendNameError where the environment names no backend.
    """
    return default().name


def default() -> Default:
    """The default backend and the reason for it. Raises ValueError where the environment names no backend."""
    from_environment = _environment_default()
    chosen = _chosen.get()
    if chosen is not None:
        return Default(chosen, "chosen in this context by set_default_backend or use_backend")
    return from_environment or _cached_machine_default()


def current() -> Backend:
    """The default backend itself: the hot path of ops without an `Array` among their operands."""
    chosen = _chosen.get()
    if chosen is not None:
        return _loaded[chosen]
    if _machine_default is None or any(variable in os.environ for variable in ENVIRONMENT):
        return get(default().name)
    return get(_machine_default.name)


def forget_machine_default() -> None:
    """Look again at build, qualification and installed packages; called when a qualification changes."""
    global _machine_default
    with _lock:
        _machine_default = None


def _environment_default() -> Default | None:
    found = None
    for variable in ENVIRONMENT:
        value = os.environ.get(variable)
        if value is not None:
            name = check_name(value, variable)
            found = found or Default(name, f"the environment variable {variable}")
    return found


def _cached_machine_default() -> Default:
    global _machine_default
    if _machine_default is None:
        with _lock:
            _machine_default = _find_machine_default()
    return _machine_default


def _find_machine_default() -> Default:
    compiled = _compiled_default()
    if compiled is not None:
        return Default(compiled, "compiled into this build")
    if _metal_is_qualified():
        return Default("metal", "a qualification recorded on this machine")
    why_not_mlx = unavailable("mlx")
    if why_not_mlx is None:
        return Default("mlx", "MLX can be imported")
    return Default("cpu", f"no other backend can run: {why_not_mlx}")


def _metal_is_qualified() -> bool:
    """A qualification counts for the device that it was recorded for, where that device runs now."""
    from isometal import qualification

    found = qualification.current()
    return found is not None and unavailable("metal") is None and found.covers(get("metal").device())


def _compiled_default() -> str | None:
    from isometal import _core

    name = _core.build_info()["default_backend"]
    return None if name is None else check_name(name, "ISOMETAL_DEFAULT_BACKEND")
