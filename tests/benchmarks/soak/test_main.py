"""The whole of it, from its start to an early end."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from concurrency import HANG
from servers import until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are watched in Linux's /proc")

ROOT = Path(__file__).resolve().parents[3]


def of_this_run(folder: Path) -> set[int]:
    """The processes whose temporary files are in `folder`."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            variables = (process / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if f"TMPDIR={folder}".encode() in variables:
            found.add(int(process.name))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_all_and_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    pytest.importorskip("uvicorn")
    temporary, page = tmp_path / "temporary", tmp_path / "page.md"
    temporary.mkdir()
    words = ["--minutes", "60", "--output", str(tmp_path / "models"), "--page", str(page)]
    soak = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.soak", *words],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        # Its six callers, the server with two workers and what starts them, and the command.
        until(lambda: soak.poll() is not None or len(of_this_run(temporary)) >= 11)
        assert soak.poll() is None
        # As a terminal does it.
        os.killpg(soak.pid, number) if number == signal.SIGINT else soak.send_signal(number)
        _, err = soak.communicate(timeout=HANG)
    finally:
        soak.kill()
    assert (soak.returncode, err) == (130, "interrupted: nothing was found out, and nothing is written\n")
    until(lambda: not of_this_run(temporary))
    assert not page.exists()
    assert list(temporary.glob("edge-soak-*")) == []
