"""`edge-train` in processes of its own that have torch loaded from the start, and signals that they send themselves.

A process takes a tenth of a second instead of several, since all are forks of one server. Signals come at events in the
code and never at times, so that they hit the same place on a busy machine.
"""

import importlib
import multiprocessing
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, NamedTuple

from concurrency import HANG

# What `edge-train` imports one after the other, and what torch imports when it records the first step.
_MODULES = ["pytest", "edge_train.cli.options", "edge_train.cli.run", "edge_train.cli.data", "edge_train.example"]
_MODULES += ["edge_train.table.split", "torch._dynamo"]


SENT = "sent itself a signal\n"


class Finished(NamedTuple):
    """How a process ended: its exit code, the negative number of the signal that killed it, and what it printed."""

    code: int
    out: str
    err: str


Preparation = Callable[[], None]


def edge_train(*arguments: object, prepare: Sequence[Preparation] = ()) -> Finished:
    """Run `edge-train` in the current folder, after all of `prepare`, which are functions of this module."""
    return edge_train_together([(arguments, prepare, {})])[0]


def edge_train_together(
    runs: Sequence[tuple[Sequence[object], Sequence[Preparation], Mapping[str, str]]],
) -> list[Finished]:
    """The same for several processes at once: the arguments, preparations and environment variables of each."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_MODULES)
    started: list[tuple[ForkServerProcess, Path, Path]] = []
    for number, (arguments, prepare, environment) in enumerate(runs):
        out, err = (Path(f".{name}-{number}").absolute() for name in ("out", "err"))
        words = [str(argument) for argument in arguments]
        process = context.Process(target=_run, args=(words, prepare, environment, Path.cwd(), out, err))
        process.start()
        started.append((process, out, err))
    finished = []
    for process, out, err in started:
        process.join(HANG)
        if process.exitcode is None:
            process.kill()
            raise AssertionError(f"edge-train hangs: {err.read_text()}")
        finished.append(Finished(process.exitcode, out.read_text(), err.read_text()))
        out.unlink()
        err.unlink()
    return finished


def set_name(where: str, value: object) -> None:
    """Give a name in a module, as "module:name", another value."""
    module, _, name = where.partition(":")
    setattr(importlib.import_module(module), name, value)


def meet_in_file(path: str, rank: int, size: int) -> None:
    """Let this process find the others that train with it by a file, as torchrun lets it by a port."""
    from torch import distributed

    join = distributed.init_process_group

    def init_process_group(backend: str, timeout: Any) -> None:
        join(backend, init_method=f"file://{path}", timeout=timeout, rank=rank, world_size=size)

    module: Any = distributed
    module.init_process_group = init_process_group


def send_signal(number: int, where: str, call: int = 1, after: bool = False, to: str = "") -> None:
    """Let this process send itself a signal at a call of a function.

    Args:
        number: of the signal.
        where: the function, as "module:name" or "module:class.name".
        call: at which of its calls, from 1.
        after: whether to do it after the call, not before.
        to: count only calls with this in one of the arguments.
    """
    module, _, path = where.partition(":")
    owner: Any = importlib.import_module(module)
    *names, name = path.split(".")
    for one in names:
        owner = getattr(owner, one)
    original, calls = getattr(owner, name), 0

    def send() -> None:
        print(SENT, end="", file=sys.stderr, flush=True)
        os.kill(os.getpid(), number)

    def replacement(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        counts = any(to in str(argument) for argument in arguments)
        calls += counts
        if counts and calls == call and not after:
            send()
        result = original(*arguments, **options)
        if counts and calls == call and after:
            send()
        return result

    setattr(owner, name, replacement)


def _run(
    arguments: list[str],
    prepare: Sequence[Preparation],
    environment: Mapping[str, str],
    folder: Path,
    out: Path,
    err: Path,
) -> None:
    for descriptor, path in ((1, out), (2, err)):
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(opened, descriptor)
        os.close(opened)
    os.chdir(folder)
    os.environ.update(environment)
    from edge_train.cli.command import main

    for preparation in prepare:
        preparation()
    sys.exit(main(arguments))
