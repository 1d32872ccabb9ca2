import dataclasses
import json
from typing import Any

import numpy as np
import pytest
import tables
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime import Feature, Input, InvalidModel, Signature
from edge_runtime.contract.signature import default_features

numbers = st.floats(allow_nan=False, allow_infinity=False)
features = st.builds(
    Feature, name=st.text(), kind=st.just("numeric"), minimum=st.none() | numbers, maximum=st.none() | numbers
)
integers = st.integers(-(2**63), 2**64 - 1)
labels = st.one_of(
    [
        st.lists(kind, min_size=2, max_size=2, unique_by=str).map(tuple)
        for kind in (integers, st.text().map(lambda text: " ".join(text.splitlines())), st.booleans(), numbers)
    ]
)
signatures = st.builds(
    Signature,
    inputs=st.lists(features, min_size=1, max_size=5, unique_by=lambda feature: feature.name).map(
        lambda columns: (Input("x", tuple(columns)),)
    ),
    output=st.text(),
    labels=labels,
    threshold=st.floats(-65504, 65504),
)


def plain(**changes: Any) -> dict[str, Any]:
    feature = {"name": "x1", "kind": "numeric"}
    return {
        "schema_version": 1,
        "task": "binary_classification",
        "inputs": [{"name": "x", "features": [feature]}],
        "output": "probability",
        "labels": ["no", "yes"],
        "threshold": 0.5,
        **changes,
    }


@given(signatures)
def test_round_trip(signature: Signature) -> None:
    assert Signature.from_json(signature.to_json()) == signature
    assert Signature.from_dict(signature.to_dict()) == signature
    assert signature.to_json() == Signature.from_json(signature.to_json()).to_json()


def test_unknown_keys_are_ignored() -> None:
    known = Signature.from_dict(plain())
    assert Signature.from_dict(plain(colour="green")) == known
    assert known.features == (Feature("x1"),)


def test_a_newer_schema_is_refused() -> None:
    with pytest.raises(InvalidModel, match=r"schema version 6.*upgrade"):
        Signature.from_dict(plain(schema_version=6, labels="whatever version 6 means by that"))


@pytest.mark.parametrize(
    "damaged",
    [
        None,
        [],
        {},
        plain(schema_version="1"),
        plain(schema_version=0),
        plain(task="weather"),
        plain(inputs=[]),
        plain(inputs=[{"name": "x", "features": []}]),
        plain(inputs=[{"name": "x"}]),
        plain(inputs=[{"name": "x"}], schema_version=2),
        plain(inputs=[{"name": 5}], schema_version=3),
        plain(inputs=[{"name": "x", "features": []}], schema_version=3),
        plain(inputs=[{"name": "x", "features": [{"name": "a", "kind": "numeric"}]}, {"name": "y"}], schema_version=3),
        plain(inputs=[], schema_version=3),
        plain(inputs=[{"name": "x", "features": [{"name": "a"}]}]),
        plain(inputs=[{"name": "x", "features": [{"name": 5, "kind": "numeric"}]}]),
        plain(inputs=[{"name": "x", "features": [{"name": "a", "kind": "odd"}]}]),
        plain(inputs=[{"name": "x", "features": 2 * [{"name": "a", "kind": "numeric"}]}]),
        plain(inputs=[{"name": "x", "features": [{"name": "a", "kind": "numeric", "minimum": "low"}]}]),
        plain(output=None),
        plain(labels=["one"]),
        plain(labels=["same", "same"]),
        plain(labels=["a", None]),
        plain(labels=[1, "1"]),
        plain(labels=[0, True]),
        plain(labels=[0.0, float("inf")]),
        plain(labels=["a", "b\nc"]),
        plain(threshold=10**400),
        plain(schema_version=True),
        plain(labels="ab"),
        plain(labels=5),
        plain(threshold="half"),
        plain(threshold=float("nan")),
    ],
)
def test_damaged(damaged: Any) -> None:
    with pytest.raises(InvalidModel, match="the signature is damaged"):
        Signature.from_dict(damaged)
    with pytest.raises(InvalidModel, match="the signature is damaged"):
        Signature.from_json(json.dumps(damaged))


def test_not_json() -> None:
    for text in ("{", "[" * 100_000):
        with pytest.raises(InvalidModel, match="the signature is damaged"):
            Signature.from_json(text)


def plain_multiclass(**changes: Any) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "task": "multiclass_classification",
        "inputs": [{"name": "x", "features": [{"name": "x1", "kind": "numeric"}]}],
        "output": "probabilities",
        "labels": ["a", "b", "c"],
        **changes,
    }


@pytest.mark.parametrize("labels", [["a", "b"], ["a", "b", "c"], list(range(1000))])
def test_several_labels(labels: list[Any]) -> None:
    signature = Signature.from_dict(plain_multiclass(labels=labels))
    assert signature.labels == tuple(labels)
    assert "threshold" not in signature.to_dict()
    assert Signature.from_json(signature.to_json()) == signature


@pytest.mark.parametrize("labels", [[], ["a"], ["a", "b", "a"], ["a", 1, 2], [1, 2, 2], "abc", ["a", "b", None]])
def test_damaged_labels(labels: Any) -> None:
    with pytest.raises(InvalidModel, match="the signature is damaged"):
        Signature.from_dict(plain_multiclass(labels=labels))


def test_a_binary_task_has_two_labels() -> None:
    with pytest.raises(InvalidModel, match="two different labels are needed"):
        Signature.from_dict(plain_multiclass(task="binary_classification", threshold=0.5))


def test_predicted() -> None:
    signature = Signature.from_dict(plain_multiclass())
    nan = np.nan
    output = np.array([[0.2, 0.5, 0.3], [0.4, 0.2, 0.4], [0.1, 0.1, nan], [0.1, nan, 0.9], [0, 0, 1]], np.float32)
    assert signature.predicted(output).tolist() == [1, 0, 0, 0, 2]
    assert signature.predicted(output).dtype == np.intp
    binary = Signature.from_dict(plain())
    positive = np.array([[0.2], [0.5], [0.6], [nan]], np.float32)
    assert binary.predicted(positive).tolist() == [0, 0, 1, 0]
    assert binary.predicted(np.concatenate([1 - positive, positive], axis=1)).tolist() == [0, 0, 1, 0]
    assert binary.predicted(positive).dtype == np.intp
    strict = dataclasses.replace(binary, threshold=0.7)
    assert strict.predicted(positive).tolist() == [0, 0, 0, 0]
    assert [binary.is_positive(probability) for probability in (0.5, 0.51)] == [False, True]


def test_schema_versions() -> None:
    """The oldest that can express it, so that older versions can read it."""
    numeric, boolean = Feature("a"), Feature("b", "boolean")
    for signature, version in (
        (Signature((Input("x", (numeric,)),), "y", (0, 1)), 1),
        (Signature((Input("x", (numeric,)),), "y", ("a", "b", "c"), "multiclass_classification"), 1),
        (Signature((Input("x", (numeric,)),), "y", (), "regression"), 2),
        (Signature((Input("x", (numeric, boolean)),), "y", (0, 1)), 2),
        (Signature((Input("x", (numeric, Feature("c"))),), "y", (0, 1), columns=("c", "a")), 2),
    ):
        assert signature.has_features
        assert signature.to_dict()["schema_version"] == version
        assert Signature.from_json(signature.to_json()) == signature


@given(
    st.lists(st.text(), min_size=1, max_size=4, unique=True),
    labels,
    st.sampled_from(["binary_classification", "multiclass_classification", "regression"]),
)
def test_tensors(names: list[str], labels: tuple[Any, ...], task: Any) -> None:
    """Inputs without features need the third version."""
    known = () if task == "regression" else labels
    signature = Signature(tuple(map(Input, names)), "y", known, task)
    assert not signature.has_features
    assert not signature.features
    plain = signature.to_dict()
    assert plain["schema_version"] == 3
    assert plain["inputs"] == [{"name": name} for name in names]
    assert Signature.from_json(signature.to_json()) == signature
    with pytest.raises(InvalidModel):
        Signature.from_dict({**plain, "schema_version": 2})


def test_the_order_of_a_rows_values() -> None:
    assert [feature.name for feature in tables.PENGUINS.features] == ["island", "bill", "mass", "ringed", "year"]
    in_order = dataclasses.replace(tables.PENGUINS, columns=())
    assert [feature.name for feature in in_order.features] == ["mass", "bill", "ringed", "island", "year"]
    for columns in (("island", "bill", "mass", "ringed"), ("island", "bill", "mass", "ringed", "ringed")):
        damaged = {**tables.PENGUINS.to_dict(), "columns": list(columns)}
        with pytest.raises(InvalidModel, match="its columns are not the names of its features"):
            Signature.from_dict(damaged)


def test_what_is_known_of_a_feature() -> None:
    for signature in (tables.PENGUINS, tables.ISLANDS, tables.MASS):
        assert Signature.from_json(signature.to_json()) == signature
    plain_feature = tables.PENGUINS.to_dict()["inputs"][0]["features"][2]
    assert plain_feature == {"name": "ringed", "kind": "boolean"}
    assert [tensor.holds_strings for tensor in tables.PENGUINS.inputs] == [False, True]
    assert Input("t", (Feature("a", "categorical"),)).holds_strings
    assert default_features(2) == (Feature("x1"), Feature("x2"))


@pytest.mark.parametrize("categories", [["a", "a"], ["a", ""], ["a", 1], [1, 1], [True], [1.5], [], "ab", 5, None])
def test_damaged_categories(categories: Any) -> None:
    damaged = tables.ISLANDS.to_dict()
    damaged["inputs"][0]["features"][0]["categories"] = categories
    with pytest.raises(InvalidModel, match="the signature is damaged"):
        Signature.from_dict(damaged)


def test_an_input_holds_either_numbers_or_strings() -> None:
    damaged = tables.ISLANDS.to_dict()
    damaged["inputs"][0]["features"].append({"name": "mass", "kind": "numeric"})
    with pytest.raises(InvalidModel, match="categorical features and dates must have one of their own"):
        Signature.from_dict(damaged)


def test_in_words() -> None:
    assert repr(tables.PENGUINS) == "Signature(multiclass_classification, 5 features, 3 labels)"
    assert repr(tables.MASS) == "Signature(regression, 2 features)"
    assert repr(tables.PENGUINS.inputs[0]) == "Input('x', 3 features)"
    assert repr(Input("x\n", (Feature("a"),))) == "Input('x\\n', 1 feature)"
    assert repr(tables.ISLAND) == "Feature('island', categorical)"
    assert repr(Input("image")) == "Input('image')"
    images = Signature((Input("image"),), "y", ("a", "b", "c"), "multiclass_classification")
    assert repr(images) == "Signature(multiclass_classification, 1 tensor, 3 labels)"


def test_the_json_of_artifacts() -> None:
    """The same byte for byte from run to run, with the characters as they are."""
    feature = Feature("Länge", "categorical", missing=0.5, categories=("ä", "b"))
    signature = Signature((Input("t", (feature,)),), "p", ("no", "yes"))
    assert signature.to_json() == (
        '{"inputs": [{"features": [{"categories": ["\\u00e4", "b"], "kind": "categorical", "missing": 0.5, '
        '"name": "L\\u00e4nge"}], "name": "t"}], "labels": ["no", "yes"], "output": "p", "schema_version": 2, '
        '"task": "binary_classification", "threshold": 0.5}'
    )
    assert signature.to_dict()["labels"] == ["no", "yes"]
    assert tables.PENGUINS.to_dict()["columns"] == ["island", "bill", "mass", "ringed", "year"]
    assert "columns" not in signature.to_dict()
    assert "labels" not in tables.MASS.to_dict()


TWO = [{"name": "a", "kind": "numeric"}, {"name": "a", "kind": "numeric"}]
CATEGORICAL = {"name": "a", "kind": "categorical"}


def inputs(*features: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"name": "x", "features": list(features)}]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"task": "weather"}, "unknown task 'weather'"),
        ({"inputs": []}, "it has no inputs"),
        ({"inputs": [{"name": "x"}]}, "it has no 'features'"),
        (
            {"inputs": [*inputs({"name": "a", "kind": "numeric"}), {"name": "y"}], "schema_version": 3},
            "some of its inputs have features, and others have none",
        ),
        ({"labels": ["a", "a"]}, "the label 'a' is there twice, as number 1 and 2 of 2; give each class its own"),
        ({"inputs": inputs(*TWO)}, "two features have the same name"),
        ({"columns": ["x2"]}, "its columns are not the names of its features"),
        ({"inputs": inputs({"name": "a", "kind": "odd"})}, "unknown kind of feature 'odd'"),
        (
            {"inputs": inputs()},
            "an input must have features, and categorical features and dates must have one of their own",
        ),
        (
            {"inputs": inputs({**CATEGORICAL, "categories": ["a", 1]})},
            "the categories are neither all strings nor all integers",
        ),
        ({"inputs": inputs({**CATEGORICAL, "categories": ["a", "a"]})}, "a category is empty, or appears twice"),
        ({"labels": "ab"}, "labels is not a list"),
        ({"labels": [1, "1"]}, "the labels are not all of the same type"),
        ({"labels": ["a"]}, "two different labels are needed, found ['a']"),
        (
            {"labels": ["a"], "task": "multiclass_classification"},
            "two different labels or more are needed, found ['a']",
        ),
        ({"labels": [1.0, float("inf")]}, "the label inf is not finite"),
        ({"labels": ["a", "b\nc"]}, "the label 'b\\nc' has more than one line"),
        ({"threshold": "half"}, "'half' is not a finite number"),
        ({"threshold": True}, "True is not a finite number"),
        ({"output": 5}, "5 is not a string"),
        ({"schema_version": "1"}, "schema_version is '1'"),
    ],
)
def test_what_is_wrong_with_it(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidModel) as raised:
        Signature.from_dict(plain(**changes))
    assert str(raised.value) == f"the signature is damaged: {reason}"
    with pytest.raises(InvalidModel) as raised:
        Signature.from_json(json.dumps(plain(**changes)))
    assert str(raised.value) == f"the signature is damaged: {reason}"
