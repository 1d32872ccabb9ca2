"""The servers that are timed beside each other: how each is started, asked and understood."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.models import Array, Model
from benchmarks.peers import TOLERANCE

OURS = "edge-serve, predict"
OURS_INFER = "edge-serve, infer"
OURS_BINARY = "edge-serve, infer, binary"
FASTAPI = "FastAPI, def"
FASTAPI_ASYNC = "FastAPI, async def"
FASTAPI_LABELS = "FastAPI, async def, labels"
BENTOML = "BentoML"
MLFLOW = "mlflow serve"

_HERE = Path(__file__).parent / "serving"
# Seconds for a server to start, and then for one answer.
_START, _ANSWER = 120, 10


@dataclass(frozen=True)
class Body:
    """What a request sends."""

    content: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Peer:
    """One address of a running server.

    Attributes:
        url: where it is.
        body: from rows, float32, to a request.
        answer: from what comes back, and its headers, to the probabilities of the second label, one for each row.
    """

    url: str
    body: Callable[[Array], Body]
    answer: Callable[[bytes, Mapping[str, str]], Any]

    def ask(self, rows: Array) -> Array:
        """The probabilities for `rows`, shape (rows,)."""
        body = self.body(rows)
        request = urllib.request.Request(self.url, body.content, dict(body.headers))
        with urllib.request.urlopen(request, timeout=_ANSWER) as response:
            return np.asarray(self.answer(response.read(), response.headers), np.float32).ravel()


@contextmanager
def running(model: Model, peers_python: Path, folder: Path) -> Iterator[tuple[dict[str, Peer], dict[str, str]]]:
    """All servers, each with one worker, started and checked; and why others could not be.

    Args:
        model: the example's network, which gives the probability of its second label.
        peers_python: the Python of the environment that BentoML and MLflow are in.
        folder: where MLflow's model is put.
    """
    peers: dict[str, Peer] = {}
    missing: dict[str, str] = {}
    starters = {OURS: _edge_serve, FASTAPI: _fastapi, BENTOML: _bentoml, MLFLOW: _mlflow}
    with ExitStack() as stack:
        for name, start in starters.items():
            port = _free_port()
            try:
                command, environment, found = start(model, port, peers_python, folder)
                stack.enter_context(_process(command, {**environment, "MODEL": str(model.onnx.resolve())}))
            except (OSError, subprocess.CalledProcessError) as error:
                missing[name] = str(error)
                continue
            for one, peer in found.items():
                try:
                    _check(one, peer, model)
                    peers[one] = peer
                except (KeyError, RuntimeError) as error:
                    missing[one] = str(error)
        yield peers, missing


Started = tuple[list[str], dict[str, str], dict[str, Peer]]


def _edge_serve(model: Model, port: int, _: Path, __: Path) -> Started:
    code = "import sys; from edge_runtime.serve.command import main; sys.exit(main())"
    command = [sys.executable, "-c", code, f"blobs={model.onnx}", "--port", str(port)]
    url = f"http://127.0.0.1:{port}"

    def as_rows(rows: Array) -> Body:
        return _json(rows.tolist())

    def infer(rows: Array) -> Body:
        tensor = {"name": "x", "datatype": "FP32", "shape": rows.shape, "data": rows.tolist()}
        return _json({"inputs": [tensor]})

    def binary(rows: Array) -> Body:
        parameters = {"binary_data_size": rows.nbytes}
        tensor = {"name": "x", "datatype": "FP32", "shape": rows.shape, "parameters": parameters}
        text = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
        return Body(text + rows.tobytes(), {"Inference-Header-Content-Length": str(len(text))})

    def read_binary(content: bytes, headers: Mapping[str, str]) -> Any:
        return np.frombuffer(content[int(headers["inference-header-content-length"]) :], np.float32)

    return (
        command,
        {},
        {
            OURS: Peer(f"{url}/models/blobs/predict", as_rows, _of_second_label),
            OURS_INFER: Peer(f"{url}/v2/models/blobs/infer", infer, _infer_data),
            OURS_BINARY: Peer(f"{url}/v2/models/blobs/infer", binary, read_binary),
        },
    )


def _fastapi(_: Model, port: int, __: Path, ___: Path) -> Started:
    command = [sys.executable, "-m", "uvicorn", "fastapi_app:app", "--port", str(port)]
    url = f"http://127.0.0.1:{port}"

    def body(rows: Array) -> Body:
        return _json({"rows": rows.tolist()})

    return (
        [*command, "--app-dir", str(_HERE), "--no-access-log"],
        {},
        {
            FASTAPI: Peer(f"{url}/predict", body, lambda text, _: _loaded(text)["probability"]),
            FASTAPI_ASYNC: Peer(f"{url}/predict-async", body, lambda text, _: _loaded(text)["probability"]),
            FASTAPI_LABELS: Peer(f"{url}/predict-labels", body, _of_second_label),
        },
    )


def _bentoml(_: Model, port: int, python: Path, __: Path) -> Started:
    command = [str(_beside(python, "bentoml")), "serve", "bento_service:service", "--port", str(port)]
    environment = {"BENTOML_DO_NOT_TRACK": "True"}
    peer = Peer(
        f"http://127.0.0.1:{port}/predict",
        lambda rows: _json({"rows": rows.tolist()}),
        lambda text, _: _loaded(text),
    )
    return [*command, "--working-dir", str(_HERE)], environment, {BENTOML: peer}


def _mlflow(model: Model, port: int, python: Path, folder: Path) -> Started:
    saved, environment = folder / "mlflow", {"MLFLOW_DISABLE_TELEMETRY": "true"}
    shutil.rmtree(saved, ignore_errors=True)
    script = [str(python), str(_HERE / "save_mlflow_model.py"), str(model.onnx), str(saved)]
    subprocess.run(script, check=True, capture_output=True, env={**os.environ, **environment})
    command = [str(_beside(python, "mlflow")), "models", "serve", "--model-uri", str(saved), "--env-manager", "local"]
    path = os.pathsep.join([str(python.parent.absolute()), os.environ["PATH"]])
    peer = Peer(
        f"http://127.0.0.1:{port}/invocations",
        lambda rows: _json({"inputs": rows.tolist()}),
        lambda text, _: _loaded(text)["predictions"]["probability"],
    )
    return [*command, "--port", str(port), "--workers", "1"], {**environment, "PATH": path}, {MLFLOW: peer}


def _infer_data(text: bytes, _: Mapping[str, str]) -> Any:
    return _loaded(text)["outputs"][0]["data"]


def _of_second_label(text: bytes, _: Mapping[str, str]) -> Any:
    return [list(answer["probabilities"].values())[1] for answer in _loaded(text)["answers"]]


def _json(content: object) -> Body:
    return Body(json.dumps(content).encode(), {"Content-Type": "application/json"})


def _loaded(text: bytes) -> Any:
    return json.loads(text)


def _beside(python: Path, command: str) -> Path:
    found = python.absolute().with_name(command)
    if not found.exists():
        raise FileNotFoundError(f"{found} is not there; make bench-serve installs it")
    return found


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@contextmanager
def _process(command: list[str], environment: Mapping[str, str]) -> Iterator[None]:
    # A group of its own, since some of these start further processes and do not end them.
    process = subprocess.Popen(
        command,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        os.killpg(process.pid, 15)
        try:
            process.wait(_ANSWER)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()


def _check(name: str, peer: Peer, model: Model) -> None:
    """Wait for a server, and see that it answers as the model does."""
    from edge_runtime import Predictor

    predictor = Predictor(model.onnx, device="cpu")
    latest = time.monotonic() + _START
    for count in (1, 64):
        rows = model.rows(count)
        expected = predictor.run({"x": rows})["probability"].ravel()
        while True:
            try:
                found = peer.ask(rows)
                break
            except urllib.error.HTTPError as error:
                raise RuntimeError(f"{name} answers {error.code}: {error.read()[:200]!r}") from error
            except OSError as error:
                if time.monotonic() > latest:
                    raise RuntimeError(f"{name} does not start: {error}") from error
                time.sleep(0.2)
        if found.shape != expected.shape or not np.allclose(found, expected, atol=TOLERANCE, rtol=TOLERANCE):
            raise RuntimeError(f"{name} is wrong: {found[:3]} for {expected[:3]}")
