"""Checkpoints that earlier versions wrote."""

from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from torch import nn

from edge_runtime import Feature, Input, Signature
from edge_train import TableNet, load_checkpoint, save_checkpoint
from edge_train.networks.date_columns import DateColumns, varying


def test_a_checkpoint_from_before_networks_had_members(tmp_path: Path) -> None:
    """Each layer was one of torch's; the first took numbers, each category's vectors in their order, and dates."""
    torch.manual_seed(2)
    numbers = (Feature("height", missing=0.2), Feature("width", missing=0.0))
    categorical = (
        Feature("city", "categorical", missing=0.1, categories=tuple(f"city {place}" for place in range(30))),
        Feature("code", "categorical", missing=0.0, categories=(1, 5)),
        Feature("street", "categorical", missing=0.0, categories=tuple(range(20))),
    )
    dates = (Feature("sold", "date", missing=0.2), Feature("born", "date", missing=0.0))
    inputs = (Input("x", numbers), Input("text", categorical), Input("date", dates))
    seconds = np.random.default_rng(0).integers(-(2**33), 2**33, (50, 2))
    parts = DateColumns(dates, varying(seconds))
    parts.fit(seconds)
    first, second, last = nn.Linear(3 + 10 + 2 + 8 + parts.width, 7), nn.Linear(7, 3), nn.Linear(3, 4)
    city, street = torch.randn(31, 10), torch.randn(20, 8)
    frequencies = [torch.rand(size).softmax(0) for size in (31, 2, 20)]
    content: dict[str, torch.Tensor] = {
        "numeric.mean": torch.tensor([5.0, 6.0]),
        "numeric.standard_deviation": torch.tensor([2.0, 3.0]),
        **{f"dates.{name}": value for name, value in parts.state_dict().items()},
    }
    for place, vectors in enumerate((city, torch.eye(2), street)):
        content[f"embeddings.{place}.weight"] = vectors
        content[f"embeddings.{place}.frequency"] = frequencies[place]
    for place, layer in enumerate((first, second, last)):
        content |= {f"layers.{place}.{name}": value for name, value in layer.state_dict().items()}
    signature = Signature(inputs, "y", (0, 1, 2, 3), "multiclass_classification")
    state = OrderedDict(content)
    vars(state)["_metadata"] = OrderedDict({"": {"version": 1, "edge_predict": signature.to_dict()}})
    path = tmp_path / "model.pt"
    torch.save(state, path)

    model = load_checkpoint(path)
    assert isinstance(model, TableNet)
    assert (model.members, model.dropout_widths, model.signature) == (1, (7, 3), signature)
    x, text = torch.randn(10, 2) * 4 + 5, torch.randint(2, 4, (10, 3))
    date = torch.randint(-(2**33), 2**33, (10, 2))
    x[3, 0] = torch.nan
    standard = ((x.nan_to_num(5.0) - torch.tensor([5.0, 6.0])) / torch.tensor([2.0, 3.0])).double()
    standard = standard / (1 + (standard / 10) ** 2).sqrt()
    missing = x[:, :1].isnan()
    # The codes begin with those of unknown and missing values; the latter have a vector of the first column.
    embedded = [city[text[:, 0] - 1], torch.eye(2)[text[:, 1] - 2], street[text[:, 2] - 2]]
    values = torch.cat([standard.float(), missing.float(), *embedded, parts(date)], 1)
    expected = last(second(first(values).relu()).relu()).softmax(1)
    torch.testing.assert_close(model(x, text, date), expected)
    # Written anew, it is like any other.
    save_checkpoint(model, path)
    assert torch.equal(load_checkpoint(path)(x, text, date), model(x, text, date))
