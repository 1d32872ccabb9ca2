import json

import numpy as np
import pytest
from paths import MODELS

from edge_runtime import Predictor
from edge_runtime.scoring.summary import Tally

TWO, THREE, VALUE = (Predictor(MODELS / f"{name}.onnx").signature for name in ("four_blobs", "three_labels", "mass"))


def test_two_labels() -> None:
    assert TWO is not None
    tally = Tally(scored=4, rejected=1)
    second = np.array([0, 0.05, 0.95, 1], np.float32)
    tally.count_outputs(np.stack([1 - second, second], axis=1), TWO)
    found = tally.summary(TWO)
    assert found.labels == {0: 2, 1: 2}
    assert found.histogram == (2, 0, 0, 0, 0, 0, 0, 0, 0, 2)
    assert "5 rows: 4 scored, 1 rejected" in found.to_text()
    assert json.loads(found.to_json())["labels"] == {"0": 2, "1": 2}


def test_nan_has_no_place_in_the_histogram() -> None:
    assert THREE is not None
    tally = Tally(scored=2)
    tally.count_outputs(np.array([[0.1, 0.2, 0.7], [np.nan, np.nan, np.nan]], np.float32), THREE)
    assert sum(tally.histogram) == 1
    assert tally.labels == [1, 0, 1]


def test_values() -> None:
    assert VALUE is not None
    whole, first, second = Tally(), Tally(scored=2), Tally(scored=2)
    first.count_outputs(np.array([[1.0], [3.0]]), VALUE)
    second.count_outputs(np.array([[np.nan], [5.0]]), VALUE)
    first.unseen, second.unseen = type(first.unseen)(x=1), type(first.unseen)(x=2)
    for one in (first, second):
        whole.add(one)
    found = whole.summary(VALUE, ("x", "y"))
    assert (found.value_minimum, found.value_mean, found.value_maximum) == (1, 3, 5)
    assert found.unseen == {"x": 3}
    assert "values from 1 to 5, mean 3" in found.to_text()
    again = Tally.from_dict(json.loads(json.dumps(whole.to_dict())))
    assert again.summary(VALUE, ("x", "y")) == found


def test_nothing() -> None:
    assert Tally().summary(TWO).labels == {0: 0, 1: 0}
    assert Tally().summary(None).to_text() == "0 rows: 0 scored, 0 rejected\n"
    with pytest.raises(TypeError):
        Tally.from_dict({"nothing": 1, "unseen": {}})
