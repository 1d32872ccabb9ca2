import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edge_runtime import InvalidInput
from edge_runtime.cli.tensor_files import json_tensors, output_content, output_json


@given(hnp.arrays(st.sampled_from([np.float16, np.float32, np.float64]), hnp.array_shapes(min_dims=0, max_side=3)))
def test_json_holds_floats_exactly(array: Any) -> None:
    found = np.array(json.loads(output_json({"y": array}))["y"], array.dtype)
    assert found.shape == array.shape
    np.testing.assert_array_equal(found, np.where(np.isfinite(array), array, np.nan))


def test_what_other_tools_return() -> None:
    """A classifier of scikit-learn gives a list of dicts."""
    outputs = {"label": np.array(["a"], np.object_), "probability": [{"a": np.float32(0.1), "b": float("nan")}]}
    assert json.loads(output_json(outputs)) == {"label": ["a"], "probability": [{"a": 0.1, "b": None}]}
    assert output_content(outputs, Path("out.json")) == output_json(outputs).encode()
    with pytest.raises(InvalidInput, match=r"out.npz can hold only arrays, and probability is a list; write .json"):
        output_content(outputs, Path("out.npz"))


def test_json_that_is_not_a_tensor() -> None:
    assert json_tensors('{"x": [1]}', "stdin") == {"x": [1]}
    for text in ("", "5", '"a"', "{", "null"):
        with pytest.raises(InvalidInput, match="stdin"):
            json_tensors(text, "stdin")
    with pytest.raises(InvalidInput, match=r"^stdin is empty; it must hold arrays$"):
        json_tensors(" \n", "stdin")
