"""All seeds, and the inputs that were found once, are read again in order."""

import os
import re
import subprocess
import sys

import pytest
from concurrency import HANG
from fuzzing.targets import MODULES
from paths import ROOT


@pytest.mark.parametrize("module", MODULES)
def test_seeds_and_corpus(module: str) -> None:
    # In a process of its own: some inputs have crashed one, and targets change what is around them.
    found = subprocess.run(
        [sys.executable, "-m", "fuzzing", "--module", module, "--replay"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=HANG,
    )
    if missing := re.search(r"without (\S+)", found.stderr):
        pytest.skip(f"{missing[1]} is not installed")
    assert found.returncode == 0, found.stdout + found.stderr
    assert re.search(r": \d+ inputs", found.stdout)
