"""What Prometheus reads at /metrics."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edge_runtime.contract.errors import CannotWrite

# The folder in which the workers of a server share what they count; prometheus_client reads it when it is imported.
FOLDER = "PROMETHEUS_MULTIPROC_DIR"

# Bytes of a file of counts, and for how many models they are enough: the histograms of one take 12 kB.
_FILE, _MODELS_OF_A_FILE = 65_536, 4

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_ROWS = tuple(2**power for power in range(0, 21, 2))


class Metrics:
    """The counts of one server. Several servers in a process do not share them."""

    def __init__(self, models: int = 1) -> None:
        """Count for so many models.

        Raises:
            CannotWrite: there is no space for the counts that workers share.
        """
        if FOLDER in os.environ:
            _reserve(Path(os.environ[FOLDER]), -(-models // _MODELS_OF_A_FILE) * _FILE)
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "edge_serve_requests", "Requests, by status code", ["model", "endpoint", "code"], registry=registry
        )
        self._seconds = Histogram(
            "edge_serve_request_duration_seconds",
            "Time from a request's headers to its answer",
            ["model", "endpoint"],
            registry=registry,
            buckets=_SECONDS,
        )
        self._calls = Histogram(
            "edge_serve_call_rows",
            "Rows in a call of the model, with those of all requests that it answers; their sum is that of all rows",
            ["model"],
            registry=registry,
            buckets=_ROWS,
        )
        self._waiting = Gauge(
            "edge_serve_requests_waiting",
            "Requests that wait for the model",
            ["model"],
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._reloads = Counter(
            "edge_serve_reloads", "Changes of a model's file, taken or refused", ["model", "result"], registry=registry
        )
        self._models = Gauge(
            "edge_serve_model_info",
            "1 for each model that is served",
            ["model", "task", "provider"],
            registry=registry,
            multiprocess_mode="livemax",
        )
        if FOLDER not in os.environ:
            ProcessCollector(registry=registry)

    def of_requests(self, model: str, endpoint: str) -> Callable[[int, float], None]:
        """A function that counts a request, by its status code and its seconds."""
        observe = self._seconds.labels(model, endpoint).observe
        counts: dict[int, Callable[[], None]] = {}

        def count(code: int, seconds: float) -> None:
            if code not in counts:
                counts[code] = self._requests.labels(model, endpoint, str(code)).inc
            counts[code]()
            observe(seconds)

        return count

    def of_calls(self, model: str) -> Callable[[int], None]:
        """A function that counts a call of the model, by its rows."""
        return self._calls.labels(model).observe

    def of_waiting(self, model: str) -> Callable[[int], None]:
        """A function that sets how many requests wait."""
        return self._waiting.labels(model).set

    def opened(self, model: str, task: str, provider: str) -> None:
        """Say that a model is served."""
        self._models.labels(model, task, provider).set(1)

    def reloaded(self, model: str, result: str) -> None:
        """Count a changed file, which was "taken" or "refused"."""
        self._reloads.labels(model, result).inc()

    def text(self) -> bytes:
        """All counts in the text format of Prometheus, with those of the other workers."""
        registry = self._registry
        if FOLDER in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)

    def routes(self) -> list[Route]:
        """The route of the metrics."""

        async def metrics(_: Request) -> Response:
            return Response(self.text(), headers={"content-type": CONTENT_TYPE_PLAIN_0_0_4})

        return [Route("/metrics", metrics)]


def _reserve(folder: Path, size: int) -> None:
    """Write the files of this process, full of zeros, as prometheus_client takes them for new ones.

    It maps them. A page for which there is no space on the disk would end the process when it is first written to.
    """
    for kind in ("counter", "histogram", "gauge_livesum", "gauge_livemax"):
        path = folder / f"{kind}_{os.getpid()}.db"
        try:
            with contextlib.suppress(FileExistsError), path.open("xb") as file:
                file.write(bytes(size))
        except OSError as error:
            raise CannotWrite(
                f"the counts of the workers cannot be written in {folder}: {error.strerror}; make space there, or name "
                "another folder for temporary files with TMPDIR"
            ) from error


def forget(worker: int | None) -> None:
    """Forget what a worker that has ended has as its present state; what it has counted stays."""
    mark_process_dead(worker)  # type: ignore[no-untyped-call]
