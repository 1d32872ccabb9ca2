"""Rows in requests, and their answers."""

import io
import itertools
import json
import math
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import sales
import tables
from paths import MODELS
from served import app_of, opened
from servers import Response, ask
from starlette.applications import Starlette
from tables import ROWS, named

from edge_runtime import Predictor
from edge_runtime.cli.command import main
from edge_runtime.serve import ServeLimits

NAMES = ("penguins", "islands", "mass", "sales", "images", "words", "tensors", "three_labels")
JSON_ROWS = [named(row) for row in ROWS]


@pytest.fixture(scope="module")
def app() -> Starlette:
    return app_of(opened(*NAMES), ServeLimits(rows=50))


def post(app: Starlette, path: str, body: Any, **headers: str) -> Response:
    content = body.encode() if isinstance(body, str) else orjson.dumps(body)
    return ask(app, path, content, **{"content_type": "application/json", **headers})


def from_the_shell(model: str, text: str, tmp_path: Path, *options: str) -> str:
    """What `edge-predict` writes for rows in a file."""
    file = tmp_path / "rows"
    file.write_text(text)
    written = io.StringIO()
    with redirect_stdout(written):
        code = main([str(MODELS / f"{model}.onnx"), "--input", str(file), "--device", "cpu", "--flag-unseen", *options])
    assert code == 0
    return written.getvalue()


@pytest.mark.parametrize("top", ["", "?top=2"])
def test_answers_are_those_of_the_shell(app: Starlette, tmp_path: Path, top: str) -> None:
    text = "".join(f"{json.dumps(row)}\n" for row in JSON_ROWS)
    options = ("--top", "2") if top else ()
    found = post(app, f"/models/penguins/predict{top}", JSON_ROWS)
    assert (found.status, found.headers["content-type"]) == (200, "application/json")
    wanted = list(
        map(json.loads, from_the_shell("penguins", text, tmp_path, *options, "--format", "json").splitlines())
    )
    assert found.json == {"model": "penguins", "answers": wanted}
    for one in found.json["answers"]:
        assert one["label"] == max(one["probabilities"], key=one["probabilities"].get)
    csv = post(app, f"/models/penguins/predict{top}", JSON_ROWS, accept="text/csv")
    assert csv.headers["content-type"] == "text/csv; charset=utf-8"
    assert csv.body.decode() == from_the_shell("penguins", text, tmp_path, *options, "--format", "csv")


def test_rows_as_people_write_them(app: Starlette, tmp_path: Path) -> None:
    """Dates, prices, words of booleans and codes with zeros, in JSON and in CSV with semicolons."""
    rows = list(map(sales.named, sales.WRITTEN))
    text = "".join(f"{json.dumps(row)}\n" for row in rows)
    wanted = list(map(json.loads, from_the_shell("sales", text, tmp_path, "--format", "json").splitlines()))
    np.testing.assert_allclose([one["value"] for one in wanted], sales.sales(sales.HELD), rtol=1e-5)
    lines = ["sold;price;new;zip;paid", *(";".join(row) for row in sales.WRITTEN)]
    for body, kind in (
        (rows, "application/json"),
        (sales.WRITTEN, "application/json"),
        ("\n".join(lines), "text/csv"),
    ):
        found = post(app, "/models/sales/predict", body, content_type=kind)
        assert found.json == {"model": "sales", "answers": wanted}, kind
    for column, value, reason in (
        ("sold", 1767139200, "1767139200 is not a date; write it like '31.12.2025'"),
        ("sold", True, "True is not a date"),
        ("price", "$5", "'$5' is not a number written like '1.234,50 €'"),
        ("price", True, "true is not a number"),
        ("new", "yes", "'yes' is neither 'ja' (true) nor 'nein' (false)"),
    ):
        refused = post(app, "/models/sales/predict", [rows[0], {**rows[1], column: value}])
        assert refused.status == 400
        assert refused.json["error"].startswith(f"row 2: {column}: {reason}")


def test_probabilities_are_those_of_the_model(app: Starlette) -> None:
    found = post(app, "/models/penguins/predict", JSON_ROWS).json["answers"]
    probabilities = [list(one["probabilities"].values()) for one in found]
    rows: list[Any] = [("Torgersen", 39.1, 3750, 1, "2007"), ("Dream", math.nan, 3000, 0, "")]
    rows += [("", 50, math.nan, 0, "2009"), ("Foo", 46.5, 4500, 1, "1999")]
    np.testing.assert_allclose(probabilities, tables.penguins(rows), rtol=1e-4)
    assert [set(one["unseen"]) for one in found] == [set(), {"bill"}, {"island"}, {"island", "year"}]


def test_regression(app: Starlette, tmp_path: Path) -> None:
    found = post(app, "/models/mass/predict", [[45, 18], [1000, None]])
    assert found.json["answers"] == [
        {"value": 3591.0, "unseen": {}},
        {"value": 89566.5, "unseen": {"bill": "1000 is far above the 60 seen in training"}},
    ]
    csv = post(app, "/models/mass/predict", "bill,depth\n45,18\n", content_type="text/csv", accept="text/csv")
    assert csv.body.decode() == from_the_shell("mass", "bill,depth\n45,18\n", tmp_path, "--format", "csv")


def test_numbers_that_are_not_finite_are_null(app: Starlette) -> None:
    # As CSV: JSON cannot say it.
    found = post(app, "/models/mass/predict", "bill,depth\n-inf,18\ninf,18\n", content_type="text/csv")
    assert [one["value"] for one in found.json["answers"]] == [None, None]
    (nothing,) = post(app, "/models/three_labels/predict", "nan,nan\n", content_type="text/csv").json["answers"]
    assert nothing["probability"] is None
    assert set(nothing["probabilities"].values()) == {None}


def test_tensors(app: Starlette) -> None:
    image = np.arange(24).reshape(2, 3, 4) / 8
    (found,) = post(app, "/models/images/predict", {"image": [image.tolist()]}).json["answers"]
    assert list(found) == ["label", "probability", "probabilities"]
    words = post(app, "/models/words/predict?top=1", {"ids": [[1, 2]], "mask": [[True, False]]})
    assert [one["label"] for one in words.json["answers"]] == ["dull"]
    csv = post(app, "/models/images/predict", [image.tolist()], accept="text/csv").body.decode()
    assert csv.splitlines()[0] == "label,probability,probability_cat,probability_dog,probability_fox"


def test_no_rows(app: Starlette) -> None:
    assert post(app, "/models/penguins/predict", []).json == {"model": "penguins", "answers": []}
    assert post(app, "/models/mass/predict", [], accept="text/csv").body == b"value,unseen\n"


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        ("*/*", "application/json"),
        ("text/csv, */*;q=0.1", "text/csv; charset=utf-8"),
        ("TEXT/CSV", "text/csv; charset=utf-8"),
        ("application/json;q=0.5, text/csv", "text/csv; charset=utf-8"),
        ("application/json, text/csv;q=0.5", "application/json"),
        ("application/json, text/csv", "application/json"),
        ("text/csv;q=0", "application/json"),
        ("text/csv;q=much", "application/json"),
    ],
)
def test_what_the_client_accepts(app: Any, accepted: str, expected: str) -> None:
    response = post(app, "/models/mass/predict", {"bill": 45, "depth": 18}, accept=accepted)
    assert response.headers["content-type"] == expected


def test_many_rows_are_answered_as_few_are(app: Starlette) -> None:
    """Large bodies and answers are read and written on threads."""
    large = app_of(opened("penguins"), ServeLimits(rows=20_000))
    rows = list(itertools.islice(itertools.cycle(JSON_ROWS), 20_000))
    found = post(large, "/models/penguins/predict", rows).json["answers"]
    few = post(app, "/models/penguins/predict", JSON_ROWS).json["answers"]
    assert len(found) == 20_000
    assert [one["label"] for one in found[:4]] == [one["label"] for one in few]
    assert found[:4] == found[-4:]


def test_notes(app: Starlette) -> None:
    found = post(app, "/models/penguins/predict", {**JSON_ROWS[0], "species": "Gentoo"}).json
    assert found["notes"] == ["ignored columns: species"]


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("penguin", {}, 404, "there is no model 'penguin'; did you mean 'penguins'?"),
        ("zebras", {}, 404, "there is no model 'zebras'; the server has penguins, islands, mass"),
        ("penguins", [JSON_ROWS[0], {**JSON_ROWS[0], "bill": "x"}], 400, "row 2: bill: 'x' is not a number"),
        ("penguins", JSON_ROWS * 13, 400, "more than 50 rows; send them in several requests"),
        ("tensors", [1], 400, "no signature, so it takes no rows and its outputs have no labels; send tensors to /v2"),
        ("mass", [45, 18, 3], 400, "found 3"),
        ("images", [1], 400, "the model takes image: float32 [batch, 2, 3, 4], found shape [1]"),
    ],
)
def test_what_is_refused(app: Starlette, path: str, body: Any, status: int, message: str) -> None:
    found = post(app, f"/models/{path}/predict", body)
    assert (found.status, list(found.json)) == (status, ["error"])
    assert message in found.json["error"]


@pytest.mark.parametrize(
    ("model", "query", "message"),
    [
        ("penguins", "top=0", "top is '0'; it is how many labels are returned, 1 or more"),
        ("penguins", "top=x", "top is 'x'; it is"),
        ("penguins", f"top={'9' * 5000}", "it is how many labels are returned"),
        ("penguins", "topp=2", "'topp' is not a parameter; the only one is top"),
        ("mass", "top=2", "top is for labels, and the model is a regression"),
    ],
)
def test_queries_that_are_refused(app: Starlette, model: str, query: str, message: str) -> None:
    found = post(app, f"/models/{model}/predict?{query}", [])
    assert found.status == 400
    assert message in found.json["error"]


def test_a_type_that_is_not_taken_is_refused(app: Starlette) -> None:
    assert post(app, "/models/penguins/predict", "x", content_type="image/png").status == 415
    assert ask(app, "/models/penguins/predict").status == 405


def test_the_models(app: Starlette) -> None:
    models = ask(app, "/models").json["models"]
    assert [model["name"] for model in models] == list(NAMES)
    assert models[0] == {
        "name": "penguins",
        "url": "/models/penguins",
        "task": "multiclass_classification",
        "predict": "/models/penguins/predict",
    }
    tensors = models[NAMES.index("tensors")]
    assert tensors == {"name": "tensors", "url": "/models/tensors", "task": None}
    for model in models:
        found = ask(app, model["url"]).json
        assert found | model == found
        assert found["verified"] is False
        signature = Predictor(MODELS / f"{model['name']}.onnx", device="cpu").signature
        assert found["signature"] == (None if signature is None else json.loads(signature.to_json()))
        if "example" in found:
            assert post(app, model["predict"], found["example"]).json["answers"][0]["unseen"] == {}
