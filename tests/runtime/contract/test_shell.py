import io
import re
import signal
import sys
import tomllib
import tracemalloc
from collections.abc import Callable
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
import typer
from paths import ROOT

import edge_runtime
from edge_runtime import CannotWrite, InvalidInput
from edge_runtime.contract import shell

Captured = pytest.CaptureFixture[str]


class Kind(Enum):
    ONNX = "onnx"
    TORCHSCRIPT = "torchscript"


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
        (MemoryError(), 1, "error: not enough memory\n"),
    ],
)
def test_errors(capsys: Captured, error: BaseException, code: int, message: str) -> None:
    assert shell.call(ending_with(error)) == code
    assert capsys.readouterr() == ("", message)


def test_there_is_memory_to_say_that_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    used = []

    def take_down(*_: object) -> None:
        used.append(tracemalloc.get_traced_memory()[0])

    def command() -> None:
        take_down()
        raise MemoryError

    monkeypatch.setattr(shell, "note", take_down)
    tracemalloc.start()
    try:
        assert shell.call(command) == 1
    finally:
        tracemalloc.stop()
    assert used[0] - used[1] > 1_000_000


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
        version: Annotated[bool, shell.version_option("edge-test")] = False,
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


def test_ctrl_c_ends_every_command_quietly_once_its_work_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given the process's own arguments; code that passes others keeps its handler."""
    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(sys, "argv", ["edge-test", "--version"])
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        shell.run(application(), ["--version"])
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        shell.run(application())
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "TABLE is missing"),
        (["t", "u"], "--name is missing"),
        (["t", "u", "v w", "--name", "n"], "unexpected arguments: u v w"),
        (["--nothing"], "no such option: --nothing"),
        (["--epoch", "3"], "no such option: --epoch; did you mean '--epochs'?"),
        (["--epoch=3"], "no such option: --epoch; did you mean '--epochs'?"),
        (["--halp"], "no such option: --halp; did you mean '--help'?"),
        (["-q"], "no such option: -q"),
        (["--epochs"], "--epochs needs a value"),
        (["--resume=3"], "--resume takes no value"),
        (["--epochs", "ten"], "--epochs: 'ten' is not a whole number"),
        (["--epochs", "1.5"], "--epochs: '1.5' is not a whole number"),
        (["--epochs", "a is not b"], "--epochs: 'a is not b' is not a whole number"),
        (["--epochs", "0"], "--epochs: 0 is not 1 or more"),
        (["--number", "a"], "--number: 'a' is not a whole number"),
        (["--rate", "a"], "--rate: 'a' is not a number"),
        (["--fraction", "half"], "--fraction: 'half' is not a number"),
        (["--fraction", "2"], "--fraction: 2.0 is not from 0 to 0.99"),
        (["--weight", "balance"], "--weight: unknown value 'balance'; did you mean 'balanced'?"),
        (["--weight", "x"], "--weight: unknown value 'x'; use balanced"),
        (["--format", "onx"], "--format: unknown value 'onx'; did you mean 'onnx'?"),
        (["--format", "pdf\n"], "--format: unknown value 'pdf\\n'; use onnx or torchscript"),
        (["--check"], "--check: of our own"),
        (["--fail"], "of our own"),
    ],
)
def test_wrong_usage(capsys: Captured, arguments: list[str], message: str) -> None:
    """In the same words, whatever version of typer finds it."""
    app = typer.Typer(**shell.SETTINGS)

    def check(wanted: bool) -> None:
        if wanted:
            raise typer.BadParameter("of our own")

    @app.command()
    def command(
        table: Annotated[str, typer.Argument(metavar="TABLE")],
        name: Annotated[str, typer.Option()] = ...,  # type: ignore[assignment]
        epochs: Annotated[int, typer.Option(min=1)] = 1,
        number: int = 0,
        rate: float = 0,
        fraction: Annotated[float, typer.Option(min=0, max=0.99)] = 0,
        weight: Literal["balanced"] = "balanced",
        output_format: Annotated[list[Kind] | None, typer.Option("--format")] = None,
        resume: Annotated[bool, typer.Option("--resume")] = False,
        checked: Annotated[bool, typer.Option("--check", callback=check)] = False,
        fail: Annotated[bool, typer.Option("--fail")] = False,
    ) -> None:
        raise typer.BadParameter("of our own")

    given = arguments if not arguments or "u" in arguments else ["t", "--name", "n", *arguments]
    assert shell.run(app, given) == 2
    assert capsys.readouterr() == ("", f"error: {message} (see --help)\n")


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


def test_a_file_that_cannot_be_written_is_told(capsys: Captured) -> None:
    error = CannotWrite("report.html cannot be written: Permission denied")
    error.__cause__ = PermissionError()
    assert shell.call(ending_with(error)) == 1
    assert capsys.readouterr().err == f"error: {error}\n"


def test_the_extras_are_those_of_the_package() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    names = {"scikit-learn": "sklearn", "prometheus-client": "prometheus_client"}
    for extra, modules in shell.EXTRAS.items():
        packages = [re.match(r"[\w-]+", requirement)[0] for requirement in extras[extra]]  # type: ignore[index]
        assert {names.get(package, package) for package in packages} == modules


@pytest.mark.parametrize(
    ("module", "message"),
    [
        ("torch", "torch is not installed; install it with pip install 'edge-predict[train]'"),
        ("torch.nn", "torch.nn is not installed; install it with pip install 'edge-predict[train]'"),
        ("matplotlib", "matplotlib is not installed; install it with pip install 'edge-predict[train]'"),
        ("sklearn", "sklearn is not installed; install it with pip install 'edge-predict[train]'"),
        ("jinja2", "jinja2 is not installed; install it with pip install 'edge-predict[train]'"),
        ("onnx.helper", "onnx.helper is not installed; install it with pip install 'edge-predict[export]'"),
        ("numpy", "numpy is not installed"),
        ("torchvision", "torchvision is not installed"),
    ],
)
def test_a_missing_module(capsys: Captured, monkeypatch: pytest.MonkeyPatch, module: str, message: str) -> None:
    monkeypatch.delitem(sys.modules, "edge_export", raising=False)
    missing = ending_with(ModuleNotFoundError(f"No module named {module!r}", name=module))
    assert shell.call(missing) == 1
    assert capsys.readouterr().err == f"error: {message}\n"
    monkeypatch.setitem(sys.modules, "edge_export", edge_runtime)
    assert shell.call(missing) == 1
    shared = module.partition(".")[0] in ("torch", "matplotlib", "jinja2")
    assert capsys.readouterr().err == f"error: {message.replace('[train]', '[export]') if shared else message}\n"


def test_words_of_limits(capsys: Captured) -> None:
    app = typer.Typer(**shell.SETTINGS)

    @app.command()
    def show(limit: Annotated[list[str] | None, shell.limit_option()] = None) -> None:
        limits = shell.limits_of(limit, "line_bytes", "json_depth")
        print(limits.line_bytes, limits.json_depth)

    assert shell.run(app, ["--limit", "line_bytes=2KiB", "--limit", "json_depth=none"]) == 0
    assert capsys.readouterr().out == "2048 None\n"
    assert shell.run(app, ["--limit", "json_depth=0"]) == 2
    message = "error: --limit: json_depth must be an integer above 0, or None, found 0 (see --help)\n"
    assert capsys.readouterr().err == message
    assert shell.run(app, ["--limit", "nodes=5"]) == 2
    message = "error: --limit: nodes has no effect here; the limits that have are line_bytes, json_depth (see --help)\n"
    assert capsys.readouterr().err == message
