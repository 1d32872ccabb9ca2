"""Runs the code blocks of a Markdown page in order, in one folder, and compares what they print.

A block begins with three backticks and words that say what it is:

    console   lines after `$ ` are commands for bash, the others what they print on stdout and stderr
    pycon     an interactive session of Python, with what it prints
    python    Python code; all blocks of a page share their names
    sh        commands for bash, whatever they print
    text, json  what is only shown

and how it is run:

    figures-vary   numbers may differ from run to run or from machine to machine, by a factor of two at most
    fails          the last command exits with another code than 0
    not-run        it is for the reader alone (the page says why)
    file=NAME      it is the content of a file, which is written

`...` stands for anything in what is printed, as in doctest: also for numbers that vary more, such as times.
"""

import doctest
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FENCE = re.compile(r"^( *)```(.*)$")
# Not the digits of a name, as in x1 and float32.
_FIGURE = re.compile(r"(?<![\w.])(\d+(?:[,_]\d{3})*(?:\.\d+)?(?:e[+-]?\d+)?)")
# By which a figure may differ, either way; so small a one comes from roundings, which processors do in other orders.
_FACTOR, _ROUNDING_FACTOR, _ROUNDING = 2, 4, 1e-4
_TINY = 1e-6  # what may be found where 0 is written
_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
_TIMEOUT = 600  # seconds, against a command that never ends


class WrongOutput(AssertionError):
    """A block prints something else than the page says."""


@dataclass(frozen=True)
class Block:
    """A code block: the words after its fence, its lines, and the number of the first one."""

    words: tuple[str, ...]
    lines: tuple[str, ...]
    number: int

    @property
    def language(self) -> str:
        return self.words[0] if self.words else ""

    @property
    def text(self) -> str:
        return "\n".join(self.lines) + "\n"

    @property
    def file(self) -> str | None:
        return next((word.removeprefix("file=") for word in self.words if word.startswith("file=")), None)


def blocks(page: str) -> Iterator[Block]:
    """The code blocks of a page, in order."""
    opened: tuple[str, tuple[str, ...], int] | None = None
    lines: list[str] = []
    for number, line in enumerate(page.splitlines(), start=1):
        fence = _FENCE.match(line)
        if fence and opened is None:
            opened, lines = (fence[1], tuple(fence[2].split()), number + 1), []
        elif fence and opened is not None:
            yield Block(opened[1], tuple(lines), opened[2])
            opened = None
        elif opened is not None:
            lines.append(line.removeprefix(opened[0]))


def commands(block: Block) -> Iterator[tuple[str, str]]:
    """The commands of a console block, each with what it prints."""
    command, output = "", ""
    for line in block.lines:
        if command.endswith("\\\n"):
            command += f"{line}\n"
        elif line.startswith("$ "):
            if command:
                yield command, output
            command, output = f"{line[2:]}\n", ""
        else:
            output += f"{line}\n"
    if command:
        yield command, output


class Page:
    """Runs the blocks of one page in `folder`."""

    def __init__(self, path: Path, folder: Path, environment: Mapping[str, str]) -> None:
        self._path, self._folder, self._environment = path, folder, environment
        self._names: dict[str, Any] = {"__name__": "__main__"}

    def run(self) -> int:
        """Run all blocks and return how many were run."""
        count = 0
        before = Path.cwd()
        os.chdir(self._folder)
        sys.path.insert(0, str(self._folder))
        try:
            for block in blocks(self._path.read_text()):
                if is_run(block):
                    self._run(block)
                    count += 1
        finally:
            sys.path.remove(str(self._folder))
            os.chdir(before)
        return count

    def _run(self, block: Block) -> None:
        if block.file is not None:
            Path(block.file).write_text(block.text)
            return
        match block.language:
            case "console":
                self._console(block)
            case "pycon":
                self._session(block)
            case "python":
                exec(compile(block.text, self._where(block), "exec"), self._names)
            case "sh":
                code, output = self._bash(block.text)
                if code:
                    raise WrongOutput(f"{self._where(block)}: exit code {code}:\n{output}")
            case language:
                raise ValueError(f"{self._where(block)}: how is {language!r} run? say not-run if it is not")

    def _console(self, block: Block) -> None:
        code = 0
        for command, wanted in commands(block):
            code, found = self._bash(command)
            if not same(wanted, found, "figures-vary" in block.words):
                raise WrongOutput(
                    f"{self._where(block)}: $ {command}\nwanted:\n{wanted}\nfound (exit code {code}):\n{found}"
                )
        if (code != 0) != ("fails" in block.words):
            raise WrongOutput(f"{self._where(block)}: the last command exits with {code}")

    def _session(self, block: Block) -> None:
        session = doctest.DocTestParser().get_doctest(
            block.text, self._names, self._where(block), str(self._path), block.number
        )
        runner = doctest.DocTestRunner(_Checker("figures-vary" in block.words), optionflags=_FLAGS)
        report: list[str] = []
        runner.run(session, out=report.append, clear_globs=False)
        if runner.summarize(verbose=False).failed:
            raise WrongOutput("".join(report))
        self._names.update(session.globs)

    def _bash(self, command: str) -> tuple[int, str]:
        result = subprocess.run(
            ["bash", "-c", command],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=_TIMEOUT,
        )
        return result.returncode, result.stdout

    def _where(self, block: Block) -> str:
        return f"{self._path.name}:{block.number}"


def is_run(block: Block) -> bool:
    """Whether a block does something, if only to write a file."""
    if block.file is not None:
        return True
    return "not-run" not in block.words and block.language not in ("", "json", "text")


def same(wanted: str, found: str, figures_vary: bool) -> bool:
    """Whether `found` is what the page says, white space apart."""
    if doctest.OutputChecker().check_output(wanted, found, _FLAGS):
        return True
    return figures_vary and _same_but_for_figures(" ".join(wanted.split()), " ".join(found.split()))


def _same_but_for_figures(wanted: str, found: str) -> bool:
    first, *others = wanted.split("...")
    end = _end(first, found, 0)
    if end is None or not others:
        return end == len(found)
    *middle, last = others
    for piece in middle:
        ends = (_end(piece, found, start) for start in range(end, len(found) + 1))
        end = next((one for one in ends if one is not None), None)
        if end is None:
            return False
    return any(_end(last, found, start) == len(found) for start in range(end, len(found) + 1))


def _end(piece: str, found: str, start: int) -> int | None:
    """Where `piece` ends in `found` if it begins at `start`, figures alike; None if it is not there."""
    for index, part in enumerate(_FIGURE.split(piece)):
        if index % 2:
            figure = _FIGURE.match(found, start)
            if figure is None or not _alike(_value(part), _value(figure[0])):
                return None
            start = figure.end()
        elif found.startswith(part, start):
            start += len(part)
        else:
            return None
    return start


def _alike(wanted: float, found: float) -> bool:
    if wanted == 0:
        return found < _TINY
    factor = _FACTOR if wanted > _ROUNDING else _ROUNDING_FACTOR
    return wanted / factor <= found <= wanted * factor


def _value(figure: str) -> float:
    return float(re.sub("[,_]", "", figure))


class _Checker(doctest.OutputChecker):
    def __init__(self, figures_vary: bool) -> None:
        self._figures_vary = figures_vary

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        return same(want, got, self._figures_vary)
