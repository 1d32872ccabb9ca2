"""All of a signature is checked when it is read, and objects are made of its features when one is asked for."""

import copy
import json
import pickle
from typing import Any

import pytest
import tables

from edge_runtime import Feature, InvalidModel, Notation, Signature
from edge_runtime.contract.signature import default_features

MANY = 500


def plain(**changes: Any) -> dict[str, Any]:
    """A signature of many features, of which one in the middle has `changes`."""
    features = [{"name": f"x{number}", "kind": "numeric"} for number in range(1, MANY + 1)]
    features[MANY // 2].update(changes)
    return {
        "schema_version": 2,
        "task": "regression",
        "inputs": [{"name": "x", "features": features}],
        "output": "value",
    }


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"name": 5}, "5 is not a string"),
        ({"name": "x1"}, "two features have the same name"),
        ({"kind": "odd"}, "unknown kind of feature 'odd'"),
        ({"kind": ["numeric"]}, "unhashable type: 'list'"),
        (
            {"kind": "categorical"},
            "an input must have features, and categorical features and dates must have one of their own",
        ),
        ({"minimum": "low"}, "'low' is not a finite number"),
        ({"maximum": float("inf")}, "inf is not a finite number"),
        ({"missing": True}, "True is not a finite number"),
        ({"maximum": 10**400}, "int too large to convert to float"),
    ],
)
def test_one_damaged_feature_of_many_is_found(changes: dict[str, Any], reason: str) -> None:
    for read in (Signature.from_dict, lambda document: Signature.from_json(json.dumps(document))):
        with pytest.raises(InvalidModel) as raised:
            read(plain(**changes))
        assert str(raised.value).startswith(f"the signature is damaged: {reason}")


@pytest.mark.parametrize("tensors", [[{"name": "x"}, {"name": "x"}], [{"name": ""}, {"name": "y"}, {"name": ""}]])
def test_inputs_of_one_name(tensors: list[dict[str, str]]) -> None:
    features = [{"features": [{"name": f"x{place}", "kind": "numeric"}]} for place in range(len(tensors))]
    for inputs in (tensors, [{**one, **two} for one, two in zip(tensors, features, strict=True)]):
        with pytest.raises(InvalidModel, match="damaged: two inputs have the same name"):
            Signature.from_dict({**plain(), "schema_version": 3, "inputs": inputs})


@pytest.mark.parametrize("threshold", [65505, -65505.0, 1e300, 10**300])
def test_a_threshold_that_no_probability_reaches(threshold: float) -> None:
    document = {
        **plain(),
        "task": "binary_classification",
        "labels": ["no", "yes"],
    }
    assert Signature.from_dict({**document, "threshold": -65504}).threshold == -65504
    with pytest.raises(InvalidModel, match=r"the threshold .* is beyond what a probability can be"):
        Signature.from_dict({**document, "threshold": threshold})


@pytest.mark.parametrize("feature", [None, 5, "name", ["name", "kind"], {}, {"kind": "numeric"}, {"name": "x"}])
def test_what_is_not_a_feature(feature: Any) -> None:
    document = plain()
    document["inputs"][0]["features"][MANY // 2] = feature
    with pytest.raises(InvalidModel, match="the signature is damaged"):
        Signature.from_json(json.dumps(document))


@pytest.mark.parametrize("features", [None, 5, "xy", {}, {"name": "x", "kind": "numeric"}])
def test_what_are_not_features(features: Any) -> None:
    document = plain()
    document["inputs"][0]["features"] = features
    with pytest.raises(InvalidModel, match="the signature is damaged"):
        Signature.from_json(json.dumps(document))


def test_keys_that_are_not_known_are_ignored() -> None:
    found = Signature.from_json(json.dumps(plain(colour="green", minimum=1)))
    assert found.features[MANY // 2] == Feature(f"x{MANY // 2 + 1}", minimum=1.0)
    assert type(found.features[MANY // 2].minimum) is float
    assert found.features[0] == Feature("x1")


def test_features_are_made_on_first_use() -> None:
    text = json.dumps(plain())
    (tensor,) = Signature.from_json(text).inputs
    assert "features" not in vars(tensor)
    # What needs their names and kinds alone does not make them, nor does a copy.
    assert tensor.feature_names == tuple(feature.name for feature in default_features(MANY))
    assert not tensor.holds_strings
    assert repr(tensor) == f"Input('x', {MANY} features)"
    copies = [copy.copy(tensor), copy.deepcopy(tensor), pickle.loads(pickle.dumps(tensor))]
    assert "features" not in vars(tensor)
    assert tensor.features == default_features(MANY)
    assert tensor.features is tensor.features
    for one in copies:
        assert one == tensor
        assert hash(one) == hash(tensor)


@pytest.mark.parametrize("signature", [tables.PENGUINS, tables.ISLANDS, tables.MASS])
def test_names_and_kinds_are_those_of_the_features(signature: Signature) -> None:
    for one in (signature, Signature.from_json(signature.to_json())):
        assert one.feature_names == tuple(feature.name for feature in signature.features)
        for tensor in one.inputs:
            assert tensor.feature_names == tuple(feature.name for feature in tensor.features)
            assert tensor.kinds == {feature.kind for feature in tensor.features}


def test_what_was_read_last_is_kept() -> None:
    text = json.dumps(plain())
    first = Signature.from_json(text)
    assert Signature.from_json(text) is first
    assert Signature.from_json(text.replace("value", "answer")).output == "answer"
    for number in range(20):
        Signature.from_json(text.replace("value", f"value {number}"))
    assert Signature.from_json(text) == first
    assert Signature.from_json(text) is not first


def test_a_dict_that_changes_later() -> None:
    document = plain()
    signature = Signature.from_dict(document)
    document["inputs"][0]["features"][0]["name"] = "another"
    assert signature.features == default_features(MANY)


NOTATION = {"decimal": ",", "grouping": ".", "suffix": "€"}
IN_WORDS: dict[str, Any] = {
    "schema_version": 4,
    "task": "regression",
    "inputs": [
        {
            "name": "x",
            "features": [
                {"name": "price", "kind": "numeric", "notation": NOTATION},
                {"name": "new", "kind": "boolean", "missing": 0.5, "words": ["nein", "ja"]},
            ],
        },
        {
            "name": "date",
            "features": [
                {"name": "sold", "kind": "date", "order": "dmy", "minimum": -1.0, "maximum": 1767139200.0},
                {"name": "paid", "kind": "date"},
            ],
        },
    ],
    "output": "value",
}


def test_dates_notations_and_words() -> None:
    signature = Signature.from_json(json.dumps(IN_WORDS))
    assert signature.features == (
        Feature("price", notation=Notation(",", ".", suffix="€")),
        Feature("new", "boolean", missing=0.5, words=("nein", "ja")),
        Feature("sold", "date", -1.0, 1767139200.0, order="dmy"),
        Feature("paid", "date"),
    )
    assert [(tensor.holds_dates, tensor.holds_strings) for tensor in signature.inputs] == [
        (False, False),
        (True, False),
    ]
    # Without what is as by default.
    assert signature.to_dict() == IN_WORDS
    copy.deepcopy(signature)
    assert hash(signature) == hash(pickle.loads(pickle.dumps(signature)))


BASELINES: dict[str, tuple[dict[str, Any], tuple[Any, ...], tuple[Any, ...]]] = {
    "numeric": ({}, (0, -1.5, 10**30), ("1", True, [1], {}, 10**400)),
    "boolean": ({}, (True, False), (1, 0.0, "true")),
    "date": ({}, (0, -1.0, 2**53), ("2025-01-01", True, 2**53 + 2, 1e300)),
    "categorical": ({"categories": ["a", "b"]}, ("a", "unknown"), (1, True, ["a"])),
    "code": ({"kind": "categorical", "categories": [1, 2]}, (1, 7), ("1", True, 1.5)),
}


@pytest.mark.parametrize("kind", BASELINES)
def test_baselines(kind: str) -> None:
    more, good, bad = BASELINES[kind]
    feature = {"name": "a", "kind": kind, **more}
    document = {**plain(), "inputs": [{"name": "x", "features": [feature]}], "schema_version": 4}
    for baseline in good:
        feature["baseline"] = baseline
        read = Signature.from_json(json.dumps(document))
        assert (read.features[0].baseline, type(read.features[0].baseline)) == (baseline, type(baseline))
        # Readers may ignore it, so that older ones read what has it.
        assert read.to_dict()["schema_version"] == (4 if kind == "date" else 2)
    for baseline in (*bad, ""):
        feature["baseline"] = baseline
        with pytest.raises(InvalidModel, match=r"damaged: (the baseline|.* is not a finite number|int too large)"):
            Signature.from_json(json.dumps(document))
    # A missing value is typical only where one may be.
    feature |= {"baseline": "", "missing": 0.6}
    assert Signature.from_json(json.dumps(document)).features[0].baseline == ""
    feature["baseline"] = None
    assert Signature.from_json(json.dumps(document)).features[0].baseline is None


def test_older_versions_read_what_has_none_of_them() -> None:
    """A runtime of before reads all but version 4."""
    for tensor, version in ((IN_WORDS["inputs"][0], 4), (IN_WORDS["inputs"][1], 4)):
        assert Signature.from_dict({**IN_WORDS, "inputs": [tensor]}).to_dict()["schema_version"] == version
    plainer = [{"name": "price", "kind": "numeric"}, {"name": "new", "kind": "boolean"}]
    read = Signature.from_dict({**IN_WORDS, "inputs": [{"name": "x", "features": plainer}]})
    assert read.to_dict()["schema_version"] == 2


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"notation": {"decimal": ";"}}, "';' is not a decimal mark"),
        ({"notation": {"grouping": "."}}, "'.' is not a mark between digits beside '.'"),
        ({"notation": {"prefix": "1"}}, "'1' is not a unit"),
        ({"notation": {"suffix": 5}}, "5 is not a string"),
        ({"notation": {"decimal": ["."]}}, "['.'] is not a decimal mark"),
        ({"notation": "$"}, "'str' object has no attribute 'get'"),
        ({"kind": "boolean", "words": "ja"}, "the words of a boolean are not two strings"),
        ({"kind": "boolean", "words": ["ja"]}, "the words of a boolean are not two strings"),
        ({"kind": "boolean", "words": ["ja", "JA"]}, "the words of a boolean ['ja', 'JA'] are empty, alike"),
        ({"kind": "boolean", "words": ["", "ja"]}, "the words of a boolean ['', 'ja'] are empty, alike"),
        ({"kind": "boolean", "words": ["nein ", "ja"]}, "the words of a boolean ['nein ', 'ja'] are empty, alike"),
        ({"order": "ydm"}, "unknown order of dates 'ydm'"),
        ({"order": ["ymd"]}, "unknown order of dates ['ymd']"),
        ({"kind": "date"}, "an input must have features, and categorical features and dates must have one of"),
    ],
)
def test_damaged_words(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidModel) as raised:
        Signature.from_dict({**plain(**changes), "schema_version": 4})
    assert str(raised.value).startswith(f"the signature is damaged: {reason}")
