"""The network for tables, against formulas written here."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from edge_runtime import Feature, Input, Signature
from edge_runtime.contract.category_codes import FIRST_CATEGORY, MISSING, UNKNOWN
from edge_train import TableNet
from edge_train.networks.date_columns import varying
from edge_train.networks.table_net import ONE_HOT, CategoryEmbedding

NUMERIC = (
    Feature("never missing", missing=0.0),
    Feature("missing", missing=0.4),
    Feature("flag", "boolean", missing=0.0),
)
MANY = tuple(f"word {number}" for number in range(40))
CATEGORICAL = (
    Feature("few", "categorical", missing=0.0, categories=("a", "b", "c")),
    Feature("many", "categorical", missing=0.1, categories=MANY),
)
OUTPUTS: dict[str, Any] = {
    "binary_classification": ("probability", ("no", "yes")),
    "multiclass_classification": ("probabilities", ("a", "b", "c")),
    "regression": ("value", ()),
}


def signature(task: Any, numbers: bool = True, categorical: bool = True) -> Signature:
    output, labels = OUTPUTS[task]
    inputs = (Input("x", NUMERIC),) * numbers + (Input("text", CATEGORICAL),) * categorical
    return Signature(inputs, output, labels, task)


def rows(count: int, seed: int = 0, unknown: bool = False) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    x = random.normal(3, 50, (count, 3)).astype(np.float32)
    x[random.random(count) < 0.4, 1] = np.nan
    x[:, 2] = random.integers(0, 2, count)
    first = UNKNOWN if unknown else FIRST_CATEGORY
    few = random.integers(first, FIRST_CATEGORY + 3, count)
    many = random.integers(first if unknown else MISSING, FIRST_CATEGORY + 40, count)
    return {"x": x, "text": np.stack([few, many], 1)}


def target(task: str, count: int, seed: int = 0) -> Any:
    random = np.random.default_rng(seed)
    if task == "regression":
        return random.normal(1e4, 500, count).astype(np.float32)
    places = random.integers(0, len(OUTPUTS[task][1]), count)
    return places.astype(np.float32) if task == "binary_classification" else places


def fitted(task: str, smoothing: float = 0.0, **inputs: bool) -> TableNet:
    torch.manual_seed(0)
    network = TableNet(signature(task, **inputs), (16, 8), smoothing=smoothing)
    network.fit(rows(300), target(task, 300))
    return network


def tensors(values: dict[str, Any]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(array) for name, array in values.items()}


@pytest.mark.parametrize("count", [1, ONE_HOT, ONE_HOT + 1, 40, 1000])
def test_few_categories_are_one_hot_and_many_are_embedded(count: int) -> None:
    words = tuple(map(str, range(count)))
    categories = CategoryEmbedding(Feature("c", "categorical", missing=0.0, categories=words))
    found = categories(torch.arange(FIRST_CATEGORY, FIRST_CATEGORY + count))
    if count <= ONE_HOT:
        assert torch.equal(found, torch.eye(count))
        assert not list(categories.parameters())
    else:
        assert found.shape == (count, categories.width)
        assert categories.width < count
        assert torch.equal(found, categories.weight)


@pytest.mark.parametrize(("count", "width"), [(8, 8), (9, 7), (100, 14), (1000, 32), (10**5, 32)])
def test_the_length_of_a_vector_grows_with_the_categories_up_to_a_limit(count: int, width: int) -> None:
    embedding = CategoryEmbedding(Feature("c", "categorical", missing=0.0, categories=tuple(range(count))))
    assert (embedding.width, embedding.weight.shape) == (width, (count, width))
    if count > ONE_HOT:
        lengths = embedding.weight.norm(dim=1)
        assert lengths.square().mean().item() == pytest.approx(1, abs=0.4)


@pytest.mark.parametrize("missing", [0.0, 0.25])
@pytest.mark.parametrize("count", [3, 30])
def test_an_unknown_category_is_the_weighted_mean(count: int, missing: float) -> None:
    feature = Feature("c", "categorical", missing=missing, categories=tuple(map(str, range(count))))
    categories = CategoryEmbedding(feature)
    first = MISSING if missing else FIRST_CATEGORY
    codes = np.random.default_rng(0).integers(first, FIRST_CATEGORY + count, 500) ** 2 % (FIRST_CATEGORY + count)
    codes = codes[codes >= first]
    categories.fit(codes)
    mean = categories(torch.from_numpy(codes)).mean(0)
    unknown, missing_value = categories(torch.tensor([UNKNOWN, MISSING]))
    torch.testing.assert_close(unknown, mean)
    assert torch.equal(missing_value, unknown) == (not missing)


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
    assert isinstance(last, nn.Linear)
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


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("task", OUTPUTS)
def test_the_loss_is_torchs(task: str, smoothing: float, weighted: bool) -> None:
    network = fitted(task, smoothing).train()
    count = 64
    inputs, true = tuple(tensors(rows(count, 1)).values()), torch.from_numpy(target(task, count, 1))
    weight = torch.rand(count) + 0.5 if weighted else None
    x, text = inputs
    given = network(x, text)
    for training in (True, False):
        network.train(training)
        smoothed = smoothing if training else 0.0
        if task == "regression":
            assert network.target is not None
            expected = (given[:, 0] - true) ** 2 / network.target[1] ** 2
        elif task == "binary_classification":
            soft = true * (1 - smoothed) + smoothed * target(task, 300).mean()
            expected = nn.functional.binary_cross_entropy(given[:, 0], soft, reduction="none")
        else:
            prior = torch.from_numpy(np.bincount(target(task, 300)) / 300).float()
            soft = nn.functional.one_hot(true, 3) * (1 - smoothed) + smoothed * prior
            expected = -(soft * given.log()).sum(1)
        mean = (expected * weight).mean() if weight is not None else expected.mean()
        torch.testing.assert_close(network.loss(network.prepare(inputs), true, weight, ()), mean, rtol=1e-4, atol=1e-5)


def test_masks_are_what_hidden_values_are_multiplied_by() -> None:
    network = fitted("regression", categorical=False)
    (x, _), true = tuple(tensors(rows(10)).values()), torch.zeros(10)
    assert network.dropout_widths == (16, 8)
    masks = (torch.rand(10, 16), torch.rand(10, 8))
    first, second, last = network.layers
    assert network.numeric is not None
    assert network.target is not None
    hidden = first(network.numeric(x)).relu() * masks[0]
    outputs = last(second(hidden).relu() * masks[1])[:, 0]
    expected = ((outputs + network.target[0] / network.target[1]) ** 2).mean()
    torch.testing.assert_close(network.loss(network.prepare((x,)), true, None, masks), expected)


@pytest.mark.parametrize("task", OUTPUTS)
def test_missing_and_unknown_values_never_become_nan(task: str) -> None:
    network = fitted(task)
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
def test_dates_stand_behind_the_other_columns(others: bool) -> None:
    features = (Feature("sold", "date", missing=0.1), Feature("born", "date", missing=0.0))
    known = signature("binary_classification", others, others)
    known = replace(known, inputs=(*known.inputs, Input("date", features)))
    dates = np.random.default_rng(0).integers(0, 2**31, (300, 2))
    network = TableNet(known, (16,), varies=varying(dates)).eval()
    given = (rows(300) if others else {}) | {"date": dates}
    network.fit(given, target("binary_classification", 300))
    inputs = tensors(given)
    assert network.dates is not None
    parts = [network.dates(inputs["date"])]
    if network.numeric is not None:
        embedded = [embedding(inputs["text"][:, place]) for place, embedding in enumerate(network.embeddings)]
        parts = [network.numeric(inputs["x"]), *embedded, *parts]
    first, last = network.layers
    expected = last(first(torch.cat(parts, 1)).relu())
    assert torch.equal(network(**inputs), expected.sigmoid())
    true = torch.from_numpy(target("binary_classification", 300))
    expected_loss = functional.binary_cross_entropy_with_logits(expected[:, 0], true)
    torch.testing.assert_close(network.loss(network.prepare(tuple(inputs.values())), true, None, ()), expected_loss)


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
