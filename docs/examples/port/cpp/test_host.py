"""The host code in C++, on the software device."""

import platform
from pathlib import Path

import numpy as np
import row_mean_host

if platform.system() != "Darwin":
    from isometal.soft.service import Service

    row_mean_host.soft_set_compile_service(Service())

SOURCE = Path(__file__).parent / ".." / "kernels" / "row_mean.metal"


def test_row_mean():
    x = np.random.default_rng(0).standard_normal((5, 1000), np.float32)
    result = row_mean_host.row_mean(SOURCE.read_text(), x.ravel().tolist(), x.shape[1])
    np.testing.assert_allclose(result, x.astype(np.float64).mean(axis=1), rtol=0, atol=1e-6)
