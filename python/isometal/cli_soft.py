"""The command line of the software Metal device: `isometal soft`, `soft info`, `soft run`, `soft cache`.

Like cli.py it imports only typer, so that `--help` is quick.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

from isometal.cli_errors import expected_errors

app = typer.Typer(
    no_args_is_help=False,
    rich_markup_mode=None,
    short_help="Look at Metal kernels and run them on the CPU.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)

_File = Annotated[
    Path, typer.Argument(metavar="FILE", help="A .metallib, Metal source (.metal), or AIR as text (.ll).")
]
_Std = Annotated[str, typer.Option(metavar="metalX.Y", help="Language version of Metal source, as Apple's compiler.")]
_Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]


def _command() -> ModuleType:
    """isometal.soft.command. BackendError where this build has no software device."""
    from isometal import _core
    from isometal.errors import BackendError

    if not hasattr(_core, "SoftKernel"):
        platform = _core.build_info()["platform"]
        raise BackendError(
            f"[soft] this build of isometal is for {platform}; the software Metal device is in those for machines "
            "without an Apple GPU."
        )
    from isometal.soft import command

    return command


@app.callback(invoke_without_command=True)
@expected_errors
def soft(context: typer.Context) -> None:
    """The software Metal device: Metal kernels, from source or from Apple's metallibs, run on the CPU.

    Without a command: says what the device is.

    \b
    isometal soft                                     the device, its compiler, its cache
    isometal soft info mlx.metallib                   the kernels of a library
    isometal soft info mlx.metallib -k rmsfloat32     arguments, constants and limits of a kernel
    isometal soft run scale.metal --buffer x=x.npy --buffer y=zeros:float32:1000 --grid 1000 --out y=y.npy
    isometal soft cache --clear                       remove what was compiled

    It needs the extra: pip install 'isometal[soft]'.
    """
    if context.invoked_subcommand is None:
        typer.echo(_command().device_text(), nl=False)


@app.command(short_help="Kernels of a library: arguments, constants, limits.")
@expected_errors
def info(
    file: _File,
    kernel: Annotated[
        list[str] | None, typer.Option("--kernel", "-k", metavar="NAME", help="Only this kernel. May be repeated.")
    ] = None,
    match: Annotated[
        str | None, typer.Option("--match", metavar="TEXT", help="Only kernels with TEXT in their names.")
    ] = None,
    std: _Std = "metal3.1",
    json: _Json = False,
) -> None:
    """List the kernels of a library or, of few or of those named, what they take.

    \b
    isometal soft info mlx.metallib --match softmax
    isometal soft info mlx.metallib -k block_softmax_float32 --json
    """
    command = _command()
    typer.echo(command.info(file, std, kernel or [], match, as_json=json), nl=False)


@app.command(short_help="Run a kernel on arrays.")
@expected_errors
def run(
    file: _File,
    grid: Annotated[str, typer.Option("--grid", metavar="X[,Y[,Z]]", help="Threads in each direction.")],
    kernel: Annotated[
        str | None,
        typer.Option("--kernel", "-k", metavar="NAME", help="Which kernel; needed where the file has several."),
    ] = None,
    buffer: Annotated[
        list[str] | None,
        typer.Option("--buffer", "-b", metavar="BINDING=VALUE", help="What to bind, by index or name; see below."),
    ] = None,
    constant: Annotated[
        list[str] | None,
        typer.Option("--constant", "-c", metavar="CONSTANT=VALUE", help="A function constant, by index or name."),
    ] = None,
    out: Annotated[
        list[str] | None,
        typer.Option("--out", "-o", metavar="BINDING=FILE", help="Write a buffer to a .npy file afterwards."),
    ] = None,
    threadgroup: Annotated[
        str | None, typer.Option("--threadgroup", "-t", metavar="X[,Y[,Z]]", help="Threads of a threadgroup.")
    ] = None,
    threadgroups: Annotated[
        bool, typer.Option("--threadgroups", help="--grid counts threadgroups instead of threads.")
    ] = False,
    memory: Annotated[
        list[str] | None,
        typer.Option("--memory", metavar="INDEX=BYTES", help="Length of a [[threadgroup(INDEX)]] argument."),
    ] = None,
    mode: Annotated[str, typer.Option(metavar="fast|shuffled", help="Order of threads.")] = "fast",
    seed: Annotated[int, typer.Option(min=0, max=2**64 - 1, metavar="N", help="Of --mode shuffled.")] = 0,
    threads: Annotated[
        int, typer.Option(min=0, max=1024, metavar="N", help="OS threads at most. Default: those of this process.")
    ] = 0,
    std: _Std = "metal3.1",
    json: _Json = False,
) -> None:
    """Run a kernel and show what it wrote.

    \b
    isometal soft run mlx.metallib -k vv_Addfloat32 -b a=a.npy -b b=b.npy -b c=zeros:float32:1000 \\
        -b size=1000 --grid 1000 --threadgroup 256 --out c=sum.npy
    isometal soft run reduce.metal -b 0=random:float32:64x100:7 -b 1=zeros:float32:64 --grid 64,1 \\
        --threadgroups -t 32 --mode shuffled --seed 7 --json
    isometal soft run gemm.metallib -k gemm -c align_M=true -b 'params={"M": 64, "N": 64}' --grid 8,8

    \b
    A value is one of:
      x.npy                          an array
      x.bin                          the bytes of a file, as they are
      zeros:DTYPE:SHAPE              also ones, arange; SHAPE is 1000 or 64x100
      random:DTYPE:SHAPE[:SEED]      normal numbers, or bits of integers
      3  1e-5  true  [1, 2]  {...}   numbers in the argument's type; members of a struct

    \b
    Exit codes: 0 it ran; 2 it cannot, with the reason; 130 Ctrl-C.
    """
    command = _command()
    request = command.Run(
        file=file,
        std=std,
        kernel=kernel,
        buffers=buffer or [],
        constants=constant or [],
        outputs=out or [],
        grid=grid,
        threadgroup=threadgroup,
        dispatch="threadgroups" if threadgroups else "threads",
        memory=memory or [],
        mode=mode,
        seed=seed,
        threads=threads,
    )
    typer.echo(command.run(request, as_json=json), nl=False)


@app.command(short_help="The compile cache: where, how large; --clear.")
@expected_errors
def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Remove what was compiled.")] = False, json: _Json = False
) -> None:
    """Say where compiled kernels are kept and how much they take, or remove them.

    ISOMETAL_CACHE_DIR names another directory; ISOMETAL_CACHE_LIMIT (500M, 2G) how much may be kept.
    """
    command = _command()
    typer.echo(command.cache(clear=clear, as_json=json), nl=False)
