"""Whatever object is passed to a public method or to the constructor: an answer, or an error of this package."""

import functools
import importlib
import inspect
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from baselines import BASELINES, explained_model
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from paths import FOUR_BLOBS, MODELS

from edge_runtime import EdgePredictError, InvalidInput, Predictor

ARGUMENTS = [name for name in inspect.signature(Predictor).parameters if name != "model"]
NAMES = ("four_blobs", "penguins", "islands", "mass", "sales", "two_inputs", "images", "words", "tensors")
PREDICTORS = {
    name: Predictor(explained_model(name) if name in BASELINES else MODELS / f"{name}.onnx", "cpu", threads=1)
    for name in NAMES
}
METHODS = ["predict", "predict_proba", "predict_one", "unseen", "explain", "run"]


def _raise(*_: Any, **__: Any) -> Any:
    raise ZeroDivisionError("a method of somebody's object")


_METHODS = [
    "len",
    "iter",
    "getitem",
    "contains",
    "float",
    "int",
    "index",
    "bool",
    "array",
    "dlpack_device",
    "fspath",
    "eq",
    "repr",
    "str",
    "hash",
    "dataframe",
    "class",
]


def _shown(_: object, printer: Any, cycle: bool) -> None:
    """Tells hypothesis how to show an object whose own methods are of no use."""
    printer.text("Hostile()")


def hostile(methods: frozenset[str]) -> Any:
    """An object of which these methods raise."""
    raising: dict[str, Any] = dict.fromkeys(map("__{}__".format, methods), _raise)
    # Not methods, but asked for likewise.
    raising |= {name: property(_raise) for name in {"__class__"} & raising.keys()}
    more = {"keys": _raise, "shape": property(_raise), "_repr_pretty_": _shown}
    return type("Hostile", (), {**raising, **more})()


class List(list[Any]):
    """A list that cannot say whether it is empty."""

    __len__ = __bool__ = _raise
    _repr_pretty_ = _shown


class Lying:
    """Says that it has everything, and gives the wrong kind of it."""

    shape = "shape"
    dtype = None
    columns = 5
    __array_interface__ = 7

    _repr_pretty_ = _shown

    def __len__(self) -> int:
        return 3

    def __getitem__(self, key: object) -> object:
        return self

    def __getattr__(self, name: str) -> object:
        return Lying

    def read(self) -> object:
        return self


def _circular() -> Any:
    inner: list[Any] = []
    inner.append(inner)
    outer: dict[Any, Any] = {"x1": inner}
    outer["x2"] = outer
    return st.sampled_from([inner, outer, [outer], [inner, 1.0]])


def _deep() -> Any:
    value: Any = 1.0
    for _ in range(5000):
        value = [value]
    return value


def _frames() -> list[Any]:
    try:
        pandas: Any = importlib.import_module("pandas")
    except ImportError:
        return []
    return [
        pandas.DataFrame({"x1": [1.0], "x2": ["a"]}),
        pandas.DataFrame({5: [1.0], None: [2.0]}),
        pandas.DataFrame([[1.0, 2.0]], columns=["x1", "x1"]),
        pandas.DataFrame({"x1": [], "x2": []}),
        pandas.DataFrame({"x1": [[1]], "x2": [{}]}),
        pandas.DataFrame({("a", "b"): [1.0]}),
        pandas.Series([1.0, 2.0], index=["x1", "x2"]),
        pandas.Series([1.0, None, "a"]),
    ]


COLUMNS = [
    "x",
    "x1",
    "x2",
    "island",
    "bill_mm",
    "mass_g",
    "a",
    "b",
    "image",
    "ids",
    "mask",
    "text",
    "float32",
    "string",
]
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([2**70, -(2**1100), 10**400]),
    st.floats(),
    st.complex_numbers(),
    st.text(st.characters(codec=None, exclude_categories=()), max_size=5),
    st.binary(max_size=5),
    st.decimals(),
    st.fractions(),
    st.datetimes(),
    st.timedeltas(),
    st.sampled_from([np.nan, np.datetime64("NaT"), np.str_("a"), np.bytes_(b"a"), np.float16(1), np.void(b"ab")]),
    st.sampled_from([object(), Ellipsis, NotImplemented, int, len, io, Lying(), Lying, range(2), 1j]),
    st.frozensets(st.sampled_from(_METHODS), min_size=1).map(hostile),
    st.builds(lambda: (one for one in ([1.0, 2.0], None))),
    st.builds(lambda: iter([1.0, 2.0])),
    st.builds(set),
    st.builds(lambda: List([1.0, 2.0])),
    st.builds(lambda: memoryview(b"abcd")),
    st.builds(lambda: np.ma.masked_array([[1.0, 2.0]], mask=[[True, False]])),
    st.builds(lambda: np.ones((1, 2), dtype=[("a", "f4"), ("b", "O")])),
    _circular(),
    st.builds(_deep),
    st.sampled_from([None, *_frames()]),
)
dtypes: st.SearchStrategy[Any] = st.one_of(
    arrays.scalar_dtypes(), arrays.array_dtypes(), st.just(np.dtype(object)), arrays.unicode_string_dtypes()
)
given_arrays = dtypes.flatmap(
    lambda dtype: arrays.arrays(
        dtype,
        arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
        elements=st.just(0) if dtype.kind == "O" else None,
    )
)
keys = st.one_of(st.sampled_from(COLUMNS), st.integers(), st.none(), st.text(max_size=3), st.tuples(st.integers()))
anything = st.recursive(
    scalars | given_arrays,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.tuples(inner, inner), st.dictionaries(keys, inner, max_size=4)
    ),
    max_leaves=8,
)
relaxed = settings(deadline=None, suppress_health_check=list(HealthCheck))


def answers_or_refuses(call: Callable[[], object]) -> None:
    try:
        call()
    except EdgePredictError as error:
        message = str(error)
        assert message
        assert "\n" not in message


@relaxed
@given(st.sampled_from(NAMES), st.sampled_from(METHODS), anything)
def test_rows(name: str, method: str, rows: Any) -> None:
    answers_or_refuses(lambda: getattr(PREDICTORS[name], method)(rows))


@relaxed
@given(st.sampled_from(NAMES), st.data())
def test_values_by_name(name: str, data: st.DataObject) -> None:
    predictor = PREDICTORS[name]
    names = [spec.name for spec in predictor.inputs]
    inputs = {one: data.draw(anything) for one in names}
    answers_or_refuses(lambda: predictor.run(inputs))
    if predictor.signature is not None:
        features = [feature.name for feature in predictor.signature.features] or names
        row = {one: data.draw(scalars) for one in features}
        for method in (predictor.predict, predictor.predict_one, predictor.unseen):
            for rows in (row, [row, row], list(row.values())):
                answers_or_refuses(functools.partial(method, rows))


@relaxed
@given(anything, st.sampled_from([FOUR_BLOBS, FOUR_BLOBS.read_bytes()]))
@example(List(["cpu"]), FOUR_BLOBS)
@example(hostile(frozenset({"class"})), FOUR_BLOBS)
@example((hostile(frozenset({"class"})),), FOUR_BLOBS)
@example({"name": hostile(frozenset({"class"}))}, FOUR_BLOBS)
@pytest.mark.parametrize("argument", ARGUMENTS)
def test_arguments(argument: str, value: Any, model: Any) -> None:
    answers_or_refuses(lambda: Predictor(model, **{"threads": 1, argument: value}))


@relaxed
@given(anything, anything)
def test_scores_and_outputs(one: Any, other: Any) -> None:
    predictor, row = PREDICTORS["four_blobs"], [[1.0, 2.0]]
    for y in (one, [one]):
        answers_or_refuses(functools.partial(predictor.score, row, y))
        answers_or_refuses(functools.partial(predictor.score, row, [1], y))
        answers_or_refuses(functools.partial(predictor.score, row, [one], [other]))
        answers_or_refuses(functools.partial(predictor.run, {"x": row}, y))


@relaxed
@given(anything)
@example(hostile(frozenset({"class"})))
def test_models(model: Any) -> None:
    answers_or_refuses(lambda: Predictor(model))


@relaxed
@given(anything.filter(lambda value: not callable(value)))
def test_verify(on_batch: Any) -> None:
    answers_or_refuses(lambda: PREDICTORS["four_blobs"].verify(on_batch))


@pytest.mark.parametrize(
    ("name", "rows", "message"),
    [
        ("four_blobs", [[1, hostile(frozenset({"float"}))]], "what is passed cannot be read: a method of"),
        ("four_blobs", [[1, np.complex64(2)]], "x2: .* is not a number"),
        (
            "islands",
            {"island": hostile(frozenset({"repr"})), "year": 1},
            "island: an object of type Hostile is neither",
        ),
        ("words", {"ids": hostile(frozenset({"array"})), "mask": [[True]]}, "a method of somebody's object"),
    ],
)
def test_objects_that_raise(name: str, rows: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        PREDICTORS[name].predict(rows)


@pytest.mark.parametrize("name", ["four_blobs", "images"])
def test_objects_that_cannot_say_whether_they_are_empty(name: str) -> None:
    # Not as parameters, since pytest asks them too.
    for rows in (List([1.0, 2.0]), hostile(frozenset()), hostile(frozenset({"class"}))):
        with pytest.raises(InvalidInput, match="a method of somebody's object"):
            PREDICTORS[name].predict(rows)


def test_an_integer_beyond_all_floats_is_not_a_category() -> None:
    with pytest.raises(InvalidInput, match="is not a string; the categories are strings"):
        PREDICTORS["islands"].predict({"island": 10**400, "year": 2007})
