"""A sample of MLX's kernels, some of each family, lowers and compiles. compile_all.py does all of them, by hand."""

from __future__ import annotations

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import compile_all

from isometal.soft.metallib import Metallib

SAMPLE = 300


def test_a_sample_of_each_family_compiles(mlx_metal_wheel):
    with Metallib.open(mlx_metal_wheel / "mlx" / "lib" / "mlx.metallib") as library:
        names = compile_all.sample(list(library.functions), SAMPLE)
        assert len(set(names)) == SAMPLE
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            outcomes = [
                o for found in pool.map(lambda n: list(compile_all.compile_one(library, n)), names) for o in found
            ]
    print(compile_all.summary(outcomes))
    assert {outcome.kernel for outcome in outcomes} == set(names)
    assert [f"{outcome.kernel}: {outcome.error}" for outcome in outcomes if outcome.error] == []
    assert all(outcome.bytes > 0 for outcome in outcomes)


def test_the_sample_has_some_of_each_family(mlx_metal_wheel):
    with Metallib.open(mlx_metal_wheel / "mlx" / "lib" / "mlx.metallib") as library:
        names = list(library.functions)
    families = Counter(map(compile_all.family, names))
    sampled = Counter(map(compile_all.family, compile_all.sample(names, SAMPLE)))
    assert set(sampled) == set(families)
    assert len(families) > 150
    assert compile_all.family("vv_Addfloat32") == "vv"
    assert compile_all.family("steel_gemm_fused_nn_float32_float32_bm64_bn64_bk16_wm2_wn2") == "steel_gemm_fused_nn"
    # Large families have more, but not as many times more as they are larger.
    assert sampled["g"] > sampled["rms"]
    assert max(sampled.values()) < SAMPLE / 10
