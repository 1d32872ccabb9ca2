"""The harness finds what it is there for: a fault of each kind, and one that only coverage leads to."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from concurrency import HANG
from paths import ROOT

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")


def fed(folder: Path, *words: str) -> Any:
    """What is found in the fake targets."""
    path = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
    found = subprocess.run(
        [sys.executable, ROOT / "tests" / "helpers" / "fake_targets.py", folder, *words],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=HANG,
    )
    if found.returncode:
        raise RuntimeError(found.stderr)
    return json.loads(found.stdout)


def test_a_fault_of_each_kind_is_found(tmp_path: Path) -> None:
    results = fed(tmp_path)
    found = {
        name: (one["crashes"]["ours"] > 0, one["untyped"], one["hangs"]["ours"] > 0, one["memory"])
        for name, one in results.items()
    }
    assert found == {
        "sound": (False, 0, False, 0),
        "untyped": (False, 1, False, 0),
        "crash": (True, 0, False, 0),
        "hang": (False, 0, True, 0),
        "memory": (False, 0, False, 1),
    }
    # What a process that was ended at any moment has been given is counted.
    assert all(one["inputs"] >= (3 if name == "hang" else 2_000) for name, one in results.items())
    # With the input, and where it happened.
    causes = {"untyped": "KeyError at", "crash": "SIGSEGV at", "hang": "hang at", "memory": "MemoryError at"}
    for name, line in causes.items():
        (text,) = tmp_path.glob(f"{name}/{name}-ours-*-0.txt")
        assert text.read_text().startswith(line)
        assert "fake_targets.py" in text.read_text()
        assert b"5" in text.with_suffix(".input").read_bytes()


def test_what_a_target_begins_with_is_read_whatever_the_time(tmp_path: Path) -> None:
    assert fed(tmp_path, "no time")["sound"]["inputs"] >= 1_000


def test_a_target_that_cannot_be_prepared_is_said(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="sound: the process has ended with -11"):
        fed(tmp_path, "broken")


@pytest.mark.slow
def test_coverage_leads_to_what_chance_does_not(tmp_path: Path) -> None:
    pytest.importorskip("atheris")
    (result,) = fed(tmp_path, "guided").values()
    assert result["guided"]
    assert result["untyped"] == 1
