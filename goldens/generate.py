"""Make the goldens with Python MLX itself, or check the ones that are there.

    python goldens/generate.py                        make every file and the manifest
    python goldens/generate.py --check                verify hashes, sizes, completeness, provenance; needs no MLX
    python goldens/generate.py --check --regenerate   and make them again, to compare bit for bit

Everything that decides a bit is pinned or recorded: inputs come from a seed through NumPy's PCG64, MLX is called op by
op without its compiler, files are written by safetensors in a fixed order, and the manifest names the versions,
platform and device. There is no date in it: the same MLX on the same platform gives the same bytes. MLX's CPU wheels
carry the reference BLAS, which has neither threads nor code chosen by CPU; what could differ between machines
is the C library's exp, sin and the like, which is why the manifest names it.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

try:
    from isometal.optable import FLOATING, OPS
    from isometal.parity import golden_files
    from isometal.parity.golden_files import BLOCK, FORMAT, MANIFEST, METADATA, file_name, names
except ModuleNotFoundError as error:
    if error.name != "isometal":
        raise
    sys.exit("[goldens] isometal is not installed; run: pip install -e '.[mlx]'")

HERE = Path(__file__).resolve().parent
COMMAND = "python goldens/generate.py"
#: What must be equal for two runs to give equal bytes.
COMPARABLE = ("mlx", "device", "platform", "numpy", "ml_dtypes", "safetensors")


class EnvironmentProblem(Exception):
    """This environment cannot do what was asked; nothing is said about the goldens."""


# -- encoding ---------------------------------------------------------------------------------------------------------


class FileBuilder:
    """The tensors and the list of cases of one golden file."""

    def __init__(self, op: str) -> None:
        self.op = op
        self.tensors: dict[str, Any] = {}
        self.cases: list[dict[str, Any]] = []

    def add(
        self, dtype: str, name: str, inputs: tuple[Any, ...], params: Mapping[str, Any], outputs: Mapping[str, Any]
    ) -> None:
        def encode(key: str, value: Any) -> dict[str, Any]:
            if not isinstance(value, np.ndarray):
                return {"value": value}
            return {"array": self._keep(f"{dtype}/{name}/{key}", value)}

        self.cases.append(
            {
                "dtype": dtype,
                "name": name,
                "inputs": [encode(f"in{i}", value) for i, value in enumerate(inputs)],
                "params": {key: encode(key, value) for key, value in params.items()},
                "outputs": {key: self._keep(f"{dtype}/{name}/out/{key}", value) for key, value in outputs.items()},
            }
        )

    def _keep(self, key: str, array: Any) -> str:
        if key in self.tensors:
            raise ValueError(f"[goldens] two cases of {self.op} are named alike: {key}")
        # ascontiguousarray would make a 0-d array 1-d.
        self.tensors[key] = np.array(array, order="C")
        return key

    def counts(self) -> dict[str, int]:
        return dict(Counter(case["dtype"] for case in self.cases))

    def encode(self) -> bytes:
        """The file's bytes: safetensors orders tensors by alignment and name, so equal content gives equal bytes."""
        from safetensors.numpy import save

        listing = {"format": FORMAT, "op": self.op, "cases": self.cases}
        text = json.dumps(listing, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
        return save(self.tensors, metadata={METADATA: text})


def build(op: str) -> FileBuilder:
    """Run every recipe of ``op`` through MLX."""
    import block
    import recipes

    out = FileBuilder(op)
    for dtype in OPS[op].dtypes if op in OPS else FLOATING:
        if op == BLOCK:
            for sequence in block.recipes(dtype):
                out.add(
                    dtype, sequence.name, sequence.steps, {**sequence.params, **sequence.weights}, block.run(sequence)
                )
            continue
        for recipe in recipes.RECIPES[op](recipes.Draw(op, dtype)):
            out.add(dtype, recipe.name, recipe.inputs, recipe.params, {"result": recipes.answer(op, recipe)})
    return out


def provenance() -> dict[str, Any]:
    """What made the goldens. No date, no path, no host name: equal environments give equal manifests."""
    import mlx.core as mx
    import recipes

    packages = {name: _version(name) for name in ("mlx", "mlx-cpu", "mlx-metal", "mlx-cuda")}
    libc = " ".join(platform.libc_ver()).strip() or platform.mac_ver()[0]
    return {
        "mlx": {
            "version": mx.__version__,
            "packages": {name: version for name, version in packages.items() if version is not None},
        },
        "device": {
            "default": str(mx.default_device()),
            **{k: str(v) for k, v in sorted(mx.device_info().items()) if k in ("architecture", "device_name")},
        },
        "platform": {"system": platform.system(), "machine": platform.machine(), "c_library": libc or "unknown"},
        "numpy": np.__version__,
        "ml_dtypes": metadata.version("ml_dtypes"),
        "safetensors": metadata.version("safetensors"),
        "seed": recipes.SEED,
        "command": COMMAND,
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def start_mlx() -> None:
    """Import MLX with its compiler off: mlx.nn's compiled functions need a C++ compiler on a CPU."""
    try:
        import mlx.core as mx
    except ModuleNotFoundError as error:
        raise EnvironmentProblem("MLX is not installed; run: pip install -e '.[mlx]'") from error
    mx.disable_compile()
    if str(HERE) not in sys.path:
        sys.path.insert(0, str(HERE))


# -- writing ----------------------------------------------------------------------------------------------------------


def write(path: Path, data: bytes) -> None:
    """Put ``data`` at ``path`` whole or not at all."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            # mkstemp makes files that only their owner reads.
            os.fchmod(file.fileno(), 0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def generate(folder: Path, ops: tuple[str, ...]) -> None:
    """Make the files of ``ops`` in ``folder`` and bring its manifest up to date.

    The manifest is replaced last: a run that is cut short leaves whole files, and a check that names those which the
    manifest does not know yet.
    """
    start_mlx()
    origin = provenance()
    entries = _kept_entries(folder, ops, origin)
    built = []
    for op in ops:
        made = build(op)
        data = made.encode()
        built.append((folder / file_name(op), data))
        entries[file_name(op)] = {
            "sha256": hashlib.sha256(data).hexdigest(),
            "size": len(data),
            "cases": made.counts(),
        }
        typer.echo(f"{file_name(op):45} {len(made.cases):4} cases  {len(data):8} bytes")
    folder.mkdir(parents=True, exist_ok=True)
    for path, data in built:
        write(path, data)
    content = {
        "format": FORMAT,
        **origin,
        "files": {file_name(op): entries[file_name(op)] for op in names() if file_name(op) in entries},
    }
    write(folder / MANIFEST, (json.dumps(content, indent=1, ensure_ascii=True) + "\n").encode())


def _kept_entries(folder: Path, ops: tuple[str, ...], origin: Mapping[str, Any]) -> dict[str, Any]:
    """Manifest entries of the files that this run leaves alone; they must be of the same origin."""
    if set(ops) == set(names()) or not (folder / MANIFEST).exists():
        return {}
    manifest = golden_files.read_manifest(folder)
    if changed := differences(manifest.provenance, origin):
        raise EnvironmentProblem(
            f"--op would mix origins in one manifest: {'; '.join(changed)}; leave --op out to make every file again"
        )
    return {
        name: {"sha256": entry.sha256, "size": entry.size, "cases": dict(entry.cases)}
        for name, entry in manifest.files.items()
    }


# -- checking ---------------------------------------------------------------------------------------------------------


def differences(recorded: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """What differs between the manifest's origin and this environment, of all that decides the bits.

    The device's marketing name does not: two CPUs of one architecture are expected to agree.
    """

    def shown(origin: Mapping[str, Any], key: str) -> str:
        value = origin.get(key)
        if key == "device" and isinstance(value, dict):
            value = {k: v for k, v in value.items() if k != "device_name"}
        return json.dumps(value, sort_keys=True)

    return [
        f"{key} is {shown(here, key)} here, {shown(recorded, key)} in the manifest"
        for key in COMPARABLE
        if shown(recorded, key) != shown(here, key)
    ]


def regenerate(folder: Path, ops: tuple[str, ...]) -> Iterator[str]:
    """Make ``ops`` again in a temporary folder; yield what is not bit for bit the same."""
    manifest = golden_files.read_manifest(folder)
    start_mlx()
    here = provenance()
    if changed := differences(manifest.provenance, here):
        raise EnvironmentProblem(f"goldens cannot be compared bit for bit: {'; '.join(changed)}")
    devices = f"made on {manifest.provenance['device']}, now on {here['device']}"
    with tempfile.TemporaryDirectory(prefix="goldens-") as fresh:
        generate(Path(fresh), ops)
        for name in map(file_name, ops):
            old, new = (folder / name).read_bytes(), (Path(fresh) / name).read_bytes()
            if old != new:
                common = min(len(old), len(new))
                first = next((i for i in range(common) if old[i] != new[i]), common)
                yield (
                    f"[goldens] {folder / name} is not what MLX gives now: {len(old)} bytes there, {len(new)} now, "
                    f"first difference at byte {first}; {devices}"
                )


def check(folder: Path, ops: tuple[str, ...], again: bool) -> int:
    problems = golden_files.verify(folder)
    if not problems and again:
        problems = list(regenerate(folder, ops))
    for problem in problems:
        typer.echo(problem, err=True)
    if problems:
        return 1
    manifest = golden_files.read_manifest(folder)
    cases = sum(sum(entry.cases.values()) for entry in manifest.files.values())
    size = sum(entry.size for entry in manifest.files.values())
    how = f"; {len(ops)} made again, equal bit for bit" if again else ""
    made_by = f"MLX {manifest.provenance['mlx']['version']} on {manifest.provenance['platform']['system']}"
    typer.echo(
        f"{len(manifest.files)} files, {cases} cases, {size} bytes, made by {made_by}: as the manifest says{how}"
    )
    return 0


# -- command line -----------------------------------------------------------------------------------------------------


def main(
    check_only: Annotated[
        bool,
        typer.Option(
            "--check", help="Verify hashes, sizes, completeness and provenance. Needs no MLX; writes nothing."
        ),
    ] = False,
    again: Annotated[
        bool,
        typer.Option(
            "--regenerate",
            help="With --check: also make the files again in a temporary folder and compare bit for bit. "
            "Needs the MLX, platform and NumPy that the manifest names.",
        ),
    ] = False,
    out: Annotated[
        Path, typer.Option("--out", help="Folder to write to, or to check.", show_default="this folder")
    ] = HERE,
    op: Annotated[
        list[str] | None,
        typer.Option("--op", help=f"Only this op; may be repeated. One of: {', '.join(names())}."),
    ] = None,
) -> None:
    """Make the goldens with MLX, or check them.

    A golden is a recorded answer of Python MLX to pinned inputs. isometal compares every backend with it (test kind G).

    Exit codes: 0 made, or as the manifest says; 1 a golden is wrong; 2 usage, or this environment cannot do it.
    """
    if again and not check_only:
        raise typer.BadParameter("--regenerate compares and writes nothing, so it goes with --check.")
    if unknown := sorted(set(op or ()) - set(names())):
        raise typer.BadParameter(f"--op {unknown[0]!r} names no golden; choose one of {', '.join(names())}.")
    if op and check_only and not again:
        raise typer.BadParameter("--check looks at the whole folder; --op goes with --regenerate or without --check.")
    ops = tuple(name for name in names() if op is None or name in op)
    try:
        if check_only:
            raise typer.Exit(check(out, ops, again))
        generate(out, ops)
    except EnvironmentProblem as problem:
        typer.echo(f"[goldens] {problem}", err=True)
        raise typer.Exit(2) from None
    except golden_files.GoldenError as problem:
        typer.echo(str(problem), err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        typer.echo("[goldens] interrupted; files that exist are whole, the manifest is the one from before.", err=True)
        raise typer.Exit(130) from None


if __name__ == "__main__":
    typer.run(main)
