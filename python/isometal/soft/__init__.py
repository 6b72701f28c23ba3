"""The software Metal device: runs Metal kernels, from source or from Apple's metallibs, on any CPU.

    from isometal.soft import Library

    library = Library.from_metallib("mlx.metallib")
    add = library.kernel("vv_Addfloat32")
    add(a, b, out, out.size, grid=out.size)

It needs the extra ``soft``: pip install 'isometal[soft]'.
"""

from isometal.soft import service
from isometal.soft.device import Device, device, missing
from isometal.soft.errors import (
    FunctionError,
    HangError,
    LoweringError,
    MetallibError,
    MslError,
    SoftDeviceError,
    ValidationError,
)
from isometal.soft.kernel import Kernel
from isometal.soft.library import Library
from isometal.soft.reflection import Argument, FunctionConstant, KernelReflection

__all__ = [
    "Argument",
    "Device",
    "FunctionConstant",
    "FunctionError",
    "HangError",
    "Kernel",
    "KernelReflection",
    "Library",
    "LoweringError",
    "MetallibError",
    "MslError",
    "SoftDeviceError",
    "ValidationError",
    "device",
    "missing",
]

# From now on the C++ device of this process can compile kernels.
service.install()
