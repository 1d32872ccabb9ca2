import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from limited import Ended, limited

SOURCE = Path(__file__).with_name("failing_calls.c")

# A function from a command, the folder whose files fail, how many calls are made before, and how they fail, to its end.
Failing = Callable[..., Ended]


@pytest.fixture(scope="session")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Failing:
    """Run a command whose calls on the files of a folder fail, or end it."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if sys.platform != "linux" or compiler is None:
        pytest.skip("calls fail by a library that is preloaded, which a C compiler makes")
    library = tmp_path_factory.mktemp("failing") / "failing_calls.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"], check=True)

    def run(words: Sequence[object], folder: Path, after: int, error: int, once: bool = False) -> Ended:
        environment = {
            **os.environ,
            "LD_PRELOAD": str(library),
            "FAILING_FOLDER": f"{folder}/",
            "FAILING_FROM": str(after),
            "FAILING_WITH": str(error),
            **({"FAILING_ONCE": "1"} if once else {}),
        }
        return limited(words, env=environment)

    return run
