"""The op table: one row per op, the single source of truth.

Everything derivable is derived from it: the matrix and its order, which test kinds a cell owes, parity, golden and
bench cases, tolerances, the gate, the docs table, the check of the generated stub. Standard library only, so that
build scripts can read it without NumPy.

Adding a unary op edits four files: the row here, the NumPy definition, the kernel functor, the facade function.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType

#: Test kinds in the order that the matrix names them.
KINDS: Mapping[str, str] = MappingProxyType(
    {
        "U": "unit: hand-checked values",
        "P": "property: laws that hold, found by Hypothesis",
        "G": "golden: files made by Python MLX",
        "R": "parity: against float64, cpu and mlx",
        "B": "bench: a measured ratio against NumPy and MLX",
    }
)

FLOATING = ("float32", "float16", "bfloat16")
NUMERIC = (*FLOATING, "int32", "int64", "uint32")
ALL_DTYPES = (*NUMERIC, "bool")

#: The three dtypes that every cell must prove.
PROOF_DTYPES = FLOATING

BACKENDS = ("cpu", "mlx", "metal")
#: Column titles of the matrix.
BACKEND_LABELS: Mapping[str, str] = MappingProxyType({"cpu": "CPU", "mlx": "FFI", "metal": "Metal"})


@dataclass(frozen=True)
class Tolerance:
    """How far a result may be from the float64 truth ``t``.

    rule      bound on |x - t|, element by element
    exact     0, against t rounded once to the dtype
    ulp       ``value`` units in the last place of t rounded to the dtype
    close     ``value + value * |t|``  (rtol = atol)
    magnitude ``value * sum of magnitudes``: what rounding of a sum of products really scales with
    """

    rule: str
    value: float = 0.0


@dataclass(frozen=True)
class Op:
    """One row. ``owes`` are the test kinds that a green cell needs; ``dtypes`` what the op accepts.

    ``tolerance`` is looked up by the dtype of the *result*: `divide` and `mean` of integers give float32.
    """

    name: str
    label: str
    category: str
    signature: str
    owes: tuple[str, ...]
    required: bool
    family: str
    dtypes: tuple[str, ...]
    tolerance: Mapping[str, Tolerance]
    #: What MLX calls it; the source of goldens.
    mlx: str
    #: Text of the "Required Tests" column where it is more than the list of kinds.
    owes_text: str = ""

    @property
    def required_tests(self) -> str:
        """What the column "Required Tests" of the matrix says."""
        return self.owes_text or " ".join(self.owes)

    @property
    def gate(self) -> str:
        """What its column "Default Gate" says."""
        return "✅ Required" if self.required else "⚠ Optional"


def _tolerance(rule: str, float32: float = 0.0, float16: float = 0.0, bfloat16: float = 0.0) -> Mapping[str, Tolerance]:
    floating = {"float32": float32, "float16": float16, "bfloat16": bfloat16}
    # Integers and bool are exact whatever the rule of the floating dtypes.
    return MappingProxyType(
        {dtype: Tolerance(rule, floating[dtype]) if dtype in floating else Tolerance("exact") for dtype in ALL_DTYPES}
    )


EXACT = _tolerance("exact")
_ULP1 = _tolerance("ulp", 1, 1, 1)
_CLOSE = _tolerance("close", 1e-6, 1e-3, 1e-2)
_LAYER_NORM = _tolerance("close", 1e-5, 5e-3, 5e-2)
_ATTENTION = _tolerance("close", 1e-5, 1e-3, 5e-3)
_SUM = _tolerance("magnitude", 1e-5, 1e-3, 1e-2)

_UR, _UGR, _UPR, _UP, _UGRB = ("U", "R"), ("U", "G", "R"), ("U", "P", "R"), ("U", "P"), ("U", "G", "R", "B")

# fmt: off
_ROWS = (
    # name, label, category, signature, owes, required, family, dtypes, tolerance, mlx
    Op("add", "Add", "Elementwise", "(a, b)", _UR, True, "binary", ALL_DTYPES, EXACT, "mlx.core.add"),
    Op("subtract", "Sub", "Elementwise", "(a, b)", _UR, True, "binary", ALL_DTYPES, EXACT, "mlx.core.subtract"),
    Op("multiply", "Mul", "Elementwise", "(a, b)", _UR, True, "binary", ALL_DTYPES, EXACT, "mlx.core.multiply"),
    Op("divide", "Div", "Elementwise", "(a, b)", _UR, True, "binary", ALL_DTYPES, _ULP1, "mlx.core.divide"),
    Op("negative", "Neg", "Elementwise", "(x)", _UR, True, "unary", NUMERIC, EXACT, "mlx.core.negative"),
    Op("matmul", "MatMul", "GEMM", "(a, b)", _UGRB, True, "gemm", FLOATING, _SUM, "mlx.core.matmul"),
    Op("silu", "Silu", "Activations", "(x)", _UGR, True, "unary", FLOATING, _CLOSE, "mlx.nn.silu"),
    Op("gelu", "Gelu", "Activations", "(x, approx='none')", _UGR, True, "unary", FLOATING, _CLOSE, "mlx.nn.gelu"),
    Op("softmax", "Softmax(axis=-1)", "Softmax", "(x, axis=-1, precise=False)", _UGR, True, "softmax", FLOATING,
       _CLOSE, "mlx.core.softmax"),
    Op("causal_mask", "Causal Mask", "Masking", "(q_len, kv_len=None, *, dtype='float32')", ("U", "G"), True, "mask",
       FLOATING, EXACT, "mlx.nn.MultiHeadAttention.create_additive_causal_mask"),
    Op("rms_norm", "RMSNorm", "Norm", "(x, weight=None, eps=1e-05)", _UGRB, True, "norm", FLOATING, _CLOSE,
       "mlx.core.fast.rms_norm"),
    Op("layer_norm", "LayerNorm", "Norm", "(x, weight=None, bias=None, eps=1e-05)", _UGRB, True, "norm", FLOATING,
       _LAYER_NORM, "mlx.core.fast.layer_norm"),
    Op("rope", "RoPE", "Positional",
       "(x, dims, *, traditional=False, base=10000.0, scale=1.0, offset=0, freqs=None)", _UGR, True, "rope", FLOATING,
       _CLOSE, "mlx.core.fast.rope"),
    Op("sum", "Sum", "Reduction", "(x, axis=None, keepdims=False)", _UPR, False, "reduce", ALL_DTYPES, _SUM,
       "mlx.core.sum"),
    Op("mean", "Mean", "Reduction", "(x, axis=None, keepdims=False)", _UPR, False, "reduce", ALL_DTYPES, _SUM,
       "mlx.core.mean"),
    Op("max", "Max", "Reduction", "(x, axis=None, keepdims=False)", _UPR, False, "reduce", ALL_DTYPES, EXACT,
       "mlx.core.max"),
    Op("reshape", "Reshape", "Shape Ops", "(x, shape)", _UP, False, "copy", ALL_DTYPES, EXACT, "mlx.core.reshape"),
    Op("transpose", "Transpose", "Shape Ops", "(x, axes=None)", _UP, False, "copy", ALL_DTYPES, EXACT,
       "mlx.core.transpose"),
    Op("broadcast_to", "Broadcast", "Shape Ops", "(x, shape)", _UP, False, "copy", ALL_DTYPES, EXACT,
       "mlx.core.broadcast_to"),
    Op("scaled_dot_product_attention", "SDPA Block", "Attention", "(q, k, v, *, scale, mask=None)", _UGRB, True,
       "attention", FLOATING, _ATTENTION, "mlx.core.fast.scaled_dot_product_attention",
       owes_text="Golden functional test, U R B"),
)
# fmt: on

#: The table, in matrix order.
OPS: Mapping[str, Op] = MappingProxyType({op.name: op for op in _ROWS})


def table_hash() -> str:
    """SHA-256 of the table's content: evidence made for another table does not count."""
    rows = [{**asdict_row(op)} for op in _ROWS]
    return hashlib.sha256(json.dumps(rows, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def asdict_row(op: Op) -> dict[str, object]:
    """A row as plain JSON data."""
    plain = {
        name: getattr(op, name) for name in ("name", "label", "category", "signature", "required", "family", "mlx")
    }
    return {
        **plain,
        "owes": list(op.owes),
        "required_tests": op.required_tests,
        "dtypes": list(op.dtypes),
        "tolerance": {dtype: asdict(op.tolerance[dtype]) for dtype in op.dtypes},
    }
