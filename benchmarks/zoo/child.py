"""One network exported one way, in a process of its own, which writes outcome.json to a folder.

    python -m benchmarks.zoo.child NAME bare|ours FOLDER GIBIBYTES

What it prints is not read, but for the last line of a failure.
"""

import importlib
import inspect
import json
import os
import resource
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypedDict

import torch
from torch import nn

from benchmarks.zoo.judge import problem_of
from benchmarks.zoo.network import Arguments, Network, seeded
from benchmarks.zoo.registry import networks

Way = Literal["bare", "ours"]
# "right" and "wrong" are the judge's words for a file that was made; "refused" is an error that says so in one line,
# "broken" any other end.
Verdict = Literal["right", "wrong", "refused", "broken"]
SEED = 0
OUTCOME = "outcome.json"
_LONGEST_REASON = 400


class Outcome(TypedDict, total=False):
    """What became of one export.

    Keys:
        verdict: how it ended.
        reason: why no file was made, or what is wrong with it.
        cpu: processor seconds of the export; of the call alone, in a process where nothing was exported before.
        wall: seconds of the same.
        before: the process's peak of memory before the export, in bytes; the network is made by then.
        peak: the same after it.
        size: of the file, in bytes.
        parameters: how many the network has.
        tolerance_used: the largest fraction of its tolerance that an element uses where the comparison holds, as the
            export itself reports it.
    """

    verdict: Verdict
    reason: str
    cpu: float
    wall: float
    before: int
    peak: int
    size: int
    parameters: int
    tolerance_used: float


def main() -> None:
    """Export, judge, write the outcome."""
    name, way, folder, gibibytes = sys.argv[1:]
    if sys.platform == "linux":
        most = int(float(gibibytes) * 2**30)
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    file = Path(folder) / "model.onnx"
    network = networks()[name]
    outcome = exported(network, bare if way == "bare" else ours, file)
    # Written beside and moved: a process that is killed leaves nothing half written.
    unfinished = Path(folder) / "unfinished.json"
    unfinished.write_text(json.dumps(outcome))
    unfinished.replace(Path(folder) / OUTCOME)


def exported(network: Network, way: Callable[[Network, nn.Module, Arguments, Path], Outcome], file: Path) -> Outcome:
    """What became of exporting `network` to `file`."""
    module = seeded(SEED, network.make)
    example = network.inputs(2)
    outcome: Outcome = {"parameters": sum(one.numel() for one in module.parameters()), "before": _peak()}
    _import_for(way)
    start, cpu = time.perf_counter(), _cpu()
    try:
        outcome |= way(network, module, example, file)
    except Exception as error:
        outcome |= _refusal(error)
    outcome |= {"cpu": _cpu() - cpu, "wall": time.perf_counter() - start, "peak": _peak()}
    if "verdict" not in outcome:
        outcome["size"] = file.stat().st_size
        problem = problem_of(file, network, seeded(SEED, network.make))
        outcome |= {"verdict": "right"} if problem is None else {"verdict": "wrong", "reason": problem}
    return outcome


def bare(network: Network, module: nn.Module, example: Arguments, file: Path) -> Outcome:
    """What torch's exporter does by itself with a dynamic batch.

    Axes are named by strings, as its documentation has it: with `torch.export.Dim` it fixes some batches in silence.
    """
    if isinstance(example, dict):
        names = list(example)
    else:
        names = list(inspect.signature(module.forward).parameters)[: len(example)]
    shapes = {
        name: {place: axis for place, axis in enumerate(network.axes.get(name, ("batch",))) if axis is not None}
        for name in names
    }
    with torch.no_grad():
        torch.onnx.export(
            module,
            () if isinstance(example, dict) else example,
            file,
            kwargs=example if isinstance(example, dict) else None,
            dynamic_shapes=shapes if isinstance(example, dict) else tuple(shapes.values()),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    return {}


def ours(network: Network, module: nn.Module, example: Arguments, file: Path) -> Outcome:
    """What edge-predict does."""
    from edge_export import export

    made = export(module, example, file, dynamic=dict(network.axes) or None)
    used = [comparison.tolerance_used for comparison in made[0].comparisons if comparison.holds]
    return {"tolerance_used": max(used, default=0.0)}


def _import_for(way: object) -> None:
    """Import what an export begins with, which is not a part of its time."""
    for name in ("onnx", "onnxscript", "onnxruntime", *(("edge_export.pipeline.export",) if way is ours else ())):
        importlib.import_module(name)


def _refusal(error: Exception) -> Outcome:
    from edge_runtime.contract.errors import EdgePredictError

    if isinstance(error, EdgePredictError | torch.onnx.errors.OnnxExporterError):
        return {"verdict": "refused", "reason": reason_of(str(error))}
    return {"verdict": "broken", "reason": reason_of(f"{type(error).__name__}: {error}")}


def reason_of(message: str) -> str:
    """An error's message in one line that is not too long, without the folders of this machine."""
    # Torch's exporter first says at length what to do about any error.
    message = message.rpartition("## Exception summary")[2].partition("(Refer to the full stack trace")[0]
    line = " ".join(message.split())
    for folder in (Path.cwd(), Path(sysconfig.get_path("purelib"))):
        line = line.replace(f"{folder}/", "")
    return line if len(line) <= _LONGEST_REASON else f"{line[:_LONGEST_REASON]} ..."


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _peak() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


if __name__ == "__main__":
    main()
    # Threads of the packages may hold up the end of the process; everything is written.
    os._exit(0)
