"""The benchmark's part for an NVIDIA GPU: prints tables and writes JSON; says so if there is no GPU.

    python -m benchmarks.gpu [FOLDER] [--output gpu.json]

FOLDER holds what `python -m benchmarks.models FOLDER` wrote, perhaps on another machine; what is missing is exported.
Needed are torch, numpy and onnxruntime-gpu; for export besides what the project's extra of that name lists.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TypedDict

import numpy as np
import torch

from benchmarks.gpu_peers import Contestants, Prepared, first_line
from benchmarks.machine import machine
from benchmarks.models import CACHE, Array, Model, prepared
from benchmarks.peers import check
from benchmarks.tables import duration, print_table
from benchmarks.timing import Call, Cell, cell, interleaved

BATCHES = (1, 64, 1024, 16_384)

# After so long, no model is compiled any more: that takes the most time by far.
_LAST_COMPILATION = 130.0


class Results(TypedDict):
    """What a run gives.

    Keys:
        machine: what it ran on.
        host: time of a call from numpy arrays to numpy arrays, by model and batch.
        device: the same from tensors on the GPU to tensors on the GPU.
    """

    machine: dict[str, str]
    host: dict[str, dict[str, Cell]]
    device: dict[str, dict[str, Cell]]


def main() -> None:
    """Read the command line and do it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?", help="of the exported models (exported by default)")
    parser.add_argument("--output", type=Path, default=CACHE / "gpu.json", help="the file to write (%(default)s)")
    parser.add_argument("--rounds", type=int, default=25, help="of each comparison, at most (%(default)s)")
    parser.add_argument("--seconds", type=float, default=1.5, help="for each comparison, about (%(default)s)")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print("no GPU that this torch can use is here: nothing was measured")
        return
    # The names are the same in all versions of torch that are supported.
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    with torch.inference_mode():
        results = measure(prepared(options.folder), options.rounds, options.seconds)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(results, indent=1) + "\n")
    print_results(results)


def measure(models: list[Model], rounds: int, seconds: float) -> Results:
    """The figures of all models and batches."""
    results: Results = {
        "machine": {"gpu": torch.cuda.get_device_name(), "cuda": str(torch.version.cuda), **machine()},
        "host": {},
        "device": {},
    }
    start = time.perf_counter()
    for model in models:
        contestants = Contestants(model, compiled=time.perf_counter() - start < _LAST_COMPILATION)
        host, device = results["host"].setdefault(model.name, {}), results["device"].setdefault(model.name, {})
        for batch in BATCHES:
            print(f"  {time.perf_counter() - start:.0f} s  {model.name}: {batch:,} rows", file=sys.stderr, flush=True)
            array = model.rows(batch)
            tensor = torch.from_numpy(array).cuda()
            expected = model.module()(torch.from_numpy(array)).numpy()
            for found, makers in (
                (host, contestants.on_host(array)),
                (device, contestants.on_device(tensor)),
            ):
                missing = dict(contestants.missing)
                calls: dict[str, Call] = {}
                for name, make in makers.items():
                    try:
                        calls[name] = _checked(name, make(), expected)
                    except Exception as error:  # from compilers and drivers, anything
                        missing[name] = first_line(error)
                if calls:
                    found[str(batch)] = cell(interleaved(calls, rounds, seconds, wait=False), missing)
    return results


def _checked(name: str, call: Prepared, expected: Array) -> Prepared:
    """`call`, once it has given what is expected."""
    answer = call()
    check(name, answer.cpu().numpy() if isinstance(answer, torch.Tensor) else np.asarray(answer), expected)
    return call


def print_results(results: Results) -> None:
    """A table for each model, from numpy and from the GPU's memory."""
    print("  ".join(f"{name} {value}" for name, value in results["machine"].items()))
    print("Medians with quartiles. In brackets: the first one's time over that one's.")
    for title, models in (("numpy in and out", results["host"]), ("in the GPU's memory", results["device"])):
        for model, cells in models.items():
            names = dict.fromkeys(name for found in cells.values() for name in found["seconds"])
            rows = [(name, *(_shown(found, name) for found in cells.values())) for name in names]
            print_table(f"{model}, {title}, by rows in a call", ("", *(f"{int(b):,}" for b in cells)), rows)
            reasons = {(name, reason) for found in cells.values() for name, reason in found["missing"].items()}
            for name, reason in sorted(reasons):
                print(f"  skipped: {name}: {reason}")


def _shown(found: Cell, name: str) -> str:
    if name not in found["seconds"]:
        return "-"
    over = f"[{found['over'][name]['median']:.2f}]" if name in found["over"] else ""
    return f"{duration(found['seconds'][name])} {over:>7}"


if __name__ == "__main__":
    main()
