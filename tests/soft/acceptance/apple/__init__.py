"""Acceptance of the software device on kernels that Apple's compiler built: those of MLX's metallib.

launch.py   what a host hands to a device: kernel, constants, buffers, grid
host/       MLX's host side, one module per kernel family: how its kernels are launched
cases/      what is run: operands, the float64 answer, MLX's own answer on the CPU
judge.py    how far two results are from the answer, and whether ours may be as far as it is
device.py   runs launches on isometal.soft
run.py      runs a group of cases in every mode
report.py   the table: `python -m apple.report` in this folder's parent
"""
