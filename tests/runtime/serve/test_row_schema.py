"""Schemas and examples made from signatures."""

import math
import re

import numpy as np
import pytest

from edge_runtime import Feature
from edge_runtime.contract.input_ranges import InputRange
from edge_runtime.contract.signature import Input, Signature
from edge_runtime.contract.tensors import TensorSpec
from edge_runtime.contract.values import MISSING_WORDS
from edge_runtime.serve.row_schema import (
    example_row,
    example_tensor,
    feature_schema,
    row_schema,
    seen,
    tensor_schema,
)


@pytest.mark.parametrize(
    ("feature", "said"),
    [
        (Feature("a", minimum=1.0, maximum=2.5, missing=0.0), "1 to 2.5 in training; never missing in training; null"),
        (Feature("a", minimum=1.0, maximum=1.0), "Always 1 in training; may not be missing."),
        (Feature("a", missing=0.001), "Less than 1% missing in training; null, or absent, if it is."),
        (
            Feature("a", "categorical", categories=("x", "y")),
            "2 categories in training; others are answered as unknown",
        ),
    ],
)
def test_what_training_saw(feature: Feature, said: str) -> None:
    assert seen(feature).startswith(said)


def test_strings_that_are_refused() -> None:
    strict, lenient = (Feature("a", "categorical", missing=one, categories=("x",)) for one in (None, 0.0))
    refused = re.compile(feature_schema(strict)["not"]["pattern"])
    assert all(refused.search(f" {word}\t") for word in MISSING_WORDS)
    assert refused.search("a\0b")
    assert not any(map(refused.search, ("x", "NAB", "null point", "?!")))
    assert not re.search(feature_schema(lenient)["not"]["pattern"], "NA")
    assert feature_schema(lenient)["type"] == ["string", "null"]


def test_a_row_without_required_columns_differs_from_rows() -> None:
    def schema(*features: Feature) -> object:
        return row_schema(Signature((Input("x", features),), "y", (), "regression")).get("not")

    assert schema(Feature("a", missing=0.5)) == {"required": ["rows"]}
    assert schema(Feature("a", missing=0.5), Feature("b")) is None
    assert schema(Feature("rows", missing=0.5)) is None


@pytest.mark.parametrize(
    ("low", "high", "middle"),
    [
        (32.0, 60.0, 46),
        (0.05263, 0.16340, 0.108),
        (1.0, 1.0, 1.0),
        (-3.4e38, 3.4e38, 0),
        (2826.0, 6029.0, 4428),
        (0.1, 0.25, 0.175),
    ],
)
def test_the_example_is_in_the_middle_of_the_range(low: float, high: float, middle: float) -> None:
    signature = Signature((Input("x", (Feature("a", minimum=low, maximum=high),)),), "y", (), "regression")
    (found,) = example_row(signature).values()
    assert math.isclose(found, middle)
    assert low <= found <= high


def test_tensors() -> None:
    spec = TensorSpec("ids", "tensor(int8)", ("batch", None, 2))
    ranges = [InputRange("ids", (1, 1, 2), (3, None), (9, 5))]
    schema = tensor_schema(spec, ranges)
    assert (schema["type"], schema["minItems"], "maxItems" in schema) == ("array", 1, False)
    inner = schema["items"]["items"]
    assert (inner["minItems"], inner["maxItems"]) == (2, 2)
    assert inner["items"] == {"type": "integer", "minimum": 3, "maximum": 5}
    assert example_tensor(spec, ranges) == [[[3, 0]]]
    assert example_tensor(TensorSpec("t", "tensor(string)", ("n",))) == ["text"]
    assert example_tensor(TensorSpec("x", "tensor(float)", (1, 3, 224, 224))) is None
    assert example_tensor(TensorSpec("x", "tensor(bfloat16)", (1,))) is None
    assert tensor_schema(TensorSpec("x", "tensor(bfloat16)", (1,)))["items"] == {}
    assert tensor_schema(TensorSpec("x", "tensor(float16)", (1,)))["items"]["maximum"] == float(
        np.finfo(np.float16).max
    )
    # A scalar, or of any rank.
    assert list(tensor_schema(TensorSpec("x", "tensor(float)", ()))) == ["description"]
