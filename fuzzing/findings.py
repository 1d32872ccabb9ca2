"""What went wrong for an input: found in the process that reads it, or by the one that watches it."""

import hashlib
import re
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.contract.errors import EdgePredictError

_OURS = re.compile(r"[/\\](?:edge_runtime|edge_train|edge_export|fuzzing)[/\\]")
# Where Python code hands over to the C++ of ONNX Runtime: its own package, and ours that calls into it.
_ORT = re.compile(r"[/\\]onnxruntime[/\\]|[/\\]edge_runtime[/\\]engine[/\\]")
_FRAME = re.compile(r'^ *File "(?P<file>[^"]+)", line (?P<line>\d+)', re.MULTILINE)
# Of inputs with one cause, so many are kept.
_KEPT = 5


@dataclass(frozen=True)
class Finding:
    """One cause, with an input that shows it.

    Attributes:
        kind: "untyped" for an exception that is not allowed, "memory" for a MemoryError, "crash", or "hang".
        where: "onnxruntime" if its native code did it, "ours" otherwise.
        cause: names the cause, for all inputs that have it.
        text: the traceback, or the stack at the fault.
        data: the input.
    """

    kind: str
    where: str
    cause: str
    text: str
    data: bytes

    def save(self, folder: Path) -> None:
        """Write the input and the text into `folder`, unless there are enough of this cause."""
        name = f"{self.kind}-{self.where}-{hashlib.sha256(self.cause.encode()).hexdigest()[:8]}"
        number = len(list(folder.glob(f"{name}-*.txt")))
        if number < _KEPT:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{name}-{number}.input").write_bytes(self.data)
            (folder / f"{name}-{number}.txt").write_text(f"{self.cause}\n\n{self.text}\n", errors="backslashreplace")


def raised(error: BaseException, data: bytes) -> Finding | None:
    """The finding in what a check has raised; None if it is an error that is allowed."""
    if isinstance(error, EdgePredictError):
        return None
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if _OURS.search(frame.filename)] or frames
    cause = f"{type(error).__name__} at {_place(ours[-1].filename, ours[-1].lineno)}"
    # Where there is no memory, other errors may follow.
    kind = "memory" if any(isinstance(one, MemoryError) for one in _chain(error)) else "untyped"
    text = "".join(traceback.format_exception(error, limit=-12))
    return Finding(kind, "ours", cause, text[-6000:], data)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def died(kind: str, fault: str, how: str, data: bytes) -> Finding:
    """The finding in a process that has ended by a signal.

    Args:
        kind: "crash" or "hang".
        fault: the stack that faulthandler has written.
        how: how it ended, in words.
        data: the input that it was reading.
    """
    # The names of all extension modules follow.
    fault = fault.partition("\n\nExtension modules")[0]
    # Of the thread that has the fault, unless it is not one of Python's; the most recent call first.
    current = fault.partition("Current thread")[2].partition("\n\n")[0]
    frames = [(match["file"], match["line"]) for match in _FRAME.finditer(current)]
    frames = frames or [(match["file"], match["line"]) for match in _FRAME.finditer(fault)]
    innermost = frames[0][0] if frames else ""
    where = "onnxruntime" if _ORT.search(innermost) else "ours"
    return Finding(kind, where, f"{how} at {', '.join(_place(*one) for one in frames[:2])}", fault[:6000], data)


def saved(folder: Path) -> list[str]:
    """The causes that are saved in `folder`, each with its kind, where it is, and the name of its first input."""
    found = []
    for path in sorted(folder.glob("*-0.txt")):
        kind, where, *_ = path.name.split("-")
        found.append(f"{kind}, {where}: {path.read_text().splitlines()[0]} ({path.with_suffix('.input')})")
    return found


def _place(file: str, line: int | str | None) -> str:
    parts: Iterable[str] = Path(file).parts[-3:]
    return f"{'/'.join(parts)}:{line}"
