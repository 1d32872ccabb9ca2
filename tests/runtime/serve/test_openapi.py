"""The OpenAPI document: valid, and true of every request and answer that it describes."""

import json
import re
from typing import Any
from urllib.parse import unquote

import orjson
import pytest
import tables
from hypothesis import given, settings
from json_values import values
from paths import MODELS
from served import app_of, opened
from servers import ask
from starlette.applications import Starlette

from edge_runtime import Predictor

TABLES = ("four_blobs", "islands", "mass", "penguins", "sales", "three_labels", "two_inputs")
NAMES = (*TABLES, "images", "tensors", "words")
# What a person may call a model, and what a URL or the name of a schema cannot hold.
ODD = ("größe & <b>", "a b", "a_b")


@pytest.fixture(scope="module")
def app() -> Starlette:
    odd = {name: Predictor(MODELS / "penguins.onnx", device="cpu") for name in ODD}
    return app_of({**opened(*NAMES), **odd})


@pytest.fixture(scope="module")
def document(app: Starlette) -> Any:
    found = ask(app, "/openapi.json")
    assert found.headers["content-type"] == "application/json"
    return found.json


def test_the_document_is_valid(document: Any) -> None:
    validator = pytest.importorskip("openapi_spec_validator")
    validator.validate(document)
    # The validator does not look into examples and patterns.
    assert document["openapi"] == "3.1.0"


def test_each_model_has_its_paths(document: Any) -> None:
    found = {unquote(path.split("/")[2]) for path in document["paths"] if path.endswith("/predict")}
    assert found == {*NAMES, *ODD} - {"tensors"}
    assert {unquote(path.split("/")[3]) for path in document["paths"] if path.endswith("/infer")} == {*NAMES, *ODD}
    names = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in document["components"]["schemas"])


def test_what_is_said_of_columns(document: Any) -> None:
    row = document["components"]["schemas"]["penguins.Row"]
    # Columns with missing values in training may be absent.
    assert row["required"] == ["island", "bill", "ringed"]
    assert list(row["properties"]) == list(tables.PENGUINS.columns)
    columns = row["properties"]
    assert columns["island"]["type"] == ["string", "null"]
    assert columns["island"]["examples"] == list(tables.ISLAND.categories)
    assert columns["year"]["type"] == ["integer", "null"]
    assert columns["ringed"] == {"type": "boolean", "description": "May not be missing."}
    assert columns["mass"]["x-training-range"] == {"minimum": 2700.0, "maximum": 6300.0}
    assert columns["mass"]["description"] == (
        "2700 to 6300 in training; 1% missing in training; null, or absent, if it is."
    )
    answer = document["components"]["schemas"]["penguins.Answer"]
    assert answer["properties"]["label"]["enum"] == list(tables.PENGUINS.labels)
    assert answer["required"] == ["label", "probability", "probabilities", "unseen"]
    assert document["components"]["schemas"]["mass.Answer"]["required"] == ["value", "unseen"]
    assert "unseen" not in document["components"]["schemas"]["images.Answer"]["properties"]


def test_what_is_said_of_dates_notations_and_words(document: Any) -> None:
    columns = document["components"]["schemas"]["sales.Row"]["properties"]
    assert columns["sold"]["format"] == "date"
    assert columns["sold"]["x-training-range"] == {"minimum": "2020-01-01", "maximum": "2025-12-31"}
    assert columns["sold"]["description"] == "2020-01-01 to 2025-12-31 in training; may not be missing."
    assert (columns["paid"]["format"], columns["paid"]["type"]) == ("date-time", ["string", "null"])
    assert columns["paid"]["examples"] == ["2022-12-31T12:30:00Z"]
    assert columns["price"]["type"] == ["number", "string", "null"]
    for text in ("1.234,50 €", "-1234,5", "5€", "0"):
        assert re.search(columns["price"]["pattern"], text)
    assert not any(re.search(columns["price"]["pattern"], text) for text in ("1.5", "$5", "1,234.50", "0.123"))
    assert columns["new"]["enum"] == [False, True, "nein", "ja", None]


def predictions(document: Any) -> list[tuple[str, Any]]:
    return [(path, item["post"]) for path, item in document["paths"].items() if path.endswith("/predict")]


def check_answers(document: Any, operation: Any, body: Any, rows: int | None) -> None:
    """That a body is as the document says."""
    jsonschema = pytest.importorskip("jsonschema")
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    jsonschema.validate(body, {**schema, "components": document["components"]})
    assert rows is None or len(body["answers"]) == rows


def test_examples_work(app: Starlette, document: Any) -> None:
    with_examples = set()
    for path, operation in predictions(document):
        content = operation["requestBody"]["content"]
        for kind, example in content["application/json"].get("examples", {}).items():
            found = ask(app, unquote(path), orjson.dumps(example["value"]), content_type="application/json")
            assert found.status == 200, found.body
            check_answers(document, operation, found.json, 2 if kind == "rows" else 1)
            answers = operation["responses"]["200"]["content"]["application/json"]["example"]
            assert found.json["answers"][:1] == answers["answers"]
            assert all(not any(one.get("unseen", {}).values()) for one in found.json["answers"])
            with_examples.add(path)
        if "text/csv" in content:
            found = ask(app, unquote(path), content["text/csv"]["example"].encode(), content_type="text/csv")
            assert found.json == answers
    assert len(with_examples) == len(predictions(document))


def test_every_form_of_rows_fits_the_document(app: Starlette, document: Any) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = {"$ref": "#/components/schemas/penguins.Request", "components": document["components"]}
    row = tables.named(tables.ROWS[0])
    for one in (row, list(row.values())):
        for body in (one, [one, one], {"rows": [one, one]}):
            assert ask(app, "/models/penguins/predict", orjson.dumps(body)).status == 200, body
            jsonschema.validate(body, schema)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "tensors"])
def test_every_request_that_fits_the_document_is_answered(app: Starlette, document: Any, name: str) -> None:
    path = f"/models/{name}/predict"
    operation = document["paths"][path]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    # A schema cannot say that axes have the same size.
    most = 3 if f"{name}.Row" in document["components"]["schemas"] else 1

    @given(values(schema, document, most))
    @settings(max_examples=60, deadline=None)
    def check(body: Any) -> None:
        content = json.dumps(body).encode() if has_large(body) else orjson.dumps(body)
        found = ask(app, path, content, content_type="application/json")
        assert found.status == 200, found.body
        check_answers(document, operation, found.json, None)

    check()


def has_large(body: Any) -> bool:
    """Whether it holds an integer of more than 64 bits, which orjson does not write."""
    if isinstance(body, dict | list):
        return any(map(has_large, body.values() if isinstance(body, dict) else body))
    return isinstance(body, int) and abs(body) >= 2**63


@pytest.mark.parametrize(
    ("column", "value"),
    [("bill", "x"), ("bill", True), ("ringed", None), ("ringed", "x"), ("island", "\0"), ("year", 1.5), ("mass", 1e39)],
)
def test_values_that_do_not_fit_the_document_are_refused(app: Starlette, column: str, value: Any) -> None:
    row = {**tables.named(tables.ROWS[0]), column: value}
    found = ask(app, "/models/penguins/predict", orjson.dumps(row), content_type="application/json")
    assert found.status == 400
    assert found.json["error"].startswith(f"{column}: ")
