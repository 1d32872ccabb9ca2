"""Rows as people have them, answered with labels, probabilities and what is unlike the training data.

    POST /models/birds/predict   {"island": "Dream", "bill_mm": 48.4, ...}
    {"model": "birds", "answers": [{"label": "Chinstrap", "probability": 0.979, "probabilities": {...}, "unseen": {}}]}

    GET /models          the models of the server
    GET /models/birds    what one of them takes and returns, and its certificate

An answer has the keys that the shell writes with `--format json --flag-unseen`.
"""

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, quote

import numpy as np
import numpy.typing as npt
import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edge_runtime import csv_answers
from edge_runtime.answering import Answering
from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.signature import Signature
from edge_runtime.description import description
from edge_runtime.serve.bodies import Read, read_body
from edge_runtime.serve.models import Opened, ServedModel, ServedModels
from edge_runtime.serve.refusals import Refused
from edge_runtime.serve.requests import Answer, Asked, ModelEndpoint, json_response, when_sized
from edge_runtime.serve.row_schema import example_row

_WEIGHT = re.compile(r"[01](\.[0-9]{0,3})?")


def routes(models: ServedModels) -> list[Route]:
    """The routes of the models, their descriptions and their answers."""

    async def every(_: Request) -> Response:
        return json_response({"models": [_entry(model) for model in models.values()]})

    async def describe(model: ServedModel, _: Asked) -> Answer:
        return Answer(orjson.dumps(described(model)))

    async def predict(model: ServedModel, asked: Asked) -> Answer:
        return await answer(model, asked, models.limits.rows)

    return [
        Route("/models", every),
        Route("/models/{name}", ModelEndpoint(models, "describe", describe), methods=["GET"]),
        Route("/models/{name}/predict", ModelEndpoint(models, "predict", predict), methods=["POST"]),
    ]


def described(model: ServedModel) -> dict[str, Any]:
    """What `GET /models/{name}` says."""
    predictor = model.opened.predictor
    found = {**_entry(model), **description(predictor), "verified": predictor.verified}
    if predictor.signature is not None and predictor.signature.has_features:
        found["example"] = example_row(predictor.signature)
    return found


async def answer(model: ServedModel, asked: Asked, most: int) -> Answer:
    """The answers to the rows of a request, at most `most` of them, as JSON or as CSV.

    Raises:
        InvalidInput: the body cannot be read, or the query is not `top=COUNT`.
        Refused: the model has no signature, or the body is of another type.
    """
    opened = model.opened
    if opened.predictor.signature is None:
        raise Refused(
            400,
            f"the model {model.name} has no signature, so it takes no rows and its outputs have no labels; "
            f"send tensors to /v2/models/{quote(model.name)}/infer",
        )
    answering = opened.predictor.answering
    signature = answering.signature
    top = _top(asked.query, signature)
    content_type = asked.headers.get(b"content-type", b"").decode("latin-1")
    write = _as_csv if _prefers_csv(asked.headers.get(b"accept", b"")) else _as_json
    read = await when_sized(model.others, len(asked.body), read_body, answering, asked.body, content_type, most)
    outputs = await opened.answers(read.feed) if read.feed else np.empty((0, len(signature.labels) or 1))
    # A number takes about so many characters.
    return await when_sized(model.others, 16 * outputs.size, write, model, opened, read, outputs, top)


def _prefers_csv(accepted: bytes) -> bool:
    """Whether an Accept header names CSV, and does not name JSON with as much weight or more."""
    if b"csv" not in accepted.lower():
        return False
    weights = {}
    for word in accepted.decode("latin-1").lower().split(","):
        name, *parameters = (part.strip() for part in word.split(";"))
        weight = next((one.removeprefix("q=") for one in parameters if one.startswith("q=")), "1")
        weights[name] = float(weight) if _WEIGHT.fullmatch(weight) else 0.0
    return weights.get("text/csv", 0.0) > weights.get("application/json", 0.0)


def _entry(model: ServedModel) -> dict[str, Any]:
    predictor = model.opened.predictor
    path = f"/models/{quote(model.name, safe='')}"
    entry: dict[str, Any] = {"name": model.name, "url": path}
    if predictor.signature is None:
        return {**entry, "task": None}
    return {**entry, "task": predictor.signature.task, "predict": f"{path}/predict"}


def _top(query: bytes, signature: Signature) -> int | None:
    """How many labels are asked for; None for all."""
    if not query:
        return None
    given = parse_qs(query.decode("latin-1"), keep_blank_values=True)
    if other := [name for name in given if name != "top"]:
        raise InvalidInput(f"{other[0]!r} is not a parameter; the only one is top, how many labels are returned")
    if "top" not in given:
        return None
    word = given["top"][-1]
    if not word.isdecimal() or len(word) > 9 or int(word) < 1:
        raise InvalidInput(f"top is {word!r}; it is how many labels are returned, 1 or more")
    if not signature.labels:
        raise InvalidInput("top is for labels, and the model is a regression")
    return int(word)


def _as_json(model: ServedModel, opened: Opened, read: Read, outputs: npt.NDArray[Any], top: int | None) -> Answer:
    novelty, has_features = opened.predictor.answering.novelty, opened.predictor.answering.signature.has_features
    unseen = novelty.new(read.feed) if has_features and read.feed else {}
    notes = b',"notes":%b' % orjson.dumps(read.notes) if read.notes else b""
    answers = opened.row_answers.written(outputs, top, unseen)
    return Answer(b"".join([b'{"model":', orjson.dumps(model.name), b',"answers":', *answers, notes, b"}"]))


def _as_csv(_: ServedModel, opened: Opened, read: Read, outputs: npt.NDArray[Any], top: int | None) -> Answer:
    answering = opened.predictor.answering
    signature, flags = answering.signature, _unseen(answering, read)
    rows = [csv_answers.header(signature.labels, top, flags is not None)]
    rows += [
        csv_answers.cells(signature.labels, top, place, output, None if flags is None else flags[row])
        for row, (place, output) in enumerate(zip(_predicted(signature, outputs), outputs, strict=True))
    ]
    return Answer(csv_answers.csv_lines(rows).encode(), b"text/csv; charset=utf-8")


def _predicted(signature: Signature, outputs: npt.NDArray[Any]) -> Sequence[int]:
    places: Sequence[int] = signature.predicted(outputs).tolist() if signature.labels else [0] * len(outputs)
    return places


def _unseen(answering: Answering, read: Read) -> list[dict[str, str]] | None:
    """What is unlike the training data in each row; None for tensors."""
    if not answering.signature.has_features:
        return None
    return answering.novelty.unseen(read.feed) if read.feed else []
