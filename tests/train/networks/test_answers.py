"""What networks answer to the rows of a part."""

import numpy as np
import pytest
import torch
from table_nets import fitted, rows, target, tensors

from edge_train import Part
from edge_train.networks import answers as answers_module
from edge_train.networks.answers import answers


@pytest.mark.parametrize("task", ["binary_classification", "multiclass_classification", "regression"])
def test_answers_are_the_networks_in_blocks_of_rows(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network = fitted(task).eval()
    with torch.inference_mode():
        expected = network(**tensors(rows(50))).double().numpy()
    if task == "binary_classification":
        expected = np.concatenate([1 - expected, expected], 1)
    monkeypatch.setattr(answers_module, "_BLOCK", 20)
    found = answers(network, Part(rows(50), target(task, 50)))
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected[:, 0] if task == "regression" else expected, rtol=1e-5)
