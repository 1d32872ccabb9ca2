"""The audit of known vulnerabilities tells what is affected from what could not be asked about."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

AUDIT = Path(__file__).parents[1] / "audit.py"
SOUND: dict[str, Any] = {"name": "numpy", "version": "2.0", "vulns": []}
AFFECTED = {"name": "old", "version": "1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1"]}]}
UNKNOWN = {"name": "odd", "skip_reason": "Dependency not found on PyPI and could not be audited: odd (1.0)"}


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        ([SOUND, UNKNOWN], 0, "audit: 1 of 2 packages, 0 known vulnerabilities"),
        ([SOUND, AFFECTED], 1, "old 1.0: PYSEC-1, fixed in 1.1"),
        ([UNKNOWN], 0, "audit skipped: no advisories for any of 1 packages; Dependency not found"),
        (None, 0, "audit skipped: ConnectionError: no route"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="a script without an ending is not a program there")
def test_what_was_found(tmp_path: Path, answer: list[dict[str, Any]] | None, code: int, said: str) -> None:
    python, audit = tmp_path / "python", tmp_path / "pip-audit"
    python.symlink_to(sys.executable)
    text = "" if answer is None else json.dumps({"dependencies": answer})
    audit.write_text(f"#!/bin/sh\ncat <<'end'\n{text}\nend\necho 'ConnectionError: no route' >&2\n")
    audit.chmod(0o755)
    done = subprocess.run([python, AUDIT], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (code, "")
    assert said in done.stdout
