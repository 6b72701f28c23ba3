"""isometal: Metal kernels with proof.

A small tensor library: 20 ops, one array type, three backends (`cpu`, `mlx`, `metal`) and a parity suite that
decides from evidence when Metal may become the default.
"""

from isometal._version import __version__
from isometal.array import Array, array, eval
from isometal.dtypes import bfloat16, bool_, float16, float32, int32, int64, uint32
from isometal.errors import BackendError, BackendNameError, DTypeError, IsometalError, ShapeError
from isometal.ops import (
    add,
    broadcast_to,
    causal_mask,
    divide,
    gelu,
    layer_norm,
    matmul,
    max,
    mean,
    multiply,
    negative,
    reshape,
    rms_norm,
    rope,
    scaled_dot_product_attention,
    silu,
    softmax,
    subtract,
    sum,
    transpose,
)
from isometal.selection import default_backend, set_default_backend, use_backend

__all__ = [
    "Array",
    "BackendError",
    "BackendNameError",
    "DTypeError",
    "IsometalError",
    "ShapeError",
    "__version__",
    "add",
    "array",
    "bfloat16",
    "bool_",
    "broadcast_to",
    "causal_mask",
    "default_backend",
    "divide",
    "eval",
    "float16",
    "float32",
    "gelu",
    "int32",
    "int64",
    "layer_norm",
    "matmul",
    "max",
    "mean",
    "multiply",
    "negative",
    "reshape",
    "rms_norm",
    "rope",
    "scaled_dot_product_attention",
    "set_default_backend",
    "silu",
    "softmax",
    "subtract",
    "sum",
    "transpose",
    "uint32",
    "use_backend",
]
