"""Address space that runs out: a typed error or one line, and right answers afterwards."""

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from commands import assert_python_runs
from limited import Ended, command, limited
from paths import FOUR_BLOBS
from written_models import graph, model, node, tensor, value

resource = pytest.importorskip("resource")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems do not hold processes to it")

MB = 1 << 20


def words(table: Path, kind: str) -> list[object]:
    asked: dict[str, list[object]] = {
        "row": [FOUR_BLOBS, -1, 1],
        "table": [FOUR_BLOBS, "--input", table],
        "description": [FOUR_BLOBS, "--describe"],
    }
    return [*command("edge-predict"), *asked[kind]]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rows") / "rows.csv"
    path.write_text("x1,x2\n" + "".join(f"{row % 7 - 3},{row % 5 - 2}\n" for row in range(20_000)))
    return path


def check_limits(table: Path, kind: str, limits: Sequence[int]) -> None:
    """At each limit of so many MB the command is right, or says in a line that it cannot be.

    At a few limits, some hundred kilobytes wide, CPython, numpy, ONNX Runtime and the C library go wrong by themselves
    while they are loaded: they crash, go round forever, or raise an error that says nothing of memory. Which limits
    these are depends on where the system puts everything; the process cannot catch it. There may be one in 25.
    """
    asked = words(table, kind)
    right, wrong = limited(asked).out, []
    assert right
    for most in limits:
        ended = limited(asked, resource.RLIMIT_AS, most * MB)
        if ended.is_right_or_one_line(right):
            continue
        assert is_crash(ended) or is_foreign_traceback(ended), (most, ended)
        wrong.append((most, ended))
        above = limited(asked, resource.RLIMIT_AS, (most + 1) * MB)
        assert above.is_right_or_one_line(right), (most + 1, above)
    assert len(wrong) <= max(1, len(limits) // 25), wrong


def is_crash(ended: Ended) -> bool:
    """Whether it was ended by a signal, with nothing said that the user would take for an answer or for an error."""
    signals = (signal.SIGSEGV, signal.SIGABRT, signal.SIGXCPU)
    return ended.code in [-one for one in signals] and not ended.out and "Traceback" not in ended.err


def is_foreign_traceback(ended: Ended) -> bool:
    """Whether all that it has written is the traceback of one error, which another package has raised."""
    *_, raised = ["", *(line for line in ended.err.splitlines() if line.startswith('  File "'))]
    is_one = ended.err.startswith("Traceback") and ended.err.count("Traceback") == 1
    return ended.code == 1 and not ended.out and is_one and "site-packages" in raised and "edge_runtime" not in raised


@pytest.mark.parametrize("kind", ["row", pytest.param("table", marks=pytest.mark.slow)])
def test_the_command(table: Path, kind: str) -> None:
    check_limits(table, kind, [60, 100, 130, 145, 170])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["row", "table", "description"])
def test_the_command_at_each_step(table: Path, kind: str) -> None:
    check_limits(table, kind, range(40, 240, 4))


LIBRARY = f"""
import resource
import numpy as np
from edge_runtime import OutOfResources, Predictor
predictor = Predictor({str(FOUR_BLOBS)!r}, threads=2)
rows = np.random.default_rng(0).normal(size=(1_000_000, 2)).astype(np.float32)
expected, one = predictor.predict(rows), predictor.predict_one(rows[0])
lists = rows[:100_000].tolist()
content = open({str(FOUR_BLOBS)!r}, "rb").read()
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
refused = 0
for megabytes in (0, 1, 4, 8, 16):
    resource.setrlimit(resource.RLIMIT_AS, (used + (megabytes << 20), -1))
    for call in (
        lambda: predictor.predict(rows),
        lambda: predictor.predict_proba(rows),
        lambda: predictor.run({{"x": rows}}),
        lambda: predictor.predict(lists),
        lambda: Predictor({str(FOUR_BLOBS)!r}).predict(rows),
        lambda: Predictor(content).predict(rows),
    ):
        try:
            call()
        except MemoryError:
            refused += 1
assert refused >= 5, refused
resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
assert predictor.predict_one(rows[0]) == one
assert np.array_equal(predictor.predict(rows), expected)
assert np.array_equal(Predictor({str(FOUR_BLOBS)!r}).predict(rows), expected)
"""


def test_the_library_raises_what_is_a_memory_error_and_goes_on() -> None:
    assert_python_runs(LIBRARY)


def test_nothing_but_answers_on_stdout(tmp_path: Path) -> None:
    """ONNX Runtime prints that it falls back to other providers, if it cannot open a model."""
    # One large piece of memory is missing: ONNX Runtime crashes for want of some of the small ones.
    weights = tensor("weights", np.ones((2, 8_000_000), np.float32))
    main = graph(
        [node("MatMul", ["x", "weights"], ["y"])], [value("x", [1, 2])], [value("y", [1, 8_000_000])], [weights]
    )
    (tmp_path / "large.onnx").write_bytes(model(main))
    script = f"""
import resource
from edge_runtime import OutOfResources, Predictor
Predictor({str(FOUR_BLOBS)!r})
content = open({str(tmp_path / "large.onnx")!r}, "rb").read()
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (32 << 20), -1))
try:
    Predictor(content, threads=1)
except OutOfResources as error:
    assert isinstance(error, MemoryError)
else:
    raise AssertionError
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
