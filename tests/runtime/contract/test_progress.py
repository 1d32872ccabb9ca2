"""The bar is drawn by a thread: tests wait for what it writes, never for a time."""

import io
import threading

import pytest
from concurrency import HANG

from edge_runtime.contract.progress import Progress


class Terminal(io.StringIO):
    """A terminal that tells when something is written to it, and what was flushed."""

    def __init__(self) -> None:
        super().__init__()
        self.written = threading.Event()
        self.flushed = ""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        count = super().write(text)
        self.written.set()
        return count

    def flush(self) -> None:
        super().flush()
        self.flushed = self.getvalue()

    def screen(self) -> str:
        """What is in the last line: a carriage return goes back to its start."""
        line = ""
        for part in self.getvalue().split("\r"):
            line = part + line[len(part) :]
        return line.rstrip()


def stderr_is_a_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """To be called in the test itself: between a fixture and a test, pytest puts its own stderr in place."""
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    return terminal


def test_it_is_drawn_and_erased(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = stderr_is_a_terminal(monkeypatch)
    with Progress("verifying", total=8, delay=0) as progress:
        progress.advance(2)
        assert terminal.written.wait(HANG)
        assert "verifying  [" in terminal.getvalue()
    assert terminal.screen() == ""


def test_how_much_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = stderr_is_a_terminal(monkeypatch)
    with Progress("verifying", total=8, delay=0) as progress:
        progress.advance(6)
        terminal.written.clear()
        while "[##################......]  75%  0:0" not in terminal.getvalue():
            assert terminal.written.wait(HANG)
            terminal.written.clear()
        progress.begin("searching")
        while "searching  0:0" not in terminal.getvalue():
            assert terminal.written.wait(HANG)
            terminal.written.clear()


def test_lines_of_results_go_to_stdout_above_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = stderr_is_a_terminal(monkeypatch)
    with Progress("training", delay=0) as progress:
        assert terminal.written.wait(HANG)
        progress.write("epoch 1")
        assert capsys.readouterr().out == "epoch 1\n"
    assert terminal.screen() == ""


def test_nothing_for_what_is_done_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = stderr_is_a_terminal(monkeypatch)
    monkeypatch.setattr("edge_runtime.contract.progress._DELAY", HANG)
    with Progress("verifying", total=8) as progress:
        progress.advance()
        assert progress._thread is not None
    assert terminal.getvalue() == ""


def test_nothing_where_stderr_is_not_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("verifying", delay=0) as progress:
        assert progress._thread is None
        progress.write("done")
    assert capsys.readouterr() == ("done\n", "")


def test_nothing_to_do_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr_is_a_terminal(monkeypatch)
    with Progress("verifying", total=0, delay=0) as progress:
        assert progress._thread is None


def test_the_usual_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = stderr_is_a_terminal(monkeypatch)
    monkeypatch.setattr("edge_runtime.contract.progress._DELAY", 0)
    with Progress("verifying"):
        assert terminal.written.wait(HANG)


def test_what_is_printed_above_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = stderr_is_a_terminal(monkeypatch)
    with Progress("verifying", delay=0) as progress:
        assert terminal.written.wait(HANG)
        with progress.above():
            assert terminal.screen() == ""
            terminal.write("a note\n")
    assert terminal.screen().rstrip("\n") == "a note"


@pytest.mark.parametrize(
    ("label", "total", "done", "columns", "shown"),
    [
        ("verifying", 4, 0, 80, "verifying  [........................]   0%  2:05"),
        ("verifying", 4, 1, 80, "verifying  [######..................]  25%  2:05"),
        ("verifying", 4, 9, 80, "verifying  [########################] 100%  2:05"),
        ("searching", None, 3, 80, "searching  2:05"),
        # The last column stays free: some terminals begin a new line there.
        ("verifying", 4, 1, 50, "verifying  [######..................]  25%  2:05"),
        ("verifying", 4, 1, 49, "verifying  [##......]  25%  2:05"),
        ("verifying", 4, 1, 40, "verifying  [##......]  25%  2:05"),
        ("answering /tables/rows.csv", 4, 1, 40, "answering /ta...  [##......]  25%  2:05"),
        ("verifying", 4, 1, 28, "v...  [##......]  25%  2:05"),
        ("verifying", 4, 1, 26, "  [##......]  25%  2:05"),
        # The numbers say more than the bar.
        ("verifying", 4, 1, 14, ".]  25%  2:05"),
        ("searching", None, 0, 15, "searc...  2:05"),
    ],
)
def test_one_drawing(
    monkeypatch: pytest.MonkeyPatch, label: str, total: int | None, done: int, columns: int, shown: str
) -> None:
    terminal = stderr_is_a_terminal(monkeypatch)
    monkeypatch.setenv("COLUMNS", str(columns))
    progress = Progress(label, total)
    progress.advance(done)
    progress._start = 0.0
    monkeypatch.setattr("time.monotonic", lambda: 125.9)
    progress._draw()
    assert terminal.getvalue() == f"\r{shown}"
    assert terminal.flushed == terminal.getvalue()
    # A shorter one covers what is left of it.
    progress.begin("x")
    assert (progress.label, progress.total, progress.done) == ("x", None, 0)
    progress._draw()
    assert terminal.screen() == "x  2:05"
    progress._erase()
    assert terminal.screen() == ""
    assert terminal.flushed == terminal.getvalue()
    progress._erase()
    assert terminal.flushed == terminal.getvalue()


def test_a_terminal_without_room(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = stderr_is_a_terminal(monkeypatch)
    progress = Progress("searching")
    progress._start = 0.0
    monkeypatch.setattr("time.monotonic", lambda: 125.9)
    for columns, shown in ((2, "5"), (1, "")):
        monkeypatch.setenv("COLUMNS", str(columns))
        progress._draw()
        assert terminal.screen() == shown


def test_the_defaults() -> None:
    progress = Progress()
    assert (progress.label, progress.total, progress.done, progress._delay) == ("", None, 0, 2.0)
    progress.advance()
    progress.advance(3)
    assert progress.done == 4
