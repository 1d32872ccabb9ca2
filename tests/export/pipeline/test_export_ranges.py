"""Exports whose integers have a meaning: what is drawn for them, and what their files refuse."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from layers import layer, rows
from torch import Tensor, nn

from edge_export import Budget, ExportError, export
from edge_runtime import Feature, Input, InvalidInput, Predictor, Signature
from edge_runtime.contract.metadata_keys import RANGES_KEY


class Columns(nn.Module):
    """A table of 3 rows for the first code and one of 90 rows for the second."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b = nn.Embedding(3, 2), nn.Embedding(90, 2)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        found: Tensor = x + self.a(c[:, 0]) + self.b(c[:, 1])
        return found


CODES = torch.zeros(4, 2, dtype=torch.int64)


@pytest.mark.parametrize(
    "kinds", [{"formats": ["onnx", "ort"]}, {"precisions": ["float16", "int8-dynamic"], "budget": Budget(1, 1)}]
)
def test_codes_that_torch_refuses_are_refused(tmp_path: Path, kinds: Any) -> None:
    module = Columns()
    for made in export(module, (rows(4, 2), CODES), tmp_path / "m.onnx", **kinds):
        predictor = Predictor(made.path, verify=True)
        x = np.zeros((2, 2), np.float32)
        for taken in ([[0, 0], [2, 89]], [[1, 7], [1, 7]]):
            expected = module(torch.from_numpy(x), torch.tensor(taken)).detach().numpy()
            np.testing.assert_allclose(predictor.run({"x": x, "c": taken})["output"], expected, atol=0.1)
        for row, place, value, most in ((1, 0, -1, 2), (0, 0, 3, 2), (1, 1, 90, 89), (0, 1, -90, 89)):
            codes = np.zeros((2, 2), np.int64)
            codes[row, place] = value
            with pytest.raises(IndexError):
                module(torch.from_numpy(x), torch.from_numpy(codes))
            with pytest.raises(
                InvalidInput, match=rf"^c\[{row}, {place}\] is {value}, but the model takes 0 to {most} "
            ):
                predictor.run({"x": x, "c": codes})


@pytest.mark.parametrize(
    ("forward", "wrong", "message"),
    [
        (lambda self, c: self.layer.weight.index_select(0, c), [-1], r"c\[0\] is -1, but the model takes 0 to 2 there"),
        (lambda self, c: nn.functional.one_hot(c, 4) + 0.0, [2, -1], r"c\[1\] is -1, but the model takes 0 to 3 there"),
        (
            lambda self, c: self.layer.weight[:1].expand(c.shape[0], 3).gather(1, c[:, None]),
            [0, 3],
            r"c\[1\] is 3, but the model takes 0 to 2 there",
        ),
        (lambda self, c: self.layer.weight[c], [0, -4], r"c\[1\] is -4, but the model takes -3 to 2 there"),
    ],
)
def test_other_lookups(tmp_path: Path, forward: Any, wrong: list[int], message: str) -> None:
    (made,) = export(layer(forward), torch.tensor([0, 1]), tmp_path / "m.onnx")
    predictor = Predictor(made.path)
    with pytest.raises(InvalidInput, match=f"^{message}"):
        predictor.run({"c": wrong})


def test_torch_counts_from_the_end_and_so_does_the_file(tmp_path: Path) -> None:
    module = layer(lambda self, c: self.layer.weight[c])
    (made,) = export(module, torch.tensor([0, 1]), tmp_path / "m.onnx")
    codes = torch.tensor([-3, -1, 0, 2])
    np.testing.assert_array_equal(Predictor(made.path).run({"c": codes})["output"], module(codes).detach())


def test_a_file_without_lookups_has_no_ranges(tmp_path: Path) -> None:
    made = export(nn.Identity(), rows(), tmp_path / "m.onnx")
    made += export(layer(lambda self, c: c * 2.0), torch.arange(8).reshape(4, 2), tmp_path / "c.onnx")
    assert not any(RANGES_KEY.encode() in one.content for one in made)
    (with_lookup,) = export(nn.Embedding(4, 1), torch.tensor([0, 1]), tmp_path / "e.onnx")
    assert RANGES_KEY.encode() in with_lookup.content


def test_numbers_that_stand_for_codes_in_a_table_with_names(tmp_path: Path) -> None:
    """All ways to answer check them: single rows and many."""

    def forward(self: Any, x: Tensor) -> Tensor:
        found: Tensor = x[:, 1:] + self.layer.weight.index_select(0, x[:, 0].long())
        return found.sum(1, keepdim=True).sigmoid()

    module = layer(forward)
    signature = Signature((Input("x", tuple(map(Feature, "abcd"))),), "chance", ("no", "yes"))
    (made,) = export(module, torch.ones(4, 4), tmp_path / "m.onnx", signature=signature)
    predictor = Predictor(made.path, verify=True)
    good, bad = [2.0, 0.5, 0.5, 0.5], [3.0, 0.5, 0.5, 0.5]
    expected = module(torch.tensor([good])).item()
    assert predictor.predict_proba([good] * 9)[:, 1] == pytest.approx([expected] * 9, abs=1e-6)
    for _ in range(2):
        assert predictor.predict_one(good).probability == pytest.approx(max(expected, 1 - expected), abs=1e-6)
        for ask in (predictor.predict_one, predictor.predict, predictor.predict_proba):
            with pytest.raises(InvalidInput, match=r"^x\[0, 0\] is 3.0, but the model takes 0 to 2 there"):
                ask(bad)
    with pytest.raises(InvalidInput, match=r"^x\[8, 0\] is 3.0"):
        predictor.predict([good] * 8 + [bad])


def test_ranges_of_the_users(tmp_path: Path) -> None:
    """The module takes what nothing in its graph tells."""

    def forward(self: Any, x: Tensor, n: Tensor) -> Tensor:
        if not torch.compiler.is_exporting() and ((n < 2).any() or (n > 5).any()):
            raise ValueError("from 2 to 5")
        return x / n[:, None]

    module, example = layer(forward), (rows(4, 2), torch.tensor([2, 3, 4, 5]))
    seen: list[int] = []
    (made,) = export(module, example, tmp_path / "m.onnx", ranges={"n": (2, 5), "x": [(0, 1), (10, 20)]})
    for call in made.comparisons[0].probe.calls[1:]:
        seen += call["n"].tolist()
        assert ((call["x"] >= [0, 10]) & (call["x"] <= [1, 20])).all()
    assert set(seen) == {2, 3, 4, 5}
    with pytest.raises(ExportError, match=r"^ranges: the module fails with n at 6, .*from 2 to 5"):
        export(module, example, tmp_path / "m.onnx", ranges={"n": (2, 6)})


def test_a_sampler_of_the_users(tmp_path: Path) -> None:
    dynamic = {"input": ("ids",), "offsets": ("batch",)}
    example = {"input": torch.arange(9), "offsets": torch.tensor([0, 3, 7])}

    def draw(random: np.random.Generator, count: int) -> Any:
        ids = random.integers(0, 10, count + 9)
        return {"input": ids, "offsets": np.sort(random.integers(0, len(ids), count)) * (np.arange(count) > 0)}

    notes: list[str] = []
    with pytest.raises(ExportError, match=r"fails on \d+ of \d+ calls drawn as rows like the example.*sampler=\.\.\."):
        export(nn.EmbeddingBag(10, 4), example, tmp_path / "m.onnx", dynamic=dynamic)
    assert not list(tmp_path.iterdir())
    (made,) = export(
        nn.EmbeddingBag(10, 4), example, tmp_path / "m.onnx", dynamic=dynamic, sampler=draw, note=notes.append
    )
    assert made.comparisons[0].probe.kind == "rows of the sampler given"
    assert Predictor(made.path).verify().passed
    # The largest offset alone, at the first place too, is an extreme row that the module refuses.
    assert [note.partition("(")[0] for note in notes] == [
        "the module itself fails on some calls, which are not compared "
    ]


def test_an_output_that_does_not_change_is_told(tmp_path: Path) -> None:
    head = nn.Linear(3, 2)
    nn.init.zeros_(head.weight)
    notes: list[str] = []
    export(nn.Sequential(nn.Linear(3, 3), head), rows(), tmp_path / "m.onnx", note=notes.append)
    assert notes == [
        "the output 'output' is the same for all rows like the example, so that they test little of it: is its last "
        "layer zero-initialised?"
    ]


def masked(self: Any, x: Tensor, mask: Tensor) -> Tensor:
    if not torch.compiler.is_exporting() and (mask == 0).any():
        raise ValueError("every place is needed")
    return x * mask


def test_a_note_of_an_input_that_stays_one_integer(tmp_path: Path) -> None:
    notes: list[str] = []
    example = (rows(4, 3), torch.ones(4, 3, dtype=torch.int64))
    export(layer(masked), example, tmp_path / "m.onnx", note=notes.append)
    assert notes == [
        "the input 'mask' is 1 everywhere in the example, and nothing else was compared: give rows with others by "
        "--data, ranges or a sampler"
    ]
    notes.clear()
    export(layer(masked), example, tmp_path / "m.onnx", note=notes.append, ranges={"mask": (1, 5)})
    export(layer(lambda self, x, mask: x * mask), example, tmp_path / "m.onnx", note=notes.append)
    assert notes == []
