"""How much lies on the disk after an install."""

import importlib.metadata
import shutil
import subprocess
import sys
from pathlib import Path

from packaging.requirements import Requirement

PACKAGE = "edge-predict[cpu]"
BARE = "numpy + onnxruntime"
TORCH = "torch"


def sizes(folder: Path) -> dict[str, int | str]:
    """Bytes by install: the built wheel with its extra, what a bare script needs, and torch as it is installed here.

    Where pip cannot install, what it says stands in place of the size.
    """
    wheels = folder / "wheel"
    shutil.rmtree(wheels, ignore_errors=True)
    try:
        _pip("wheel", "--no-deps", "--wheel-dir", str(wheels), ".")
        wheel = next(wheels.glob("*.whl"))
    except (subprocess.CalledProcessError, StopIteration) as error:
        ours: int | str = _problem(error)
    else:
        ours = _installed(folder / "ours", f"{wheel}[cpu]")
    return {PACKAGE: ours, BARE: _installed(folder / "bare", "numpy", "onnxruntime"), TORCH: with_requirements("torch")}


def with_requirements(distribution: str) -> int | str:
    """Bytes of an installed distribution and everything that it requires, from the lists of their files."""
    try:
        importlib.metadata.distribution(distribution)
    except importlib.metadata.PackageNotFoundError:
        return f"{distribution} is not installed"
    seen: set[str] = set()
    todo = [distribution]
    total = 0
    while todo:
        name = todo.pop().lower().replace("_", "-")
        if name in seen:
            continue
        seen.add(name)
        try:
            found = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        paths = (Path(str(found.locate_file(file))) for file in found.files or ())
        total += sum(path.stat().st_size for path in paths if path.suffix != ".pyc" and path.is_file())
        requirements = map(Requirement, found.requires or ())
        todo += [r.name for r in requirements if r.marker is None or r.marker.evaluate({"extra": ""})]
    return total


def _installed(target: Path, *requirements: str) -> int | str:
    """Bytes that pip puts into the empty folder `target`, which is removed again."""
    shutil.rmtree(target, ignore_errors=True)
    try:
        _pip("install", "--no-compile", "--target", str(target), "--constraint", "constraints.txt", *requirements)
        return sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    except subprocess.CalledProcessError as error:
        return _problem(error)
    finally:
        shutil.rmtree(target, ignore_errors=True)


def _pip(command: str, *arguments: str) -> None:
    line = [sys.executable, "-m", "pip", command, "--quiet", "--disable-pip-version-check", *arguments]
    subprocess.run(line, check=True, capture_output=True, text=True)


def _problem(error: Exception) -> str:
    said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
    return f"not measured: {said[-1] if said else error}"
