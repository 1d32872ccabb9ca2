"""The process that is fed: it reads one input after the other, until it is ended or dies."""

import faulthandler
import gc
import os
import resource
import sys
import tempfile
from pathlib import Path
from random import Random
from typing import Any, NoReturn

from fuzzing.board import MOST_BYTES, Board
from fuzzing.findings import raised
from fuzzing.target import Check, Target

# Of the plain driver: how many inputs are kept because nothing like them had been seen.
_MOST_KEPT = 4000
# The exit code of a process that has no memory left.
FULL = 75


def feed(
    target: Target, seed: int, folder: Path, board: Board, faults: Path, corpus: list[bytes], again: bytes | None
) -> NoReturn:
    """Feed `target` for ever, or until there is no memory: then this process ends with `FULL`.

    Args:
        target: the target.
        seed: of what is drawn.
        folder: where findings, and inputs that lead to new code, are written.
        board: shows how many inputs there are to begin with, and what is being read.
        faults: a file for the stack at a fault.
        corpus: inputs to begin with, besides the seeds.
        again: an input to read first, which another process has not read to its end.
    """
    with faults.open("w") as file:
        faulthandler.enable(file)
        # What the watching process prints is not to be lost among what libraries print.
        for stream in (1, 2):
            os.dup2(os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
        check = target.prepare()
        _limit_memory(target.memory)
        known = [one[:MOST_BYTES] for one in (*target.seeds(), *corpus)]
        board.known = len(known)
        feeding = _Feeding(check, folder, board)
        if again is not None:
            feeding.one(again)
        if target.guided and (atheris := guide()) is not None:
            _guided(atheris, target, seed, folder, feeding, known)
        _plain(target, Random(seed), feeding, known)


def guide() -> Any:
    """atheris, if it is imported, and so has instrumented what was imported after it; None otherwise."""
    return sys.modules.get("atheris")


class _Feeding:
    """Reads inputs, and saves what goes wrong."""

    def __init__(self, check: Check, folder: Path, board: Board) -> None:
        self._check, self._folder, self._board = check, folder, board

    def one(self, data: bytes) -> str:
        """Read one input. Returns: how it ended, equal for inputs that end alike."""
        self._board.begin(data)
        try:
            self._check(data)
        except Exception as error:
            if (finding := raised(error, data)) is not None:
                if finding.kind == "memory" and self._board.count > 1:
                    # What earlier inputs have left may fill the memory: the next process begins with this one.
                    os._exit(FULL)
                finding.save(self._folder)
            return _ending(error)
        finally:
            self._board.rest()
        return ""


def _ending(error: BaseException) -> str:
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    return f"{type(error).__name__} {place and (place.tb_frame.f_code.co_filename, place.tb_lineno)}"


def _plain(target: Target, random: Random, feeding: _Feeding, known: list[bytes]) -> NoReturn:
    """Changes of inputs at random. One that ends as none has before is kept, and changed further."""
    endings = set(map(feeding.one, known))
    while True:
        data = random.choice(known)
        for _ in range(random.choice((1, 1, 1, 2, 3))):
            data = target.mutate(data, random)[:MOST_BYTES]
        ending = feeding.one(data)
        if ending not in endings and len(known) < _MOST_KEPT:
            endings.add(ending)
            known.append(data)


def _guided(atheris: Any, target: Target, seed: int, folder: Path, feeding: _Feeding, known: list[bytes]) -> NoReturn:
    """LibFuzzer's search for inputs that lead to new code."""
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    begin = tempfile.mkdtemp(dir=folder)
    for number, data in enumerate(known):
        (Path(begin) / str(number)).write_bytes(data)

    # libFuzzer ends at once if nothing that it calls is instrumented.
    @atheris.instrument_func  # type: ignore[untyped-decorator]
    def one(data: bytes) -> None:
        feeding.one(data)

    def mutated(data: bytes, most: int, number: int) -> bytes:
        random = Random(number)
        if random.random() < 0.4:
            return bytes(atheris.Mutate(data, most))
        return target.mutate(data, random)[:most]

    options = {
        "seed": seed % 2**31 + 1,
        "max_len": max(4096, *(2 * len(data) for data in known)),
        # The watching process holds the limits, and faulthandler the signals.
        "timeout": 10**6,
        "rss_limit_mb": 0,
        **dict.fromkeys(
            ("handle_segv", "handle_bus", "handle_abrt", "handle_ill", "handle_fpe", "handle_int", "handle_term"), 0
        ),
        "verbosity": 0,
        "artifact_prefix": f"{folder}/",
    }
    atheris.Setup(
        ["fuzzing", *(f"-{name}={value}" for name, value in options.items()), str(corpus), begin],
        one,
        custom_mutator=mutated,
    )
    atheris.Fuzz()
    # It never returns, unless something is wrong with it.
    raise SystemExit("libFuzzer has ended")


def _limit_memory(more: int) -> None:
    """Let this process take so many bytes more, where the system has such a limit."""
    gc.collect()
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        return
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    most = pages * resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))
