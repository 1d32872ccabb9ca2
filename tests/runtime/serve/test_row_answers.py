import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from edge_runtime import Feature, Input, Signature
from edge_runtime.contract.labels import Label
from edge_runtime.serve.row_answers import RowAnswers

TABLE = (Input("x", (Feature("a"), Feature("b"))),)
# What a template or JSON could take for something else.
ODD = ('%b "quoted"', "100%", "\\ö{}", '","')


def written(
    signature: Signature, outputs: Any, top: int | None = None, unseen: Mapping[int, Mapping[str, str]] | None = None
) -> Any:
    return json.loads(b"".join(RowAnswers(signature).written(np.array(outputs, np.float32), top, unseen or {})))


@pytest.mark.parametrize("labels", [ODD, (3, 1, 2, 0), (0.5, 1.5, 2.0, 4.25)])
@pytest.mark.parametrize("is_odd", [False, True])
def test_labels_and_reasons_are_as_they_are(labels: tuple[Label, ...], is_odd: bool) -> None:
    signature = Signature(TABLE, "y", labels, "multiclass_classification")
    reasons = {1: {"a": "'%b' was not seen in training", '"%s"': "ö"}} if is_odd else {}
    outputs = [[0.125, 0.5, 0.25, 0.125], [0, 0.25, 0.125, 0.625], [0.5, 0.5, 0, 0]]
    assert written(signature, outputs, unseen=reasons) == [
        {
            "label": labels[place],
            "probability": outputs[row][place],
            "probabilities": dict(zip(map(str, labels), outputs[row], strict=True)),
            "unseen": reasons.get(row, {}),
        }
        for row, place in enumerate([1, 3, 0])
    ]
    found = written(signature, outputs, top=2, unseen=reasons)
    assert [list(one["probabilities"].items()) for one in found] == [
        [(str(labels[place]), outputs[row][place]) for place in places]
        for row, places in enumerate([(1, 2), (3, 1), (0, 1)])
    ]
    assert [one["unseen"] for one in found] == [reasons.get(row, {}) for row in range(3)]


def test_binary_labels_follow_the_threshold() -> None:
    signature = Signature(TABLE, "y", (False, True), "binary_classification", threshold=0.25)
    found = written(signature, [[0.625, 0.375], [0.875, 0.125], [math.nan, math.nan]])
    assert [(one["label"], one["probability"]) for one in found] == [(True, 0.375), (False, 0.875), (False, None)]
    assert found[2]["probabilities"] == {"False": None, "True": None}


def test_numbers_are_the_shortest_that_give_them_again() -> None:
    signature = Signature(TABLE, "y", (), "regression")
    for dtype in (np.float32, np.float64):
        numbers = np.array([[0.1], [1e-7], [3e20], [math.inf], [-2]], dtype)
        # Not contiguous, as a slice of an output may be.
        outputs = np.hstack([numbers, numbers])[:, :1]
        text = b"".join(RowAnswers(signature).written(outputs, None, {}))
        values = [one["value"] for one in json.loads(text)]
        assert values == [0.1, 1e-7, 3e20, None, -2], text


def test_no_rows_and_no_features() -> None:
    signature = Signature((Input("image"),), "y", ("cat", "dog"), "multiclass_classification")
    assert written(signature, np.empty((0, 2))) == []
    assert written(signature, [[0.25, 0.75]], top=1) == [
        {"label": "dog", "probability": 0.75, "probabilities": {"dog": 0.75}}
    ]
