"""`OpenedModel.run`: optional inputs, sequences, maps, overridden weights, types that numpy does not have."""

import sys
from typing import Any

import numpy as np
import pytest
from paths import MODELS

from edge_runtime import InvalidInput, Predictor
from edge_runtime.engine.installation import import_onnxruntime


@pytest.fixture(scope="module")
def kinds() -> Predictor:
    return Predictor(MODELS / "kinds.onnx", device="cpu")


@pytest.fixture(scope="module")
def half() -> Predictor:
    return Predictor(MODELS / "half.onnx", device="cpu")


def given(**changes: Any) -> dict[str, Any]:
    return {"several": [[1, 2], [3.5]], "any": 5, "x": [1, 2], **changes}


@pytest.mark.parametrize(
    ("maybe", "taken"), [({}, [-1]), ({"maybe": None}, [-1]), ({"maybe": [3, 4]}, [3, 4]), ({"maybe": ()}, [])]
)
def test_an_optional_input(kinds: Predictor, maybe: dict[str, Any], taken: list[float]) -> None:
    outputs = kinds.run(given(**maybe))
    assert outputs["given"].tolist() == (taken != [-1])
    assert outputs["taken"].tolist() == taken


@pytest.mark.parametrize("several", [([1, 2], (3.5,)), [np.array([1, 2]), np.array([3.5], np.float16)]])
def test_a_sequence(kinds: Predictor, several: Any) -> None:
    same = kinds.run(given(several=several))["same"]
    assert [element.tolist() for element in same] == [[1, 2], [3.5]]
    assert {element.dtype for element in same} == {np.dtype(np.float32)}
    assert kinds.run(given(several=[]))["same"] == []


@pytest.mark.parametrize("value", [5, [1, 2, 2], [[1, 1], [2, 1]], np.full((1, 1, 5), 1.0)])
def test_an_input_of_any_rank(kinds: Predictor, value: Any) -> None:
    outputs = kinds.run(given(any=value))
    assert outputs["sum"].tolist() == 5
    assert outputs["rank"].tolist() == np.ndim(value)


def test_a_weight_that_may_be_overridden(kinds: Predictor) -> None:
    (weight,) = kinds.overridable_initializers
    assert str(weight) == "weight: float32 [1]"
    assert "weight" not in {spec.name for spec in kinds.inputs}
    for more, scaled in (({}, [2, 4]), ({"weight": None}, [2, 4]), ({"weight": [10]}, [10, 20])):
        assert kinds.run(given(**more))["scaled"].tolist() == scaled


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"maybe": ["a"]}, "maybe: float32 is expected, found strings"),
        ({"several": [[1], None]}, "several[1]: float32 is expected, found None"),
        ({"several": None}, "several: a list is expected (seq(tensor(float))), found NoneType"),
        ({"x": None}, "x: float32 is expected, found None"),
        ({"weight": [1, 2]}, "the model takes weight: float32 [1], found shape [2]"),
    ],
)
def test_what_does_not_fit(kinds: Predictor, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        kinds.run(given(**changes))
    assert str(raised.value) == message


def test_what_is_missing(kinds: Predictor) -> None:
    with pytest.raises(
        InvalidInput, match=r"maybe: float32 \[n\] \(optional\); .*: missing several, any, x, unknown wei$"
    ):
        kinds.run({"wei": 1})
    with pytest.raises(InvalidInput, match="unknown weights; did you mean 'weight'"):
        kinds.run(given(weights=[1]))


def test_maps() -> None:
    maps = Predictor(MODELS / "maps.onnx", device="cpu")
    assert maps.run({"counts": {"b": np.float32(2), "c": 5}}) == {"back": [{"a": 0.0, "b": 2.0}]}
    with pytest.raises(InvalidInput, match=r"^a key of counts: string is expected, found 1$"):
        maps.run({"counts": {1: 2}})


def test_bfloat16(half: Predictor) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    if not hasattr(import_onnxruntime().OrtValue, "ortvalue_from_numpy_with_onnx_type"):
        with pytest.raises(InvalidInput, match="cannot take bfloat16; upgrade it"):
            half.run({"x": [1]})
        return
    for x in ([1, -2.5, np.inf, np.nan], np.array([1, 3], ml_dtypes.bfloat16), []):
        outputs = half.run({"x": x})
        expected = np.asarray(x, ml_dtypes.bfloat16)
        assert outputs["narrow"].dtype == ml_dtypes.bfloat16
        assert outputs["narrow"].tobytes() == expected.tobytes()
        np.testing.assert_array_equal(outputs["wide"], expected.astype(np.float32))
        assert list(half.run({"x": x}, outputs=["wide"])) == ["wide"]


def test_without_ml_dtypes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    model = Predictor(MODELS / "half.onnx", device="cpu")
    with pytest.raises(InvalidInput, match=r"^x: bfloat16 is a type of ml_dtypes; pip install ml_dtypes$"):
        model.run({"x": [1]})


@pytest.mark.parametrize("values", [[-8, 7, 0], [1, 2, 3, 4], [], [-1]])
def test_parts_of_a_byte(values: list[int]) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    if tuple(map(int, import_onnxruntime().__version__.split(".")[:2])) < (1, 22):
        pytest.skip("this ONNX Runtime does not cast int4")
    quarter = Predictor(MODELS / "quarter.onnx", device="cpu")
    outputs = quarter.run({"x": values, "y": [0.5, 448]})
    assert outputs["wide"].tolist() == values
    assert outputs["same"].dtype == ml_dtypes.int4
    assert outputs["same"].astype(int).tolist() == values
    assert outputs["without_sign"].astype(int).tolist() == [abs(value) for value in values]
    assert outputs["y_same"].dtype == ml_dtypes.float8_e5m2
    assert outputs["y_same"].astype(float).tolist() == [0.5, 448]
