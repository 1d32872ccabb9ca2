"""The example of a task queue, whose pool is forked, under celery's own worker."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from concurrency import HANG
from programs import EXAMPLES, ends, environment, running, wait_until

# A predictor that was opened before the fork, and one that each process opens for itself.
TASKS = """
import functools
from celery_app import *
@functools.cache
def opened():
    return Predictor(os.environ["MODEL"])
@app.task
def predict_lazily(rows):
    import edge_runtime
    return opened().predict(rows).tolist()
"""
ASK = f"""
import tasks
answers = [task.delay([[-1, 1], [1, 1]]) for _ in range(10) for task in (tasks.predict, tasks.predict_lazily)]
print([answer.get(timeout={HANG}) for answer in answers])
"""


@pytest.mark.slow
def test_tasks_predict_in_a_pool_of_forked_processes(tmp_path: Path) -> None:
    log = tmp_path / "log"
    for folder in ("queue/messages", "queue/results"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "tasks.py").write_text(TASKS)
    changes = {
        "QUEUE": str(tmp_path / "queue"),
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(EXAMPLES), environment()["PYTHONPATH"]]),
    }
    options = ["--concurrency", 2, "--max-tasks-per-child", 3, "--loglevel", "INFO"]
    with running(
        log, "celery", "--app", "tasks", "worker", "--pool", "prefork", *options, cwd=tmp_path, **changes
    ) as worker:
        wait_until(lambda: "ready." in log.read_text(), log)
        result = subprocess.run(
            [sys.executable, "-c", ASK],
            env=environment(**changes),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=HANG,
        )
        assert result.returncode == 0, result.stderr + log.read_text()
        assert result.stdout == f"{[[1, 0]] * 20}\n"
        assert ends(worker) == 0, log.read_text()
    said = log.read_text()
    assert not re.search("Traceback|terminate called|WorkerLostError|SIG(ABRT|KILL|SEGV)", said), said
    assert said.count("succeeded") == 20
