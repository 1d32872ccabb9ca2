"""A task queue with celery: tasks that predict, in a pool of forked processes.

    mkdir -p queue/messages queue/results
    celery --workdir examples --app celery_app worker --pool prefork --concurrency 2
    cd examples && python -c 'import celery_app; print(celery_app.predict.delay([[-1, 1]]).get(timeout=60))'

The folder `queue` stands for a broker such as Redis or RabbitMQ.
"""

import os
from pathlib import Path
from typing import Any

from celery import Celery

from edge_runtime import Predictor

queue = Path(os.environ.get("QUEUE", "queue")).absolute()
app = Celery(
    "celery_app",
    broker="filesystem://",
    backend=f"file://{queue / 'results'}",
    broker_transport_options={
        "data_folder_in": str(queue / "messages"),
        "data_folder_out": str(queue / "messages"),
        "control_folder": str(queue / "control"),
    },
)
# Opened before the pool is forked: its processes share the memory.
predictor = Predictor(os.environ.get("MODEL", "model.onnx"), threads=1)


@app.task  # type: ignore[untyped-decorator]
def predict(rows: list[list[float]]) -> list[Any]:
    """The label of each row. Messages are JSON, so lists come and go."""
    labels: list[Any] = predictor.predict(rows).tolist()
    return labels
