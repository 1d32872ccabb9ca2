"""A plain FastAPI application: rows as pydantic reads them, and `session.run`."""

import os

import numpy as np
import onnxruntime
from fastapi import FastAPI
from pydantic import BaseModel

session = onnxruntime.InferenceSession(os.environ["MODEL"])
app = FastAPI()


class Rows(BaseModel):
    """The body of a request."""

    rows: list[list[float]]


class Answers(BaseModel):
    """The body of an answer."""

    probability: list[list[float]]


class Label(BaseModel):
    """The answer to a row, as `edge-serve` writes it but for what training never saw."""

    label: int
    probability: float
    probabilities: dict[str, float]


class Labels(BaseModel):
    """The body of an answer with labels."""

    answers: list[Label]


@app.post("/predict")
def predict(body: Rows) -> Answers:
    """In a thread of FastAPI's pool, as it runs every function that is not async."""
    return _answers(body)


@app.post("/predict-async")
async def predict_async(body: Rows) -> Answers:
    """On the event loop, which stands still meanwhile."""
    return _answers(body)


@app.post("/predict-labels")
async def predict_labels(body: Rows) -> Labels:
    """As `predict_async`, with labels and all probabilities."""
    return Labels(
        answers=[
            Label(label=int(one > 0.5), probability=max(one, 1 - one), probabilities={"0": 1 - one, "1": one})
            for (one,) in _probability(body)
        ]
    )


def _answers(body: Rows) -> Answers:
    return Answers(probability=_probability(body))


def _probability(body: Rows) -> list[list[float]]:
    (probability,) = session.run(None, {"x": np.array(body.rows, dtype=np.float32)})
    found: list[list[float]] = probability.tolist()
    return found
