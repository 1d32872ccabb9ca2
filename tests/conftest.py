"""What tests of all three packages share. Imports nothing but the runtime: the wheel's tests run without the rest."""

from collections.abc import Callable
from typing import NamedTuple

import pytest


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
