"""The command as a whole: how it ends, what it loads, and Ctrl-C while it starts."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import assert_one_line

from edge_runtime.contract.file_locks import locked
from edge_runtime.contract.version import __version__
from edge_train.cli.command import main

Command = Callable[..., Any]


def test_version(command: Command) -> None:
    assert command(main, "--version") == (0, f"edge-train {__version__}\n", "")


def python(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True)


def test_mistakes_are_found_before_what_takes_long_to_load(table: Path) -> None:
    """Also those in a table: it is read by Arrow alone."""
    code = """
import os, sys
from edge_train.cli.command import main

def loaded(*names):
    return sorted(set(names) & set(sys.modules))

for arguments in (["--help"], ["--version"], ["--nothing"], ["t.csv"], ["--output", "t.csv"], ["--device", "tpu"]):
    main(arguments)
    assert not loaded("torch", "sklearn", "numpy", "pyarrow"), arguments
# A folder of tables is a table.
os.mkdir("empty")
for arguments in (
    ["nowhere.csv", "--target", "y"],
    ["empty", "--target", "y"],
    ["t.csv", "--target", "z"],
    ["t.csv", "--target", "y", "--drop", "z"],
    ["t.csv", "--target", "y", "--drop", "mass", "--numeric", "mass"],
    ["t.csv", "--target", "y", "--numeric", "y"],
    ["t.csv", "--target", "y", "--numeric", "island"],
    ["t.csv", "--target", "y", "--task", "regression"],
    ["t.csv", "--target", "mass", "--class-weight", "balanced"],
    ["t.csv", "--target", "mass", "--threshold", "f1"],
    ["t.csv", "--target", "y", "--output", "t.csv"],
):
    assert main(arguments) == 1, arguments
    assert not loaded("torch", "sklearn"), arguments
"""
    result = python(code)
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("error: ") == 15
    assert result.stderr.count("\n") == 15


INTERRUPT = """
import os, signal, sys
wanted = sys.argv.pop(1)
class AtImport:
    def find_spec(self, name, path=None, target=None):
        if name == wanted:
            print("interrupted at", name, file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, AtImport())
from edge_train.cli.command import main
sys.exit(main())
"""
EARLY = ["edge_runtime", "edge_runtime.contract.shell", "typer", "edge_train.cli.options", "pyarrow"]
LATE = ["sklearn.model_selection", "torch", "torch.nn", "torch.distributed", "edge_train.cli.run", "edge_train.metrics"]


@pytest.mark.parametrize("module", [*EARLY, *(pytest.param(late, marks=pytest.mark.slow) for late in LATE)])
def test_interrupted_while_it_loads(table: Path, module: str) -> None:
    result = python(INTERRUPT, module, table, "--target", "y", "--epochs", 1)
    assert (result.returncode, result.stderr) == (130, f"interrupted at {module}\n")
    assert not Path("model.pt").exists()


def test_ctrl_c_prints_no_traceback_after_the_work_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """While Python cleans up. Code that calls `main` keeps its own handler."""
    before = signal.getsignal(signal.SIGINT)
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        main(["--version"])
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        monkeypatch.setattr(sys, "argv", ["edge-train", "--version"])
        main()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
        # Where it was ignored, as by nohup, it still is.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        main()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.slow
def test_same_seed_same_bytes_in_another_process(command: Command) -> None:
    assert command(main, "--seed", 7, "--epochs", 200, "--output", "a").code == 0
    other = [sys.executable, "-m", "edge_train", "--seed", "7", "--epochs", "200", "--output", "b"]
    subprocess.run(other, check=True, capture_output=True)
    assert Path("a/model.pt").read_bytes() == Path("b/model.pt").read_bytes()
    command(main, "--seed", 8, "--epochs", 200, "--output", "c")
    assert Path("a/model.pt").read_bytes() != Path("c/model.pt").read_bytes()


def test_a_second_run_says_so_before_it_reads_the_table(command: Command) -> None:
    with locked([Path("model.pt")]):
        result = command(main, "nowhere.csv", "--target", "y")
        assert_one_line(result, 1, f"another run (process {os.getpid()}) is writing model.pt; wait until it has ended")
    assert list(Path().iterdir()) == []
