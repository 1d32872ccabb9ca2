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

# ONNX Runtime, numpy. 1.17 and 1.18 were built for numpy 1 alone; an empty version takes the newest.
PAIRS = (("1.17.0", "1.26.0"), ("1.18.1", "1.26.4"), ("1.20.1", "2.0.2"), ("", "1.26.4"), ("", ""))

# LayerNormalization gives NaN for equal large numbers there, as its variance comes out below zero: what the certificate
# is there to tell.
FAULTS = {"1.17.0": {"residual"}, "1.18.1": {"residual"}, "1.20.1": {"residual"}}

EXPORT = """
import sys, torch
sys.path.insert(0, {helpers!r})
from pathlib import Path
from random_tables import random_table_net, zeros
from zoo import ZOO
from edge_export import export, export_checkpoint
from edge_train import four_blobs, save_checkpoint, train
folder = Path({folder!r})
folder.mkdir(parents=True, exist_ok=True)
data = four_blobs(0)
save_checkpoint(train(data).model, folder / "four_blobs.pt")
export_checkpoint(
    folder / "four_blobs.pt",
    formats=["onnx", "ort"],
    precisions=["float32", "float16", "int8", "int8-dynamic"],
    data=dict(data.train.inputs),
)
for seed in range(5):
    model = random_table_net(seed)
    export(model, zeros(model.signature), folder / f"table_{{seed}}.onnx", formats=["onnx", "ort"])
for name, exhibit in ZOO.items():
    torch.manual_seed(0)
    path = folder / (name.replace(",", "").replace(" ", "_") + ".onnx")
    export(exhibit.module(), exhibit.example(), path, formats=["onnx", "ort"], finite_only=True, **exhibit.options)
"""


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
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"{wheel}[cpu]", *pins)
    return python


def main(wheel: str) -> int:
    """Print a line for each environment; 1 if an artifact failed."""
    artifacts = BUILD / "artifacts"
    run(sys.executable, "-c", EXPORT.format(helpers=str(HELPERS), folder=str(artifacts)))
    paths = sorted(path for path in artifacts.iterdir() if path.suffix in (".onnx", ".ort"))
    failed = 0
    for onnxruntime, numpy in PAIRS:
        python = environment(wheel, onnxruntime, numpy)
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            results = list(threads.map(functools.partial(verify, python), paths))
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


def verify(python: Path, path: Path) -> tuple[str | None, float]:
    """Why an artifact does not pass, None if it does; and the largest fraction of a tolerance that it uses."""
    command: Sequence[str] = [str(python), "-m", "edge_runtime", str(path), "--verify", "--format", "json"]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        return result.stderr.strip(), 0.0
    return None, max((check["tolerance_used"] or 0.0 for check in json.loads(result.stdout)["checks"]), default=0.0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
