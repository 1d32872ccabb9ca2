"""What tests of all three packages share. Imports nothing but the runtime: the wheel's tests run without the rest."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, settings

# It switches ONNX Runtime's telemetry off. Some tests import ONNX Runtime by themselves.
import edge_runtime  # noqa: F401

# What a shell runs in the background may ignore Ctrl-C, and so would every program that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# `make test` draws the same few examples each time, `make test-all` many new ones.
# How long an example takes says more of the machine than of the test.
untimed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("test", untimed, max_examples=20, derandomize=True)
settings.register_profile("all", untimed, max_examples=200)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "test"))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """A test has the same weights whichever tests its process has run before, and whatever its fixtures draw."""
    if torch := sys.modules.get("torch"):
        torch.manual_seed(0)


def pytest_make_parametrize_id(val: object) -> str | None:
    """Tests have the same names in all processes that share them out, whatever time is in a compressed file."""
    return f"{len(val)} bytes" if isinstance(val, bytes) and len(val) > 20 else None


class Result(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Run a command's main in this process: command(main, "model.onnx", -1, 1)."""

    def run(main: Callable[[list[str]], int], *arguments: object) -> Result:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        return Result(code, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def breast_cancer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """scikit-learn's breast-cancer data as examples/tables.py writes it, the class as a string in `diagnosis`."""
    folder = tmp_path_factory.mktemp("tables")
    example = Path(__file__).parents[1] / "examples" / "tables.py"
    subprocess.run([sys.executable, str(example), str(folder)], check=True, stdout=subprocess.DEVNULL)
    return folder / "breast_cancer.csv"
