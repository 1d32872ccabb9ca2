"""The examples that run by themselves: loops, pools, and a frozen program."""

import asyncio
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from concurrency import HANG
from paths import FOUR_BLOBS
from programs import EXAMPLES, environment, port_in, run_example, running

from edge_runtime import Predictor


def test_the_sensor_loop_answers_each_line() -> None:
    result = run_example("sensor_loop.py", FOUR_BLOBS, given="-1,1\nx,1\n1\n1,1\n")
    assert result.stdout.splitlines() == [
        "1 0.99",
        "not answered: could not convert string to float: 'x'",
        "not answered: a row has 2 values (x1, x2), found 1",
        "0 0.98",
    ]
    assert (result.returncode, result.stderr) == (0, "")


def test_the_camera_loop_ends_while_its_thread_predicts() -> None:
    result = run_example("camera_loop.py", FOUR_BLOBS)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.count("probability") == 10


# What programs use without a ProcessPoolExecutor. Processes of the pool are replaced, and all of them end.
PROCESSES = f"""
import multiprocessing, sys
sys.path.append({str(EXAMPLES)!r})
from process_pool import Predictor, begin, work

def put(queue, opened, seed):
    begin(opened)
    queue.put(work(seed))

if __name__ == "__main__":
    opened, context = Predictor(sys.argv[1], threads=1), multiprocessing.get_context(sys.argv[2])
    opened.predict_one([-1, 1])
    with context.Pool(2, begin, (opened,), maxtasksperchild=3) as pool:
        counts = pool.map(work, range(8), chunksize=1)
        pool.close()
        pool.join()
    queue = context.SimpleQueue()
    processes = [context.Process(target=put, args=(queue, opened, seed)) for seed in range(2)]
    for process in processes:
        process.start()
    assert sorted(queue.get() for _ in processes) == sorted(counts[:2])
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    print(*counts)
"""


METHODS = ["fork", "spawn", "forkserver"]


def assert_counts(result: subprocess.CompletedProcess[str]) -> None:
    """It has printed how many of the rows of each of eight seeds have label 1, and nothing else."""
    predictor = Predictor(FOUR_BLOBS)
    rows = [np.random.default_rng(seed).normal(size=(1000, 2)) for seed in range(8)]
    assert result.stdout.split() == [str(predictor.predict(one).sum()) for one in rows]
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("method", METHODS)
def test_the_process_pool(method: str) -> None:
    assert_counts(run_example("process_pool.py", FOUR_BLOBS, method))


@pytest.mark.parametrize("method", METHODS)
def test_processes_and_pools_of_multiprocessing(method: str, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROCESSES)
    assert_counts(run_example(program, FOUR_BLOBS, method))


def test_the_asyncio_server(tmp_path: Path) -> None:
    log = tmp_path / "log"
    many = ";".join(["-1,1", "1,1"] * 2000)

    async def talk(port: int) -> list[str]:
        reader, writer = await asyncio.open_connection("localhost", port, limit=2**24)
        writer.write(f"-1,1\n{many}\n1,1;1\n".encode() + b"\xff,1\n" + b"1" * (2**24 + 1) + b"\n")
        answers = [(await reader.readline()).decode().strip() for _ in range(5)]
        writer.close()
        await writer.wait_closed()
        return answers

    with running(log, "asyncio_server", FOUR_BLOBS, 0):
        port = port_in(log, "listening on port ")
        one, labels, *refused = asyncio.run(asyncio.wait_for(talk(port), HANG))
    assert one == "1"
    assert labels.split() == ["1", "0"] * 2000
    assert all(answer.startswith("not answered: ") for answer in refused)
    assert "Traceback" not in log.read_text()


# What is beside the runtime here, and not where its users install it.
BESIDE = ("cryptography", "matplotlib", "onnx", "pandas", "pyarrow", "scipy", "sklearn", "torch")


@pytest.mark.slow
def test_a_frozen_program_answers(tmp_path: Path) -> None:
    excluded = [word for name in BESIDE for word in ("--exclude-module", name)]
    model = tmp_path / "model.onnx"
    model.write_bytes(FOUR_BLOBS.read_bytes())
    command = [sys.executable, "-m", "PyInstaller", "--log-level", "ERROR", "--add-data", "model.onnx:.", *excluded]
    subprocess.run([*command, EXAMPLES / "frozen_app.py"], cwd=tmp_path, env=environment(), check=True)
    model.unlink()
    program = tmp_path / "dist" / "frozen_app" / "frozen_app"

    def run(*words: str) -> tuple[int, str, str]:
        result = subprocess.run([program, *words], env={}, cwd="/", capture_output=True, text=True, timeout=HANG)
        return result.returncode, result.stdout, result.stderr

    assert run("-1", "1") == (0, "1 0.99\n", "")
    assert run("-1") == (1, "", "error: a row has 2 values (x1, x2), found 1\n")
    size = sum(path.stat().st_size for path in program.parent.rglob("*") if not path.is_symlink())
    # docs/embedding.md states it.
    assert size < 200e6
