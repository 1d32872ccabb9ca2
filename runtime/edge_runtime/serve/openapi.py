"""The server's OpenAPI 3.1 document, made from the signatures of its models: `GET /openapi.json`.

Each model has paths of its own, with its columns, their types, what training saw of them, and examples that work.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, TypeAlias
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edge_runtime.contract.signature import Signature
from edge_runtime.contract.version import __version__
from edge_runtime.csv_answers import csv_lines
from edge_runtime.predictor import Predictor
from edge_runtime.serve.models import ServedModel, ServedModels
from edge_runtime.serve.requests import Asked, json_response
from edge_runtime.serve.row_schema import (
    Schema,
    answer_schema,
    example_cells,
    example_row,
    example_tensor,
    row_schema,
    tensor_schema,
    values_schema,
)
from edge_runtime.serve.rows import answer

_Operation: TypeAlias = dict[str, Any]

_JSON, _CSV = "application/json", "text/csv"
_OBJECT: Schema = {"type": "object"}
_REFUSED = {
    "400": "The request does not fit the model; `error` says what is wrong, with its row and column.",
    "413": "The body is too large.",
    "415": "The body is of a type that is not taken.",
    "503": "Too many requests wait already; try again later.",
}
_TOP: Schema = {
    "name": "top",
    "in": "query",
    "description": "Return only the labels that are most probable, at most so many.",
    "schema": {"type": "integer", "minimum": 1, "maximum": 999_999_999},
}


def routes(models: ServedModels) -> list[Route]:
    """The route of the document."""

    async def openapi(_: Request) -> Response:
        return json_response(await document(models))

    return [Route("/openapi.json", openapi)]


async def document(models: ServedModels) -> dict[str, Any]:
    """The OpenAPI document of a server."""
    paths: dict[str, Any] = {
        "/models": {"get": _get("listModels", "The models of the server", "models")},
        "/v2/health/live": {"get": _get("isLive", "Whether the server runs", "server")},
        "/v2/health/ready": {"get": _get("isReady", "Whether the server takes requests", "server")},
    }
    schemas: dict[str, Schema] = {
        "Error": {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
    }
    taken: set[str] = set()
    for model in models.values():
        key, path, predictor = _key(model.name, taken), quote(model.name, safe=""), model.opened.predictor
        summary = f"What {model.name} takes and returns, and its certificate"
        paths[f"/models/{path}"] = {"get": _get(f"describe.{key}", summary, model.name)}
        if predictor.signature is not None:
            schemas |= _schemas(key, predictor, predictor.signature)
            paths[f"/models/{path}/predict"] = {"post": await _predict(key, model, predictor.signature)}
        paths[f"/v2/models/{path}"] = {"get": _get(f"metadata.{key}", f"The tensors of {model.name}", model.name)}
        paths[f"/v2/models/{path}/infer"] = {"post": _infer(key, model.name, predictor)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "edge-serve",
            "version": __version__,
            "summary": "Predictions of ONNX models",
            "description": "A page to try them in a browser is at `/`. The paths below `/v2` are those of the Open "
            "Inference Protocol, which clients of Triton and KServe speak.",
        },
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _key(name: str, taken: set[str]) -> str:
    """The name of a model in those of schemas and operations, where few characters are allowed."""
    plain = found = re.sub(r"[^A-Za-z0-9_-]", "_", name)
    number = 2
    while found in taken:
        found, number = f"{plain}_{number}", number + 1
    taken.add(found)
    return found


def _get(operation: str, summary: str, tag: str) -> _Operation:
    return {
        "operationId": operation,
        "summary": summary,
        "tags": [tag],
        "responses": {"200": {"description": "The answer.", "content": {_JSON: {"schema": _OBJECT}}}},
    }


def _reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _schemas(key: str, predictor: Predictor, signature: Signature) -> dict[str, Schema]:
    """The schemas of what a model takes and answers."""
    found = {f"{key}.Answer": answer_schema(signature)}
    if signature.has_features:
        row, values = _reference(f"{key}.Row"), _reference(f"{key}.Values")
        rows, lists = ({"type": "array", "items": one} for one in (row, values))
        found[f"{key}.Row"] = row_schema(signature)
        found[f"{key}.Values"] = values_schema(signature)
        wrapped: Schema = {
            "type": "object",
            "properties": {"rows": {"anyOf": [rows, lists]}},
            "required": ["rows"],
            "additionalProperties": False,
        }
        # A list without rows fits more than one of them.
        found[f"{key}.Request"] = {"anyOf": [row, rows, wrapped, values, lists]}
        return found
    tensors = {spec.name: tensor_schema(spec, predictor.input_ranges) for spec in predictor.inputs}
    by_name: Schema = {
        "type": "object",
        "properties": tensors,
        "required": list(tensors),
        "additionalProperties": False,
    }
    found[f"{key}.Request"] = {"anyOf": [by_name, *tensors.values()]} if len(tensors) == 1 else by_name
    return found


async def _predict(key: str, model: ServedModel, signature: Signature) -> _Operation:
    examples = _examples(model.opened.predictor, signature)
    body: dict[str, Any] = {_JSON: {"schema": _reference(f"{key}.Request")}}
    if examples:
        body[_JSON]["examples"] = {name: {"value": value} for name, value in examples.items()}
    notes = {"type": "array", "items": {"type": "string"}, "description": "Such as the names of ignored columns."}
    answers: Schema = {
        "type": "object",
        "properties": {
            "model": {"const": model.name},
            "answers": {"type": "array", "items": _reference(f"{key}.Answer"), "description": "One for each row."},
            "notes": notes,
        },
        "required": ["model", "answers"],
    }
    content: dict[str, Any] = {_JSON: {"schema": answers}, _CSV: {"schema": {"type": "string"}}}
    if signature.has_features:
        cells = [list(signature.feature_names), example_cells(signature)]
        body[_CSV] = {"schema": {"type": "string"}, "example": csv_lines(cells)}
    if examples:
        asked = Asked({b"content-type": _JSON.encode()}, json.dumps(next(iter(examples.values()))).encode(), b"", {})
        content[_JSON]["example"] = json.loads((await answer(model, asked, 1)).body)
    return {
        "operationId": f"predict.{key}",
        "summary": f"What {model.name} answers",
        "description": _DESCRIPTION if signature.has_features else _TENSORS,
        "tags": [model.name],
        "parameters": [_TOP] if signature.labels else [],
        "requestBody": {"required": True, "content": body},
        "responses": {"200": {"description": "The answers.", "content": content}, **_errors(_REFUSED)},
    }


def _examples(predictor: Predictor, signature: Signature) -> dict[str, Any]:
    """Bodies that are answered, by what they are; none if they would be too long to read."""
    if signature.has_features:
        row = example_row(signature)
        return {"one row": row, "rows": [row, row], "rows by position": [list(row.values())]}
    tensors = {spec.name: example_tensor(spec, predictor.input_ranges) for spec in predictor.inputs}
    return {} if None in tensors.values() else {"tensors": tensors}


def _infer(key: str, name: str, predictor: Predictor) -> _Operation:
    """The operation of the Open Inference Protocol."""
    integers: Schema = {"type": "array", "items": {"type": "integer"}}

    def tensor(names: list[str]) -> Schema:
        properties = {"name": {"enum": names}, "shape": integers, "datatype": {"type": "string"}, "data": {}}
        return {"type": "object", "properties": properties, "required": ["name", "shape", "datatype"]}

    def message(part: str, names: list[str]) -> Schema:
        tensors: Schema = {"type": "array", "items": tensor(names)}
        return {"type": "object", "properties": {"id": {"type": "string"}, part: tensors}, "required": [part]}

    inputs, outputs = ([spec.name for spec in specs] for specs in (predictor.inputs, predictor.outputs))
    taken, given = ("; ".join(map(str, specs)) for specs in (predictor.inputs, predictor.outputs))
    return {
        "operationId": f"infer.{key}",
        "summary": f"The outputs of {name}, tensors in and tensors out",
        "description": f"Takes {taken}. Returns {given}.",
        "tags": [name],
        "requestBody": {"required": True, "content": {_JSON: {"schema": message("inputs", inputs)}}},
        "responses": {
            "200": {"description": "The outputs.", "content": {_JSON: {"schema": message("outputs", outputs)}}},
            **_errors(_REFUSED),
        },
    }


def _errors(described: Mapping[str, str]) -> dict[str, Any]:
    return {
        status: {"description": text, "content": {_JSON: {"schema": _reference("Error")}}}
        for status, text in described.items()
    }


_DESCRIPTION = (
    "A row is an object by column name, in any order, or a list of values in the order of the columns. Send one, a "
    'list of them, or `{"rows": [...]}`; or CSV, with a header or with the columns in their order. Names that are not '
    "columns are ignored, and `notes` says so. With `Accept: text/csv` the answers are CSV."
)
_TENSORS = (
    "Tensors are nested lists by the name of the input, or the list itself if there is one input. Axes with the same "
    "name have the same size. With "
    "`Accept: text/csv` the answers are CSV."
)
