"""The conformance file is what this runtime does today, and this runtime does what the file says."""

import json
from typing import Any

import pytest
from tests.conformance.make import HERE, answered, document, read

from edge_runtime import Predictor
from edge_runtime.contract.feature import read_feature
from edge_runtime.contract.terminal import suggestion

CASES: dict[str, Any] = json.loads((HERE / "conformance.json").read_text(encoding="utf-8"))


def test_the_file_is_current() -> None:
    assert (HERE / "conformance.json").read_text(encoding="utf-8") == document(), "run python -m tests.conformance.make"


@pytest.mark.parametrize("part", CASES["values"], ids=lambda part: part["feature"]["name"])
def test_values_are_read_as_the_file_says(part: dict[str, Any]) -> None:
    feature = read_feature(part["feature"])
    for case in part["cases"]:
        assert read(case[0], feature) == case


def test_names_are_suggested_as_the_file_says() -> None:
    for word, known, message in CASES["names"]:
        assert suggestion(word, known) == message


@pytest.mark.parametrize("part", CASES["models"], ids=lambda part: part["model"].rsplit("/")[-1])
def test_rows_are_answered_as_the_file_says(part: dict[str, Any]) -> None:
    predictor = Predictor(HERE.parent / part["model"], device="cpu")
    for expected in part["cases"]:
        case = dict(expected)
        found = answered(predictor, case["row"])
        assert found.keys() == case.keys()
        for key in ("answer", "probabilities"):
            assert_near(found.pop(key, None), case.pop(key, None))
        assert found == case


def assert_near(found: Any, expected: Any) -> None:
    """Numbers of the file are near, since processors round in other orders; labels are the same."""
    if isinstance(expected, list):
        for one, other in zip(found, expected, strict=True):
            assert_near(one, other)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-5)
    else:
        assert found == expected


def test_every_kind_of_case_is_there() -> None:
    """A file without refusals, or without answers, would show nothing of one of them."""
    lengths = {len(case) for part in CASES["values"] for case in part["cases"]}
    assert lengths == {2, 3}
    assert {is_one for _, is_one in CASES["signatures"]} == {True, False}
    keys = {key for part in CASES["models"] for case in part["cases"] for key in case}
    assert keys == {"row", "answer", "probabilities", "unseen", "error"}
    assert any("did you mean" in case.get("error", "") for part in CASES["models"] for case in part["cases"])
