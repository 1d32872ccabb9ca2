import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime import Feature, Input, InvalidModel, Signature

numbers = st.floats(allow_nan=False, allow_infinity=False)
features = st.builds(
    Feature, name=st.text(), kind=st.just("numeric"), minimum=st.none() | numbers, maximum=st.none() | numbers
)
labels = st.one_of(
    st.lists(kind, min_size=2, max_size=2, unique_by=str).map(tuple)
    for kind in (st.integers(), st.text().map(lambda text: " ".join(text.splitlines())), st.booleans(), numbers)
)
signatures = st.builds(
    Signature,
    inputs=st.lists(features, min_size=1, max_size=5, unique_by=lambda feature: feature.name).map(
        lambda columns: (Input("x", tuple(columns)),)
    ),
    output=st.text(),
    labels=labels,
    threshold=numbers,
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
    with pytest.raises(InvalidModel, match=r"schema version 3.*upgrade"):
        Signature.from_dict(plain(schema_version=3, labels="whatever version 3 means by that"))


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


def test_no_json() -> None:
    for text in ("{", "[" * 100_000):
        with pytest.raises(InvalidModel, match="the signature is damaged"):
            Signature.from_json(text)
