"""A web service on FastAPI, which answers one row or many.

uvicorn --app-dir examples fastapi_app:app --workers 2
curl localhost:8000/predict --json '{"x1": -1, "x2": 1}'
curl localhost:8000/predictions --json '[{"x1": -1, "x2": 1}, {"x1": 1, "x2": 1}]'
"""

import os
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from edge_runtime import InvalidInput, Predictor

Row = dict[str, float | str | bool | None]

# Each worker answers its requests one after the other; they are the threads.
predictor = Predictor(os.environ.get("MODEL", "model.onnx"), threads=1)
app = FastAPI()


@app.exception_handler(InvalidInput)
async def refuse(request: Request, error: Exception) -> JSONResponse:
    """Rows that do not fit the model are the caller's mistake."""
    return JSONResponse({"detail": str(error)}, 422)


@app.post("/predict")
async def predict(row: Row) -> Any:
    """The label of one row. This takes microseconds, less than handing it to a thread."""
    return predictor.predict_one(row)


# FastAPI calls it in a thread, since it is not async: many rows may take longer.
@app.post("/predictions")
def predict_many(rows: list[Row]) -> list[Any]:
    """The label of each row."""
    labels: list[Any] = predictor.predict(rows).tolist()
    return labels
