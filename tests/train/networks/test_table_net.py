"""The network for tables, against formulas written here."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from table_nets import CATEGORICAL, OUTPUTS, fitted, member, rows, signature, target, tensors
from torch import Tensor, nn
from torch.nn import functional

from edge_runtime import Feature, Input
from edge_runtime.contract.category_codes import FIRST_CATEGORY, MISSING
from edge_train import TableNet
from edge_train.networks.category_embedding import CategoryEmbedding
from edge_train.networks.date_columns import varying
from edge_train.networks.members import MemberLinear


@pytest.mark.parametrize("task", OUTPUTS)
@pytest.mark.parametrize("inputs", [{}, {"numbers": False}, {"categorical": False}])
def test_the_output_is_what_the_signature_says(task: str, inputs: Any) -> None:
    network = fitted(task, **inputs).eval()
    names = [tensor.name for tensor in network.signature.inputs]
    found = network(**{name: values for name, values in tensors(rows(50)).items() if name in names})
    assert found.shape == (50, 3 if task == "multiclass_classification" else 1)
    assert found.dtype == torch.float32
    if task != "regression":
        assert ((found > 0) & (found < 1)).all()
    if task == "multiclass_classification":
        torch.testing.assert_close(found.sum(1), torch.ones(50))


def test_regression_is_in_the_targets_unit() -> None:
    network = fitted("regression").eval()
    assert network.target is not None
    last = network.layers[-1]
    assert isinstance(last, MemberLinear)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    found = network(**tensors(rows(5)))
    torch.testing.assert_close(found, torch.full((5, 1), float(target("regression", 300).mean())))
    nn.init.ones_(last.bias)
    torch.testing.assert_close(network(**tensors(rows(5))) - found, network.target[1].expand(5, 1), rtol=1e-3, atol=0)


def test_a_target_that_does_not_vary_in_the_training_rows() -> None:
    network = fitted("regression")
    network.fit(rows(300), np.full(300, 7, np.float32))
    assert network.target is not None
    assert network.target.tolist() == [7, 1]


def losses(network: TableNet, given: Tensor, true: Tensor, smoothed: float) -> Tensor:
    """The loss of each row, from what `forward` gave: torch's, and with softened targets."""
    task = network.signature.task
    if task == "regression":
        assert network.target is not None
        return (given[:, 0] - true) ** 2 / network.target[1] ** 2
    if task == "binary_classification":
        soft = true * (1 - smoothed) + smoothed * target(task, 300).mean()
        return nn.functional.binary_cross_entropy(given[:, 0], soft, reduction="none")
    prior = torch.from_numpy(np.bincount(target(task, 300)) / 300).float()
    soft = nn.functional.one_hot(true, 3) * (1 - smoothed) + smoothed * prior
    return -(soft * given.log()).sum(1)


@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("weighted", ["all the same", "by row", "by row and member"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("task", OUTPUTS)
def test_the_loss_is_torchs_of_each_member(task: str, smoothing: float, weighted: str, members: int) -> None:
    network = fitted(task, smoothing, members).train()
    count = 64
    inputs, true = tuple(tensors(rows(count, 1)).values()), torch.from_numpy(target(task, count, 1))
    weight = {"all the same": None, "by row": torch.rand(count), "by row and member": torch.rand(count, members)}
    given = weight[weighted]
    for training in (True, False):
        network.train(training)
        expected = torch.zeros(())
        for place in range(members):
            found = losses(network, member(network, place)(*inputs), true, smoothing if training else 0.0)
            if given is not None:
                found = found * (given if given.ndim == 1 else given[:, place])
            expected = expected + found.mean()
        loss = network.loss(network.prepare(inputs), true, given, ())
        torch.testing.assert_close(loss, expected, rtol=1e-4, atol=1e-5)


def test_masks_are_what_hidden_values_are_multiplied_by() -> None:
    """Each member has masks of its own, beside each other."""
    network = fitted("regression", members=2, categorical=False)
    (x, _), true = tuple(tensors(rows(10)).values()), torch.zeros(10)
    assert network.dropout_widths == (32, 16)
    masks = (torch.rand(10, 32), torch.rand(10, 16))
    first, second, last = network.layers
    assert network.numeric is not None
    assert network.target is not None
    expected = torch.zeros(())
    for place in range(2):
        values = network.numeric(x)
        for layer, mask in zip((first, second), masks, strict=True):
            assert isinstance(layer, MemberLinear)
            width = layer.weight.shape[2]
            values = values @ layer.weight[place] + layer.bias[place, 0]
            values = values.relu() * mask[:, place * width : (place + 1) * width]
        assert isinstance(last, MemberLinear)
        outputs = (values @ last.weight[place] + last.bias[place, 0])[:, 0]
        expected = expected + ((outputs + network.target[0] / network.target[1]) ** 2).mean()
    torch.testing.assert_close(network.loss(network.prepare((x,)), true, None, masks), expected)


@pytest.mark.parametrize("task", OUTPUTS)
def test_missing_and_unknown_values_never_become_nan(task: str) -> None:
    network = fitted(task, members=2)
    values = rows(200, 5, unknown=True)
    values["x"][np.random.default_rng(0).random((200, 3)) < 0.6] = np.nan
    values["x"][0] = np.nan
    inputs = tuple(tensors(values).values())
    assert network(*inputs).isfinite().all()
    loss = network.loss(network.prepare(inputs), torch.from_numpy(target(task, 200)), None, ())
    torch.autograd.backward(loss)
    assert loss.isfinite()
    for parameter in network.parameters():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()


@pytest.mark.parametrize("others", [False, True])
def test_the_first_layer_takes_numbers_then_categories_then_dates(others: bool) -> None:
    """In the order in which it always did, whether all members share a vector or each learns its own."""
    features = (Feature("sold", "date", missing=0.1), Feature("born", "date", missing=0.0))
    known = signature("binary_classification", others, others)
    known = replace(known, inputs=(*known.inputs, Input("date", features)))
    dates = np.random.default_rng(0).integers(0, 2**31, (300, 2))
    network = TableNet(known, (16,), varies=varying(dates), members=2).eval()
    given = (rows(300) if others else {}) | {"date": dates}
    network.fit(given, target("binary_classification", 300))
    inputs = tensors(given)
    assert network.dates is not None
    parts = [network.dates(inputs["date"])]
    if network.numeric is not None:
        few, many = (embedding(inputs["text"][:, place]) for place, embedding in enumerate(network.embeddings))
        parts = [network.numeric(inputs["x"]), few, many, *parts]
    first, last = network.layers
    assert isinstance(first, MemberLinear)
    assert isinstance(last, MemberLinear)
    outputs = []
    for place in range(2):
        values = [part[place] if part.ndim == 3 else part for part in parts]
        hidden = torch.cat(values, 1) @ first.weight[place]
        outputs.append((hidden + first.bias[place]).relu() @ last.weight[place] + last.bias[place])
    torch.testing.assert_close(network(**inputs), ((outputs[0] + outputs[1]) / 2).sigmoid())
    true = torch.from_numpy(target("binary_classification", 300))
    expected = sum(functional.binary_cross_entropy_with_logits(one[:, 0], true) for one in outputs)
    torch.testing.assert_close(network.loss(network.prepare(tuple(inputs.values())), true, None, ()), expected)


def test_what_no_parameter_changes_is_prepared() -> None:
    """It says the same of a row in any company. Where a vector is learned, codes stay codes."""
    torch.manual_seed(0)
    known = signature("binary_classification")
    few = replace(known, inputs=(known.inputs[0], Input("text", (CATEGORICAL[0],) * 2)))
    values = rows(50, unknown=True)
    x, text = tensors(values).values()
    learns, one_hot = TableNet(known, (4,)), TableNet(few, (4,))
    for network in (learns, one_hot):
        network.fit({**values, "text": values["text"] % 5}, target("binary_classification", 50))
    assert torch.equal(learns.prepare((x, text))[1], text)
    numbers, vectors = one_hot.prepare((x, text % 5))
    assert one_hot.numeric is not None
    assert torch.equal(numbers, one_hot.numeric(x))
    assert torch.equal(vectors, torch.cat([one(text[:, place] % 5) for place, one in enumerate(one_hot.embeddings)], 1))
    assert not vectors.requires_grad
    for place in range(50):
        alone = one_hot.prepare((x[place : place + 1], text[place : place + 1] % 5))
        assert torch.equal(torch.cat(alone, 1)[0], torch.cat([numbers, vectors], 1)[place])


def test_mean_and_standard_deviation() -> None:
    network = fitted("regression")
    mean, deviation = network.mean_and_standard_deviation()
    np.testing.assert_allclose(mean, np.nanmean(rows(300)["x"].astype(float), axis=0), rtol=1e-6)
    np.testing.assert_allclose(deviation, np.nanstd(rows(300)["x"].astype(float), axis=0), rtol=1e-6)


def test_fitting_sets_all_preprocessing_and_before_there_is_none() -> None:
    network, values, places = (
        TableNet(signature("multiclass_classification"), ()),
        rows(300),
        target("multiclass_classification", 300),
    )
    assert network.smoothing == 0
    assert network.numeric is not None
    few, many = network.embeddings
    assert (network.numeric.mean == 0).all()
    assert (network.numeric.standard_deviation == 1).all()
    torch.testing.assert_close(few.frequency, torch.full((3,), 1 / 3))
    torch.testing.assert_close(many.frequency, torch.full((41,), 1 / 41))
    torch.testing.assert_close(network.prior, torch.full((3,), 1 / 3))
    network.fit(values, places)
    torch.testing.assert_close(network.numeric.mean[0].item(), float(values["x"][:, 0].mean()), rtol=1e-3, atol=0)
    for embedding, codes, first in zip(network.embeddings, values["text"].T, (FIRST_CATEGORY, MISSING), strict=True):
        assert isinstance(embedding, CategoryEmbedding)
        counts = np.bincount(codes, minlength=first + len(embedding.frequency))[first:]
        np.testing.assert_allclose(embedding.frequency, counts / 300, rtol=1e-6)
    np.testing.assert_allclose(network.prior, np.bincount(places) / 300, rtol=1e-6)
    # If all classes are to count the same, smoothing goes to all of them equally.
    balanced = TableNet(signature("multiclass_classification"), ())
    balanced.fit(values, places, balanced=True)
    torch.testing.assert_close(balanced.prior, torch.full((3,), 1 / 3))
    regression = TableNet(signature("regression"), ())
    assert regression.target is not None
    assert regression.target.tolist() == [0, 1]


def test_in_one_line() -> None:
    assert repr(fitted("regression")).startswith("TableNet(regression, 5 features, ")
    assert "\n" not in repr(fitted("regression"))
