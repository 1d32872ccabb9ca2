"""A web service on Flask.

    flask --app examples/flask_app.py run
    curl localhost:5000/predict --json '{"x1": -1, "x2": 1}'

examples/gunicorn_conf.py runs it in several processes.
"""

import os
from typing import Any

from flask import Flask, jsonify, request

from edge_runtime import InvalidInput, Predictor

# Each worker process or thread answers a request of its own.
predictor = Predictor(os.environ.get("MODEL", "model.onnx"), threads=1)
app = Flask(__name__)


@app.post("/predict")
def predict() -> Any:
    """The label of one row, or the labels of many: a JSON object with the columns, or a list of them."""
    rows = request.get_json()
    if isinstance(rows, list):
        return {"labels": predictor.predict(rows).tolist()}
    # Of a regression it is a number, which Flask does not send by itself.
    return jsonify(predictor.predict_one(rows))


@app.errorhandler(InvalidInput)
def refuse(error: InvalidInput) -> tuple[dict[str, str], int]:
    """Rows that do not fit the model are the caller's mistake."""
    return {"error": str(error)}, 422
