"""The examples of web services, under the servers that run them, whose workers are forked, recycled and ended."""

import asyncio
import json
import re
import runpy
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import pytest
from concurrency import in_threads
from paths import FOUR_BLOBS, MODELS
from programs import EXAMPLES, answer_of, ends, port_in, running, wait_until

ROW = json.dumps({"x1": -1, "x2": 1}).encode()
MANY = json.dumps([{"x1": -1, "x2": 1}, {"x1": 1, "x2": 1}]).encode()


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL", str(FOUR_BLOBS))
    monkeypatch.syspath_prepend(str(EXAMPLES))


@pytest.mark.usefixtures("model")
def test_fastapi() -> None:
    transport = httpx.ASGITransport(import_module("fastapi_app").app)

    async def ask(path: str, rows: Any) -> tuple[int, Any]:
        async with httpx.AsyncClient(transport=transport, base_url="http://example") as client:
            answer = await client.post(path, json=rows)
            return answer.status_code, answer.json()

    answer = {"label": 1, "probability": pytest.approx(0.9927, abs=1e-4)}
    assert asyncio.run(ask("/predict", json.loads(ROW))) == (200, answer)
    assert asyncio.run(ask("/predictions", json.loads(MANY))) == (200, [1, 0])
    assert asyncio.run(ask("/predict", {"x1": 1})) == (422, {"detail": "missing x2"})


@pytest.mark.usefixtures("model")
def test_flask() -> None:
    client = import_module("flask_app").app.test_client()
    answer = client.post("/predict", data=ROW, content_type="application/json").get_json()
    assert answer == {"label": 1, "probability": pytest.approx(0.9927, abs=1e-4)}
    assert client.post("/predict", json=json.loads(MANY)).get_json() == {"labels": [1, 0]}
    refused = client.post("/predict", json={"x1": 1})
    assert (refused.status_code, refused.get_json()) == (422, {"error": "missing x2"})


def test_flask_with_a_regression(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL", str(MODELS / "mass.onnx"))
    client = runpy.run_path(str(EXAMPLES / "flask_app.py"))["app"].test_client()
    assert client.post("/predict", json={"bill": 40, "depth": 20}).get_json() == pytest.approx(3090)


# The application of a program that also predicts by itself, so that workers are forked in the middle of calls.
BUSY = """
import _thread
from flask_app import *
def forever(call, *arguments):
    while True:
        call(*arguments)
_thread.start_new_thread(forever, (predictor.predict_one, [-1, 1]))
_thread.start_new_thread(forever, (predictor.predict_proba, [[-1, 1]] * 64))
"""


@pytest.mark.slow
@pytest.mark.parametrize("module", ["flask_app", "busy_app"])
@pytest.mark.parametrize("kind", ["sync", "gthread"])
def test_gunicorn_recycles_its_workers(kind: str, module: str, tmp_path: Path) -> None:
    """They hung when they were to end, until they were killed: WORKER TIMEOUT, SIGABRT."""
    (tmp_path / "busy_app.py").write_text(BUSY)
    log = tmp_path / "log"
    options = ["--workers", 3, "--max-requests", 3, "--max-requests-jitter", 0, "--timeout", 20, "--worker-class", kind]
    with running(
        log,
        "gunicorn",
        *("--config", "gunicorn_conf.py", "--pythonpath", tmp_path, "--bind", "127.0.0.1:0"),
        *options,
        f"{module}:app",
    ) as server:
        port = port_in(log)

        def booted() -> int:
            return log.read_text().count("Booting worker")

        def ask() -> None:
            # A worker also answers what it accepted before its third answer, so that their number is not known before.
            for _ in range(100):
                if booted() > 10:
                    return
                assert json.loads(answer_of(port, "/predict", ROW))["label"] == 1
                assert json.loads(answer_of(port, "/predict", MANY)) == {"labels": [1, 0]}

        in_threads(ask, 4)
        assert booted() > 10, log.read_text()
        assert ends(server) == 0, log.read_text()
    said = log.read_text()
    assert not re.search("TIMEOUT|SIGABRT|SIGKILL|terminate called|Traceback", said), said


@pytest.mark.slow
def test_uvicorn_with_workers(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with running(log, "uvicorn", "fastapi_app:app", "--workers", 2, "--port", 0) as server:
        port = port_in(log)
        wait_until(lambda: log.read_text().count("startup complete") == 2, log)

        def ask() -> None:
            for _ in range(25):
                assert json.loads(answer_of(port, "/predict", ROW))["label"] == 1
                assert json.loads(answer_of(port, "/predictions", MANY)) == [1, 0]

        in_threads(ask, 4)
        assert ends(server) == 0, log.read_text()
    assert not re.search("Traceback|terminate called|ERROR", log.read_text()), log.read_text()
