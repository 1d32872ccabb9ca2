"""How a command ends: results on stdout, everything else on stderr, one line for an error, and an exit code.

Exit codes: 0 done; 1 it could not be done, or a check did not hold; 2 wrong usage; 130 interrupted.
"""

import io
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from edge_runtime.contract.errors import EdgePredictError
from edge_runtime.contract.terminal import printable
from edge_runtime.contract.version import __version__

if TYPE_CHECKING:
    import typer

# Without rich and completion, which would double the time of --help.
SETTINGS: dict[str, Any] = {"add_completion": False, "rich_markup_mode": None, "pretty_exceptions_enable": False}


class UsageError(Exception):
    """The command line is wrong: exit code 2."""


def run(app: "typer.Typer", arguments: Sequence[str] | None = None) -> int:
    """Run `app` on `arguments` (the process's own, if None) and return the exit code."""
    return call(lambda: _parsed(app, arguments))


def call(command: Callable[[], object]) -> int:
    """Call `command` and return the exit code: what it returns if that is an int, or the code for how it ended."""
    if sys.stdout is None:
        return _fail("stdout is closed; the results need somewhere to go", 1)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Characters that the terminal's encoding does not have are written with escapes.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = command()
        sys.stdout.flush()
    except EdgePredictError as error:
        return _fail(error, 1)
    except UsageError as error:
        return _fail(f"{error} (see --help)", 2)
    except KeyboardInterrupt:
        return 130
    except ModuleNotFoundError as error:
        return _fail(
            f"{error.name} is not installed; training and export need pip install 'edge-predict[export,train]'", 1
        )
    except MemoryError:
        return _fail("not enough memory", 1)
    except OSError as error:
        # Files have errors of their own, so this is stdout. Its buffer would fail again when Python closes it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return 1  # without a message: the reader has closed the pipe, and wants no more answers
        return _fail(f"the answers cannot be written: {error.strerror or error}", 1)
    return code if isinstance(code, int) else 0


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
        raise UsageError(cast(Any, error).format_message()) from error


def version_of(command: str) -> Callable[[bool], None]:
    """The callback of the option --version of `command`: it prints the version and ends the command."""

    def show(wanted: bool) -> None:
        if wanted:
            import typer

            print(f"{command} {__version__}")
            raise typer.Exit

    return show


def note(message: str) -> None:
    """Print a line on stderr."""
    if sys.stderr is not None:
        print(printable(message), file=sys.stderr)


def _fail(error: object, code: int) -> int:
    note(f"error: {error}")
    return code
