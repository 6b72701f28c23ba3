"""Errors of the software Metal device. All derive from SoftDeviceError, so one except clause catches them."""

from __future__ import annotations

from isometal.errors import BackendError

__all__ = [
    "FunctionError",
    "HangError",
    "LoweringError",
    "MetallibError",
    "MslError",
    "SoftDeviceError",
    "ValidationError",
]


class SoftDeviceError(BackendError):
    """Base of what the software Metal device raises."""


class MetallibError(SoftDeviceError):
    """A .metallib container is truncated, damaged or of an unknown form.

    Attributes:
        offset: where in the file the fault is, in bytes.
        reason: what is wrong there.
    """

    def __init__(self, offset: int, reason: str, source: str = "metallib") -> None:
        self.offset = offset
        self.reason = reason
        super().__init__(f"{source}: at byte {offset:#x}: {reason}")


class MslError(SoftDeviceError):
    """Metal source that does not compile. `diagnostics` holds the compiler's lines, with file, line and column."""

    def __init__(self, message: str, diagnostics: str = "") -> None:
        self.diagnostics = diagnostics
        super().__init__(f"{message}\n{diagnostics}".rstrip())


class FunctionError(SoftDeviceError):
    """A kernel that a library does not have, or function constants that do not fit it."""


class LoweringError(SoftDeviceError):
    """AIR that cannot be turned into native code: an unknown intrinsic, a recursive call, an unknown constant."""


class ValidationError(SoftDeviceError):
    """A call that Metal's API validation rejects: an unbound buffer, too many threads, misuse of an encoder."""


class HangError(SoftDeviceError):
    """A dispatch that cannot end: threads wait at a barrier that others never reach."""
