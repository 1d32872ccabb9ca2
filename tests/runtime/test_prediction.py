"""`Prediction` is a dict to whoever writes JSON, and a pair with names to whoever reads an answer."""

import copy
import json
import math
import pickle
from pathlib import Path
from typing import Any

import pytest
from paths import MODELS

from edge_runtime import Prediction, Predictor

ANSWER = Prediction("no", 0.75)
NAMES = {"label": "no", "probability": 0.75}


def test_names_and_values() -> None:
    assert ANSWER.label == "no"
    assert ANSWER.probability == 0.75
    label, probability = ANSWER
    assert (label, probability) == ("no", 0.75)
    match ANSWER:
        case Prediction(first, second):
            assert [first, second] == ["no", 0.75]
    assert ANSWER == Prediction(label="no", probability=0.75) == NAMES
    assert ANSWER == ("no", 0.75)
    for other in (Prediction("yes", 0.75), Prediction("no", 0.5), {"label": "no"}, ("no", 0.5), ["no", 0.75], None):
        assert other != ANSWER
        assert (other == ANSWER) is False
    assert {"row": 3, **ANSWER} == {"row": 3, **NAMES}
    assert dict(ANSWER) == NAMES
    assert list(ANSWER.items()) == list(NAMES.items())
    assert repr(ANSWER) == "Prediction(label='no', probability=0.75)"
    with pytest.raises(AttributeError):
        ANSWER.lable = "yes"  # type: ignore[attr-defined]
    with pytest.raises(TypeError):
        Prediction("no")  # type: ignore[call-arg]


def test_it_can_stand_where_a_tuple_did() -> None:
    prediction = Prediction("a", 0.75)
    assert [prediction[place] for place in (0, 1, -1, -2)] == ["a", 0.75, 0.75, "a"]
    assert {("a", 0.75): 1}[prediction] == 1  # type: ignore[index]
    assert len({prediction, Prediction("a", 0.75), Prediction("b", 0.75)}) == 2
    with pytest.raises(IndexError):
        prediction[2]
    with pytest.raises(KeyError, match="lable"):
        prediction["lable"]
    assert prediction.get(0) is None


def test_copies() -> None:
    copies = [copy.copy(ANSWER), copy.deepcopy(ANSWER)]
    copies += [pickle.loads(pickle.dumps(ANSWER, protocol)) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
    for one in copies:
        assert type(one) is Prediction
        assert one == ANSWER


@pytest.mark.parametrize("model", ["four_blobs", "three_labels", "islands", "penguins", "images"])
def test_json_of_answers(model: str, rows: dict[str, Any]) -> None:
    answer = Predictor(MODELS / f"{model}.onnx", device="cpu").predict_one(rows[model])
    assert type(answer) is Prediction
    assert list(answer) == [answer.label, answer.probability]
    assert type(answer.label) in (int, str, bool, float)
    assert type(answer.probability) is float
    expected = {"label": answer.label, "probability": answer.probability}
    for written in (json.dumps(answer), json.dumps(answer, indent=1), json.dumps([answer])[1:-1]):
        assert json.loads(written) == expected
    assert json.dumps(answer, sort_keys=True) == json.dumps(expected)
    assert json.loads(pytest.importorskip("orjson").dumps(answer)) == expected


@pytest.fixture(scope="module")
def rows() -> dict[str, Any]:
    pixels = Predictor(MODELS / "images.onnx", device="cpu").inputs[0].shape[1:]
    image: Any = 0.5
    for size in reversed(pixels):
        image = [image] * (size if isinstance(size, int) else 1)
    return {
        "four_blobs": [-1, 1],
        "three_labels": [-1, 0],
        "islands": ["Dream", 2007],
        "penguins": ["Dream", None, 3000, True, None],
        "images": image,
    }


def test_nan_is_a_probability() -> None:
    answer = Predictor(MODELS / "four_blobs.onnx", device="cpu").predict_one([math.nan, 1])
    assert answer.label == 0
    assert math.isnan(answer.probability)


@pytest.mark.parametrize("annotated", [False, True])
def test_what_a_service_returns(annotated: bool) -> None:
    fastapi = pytest.importorskip("fastapi")
    client = pytest.importorskip("fastapi.testclient")
    app: Any = fastapi.FastAPI()

    def one() -> Any:
        return ANSWER

    def two() -> Any:
        return [ANSWER, Prediction(True, 1.0)]

    app.get("/one", **({"response_model": Prediction} if annotated else {}))(one)
    app.get("/two", **({"response_model": list[Prediction]} if annotated else {}))(two)

    assert fastapi.encoders.jsonable_encoder(ANSWER) == NAMES
    called = client.TestClient(app)
    assert called.get("/one").json() == NAMES
    answers = called.get("/two").json()
    assert answers == [NAMES, {"label": True, "probability": 1.0}]
    assert answers[1]["label"] is True
    content = called.get("/openapi.json").json()["paths"]["/one"]["get"]["responses"]["200"]["content"]
    shown = content["application/json"]["schema"]
    assert list(shown.get("properties", {})) == (["label", "probability"] if annotated else [])


def test_a_field_of_pydantic() -> None:
    pydantic = pytest.importorskip("pydantic")
    answers = pydantic.TypeAdapter(list[Prediction])
    for given in ([ANSWER], [NAMES]):
        (read,) = answers.validate_python(given)
        assert type(read) is Prediction
        assert read == ANSWER
    assert json.loads(answers.dump_json([ANSWER])) == [NAMES]
    assert [type(one.label) for one in answers.validate_json('[{"label": 1, "probability": 1}]')] == [int]
    with pytest.raises(pydantic.ValidationError, match="probability"):
        answers.validate_python([{"label": 1}])


def test_tables_of_answers(tmp_path: Path) -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    for frame in (pandas.DataFrame([ANSWER] * 2), polars.DataFrame([ANSWER] * 2)):
        assert list(frame.columns) == ["label", "probability"]
        assert list(frame["probability"]) == [0.75, 0.75]
