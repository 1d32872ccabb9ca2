"""How a command ends: results on stdout, everything else on stderr, one line for an error, and an exit code.

Exit codes: 0 done; 1 it could not be done, or a check did not hold; 2 wrong usage; 130 interrupted.
"""

import errno
import io
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TextIO, cast

from edge_runtime.contract.errors import CannotWrite, EdgePredictError, InvalidInput
from edge_runtime.contract.terminal import one_line, printable, suggestion
from edge_runtime.contract.version import __version__

if TYPE_CHECKING:
    import typer

    from edge_runtime.contract.limits import Limits

# Without rich and completion, which would double the time of --help.
SETTINGS: dict[str, Any] = {"add_completion": False, "rich_markup_mode": None, "pretty_exceptions_enable": False}


# The extras of this package, and the modules that they install.
EXTRAS = {
    "export": frozenset({"jinja2", "matplotlib", "onnx", "onnxscript", "safetensors", "torch"}),
    "serve": frozenset({"httptools", "orjson", "prometheus_client", "starlette", "uvicorn", "uvloop"}),
    "sign": frozenset({"cryptography"}),
    "train": frozenset({"jinja2", "matplotlib", "pyarrow", "scipy", "sklearn", "torch"}),
}


# Bytes that are given back when memory runs out: saying so takes some.
_RESERVE = 1 << 20

# The limits of what reads files, and of what opens models.
READING = ("line_bytes", "json_depth", "unpacked_bytes", "pipe_seconds")
OPENING = ("model_bytes", "nodes", "metadata_bytes", "reference_batches", "call_seconds", "pipe_seconds")
ISOLATING = ("isolated_bytes", "isolated_seconds")


class UsageError(Exception):
    """The command line is wrong: exit code 2."""


def run(app: "typer.Typer", arguments: Sequence[str] | None = None) -> int:
    """Run `app` on `arguments` (the process's own, if None) and return the exit code."""
    code = call(lambda: _parsed(app, arguments))
    if arguments is None:
        import signal

        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            # Python takes a while to clean up after torch, and would print a traceback.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
    return code


def call(command: Callable[[], object]) -> int:
    """Call `command` and return the exit code: what it returns if that is an int, or the code for how it ended."""
    if sys.stdout is None:
        return _fail("stdout is closed; the results need somewhere to go", 1)
    _open_standard_streams()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Characters that the terminal's encoding does not have are written with escapes.
        sys.stdout.reconfigure(errors="backslashreplace")
    reserve: list[bytes] = []
    try:
        # Zeros of the system, which take address space alone as long as nobody looks at them.
        reserve.append(bytes(_RESERVE))
        code = command()
        sys.stdout.flush()
    except EdgePredictError as error:
        if isinstance(error, CannotWrite) and isinstance(error.__cause__, BrokenPipeError):
            return _system_failure(error.__cause__)
        return _fail(error, 1)
    except UsageError as error:
        return _fail(f"{error} (see --help)", 2)
    except KeyboardInterrupt:
        return 130
    except ModuleNotFoundError as error:
        return _fail(_not_installed(error.name or ""), 1)
    except ImportError as error:
        return _fail(f"{error.name or 'a package'} cannot be loaded ({_last_line(error)})", 1)
    except (MemoryError, SystemError):
        # C extensions that find no memory forget to say so.
        reserve.clear()
        return _fail("not enough memory", 1)
    except OSError as error:
        return _system_failure(error)
    return code if isinstance(code, int) else 0


def _open_standard_streams() -> None:
    """Open the null device as stdin and stderr if they are closed.

    Else the next file would be in their place, and what a library in C writes to stderr would go into it.
    """
    for descriptor in (0, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest number that is free.
            os.open(os.devnull, os.O_RDWR)


def _parsed(app: "typer.Typer", arguments: Sequence[str] | None) -> object:
    """What the command of `app` returns for `arguments`."""
    import typer

    # typer does not export the base class of its usage errors. This is the class both in versions with a click of
    # their own (0.26 and later) and in versions that depend on click.
    usage_error = cast(type[Exception], typer.BadParameter.__bases__[0])
    try:
        return typer.main.get_command(app).main(arguments, standalone_mode=False)
    except typer.Abort as error:
        raise KeyboardInterrupt from error
    except usage_error as error:
        raise UsageError(_in_our_words(cast(Any, error))) from error


def no_such_option(word: str, context: "typer.Context", otherwise: str = "") -> str:
    """The message for an option that the command does not have.

    Args:
        word: the option, with its value after an equals sign or without.
        context: typer's context of the command.
        otherwise: what to add if no option is spelled like it.
    """
    known = [name for parameter in context.command.params for name in parameter.opts if name.startswith("--")]
    return f"no such option: {word}{suggestion(word.partition('=')[0], [*known, '--help']) or otherwise}"


def version_option(command: str) -> Any:
    """The option --version of `command`, for typer: it prints the version and ends the command."""
    import typer

    def show(wanted: bool) -> None:
        if wanted:
            print(f"{command} {__version__}")
            raise typer.Exit

    return typer.Option("--version", help="Print the version and exit.", callback=show, is_eager=True)


def limit_option(example: str = "nodes=5000") -> Any:
    """The option --limit, for typer: a list of words for `limits_of`, such as `example`."""
    import typer

    return typer.Option("--limit", metavar="NAME=VALUE", help=f"Change a limit, such as {example}.")


def trust_option() -> Any:
    """The option --trust, for typer: a list of paths of public keys."""
    import typer

    return typer.Option("--trust", metavar="KEY.pub", help="Open only what this key has signed.")


def limits_of(words: Sequence[str] | None, *names: str) -> "Limits":
    """The limits that the words of `limit_option` give.

    Args:
        words: such as "model_bytes=512MiB".
        names: the limits that have an effect in the command.

    Raises:
        UsageError: a word is not a limit that has an effect in the command, or not a value of it.
    """
    # Help and version need it not.
    from edge_runtime.contract.limits import Limits

    try:
        return Limits.from_words(words or (), names)
    except InvalidInput as error:
        raise UsageError(f"--limit: {str(error).removeprefix('limits: ')}") from error


def note(message: str) -> None:
    """Print a line on stderr; if that is full, or nobody reads it, it is as if it was closed."""
    if sys.stderr is not None:
        try:
            print(printable(message), file=sys.stderr, flush=True)
        except OSError:
            _give_up(sys.stderr)


def _in_our_words(error: Any) -> str:
    """The message of a usage error of typer, whose words differ between its versions and from those of this package.

    typer does not export the classes of its errors; only their names tell them apart.
    """
    message: str = error.message.removesuffix(".")
    match type(error).__name__:
        case "NoSuchOption":
            return no_such_option(error.option_name, error.ctx)
        case "BadOptionUsage":
            return f"{error.option_name} {'needs a value' if 'requires' in message else 'takes no value'}"
        case "MissingParameter":
            return f"{_shown_name(error.param)} is missing"
        case "BadParameter" if error.param is not None:
            return f"{_shown_name(error.param)}: {_wrong_value(message, error.param.type)}"
    if unexpected := re.search(r"unexpected extra argument.* \((.*)\)$", message):
        return f"unexpected arguments: {unexpected[1]}"
    return one_line(message)


def _shown_name(parameter: Any) -> str:
    """--epochs, or MODEL."""
    is_option = parameter.param_type_name == "option"
    return str(parameter.opts[0] if is_option else (parameter.metavar or parameter.name.upper()).strip("[]."))


def _wrong_value(message: str, kind: Any) -> str:
    """What is wrong with a value: typer's message on it, and the type of its option."""
    value, _, wanted = message.rpartition(" is not ")
    if choices := [str(choice) for choice in getattr(kind, "choices", ())]:
        advice = suggestion(value[1:-1], choices) or f"; use {' or '.join(choices)}"
        return f"unknown value {value}{advice}"
    if wanted.startswith("in the range"):
        return f"{value} is not {f'{kind.min} or more' if kind.max is None else f'from {kind.min} to {kind.max}'}"
    if wanted.startswith("a valid int"):
        return f"{value} is not a whole number"
    return f"{value} is not a number" if wanted.startswith("a valid float") else message


def _last_line(error: Exception) -> str:
    """Where messages of many lines, such as numpy's, have the cause."""
    return one_line((str(error).strip().splitlines() or [type(error).__name__])[-1])


def _not_installed(module: str) -> str:
    """What to install for a module that is missing."""
    package = module.partition(".")[0]
    extras = [extra for extra, modules in EXTRAS.items() if package in modules]
    if len(extras) > 1:
        # Export uses parts of training, but not the other way round.
        extras = ["export" if "edge_export" in sys.modules else "train"]
    advice = f"; install it with pip install 'edge-predict[{extras[0]}]'" if extras else ""
    return f"{module} is not installed{advice}"


def _system_failure(error: OSError) -> int:
    """The exit code for an error of the system that nothing else has explained, after its message."""
    message = str(error.strerror or error)
    if error.filename is not None:
        message = f"{error.filename}: {message}"
    # Only writing fills a disk. Of other errors the buffer of stdout tells: what could not be written is still in it.
    is_output = error.errno == errno.ENOSPC
    try:
        sys.stdout.flush()
    except OSError:
        is_output = True
        _give_up(sys.stdout)
    if isinstance(error, BrokenPipeError):
        return 1  # without a message: the reader has closed the pipe, and wants no more answers
    return _fail(f"the output cannot be written: {message}" if is_output else message, 1)


def _give_up(stream: TextIO) -> None:
    """Open the null device in the place of a stream that cannot be written.

    What is in its buffer would fail again when Python closes it.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _fail(error: object, code: int) -> int:
    note(f"error: {error}")
    return code
