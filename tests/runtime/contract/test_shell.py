import io
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Annotated, Any

import pytest
import typer

import edge_runtime
from edge_runtime import InvalidInput
from edge_runtime.contract import shell

Captured = pytest.CaptureFixture[str]


def ending_with(error: BaseException) -> Callable[[], None]:
    def command() -> None:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (InvalidInput("x1: 'a' is not a number"), 1, "error: x1: 'a' is not a number\n"),
        # Advice is pasted, so that a column is named with all of its spaces.
        (InvalidInput("'Support  calls\t'"), 1, "error: 'Support  calls\\t'\n"),
        (InvalidInput("of\nseveral lines"), 1, "error: of\\nseveral lines\n"),
        (InvalidInput("\x1b[31m\u202e"), 1, "error: \\x1b[31m\\u202e\n"),
        (shell.UsageError("no values"), 2, "error: no values (see --help)\n"),
        (KeyboardInterrupt(), 130, ""),
        (
            ModuleNotFoundError("No module named 'torch'", name="torch"),
            1,
            "error: torch is not installed; training and export need pip install 'edge-predict[export,train]'\n",
        ),
        (MemoryError(), 1, "error: not enough memory\n"),
    ],
)
def test_errors(capsys: Captured, error: BaseException, code: int, message: str) -> None:
    assert shell.call(ending_with(error)) == code
    assert capsys.readouterr() == ("", message)


def test_a_mistake_in_the_code_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        shell.call(lambda: 1 / 0)


@pytest.mark.parametrize(("returned", "code"), [(None, 0), (0, 0), (3, 3), ("text", 0)])
def test_what_a_command_returns(returned: object, code: int) -> None:
    assert shell.call(lambda: returned) == code


def test_without_stdout(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert shell.call(lambda: 1 / 0) == 1
    assert capsys.readouterr().err == "error: stdout is closed; the results need somewhere to go\n"


def test_without_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    shell.note("a note")
    assert shell.call(ending_with(InvalidInput("an error"))) == 1


def test_characters_that_stdout_cannot_encode(monkeypatch: pytest.MonkeyPatch) -> None:
    content = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(content, encoding="ascii"))
    assert shell.call(lambda: print("ö")) == 0
    assert content.getvalue() == b"\\xf6\n"


def test_notes_are_one_line_on_stderr(capsys: Captured) -> None:
    shell.note("rows.csv: ignored columns: a\nb")
    assert capsys.readouterr() == ("", "rows.csv: ignored columns: a\\nb\n")


def application() -> typer.Typer:
    app = typer.Typer(**shell.SETTINGS)

    @app.command()
    def command(
        number: int = 0,
        version: Annotated[bool, typer.Option(callback=shell.version_of("edge-test"), is_eager=True)] = False,
    ) -> int:
        if number == 9:
            raise typer.Abort
        return number

    return app


@pytest.mark.parametrize(
    ("arguments", "code", "out"),
    [
        ([], 0, ""),
        (["--number", "3"], 3, ""),
        (["--number", "9"], 130, ""),
        (["--version"], 0, f"edge-test {edge_runtime.__version__}\n"),
        # It ends the command.
        (["--version", "--number", "3"], 0, f"edge-test {edge_runtime.__version__}\n"),
    ],
)
def test_an_application(capsys: Captured, arguments: list[str], code: int, out: str) -> None:
    assert shell.run(application(), arguments) == code
    assert capsys.readouterr() == (out, "")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--nothing"], ["--nothing"]),
        (["--numbr", "3"], ["--numbr", "--number"]),
        (["--number", "a"], ["--number", "'a'"]),
    ],
)
def test_wrong_usage_is_one_line(capsys: Captured, arguments: list[str], parts: list[str]) -> None:
    assert shell.run(application(), arguments) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), err[:7], err[-14:]) == ("", 1, "error: ", " (see --help)\n")
    for part in parts:
        assert part in err


def test_the_arguments_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["edge-test", "--number", "5"])
    assert shell.run(application()) == 5


def test_help_is_printed_without_rich(capsys: Captured) -> None:
    assert shell.run(application(), ["--help"]) == 0
    out = capsys.readouterr().out
    assert "  --number " in out
    assert "completion" not in out
    assert out.isascii()


def test_what_is_not_an_exit_code(capsys: Captured) -> None:
    failures: list[Any] = [InvalidInput(""), InvalidInput(5)]
    assert [shell.call(ending_with(failure)) for failure in failures] == [1, 1]
    assert capsys.readouterr().err == "error: \nerror: 5\n"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ("BrokenPipeError(32, 'Broken pipe')", ""),
        ("OSError(28, 'No space left on device')", "error: the answers cannot be written: No space left on device\n"),
        ("OSError('no more')", "error: the answers cannot be written: no more\n"),
    ],
)
def test_what_goes_wrong_with_stdout(error: str, message: str) -> None:
    """In a process of its own, whose stdout is replaced: it must not fail again when the process ends."""
    script = f"""
import sys
from edge_runtime.contract import shell
def command():
    print("in the buffer", end="")
    raise {error}
sys.exit(shell.call(command))
"""
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=buffered)
    assert (result.returncode, result.stdout, result.stderr) == (1, "", message)
