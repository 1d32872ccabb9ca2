"""Whole commands at the shell: wall time, peak memory, and where the time from start to answer goes."""

import json
import re
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Collection, Mapping
from pathlib import Path
from statistics import median
from typing import TypedDict

from benchmarks.models import Model
from benchmarks.timing import Quartiles, ratio, summary

COMMAND = "edge-predict model.onnx -1 1"
BARE_SCRIPT = "onnxruntime script"
TORCH_SCRIPT = "torch.jit script"
NOTHING = "python -c pass"
HELP = "edge-predict --help"
# What --help may take beyond an interpreter that does nothing.
HELP_ALLOWANCE = 0.150

BARE_SOURCE = """\
import sys
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
row = np.array([[float(value) for value in sys.argv[2:]]], dtype=np.float32)
print(session.run(None, {"x": row})[0])
"""
TORCH_SOURCE = """\
import sys
import torch

model = torch.jit.load(sys.argv[1])
with torch.inference_mode():
    print(model(torch.tensor([[float(value) for value in sys.argv[2:]]])))
"""

# The same three from their imports on, timed from within: seconds to open the file, and to the first answer.
_STAGES = {
    COMMAND: """\
import sys, time, json, numpy, onnxruntime
from edge_runtime import Predictor
start = time.perf_counter()
predictor = Predictor(sys.argv[1])
opened = time.perf_counter()
predictor.predict_one([-1, 1])
print(json.dumps([opened - start, time.perf_counter() - opened]))
""",
    BARE_SCRIPT: """\
import sys, time, json, numpy as np, onnxruntime
start = time.perf_counter()
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
opened = time.perf_counter()
session.run(None, {"x": np.array([[-1, 1]], dtype=np.float32)})
print(json.dumps([opened - start, time.perf_counter() - opened]))
""",
    TORCH_SCRIPT: """\
import sys, time, json, torch
start = time.perf_counter()
model = torch.jit.load(sys.argv[1])
opened = time.perf_counter()
with torch.inference_mode():
    model(torch.tensor([[-1.0, 1.0]]))
print(json.dumps([opened - start, time.perf_counter() - opened]))
""",
}

# The parts that start-up is made of, in the order in which they are drawn, and the packages whose import they are.
PYTHON, OTHERS, LOAD, PREDICT, REST = "python", "other imports", "load", "predict", "arguments, print, exit"
PARTS = (PYTHON, "numpy", "onnxruntime", "torch", "typer, click", "edge_runtime", OTHERS, LOAD, PREDICT, REST)
_PACKAGES = {
    "numpy": "numpy",
    "onnxruntime": "onnxruntime",
    "torch": "torch",
    "typer": "typer, click",
    "click": "typer, click",
    "rich": "typer, click",
    "shellingham": "typer, click",
    "edge_runtime": "edge_runtime",
}
_IMPORT_LINE = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \|( +)(\S+)")


class Shell(TypedDict):
    """What whole commands took.

    Keys:
        rounds: how many there were.
        seconds: wall time by command.
        memory: peak resident bytes by command.
        over: wall time of the answer over that of the other commands.
        memory_over: the same of the peak memory.
        help_over: wall time of --help over that of `NOTHING` and the allowance.
    """

    rounds: int
    seconds: dict[str, Quartiles]
    memory: dict[str, Quartiles]
    over: dict[str, Quartiles]
    memory_over: dict[str, Quartiles]
    help_over: Quartiles


def commands(model: Model, folder: Path) -> dict[str, list[str]]:
    """The commands, whose scripts are written to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    bare, torch_script = folder / "bare_onnxruntime.py", folder / "bare_torch_jit.py"
    bare.write_text(BARE_SOURCE)
    torch_script.write_text(TORCH_SOURCE)
    python, predict = sys.executable, str(Path(sys.executable).with_name("edge-predict"))
    return {
        COMMAND: [predict, str(model.onnx), "-1", "1"],
        BARE_SCRIPT: [python, str(bare), str(model.onnx), "-1", "1"],
        TORCH_SCRIPT: [python, str(torch_script), str(model.torchscript), "-1", "1"],
        NOTHING: [python, "-c", "pass"],
        HELP: [predict, "--help"],
    }


def shell(model: Model, folder: Path, rounds: int, seconds: float) -> Shell:
    """Run the whole commands, interleaved."""
    task = {"commands": commands(model, folder), "rounds": rounds, "seconds": seconds}
    launcher = [sys.executable, "-S", "-E", str(Path(__file__).with_name("launch.py"))]
    answer = subprocess.run(launcher, input=json.dumps(task), stdout=subprocess.PIPE, text=True, check=True)
    found: Mapping[str, list[tuple[float, int]]] = json.loads(answer.stdout)
    wall = {name: [took for took, _ in runs] for name, runs in found.items()}
    memory = {name: [float(peak) for _, peak in runs] for name, runs in found.items()}
    others = [name for name in found if name != COMMAND]
    return {
        "rounds": len(wall[COMMAND]),
        "seconds": {name: summary(values) for name, values in wall.items()},
        "memory": {name: summary(values) for name, values in memory.items()},
        "over": {name: ratio(wall[COMMAND], wall[name]) for name in others},
        "memory_over": {name: ratio(memory[COMMAND], memory[name]) for name in others},
        "help_over": ratio(wall[HELP], [nothing + HELP_ALLOWANCE for nothing in wall[NOTHING]]),
    }


def startup(model: Model, folder: Path, walls: Mapping[str, Quartiles], rounds: int) -> dict[str, dict[str, float]]:
    """Seconds of each part of the three commands that answer a row.

    Imports come from `python -X importtime`, each module's own time for the package that it belongs to, or for the
    package that imports it; opening and the first answer are timed in a process of their own; what is left of the
    first process's time is the rest. The parts are then scaled to the command's time in `walls`, as looking at
    imports takes some time too.
    """
    lines = commands(model, folder)
    nothing = [_imports(lines[NOTHING]) for _ in range(rounds)]
    built_in, python = set(nothing[0][1]), median(run[2] for run in nothing)
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in _STAGES}
    for _ in range(rounds):
        for name, source in _STAGES.items():
            command = lines[name] if name != COMMAND else [sys.executable, *lines[name]]
            imports, _, wall = _imports(command, built_in)
            artifact = str(model.torchscript if name == TORCH_SCRIPT else model.onnx)
            load, predict = _stages([sys.executable, "-c", source, artifact])
            parts = {**imports, PYTHON: python, LOAD: load, PREDICT: predict}
            runs[name].append({**parts, REST: max(0.0, wall - sum(parts.values()))})
    found: dict[str, dict[str, float]] = {}
    for name, taken in runs.items():
        middle = {part: median(run.get(part, 0.0) for run in taken) for part in PARTS}
        scale = walls[name]["median"] / sum(middle.values())
        found[name] = {part: seconds * scale for part, seconds in middle.items() if seconds}
    return found


def _imports(command: list[str], known: Collection[str] = ()) -> tuple[dict[str, float], list[str], float]:
    """Seconds by part that the imports of `command`, a Python program, take, all modules' names, and the whole time.

    Args:
        command: starts with the interpreter.
        known: modules to leave out, as the interpreter imports them anyway.
    """
    timed = [command[0], "-X", "importtime", *command[1:]]
    start = time.perf_counter()
    errors = subprocess.run(timed, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True).stderr
    wall = time.perf_counter() - start
    seconds: dict[str, float] = defaultdict(float)
    names: list[str] = []
    # A module's line comes after those that it imports, so from the end on it comes before them.
    above: list[tuple[int, str]] = []
    for line in reversed(errors.splitlines()):
        if (match := _IMPORT_LINE.match(line)) is None:
            continue
        own, indent, name = int(match[1]) / 1e6, len(match[3]), match[4]
        names.append(name)
        while above and above[-1][0] >= indent:
            above.pop()
        part = _PACKAGES.get(name.partition(".")[0]) or (above[-1][1] if above else OTHERS)
        above.append((indent, part))
        if name not in known:
            seconds[part] += own
    return seconds, names, wall


def _stages(command: list[str]) -> tuple[float, float]:
    load, predict = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
    return load, predict
