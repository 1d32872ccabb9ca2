"""Artifacts exported today pass under the oldest and the newest ONNX Runtime and numpy, each in a clean environment.

    .venv/bin/python tests/verify_everywhere.py WHEEL

exports the example in every precision and modules of many kinds, as ONNX and ORT files, then installs WHEEL beside each
pair of versions below, without torch, and replays every certificate there. Exits with 1 unless all pass but those that
show a known fault of an old ONNX Runtime, and these do not pass there.
"""

import functools
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HELPERS = Path(__file__).parent / "helpers"
BUILD = Path("build/everywhere")
PROCESSES = os.cpu_count() or 1

# ONNX Runtime, numpy. 1.17 and 1.18 were built for numpy 1 alone; an empty version takes the newest.
PAIRS = (("1.17.0", "1.26.0"), ("1.18.1", "1.26.4"), ("1.20.1", "2.0.2"), ("", "1.26.4"), ("", ""))

# LayerNormalization gives NaN for equal large numbers there, as its variance comes out below zero: what the certificate
# is there to tell.
FAULTS = {"1.17.0": {"residual"}, "1.18.1": {"residual"}, "1.20.1": {"residual"}}

# Exports every `count`th artifact, from the `place`th on.
EXPORT = """
import functools, sys, torch
sys.path.insert(0, {helpers!r})
from pathlib import Path
from quick_exports import one_registry
from random_tables import random_table_net, zeros
from zoo import ZOO
from edge_export import export, export_checkpoint
from edge_train import four_blobs, save_checkpoint, train
torch.set_num_threads(1)
folder = Path({folder!r})

def example():
    data = four_blobs(0)
    save_checkpoint(train(data).model, folder / "four_blobs.pt")
    export_checkpoint(
        folder / "four_blobs.pt",
        formats=["onnx", "ort"],
        precisions=["float32", "float16", "int8", "int8-dynamic"],
        data=dict(data.train.inputs),
    )

def table(seed):
    model = random_table_net(seed)
    export(model, zeros(model.signature), folder / f"table_{{seed}}.onnx", formats=["onnx", "ort"])

def module(name):
    torch.manual_seed(0)
    path = folder / (name.replace(",", "").replace(" ", "_") + ".onnx")
    exhibit = ZOO[name]
    export(exhibit.module(), exhibit.example(), path, formats=["onnx", "ort"], finite_only=True, **exhibit.options)

jobs = [example, *(functools.partial(table, seed) for seed in range(5)), *(functools.partial(module, n) for n in ZOO)]
with one_registry():
    for job in jobs[{place}::{count}]:
        job()
"""

# Verifies each of the files that it is given: a line of JSON for each, with the exit code, what is printed, the errors.
VERIFY = """
import contextlib, io, json, sys
from edge_runtime.cli.command import main
for path in sys.argv[1:]:
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = main([path, "--verify", "--format", "json"])
    print(json.dumps([code, out.getvalue(), err.getvalue()]), flush=True)
"""


# Of what is installed, little is imported, a few times.
PIP_OPTIONS = ("--quiet", "--disable-pip-version-check", "--no-compile")


def run(*command: object) -> str:
    """Run a command; its output, or the end of this program with it."""
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"{command}: {result.stdout}{result.stderr}")
    return result.stdout


def environment(wheel: str, onnxruntime: str, numpy: str) -> Path:
    """The python of a new environment with these versions and the runtime."""
    folder = BUILD / f"onnxruntime-{onnxruntime or 'newest'}-numpy-{numpy or 'newest'}"
    run(sys.executable, "-m", "venv", "--clear", folder)
    python = folder / "bin" / "python"
    pins = [
        f"{name}=={version}" if version else name for name, version in (("onnxruntime", onnxruntime), ("numpy", numpy))
    ]
    run(python, "-m", "pip", "install", *PIP_OPTIONS, f"{wheel}[cpu]", *pins)
    return python


def main(wheel: str) -> int:
    """Print a line for each environment; 1 if an artifact failed."""
    artifacts = BUILD / "artifacts"
    artifacts.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(PROCESSES) as threads:
        made = [threads.submit(make_artifacts, artifacts, place) for place in range(PROCESSES)]
        environments = [threads.submit(environment, wheel, *pair) for pair in PAIRS]
        for each in made:
            each.result()
        pythons = [each.result() for each in environments]
    paths = sorted(path for path in artifacts.iterdir() if path.suffix in (".onnx", ".ort"))
    failed = 0
    for (onnxruntime, _), python in zip(PAIRS, pythons, strict=True):
        parts = [paths[place::PROCESSES] for place in range(PROCESSES)]
        with ThreadPoolExecutor(PROCESSES) as threads:
            verified = threads.map(functools.partial(verify, python), parts)
        found = {
            path: result
            for part, results in zip(parts, verified, strict=True)
            for path, result in zip(part, results, strict=True)
        }
        results = [found[path] for path in paths]
        faults = FAULTS.get(onnxruntime, set())
        failed += sum(
            (problem is not None) != (path.stem in faults) for path, (problem, _) in zip(paths, results, strict=True)
        )
        versions = run(
            python,
            "-c",
            "from importlib.metadata import version as v; print('onnxruntime', v('onnxruntime'), 'numpy', v('numpy'))",
        )
        passed = sum(problem is None for problem, _ in results)
        largest = max(used for _, used in results)
        print(f"{versions.strip():<36} {passed} of {len(paths)} artifacts pass; tolerance used up to {largest:.0%}")
        for path, (problem, _) in zip(paths, results, strict=True):
            if problem:
                print(f"    {path.name}{' (known)' if path.stem in faults else ''}: {problem}")
    return 1 if failed else 0


def make_artifacts(folder: Path, place: int) -> None:
    """Export one of as many parts as there are processors."""
    run(sys.executable, "-c", EXPORT.format(helpers=str(HELPERS), folder=str(folder), place=place, count=PROCESSES))


def verify(python: Path, paths: Sequence[Path]) -> list[tuple[str | None, float]]:
    """For each artifact why it does not pass, None if it does; and the largest fraction of a tolerance that it uses."""
    result = subprocess.run([python, "-c", VERIFY, *paths], capture_output=True, text=True)
    lines = result.stdout.splitlines()
    # A process that has crashed has not come to the others.
    found: list[tuple[str | None, float]] = [(f"not verified: {result.stderr.strip()}", 0.0)] * len(paths)
    for place, line in enumerate(lines):
        code, out, err = json.loads(line)
        if code:
            found[place] = (err.strip(), 0.0)
        else:
            used = [check["tolerance_used"] or 0.0 for check in json.loads(out)["checks"]]
            found[place] = (None, max(used, default=0.0))
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
