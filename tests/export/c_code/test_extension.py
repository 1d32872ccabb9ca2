"""Extension modules: the answers of Predictor to rows of Python's own values, and refusals in its words."""

import copy
import datetime
import functools
import sys
import sysconfig
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from onnx import ModelProto
from random_tables import zeros

from edge_export import export
from edge_export.c_code.extension import built_extension, extension_source, loaded
from edge_export.c_code.files import c_code, c_test
from edge_export.c_code.static_graph import static_graph
from edge_export.capture.capture import capture
from edge_export.errors import ExportError
from edge_export.formats.onnx_file import onnx_model
from edge_runtime import InvalidInput, Predictor
from edge_runtime.contract.labels import Label
from edge_runtime.contract.signature import Feature, Input, Signature, Task
from edge_train import TableNet

NUMBERS = (
    Feature("mass"),
    Feature("age", missing=0.1),
    Feature("flag", "boolean"),
    Feature("maybe", "boolean", missing=0.0),
)
WORDS = (
    Feature("island", "categorical", categories=("Dream", "São Tomé", "a b"), missing=0.1),
    Feature("code", "categorical", categories=(1, 2, 30)),
)
DATES = (Feature("day", "date", 0.0, 1e9), Feature("night", "date", 0.0, 1e9, missing=0.1))
ROW: list[Any] = [3.5, 40, True, False, "Dream", 2, datetime.date(2001, 2, 3), datetime.datetime(2002, 3, 4, 5, 6, 7)]


LABELS: dict[Task, tuple[Label, ...]] = {
    "multiclass_classification": ("a", "b", "ü"),
    "binary_classification": (10, -3),
    "regression": (),
}


@functools.cache
def network(task: Task) -> tuple[ModelProto, Signature, Predictor]:
    """A network as ONNX's graph, what it means, and the artifact of it."""
    torch.manual_seed(0)
    output = "value" if task == "regression" else "probabilities"
    inputs = (Input("x", NUMBERS), Input("text", WORDS), Input("date", DATES))
    net = TableNet(Signature(inputs, output, LABELS[task], task), [6]).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(3)
    with tempfile.TemporaryDirectory() as folder:
        (made,) = export(net, zeros(net.signature), Path(folder, "net.onnx"))
    return onnx_model(capture(net, zeros(net.signature)), 18), net.signature, Predictor(made.content)


@functools.cache
def module_of(task: Task, labels: tuple[Label, ...]) -> Any:
    """The module of that network, with these labels."""
    model, signature, predictor = network(task)
    signature = replace(signature, labels=labels)
    code = c_code(static_graph(model, {"batch": 1}), signature, "net")
    assert predictor.certificate is not None
    test = c_test(code, signature, predictor.certificate.reference)
    return loaded(built_extension(code, extension_source(code, signature, False), test), "net")


def both(task: Task = "multiclass_classification") -> tuple[Any, Predictor]:
    """A module and the artifact of the same network."""
    return module_of(task, LABELS[task]), network(task)[2]


def assert_same(row: Any) -> None:
    module, predictor = both()
    found, expected = module.predict_one(row), predictor.predict_one(row)
    assert (found.label, type(found.label)) == (expected.label, type(expected.label))
    assert found.probability == pytest.approx(expected.probability, abs=1e-5)
    np.testing.assert_allclose(module.predict_proba_one(row), predictor.predict_proba([row])[0], atol=1e-5)


def test_rows_of_every_form() -> None:
    module, _ = both()
    named = dict(zip(module.feature_names, ROW, strict=True))
    for row in (ROW, tuple(ROW), type("Row", (list,), {})(ROW), named, {**named, "other": 1}):
        assert_same(row)
    del named["age"], named["night"]
    assert_same(named)
    assert_same({**named, "maybe": None})
    label, probability = module.predict_one(ROW)
    assert (label, probability) == module.predict_one(ROW)
    assert module.verify() is True
    assert module.labels == ("a", "b", "ü")


def test_predictions_have_a_label_and_a_probability() -> None:
    module, _ = both()
    prediction = module.predict_one(ROW)
    assert repr(prediction) == f"Prediction(label={prediction.label!r}, probability={prediction.probability!r})"
    for made in (copy.copy(prediction), module.Prediction(tuple(prediction))):
        assert type(made) is module.Prediction
        assert repr(made) == repr(prediction)
    for wrong in ((), ((1,),), ((1, 2, 3),), (5,)):
        with pytest.raises(TypeError):
            module.Prediction(*wrong)


def test_only_what_was_missing_in_training_may_be_absent() -> None:
    named = dict(zip(both()[0].feature_names, ROW, strict=True))
    del named["maybe"]
    for one in both():
        with pytest.raises(ValueError, match="missing maybe"):
            one.predict_one(named)


VALUES: list[st.SearchStrategy[Any]] = [
    st.floats(width=32),
    st.one_of(st.none(), st.floats(width=32), st.integers(-(10**30), 10**30)),
    st.sampled_from([True, False, 0, 1, 1.0, np.float32(0), np.int64(1)]),
    st.sampled_from([True, None, float("nan"), 0.0]),
    st.sampled_from(["Dream", " Dream\t", "São Tomé", "dream", "", "NA", None, "a b", "nan", "日本"]),
    st.sampled_from([1, 2, 3, 30, "30", " 2", -1, 10**25]),
    st.one_of(
        st.dates(), st.datetimes(), st.datetimes(timezones=st.just(datetime.timezone(datetime.timedelta(hours=-3))))
    ),
    st.one_of(st.none(), st.datetimes()),
]


@given(st.tuples(*VALUES))
def test_any_row_that_both_take_has_one_answer(row: tuple[Any, ...]) -> None:
    module, predictor = both()
    try:
        predictor.predict_one(list(row))
    except InvalidInput:
        with pytest.raises(ValueError, match=": "):
            module.predict_one(list(row))
        return
    assert_same(list(row))


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (0, "abc", "mass: 'abc' is not a number"),
        (0, None, "mass: the value is missing, and missing values are not accepted for this feature"),
        (0, 1e300, r"mass: 1e\+300 does not fit float32"),
        (0, 10**400, "is not a number that fits float32"),
        (0, [1.0], r"mass: \[1.0\] is not a number"),
        (0, np.array([1.0]), r"mass: array\(\[1.\]\) is not a number"),
        (2, 0.5, "flag: 0.5 is neither true nor false"),
        (2, 1e-50, "flag: 1e-50 is neither true nor false"),
        (2, float("nan"), "flag: the value is missing"),
        (4, 3, "island: 3 is not a string"),
        (4, b"Dream", "island: b'Dream' is not a string"),
        (4, "\ud800", "island: .* is not a category"),
        (4, "Dream\0", r"island: 'Dream\\x00' is not a category"),
        (5, 1.5, "code: 1.5 is not an integer"),
        (5, True, "code: True is not an integer"),
        (5, None, "code: the value is missing"),
        (6, "2001-02-03", "day: '2001-02-03' is not a datetime.date or datetime.datetime"),
        (6, None, "day: the value is missing"),
        (6, 5, "day: 5 is not a datetime.date or datetime.datetime"),
    ],
)
def test_refusals(place: int, value: Any, message: str) -> None:
    module, _ = both()
    row = [*ROW[:place], value, *ROW[place + 1 :]]
    with pytest.raises(ValueError, match=message):
        module.predict_one(row)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([1.0], "8 values are needed, found 1"),
        ("abc", "a row is a list, a tuple or a dict"),
        (None, "a row is a list, a tuple or a dict"),
        ({"mass": 1.0}, "missing flag"),
    ],
)
def test_rows_that_are_none(row: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        both()[0].predict_one(row)


def test_an_error_in_an_object_of_the_row_does_not_get_lost() -> None:
    class Angry:
        shape = ()

        def __float__(self) -> float:
            raise RuntimeError("no")

    with pytest.raises(ValueError, match=r"mass: .*Angry.* is not a number"):
        both()[0].predict_one([Angry(), *ROW[1:]])


def test_a_value_may_take_itself_out_of_the_row() -> None:
    class Leaving:
        @property
        def shape(self) -> tuple[int, ...]:
            row.clear()
            return (1,)

        def __repr__(self) -> str:
            return f"with {sys.getrefcount(self)} references"

    row = [Leaving(), *ROW[1:]]
    with pytest.raises(ValueError, match=r"mass: with \d references is not a number"):
        both()[0].predict_one(row)


def test_regression_gives_a_float() -> None:
    module, predictor = both("regression")
    assert module.predict_one(ROW) == pytest.approx(predictor.predict_one(ROW), rel=1e-4)
    assert not hasattr(module, "predict_proba_one")


@pytest.mark.parametrize("labels", [(10, -3), (False, True)], ids=str)
def test_labels_have_their_own_types(labels: tuple[Label, ...]) -> None:
    module, predictor = module_of("binary_classification", labels), network("binary_classification")[2]
    assert module.labels == labels
    assert type(module.labels[0]) is type(labels[0])
    place = LABELS["binary_classification"].index(predictor.predict_one(ROW).label)
    found = module.predict_one(ROW).label
    assert (found, type(found)) == (labels[place], type(labels[place]))


def test_nothing_is_leaked() -> None:
    module, _ = both()
    watched = [module.labels[0], *ROW]
    before = [sys.getrefcount(one) for one in watched]
    bad = [*ROW[:4], object(), *ROW[5:]]
    for _ in range(1000):
        module.predict_one(ROW)
        with pytest.raises(ValueError, match="is not a string"):
            module.predict_one(bad)
    assert [abs(sys.getrefcount(one) - count) < 100 for one, count in zip(watched, before, strict=True)] == [
        True
    ] * len(watched)


def test_two_modules_of_one_name_are_apart() -> None:
    first, second = both()[0], both("binary_classification")[0]
    assert first.labels != second.labels
    assert first.Prediction is not second.Prediction


def test_headers_that_are_missing_are_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    code: Any = None
    with pytest.raises(ExportError, match="has none; install python3-dev"):
        built_extension(code, "", "")
