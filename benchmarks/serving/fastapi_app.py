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


@app.post("/predict")
def predict(body: Rows) -> Answers:
    """In a thread of FastAPI's pool, as it runs every function that is not async."""
    return _answers(body)


@app.post("/predict-async")
async def predict_async(body: Rows) -> Answers:
    """On the event loop, which stands still meanwhile."""
    return _answers(body)


def _answers(body: Rows) -> Answers:
    (probability,) = session.run(None, {"x": np.array(body.rows, dtype=np.float32)})
    return Answers(probability=probability.tolist())
