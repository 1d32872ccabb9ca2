"""The runtimes that artifacts are replayed under, and what each makes of them."""

import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.everywhere.arm64 import PI_4, PI_5, arm64_python
from tests.everywhere.debian import BUILD, Absent

PROCESSES = os.cpu_count() or 1

# ONNX Runtime, numpy. 1.17 and 1.18 were built for numpy 1 alone; an empty version takes the newest.
PAIRS = (("1.17.0", "1.26.0"), ("1.18.1", "1.26.4"), ("1.20.1", "2.0.2"), ("", "1.26.4"), ("", ""))

# LayerNormalization gives NaN for equal large numbers there, as its variance comes out below zero: what the certificate
# is there to tell.
FAULTS = {"1.17.0": {"residual"}, "1.18.1": {"residual"}, "1.20.1": {"residual"}}

# onnxruntime-web ends a string at its first NUL character: in these tables, it becomes another category or a missing
# value.
WEB_FAULTS = frozenset({"table_1", "table_4"})

# Verifies each of the files that it is given: a line of JSON for each, with the exit code, what is printed, the errors.
VERIFY = """
import contextlib, io, json, sys
from edge_runtime.cli.command import main
for path in sys.argv[1:]:
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = main([path, "--verify", "--format", "json"])
    print(json.dumps([code, out.getvalue(), err.getvalue()]), flush=True)
"""

VERSIONS = "from importlib.metadata import version as v; print(v('onnxruntime'), v('numpy'))"
# Of what is installed, little is imported, a few times.
PIP_OPTIONS = ("--quiet", "--disable-pip-version-check", "--no-compile")

WEB = Path("runtime/web")
ARM64 = {PI_5: "arm64 Pi 5", PI_4: "arm64 Pi 4"}
HOSTS = {"node": "Node", "chromium": "Chromium", "firefox": "Firefox"}


@dataclass(frozen=True)
class Verdict:
    """Why an artifact does not pass, None if it does; and the largest fraction of a tolerance that it uses."""

    problem: str | None
    used: float = 0.0


@dataclass(frozen=True)
class Runtime:
    """A column of the table.

    Attributes:
        heading: the lines above it.
        verify: gives the verdicts on artifacts; None where the runtime cannot run here.
        faults: artifacts that show a known fault of it.
        absent: why it cannot run here.
    """

    heading: tuple[str, str, str]
    verify: Callable[[Sequence[Path]], list[Verdict]] | None
    faults: frozenset[str] = frozenset()
    absent: str = ""


def runtimes(wheel: str) -> list[Runtime]:
    """All of them; environments are made at the same time."""
    makers: list[Callable[[], list[Runtime]]] = [
        *(functools.partial(_environment, wheel, *pair) for pair in PAIRS),
        functools.partial(_arm64, wheel),
        *(functools.partial(_web, host) for host in HOSTS),
    ]
    with ThreadPoolExecutor(PROCESSES) as threads:
        return [runtime for made in threads.map(lambda make: make(), makers) for runtime in made]


def emulated(python: Path) -> list[Runtime]:
    """The processors of two Raspberry Pis, with the python of an environment of arm64."""
    versions = _versions(python)
    return [
        Runtime((heading, *versions), functools.partial(verified, python, environment={"QEMU_CPU": processor}))
        for processor, heading in ARM64.items()
    ]


def _arm64(wheel: str) -> list[Runtime]:
    try:
        return emulated(arm64_python(wheel))
    except Absent as reason:
        return [Runtime((heading, "", ""), None, absent=str(reason)) for heading in ARM64.values()]


def _environment(wheel: str, onnxruntime: str, numpy: str) -> list[Runtime]:
    """A new environment with these versions and the runtime."""
    folder = BUILD / f"onnxruntime-{onnxruntime or 'newest'}-numpy-{numpy or 'newest'}"
    _run(sys.executable, "-m", "venv", "--clear", folder)
    python = folder / "bin" / "python"
    pins = [
        f"{name}=={version}" if version else name for name, version in (("onnxruntime", onnxruntime), ("numpy", numpy))
    ]
    _run(python, "-m", "pip", "install", *PIP_OPTIONS, f"{wheel}[cpu]", *pins)
    faults = frozenset(FAULTS.get(onnxruntime, ()))
    return [Runtime(("Python", *_versions(python)), functools.partial(verified, python), faults)]


def _web(host: str) -> list[Runtime]:
    """The npm package under Node or in a browser."""
    if not (WEB / "dist" / "index.js").exists():
        return [Runtime((HOSTS[host], "", ""), None, absent="the npm package is not built, which takes node and npm")]
    command = [sys.executable, "tests/helpers/web_verdicts.py", host]
    package = WEB / "node_modules" / "onnxruntime-web" / "package.json"
    heading = (HOSTS[host], json.loads(package.read_text())["version"], "")
    # Asked for no artifact, it says whether there is such a host.
    asked = subprocess.run(command, capture_output=True, text=True)
    if asked.returncode:
        return [Runtime(heading, None, absent=asked.stderr.strip())]

    def verify(paths: Sequence[Path]) -> list[Verdict]:
        lines = subprocess.run([*command, *paths], capture_output=True, text=True).stdout.splitlines()
        return [Verdict(found["problem"], found["tolerance_used"] or 0.0) for found in map(json.loads, lines)]

    return [Runtime(heading, verify, WEB_FAULTS)]


def verified(python: Path, paths: Sequence[Path], environment: Mapping[str, str] | None = None) -> list[Verdict]:
    """The verdicts of the runtime that is installed for a python, in as many processes as there are processors."""
    with ThreadPoolExecutor(PROCESSES) as threads:
        parts = [paths[place::PROCESSES] for place in range(PROCESSES)]
        found = list(threads.map(lambda part: _verified(python, part, environment or {}), parts))
    return [found[place % PROCESSES][place // PROCESSES] for place in range(len(paths))]


def _verified(python: Path, paths: Sequence[Path], environment: Mapping[str, str]) -> list[Verdict]:
    result = subprocess.run(
        [python, "-c", VERIFY, *paths], capture_output=True, text=True, env={**os.environ, **environment}
    )
    lines = result.stdout.splitlines()
    # A process that has crashed has not come to the others.
    found = [Verdict(f"not verified: {result.stderr.strip()}")] * len(paths)
    for place, line in enumerate(lines):
        code, out, err = json.loads(line)
        if code:
            found[place] = Verdict(err.strip())
        else:
            used = [check["tolerance_used"] or 0.0 for check in json.loads(out)["checks"]]
            found[place] = Verdict(None, max(used, default=0.0))
    return found


def _versions(python: Path) -> tuple[str, str]:
    onnxruntime, numpy = _run(python, "-c", VERSIONS).split()
    return onnxruntime, numpy


def _run(*command: object) -> str:
    """Run a command; its output, or the end of this program with it."""
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"{command}: {result.stdout}{result.stderr}")
    return result.stdout
