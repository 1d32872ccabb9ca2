"""What `edge-predict --doctor` says: what is installed, what it runs on, what is wrong, and the command that fixes it.

It imports nothing that may be missing or broken but to find out.
"""

import contextlib
import io
import multiprocessing
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from edge_runtime.cli.installed import DISTRIBUTION, EXTRAS, RUNTIMES, Requirement, installed, requirements, version_of
from edge_runtime.cli.json_lines import json_line
from edge_runtime.contract.errors import EdgePredictError, IsolationFailed, RuntimeNotInstalled
from edge_runtime.contract.telemetry import SWITCH, telemetry
from edge_runtime.contract.terminal import one_line, printable
from edge_runtime.contract.version import __version__
from edge_runtime.engine.devices import CPU, CUDA, cuda_driver_problem, driver_cuda_version
from edge_runtime.engine.installation import (
    import_onnxruntime,
    numbers,
    packages,
    replacing,
)
from edge_runtime.engine.memory_limits import memory
from edge_runtime.engine.processor_limits import allowed_processors, available_processors, group_processors
from edge_runtime.engine.provider_trials import trials

# What the user may have set that decides on threads, devices and telemetry.
_VARIABLES = (
    *("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "ORT_INTRA_OP_NUM_THREADS", "ORT_INTER_OP_NUM_THREADS"),
    *("CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH"),
)
# How messages begin that name a command.
_FIX = "fix it with "
_FIRST_WITH_TELEMETRY = (1, 29)
# The first release of onnxruntime-gpu that is built for CUDA 13.
_FIRST_FOR_CUDA_13 = "1.27"


class Problem(NamedTuple):
    """What is wrong, and what to do: a command, if one helps."""

    problem: str
    fix: str

    @classmethod
    def of(cls, error: EdgePredictError) -> "Problem":
        """Messages of this package end on what to do."""
        problem, _, fix = str(error).rpartition("; ")
        for words in (_FIX, "install it with ", "reinstall it with "):
            fix = fix.removeprefix(words)
        return cls(problem, fix) if problem else cls(str(error), "")


def report(model: str | None = None, typer_problem: str | None = None, isolate: bool = False) -> dict[str, Any]:
    """All that is known of this installation, as JSON can hold it; `problems` is empty if all is well.

    Args:
        model: the path of a model to open, if one is given.
        typer_problem: why typer cannot be loaded, if it cannot.
        isolate: whether the model may take no more memory and time than an isolated one.
    """
    telemetry_is_off, why = telemetry()
    needed, problems = requirements(), list[Problem]()
    problems += _unfit(needed)
    if typer_problem is not None and version_of("typer") is not None:
        problems.append(Problem(f"typer cannot be loaded ({typer_problem})", "pip install --force-reinstall typer"))
    ort: Any = None
    try:
        # numpy complains on stderr about packages that were built for another version.
        with contextlib.redirect_stderr(io.StringIO()):
            ort = import_onnxruntime()
    except RuntimeNotInstalled as error:
        problems.append(Problem.of(error))
    found: dict[str, Any] = {
        "edge_predict": {"version": __version__, "installed": version_of(DISTRIBUTION), "path": _path(__file__, 2)},
        "python": {"version": platform.python_version(), "kind": platform.python_implementation()}
        | {"path": _short(sys.executable)},
        "platform": platform.platform(),
        "packages": {name: version for name in _names(needed) if (version := version_of(name)) is not None},
        "extras": {
            extra: [f"{one.name}{one.bounds}" for one in needed if one.extra == extra and not _is_there(one)]
            for extra in EXTRAS
            if any(one.extra == extra for one in needed)
        },
        "onnxruntime": None if ort is None else {"version": ort.__version__, "path": _path(ort.__file__, 1)},
        "wheels": packages(sys.path),
        "telemetry": {"off": telemetry_is_off, "reason": why},
        "providers": {} if ort is None else trials(ort.get_available_providers()),
        "gpus": _gpus(),
        "driver_problem": cuda_driver_problem(),
        "processors": {
            "machine": os.cpu_count(),
            "allowed": allowed_processors(),
            "group": group_processors(),
            "used": available_processors(),
        },
        "memory": memory()._asdict(),
        "start_method": multiprocessing.get_all_start_methods()[0],
        "environment": {name: os.environ[name] for name in _VARIABLES if name in os.environ},
    }
    if ort is not None:
        problems += _onnxruntime_problems(ort, found)
    if model is not None and ort is not None:
        found["model"] = _opened(model, isolate, problems)
    return {"ok": not problems, "problems": [one._asdict() for one in problems], **found}


def text(found: dict[str, Any]) -> str:
    """The report for people."""
    lines = list(_lines(found))
    for one in found["problems"]:
        lines.append(("problem", one["problem"]))
        if one["fix"]:
            lines.append(("  fix", one["fix"]))
    count = len(found["problems"])
    lines.append(("", "all is well" if not count else f"{count} problem{'s' * (count > 1)}"))
    return "".join(f"{name:<14}{printable(said)}\n" if name else f"{said}\n" for name, said in lines)


def _lines(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    package, python, ort = found["edge_predict"], found["python"], found["onnxruntime"]
    yield "edge-predict", f"{package['version']} in {package['path']}"
    yield "Python", f"{python['kind']} {python['version']}, {python['path']}"
    yield "platform", found["platform"]
    yield "packages", ", ".join(f"{name} {version}" for name, version in found["packages"].items()) or "unknown"
    for extra, missing in found["extras"].items():
        yield "extra", f"{extra}: {'complete' if not missing else 'not installed, without '}{', '.join(missing)}"
    wheels = ", ".join(f"{name} {version}" for name, version in found["wheels"].items()) or "no wheel"
    yield "ONNX Runtime", f"{wheels}; {'cannot be used' if ort is None else '{version} in {path}'.format(**ort)}"
    telemetry = found["telemetry"]
    yield "telemetry", f"{'off' if telemetry['off'] else 'on'}: {telemetry['reason']}"
    if telemetry["off"]:
        yield "", f"{'':<14}(a program that imports onnxruntime before edge_runtime has to set it in its environment)"
    for provider, problem in found["providers"].items():
        yield "provider", f"{provider}: {'works' if problem is None else f'cannot be used: {problem}'}"
    gpus = ", ".join(found["gpus"]) or found["driver_problem"] or "the driver finds one"
    if ort and found["driver_problem"] is None and CUDA not in found["providers"]:
        gpus += f"; ONNX Runtime has no CUDA, {replacing(found['wheels'], 'gpu-cuda').removeprefix(_FIX)} adds it"
    yield "GPU", gpus
    processors = found["processors"]
    limit = "" if processors["group"] is None else f", control group {processors['group']:g}"
    yield (
        "processors",
        f"{processors['used']} used; {processors['machine']} there, {processors['allowed']} allowed{limit}",
    )
    names = {"total": "there", "available": "available", "group": "allowed by the control group"}
    sizes = [f"{size / 1e9:.1f} GB {names[name]}" for name, size in found["memory"].items() if size is not None]
    yield "memory", ", ".join(sizes) or "unknown"
    yield "processes", f"multiprocessing starts them by {found['start_method']}"
    for name, value in found["environment"].items():
        yield "variable", f"{name}={value}"
    if "model" in found:
        yield "model", found["model"]


def _names(needed: Iterable[Requirement]) -> list[str]:
    """The packages whose versions matter: what edge-predict needs, and ONNX Runtime by whatever name."""
    names = [one.name for one in needed if one.extra in (None, *EXTRAS)] or ["numpy", "typer"]
    return list(dict.fromkeys([*names, *installed("nvidia-")]))


def _is_there(one: Requirement) -> bool:
    version = version_of(one.name)
    return version is not None and one.allows(version)


def _unfit(needed: Iterable[Requirement]) -> Iterator[Problem]:
    """Packages that every use of edge-predict needs, and that are missing, too old or too new."""
    wheels = packages(sys.path)
    for one in needed:
        version = wheels.get(one.name) if one.extra in RUNTIMES else version_of(one.name)
        if one.extra not in (None, *RUNTIMES) or (one.extra in RUNTIMES and version is None):
            continue
        wanted = f"pip install '{one.name}{one.bounds}'"
        if version is None:
            yield Problem(f"{one.name} is not installed", wanted)
        elif not one.allows(version):
            yield Problem(f"{one.name} {version} is installed, and edge-predict works with {one.bounds}", wanted)


def _onnxruntime_problems(ort: Any, found: dict[str, Any]) -> Iterator[Problem]:
    """What is wrong with an ONNX Runtime that can be imported."""
    name, version = next(iter(found["wheels"].items()), ("onnxruntime", ort.__version__))
    again = f"pip install --force-reinstall {name}"
    if numbers(version) != numbers(ort.__version__):
        yield Problem(f"{name} {version} is installed, and its folder holds {ort.__version__}", again)
    if reason := found["providers"].get(CPU, "it is not there"):
        yield Problem(f"ONNX Runtime does not compute on the CPU: {reason}", again)
    is_late = not found["telemetry"]["off"] and SWITCH not in os.environ
    if is_late and numbers(ort.__version__) >= _FIRST_WITH_TELEMETRY:
        yield Problem(f"telemetry is on: {found['telemetry']['reason']}", f"export {SWITCH}=1")
    if found["driver_problem"] is None:
        yield from _cuda_problems(name, ort, found)
    elif found["gpus"]:
        yield Problem(f"nvidia-smi finds a GPU, but {found['driver_problem']}", "reinstall NVIDIA's driver")


def _cuda_problems(name: str, ort: Any, found: dict[str, Any]) -> Iterator[Problem]:
    """Why CUDA does not run on the GPU that is there."""
    if CUDA not in found["providers"]:
        return
    if (reason := found["providers"][CUDA]) is None:
        return
    built, driver = numbers(str(getattr(ort, "cuda_version", ""))), driver_cuda_version()
    others = sorted({one[-2:] for one in found["packages"] if one.startswith("nvidia-") and one[-5:-2] == "-cu"})
    if built and driver and built[0] > driver[0]:
        yield Problem(
            f"{name} {ort.__version__} is built for CUDA {built[0]}, and NVIDIA's driver supports CUDA up to "
            f"{driver[0]}.{driver[1]}",
            f"update NVIDIA's driver, or pip install '{name}<{_FIRST_FOR_CUDA_13}'",
        )
    elif built and others and str(built[0]) not in others:
        yield Problem(
            f"{name} {ort.__version__} is built for CUDA {built[0]}, and the packages of CUDA {', '.join(others)} are "
            f"installed ({reason})",
            "pip install 'edge-predict[gpu-cuda]'",
        )
    else:
        yield Problem(f"CUDA does not start: {reason}", "pip install 'edge-predict[gpu-cuda]'")


def _gpus() -> list[str]:
    """The NVIDIA GPUs that their own tool finds, with driver and memory."""
    if (tool := shutil.which("nvidia-smi")) is None:
        return []
    command = [tool, "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [one_line(line) for line in result.stdout.splitlines()]


def _opened(model: str, isolate: bool, problems: list[Problem]) -> str:
    from edge_runtime.contract.limits import Limits
    from edge_runtime.isolate.predictor import IsolatedPredictor
    from edge_runtime.predictor import Predictor

    # In a process of its own, which the report outlives, where there can be one.
    may_isolate = os.name == "posix" and not getattr(sys, "frozen", False)
    kind = IsolatedPredictor if isolate or may_isolate else Predictor
    limits = None if isolate else Limits(isolated_bytes=None, isolated_seconds=None)
    try:
        with kind(model, limits=limits) as predictor:
            return repr(predictor)
    except IsolationFailed as error:
        problem = Problem.of(error)
        problems.append(problem._replace(problem=f"{printable(model)}: {problem.problem}"))
        return str(error)
    except EdgePredictError as error:
        problems.append(Problem.of(error))
        return str(error)


def _path(file: str | None, up: int) -> str:
    return "nowhere" if file is None else _short(str(Path(file).absolute().parents[up - 1]))


def _short(path: str) -> str:
    """`path` without the name of the user, since reports are pasted where others read them."""
    try:
        home = str(Path.home())
    except RuntimeError:  # a user that the system does not know, as in containers
        return path
    return f"~{path.removeprefix(home)}" if path.startswith(home + os.sep) else path


def show(output_format: str, model: str | None = None, typer_problem: str | None = None, isolate: bool = False) -> int:
    """Print the report as text or JSON; 1 if something is wrong, else 0."""
    found = report(model, typer_problem, isolate)
    sys.stdout.write(json_line(found) if output_format == "json" else text(found))
    return 0 if found["ok"] else 1
