import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from limited import Ended, limited
from warm_commands import warm_commands

SOURCE = Path(__file__).with_name("failing_calls.c")

# A function from a command, the folder whose files fail, how many calls are made before, and how they fail, to its end.
Failing = Callable[..., Ended]


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is preloaded, so that calls fail."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if sys.platform != "linux" or compiler is None:
        pytest.skip("calls fail by a library that is preloaded, which a C compiler makes")
    library = tmp_path_factory.mktemp("failing") / "failing_calls.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"], check=True)
    return library


@pytest.fixture(scope="session")
def failing(library: Path) -> Failing:
    """Run a command whose calls on the files of a folder fail, or end it."""

    def run(words: Sequence[object], folder: Path, after: int, error: int, once: bool = False) -> Ended:
        fault = fault_of(folder, after, error, once)
        return limited(words, env={**os.environ, "LD_PRELOAD": str(library), **fault})

    return run


@pytest.fixture(scope="module")
def failing_warm(failing: Failing, library: Path) -> Iterator[Failing]:
    """The same for edge-train and edge-export, without waiting for torch each time."""
    with warm_commands({**os.environ, "LD_PRELOAD": str(library)}) as commands:
        yield lambda words, *how, **more: failing([commands / words[0], *words[1:]], *how, **more)


def fault_of(folder: Path, after: int, error: int, once: bool) -> dict[str, str]:
    """The environment variables by which the library knows what is to fail."""
    fault = {"FAILING_FOLDER": f"{folder}/", "FAILING_FROM": str(after), "FAILING_WITH": str(error)}
    return {**fault, "FAILING_ONCE": "1"} if once else fault
