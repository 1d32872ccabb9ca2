"""Labels for any classifier: of images, of words with a mask, of one column, of one output among several."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from exports import from_torchscript, onnx_bytes
from hypothesis import given
from hypothesis import strategies as st
from tiers import examples
from torch import Tensor, nn

from edge_export import ExportError, export
from edge_export.capture.capture import adopt, capture
from edge_export.capture.classes import Classes
from edge_runtime import Input, Predictor, Signature

LABELS = ("cat", "dog", "fox")
IMAGES = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def network(columns: int, *more: nn.Module) -> nn.Module:
    torch.manual_seed(columns)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, columns), *more
    )


class Words(nn.Module):
    """As classifiers of text are called, and what they return."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.head = nn.Embedding(50, 8), nn.Linear(8, 3)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> dict[str, Tensor | None]:
        mask = attention_mask[..., None].float()
        hidden = (self.embedding(input_ids) * mask).sum(1) / mask.sum(1).clamp(min=1)
        return {"loss": None, "hidden": hidden, "logits": self.head(hidden)}


class Returning(nn.Module):
    """Returns what `make` makes of logits."""

    def __init__(self, make: Callable[[Tensor], Any], columns: int = 3) -> None:
        super().__init__()
        self.layer, self.make = nn.Linear(4, columns), make

    def forward(self, x: Tensor) -> Any:
        return self.make(self.layer(x))


class Pair(NamedTuple):
    scores: Any
    other: Any


@dataclasses.dataclass
class Record:
    scores: Any
    other: Any = None


def answers(module: nn.Module, example: Any, classes: Classes, **options: Any) -> Predictor:
    """The file of a captured module, opened."""
    return Predictor(onnx_bytes(capture(module, example, classes=classes, **options)), device="cpu")


@pytest.mark.parametrize("columns", [2, 3, 10])
def test_logits_of_images(columns: int) -> None:
    labels, module = tuple(range(columns)), network(columns).eval()
    predictor = answers(module, IMAGES, Classes(labels, from_logits=True))
    assert predictor.signature == Signature((Input("input"),), "probabilities", labels, "multiclass_classification")
    batch = torch.randn(5, 3, 8, 8)
    with torch.no_grad():
        expected = module(batch).softmax(1).numpy()
    np.testing.assert_allclose(predictor.predict_proba(batch), expected, atol=1e-6)
    assert predictor.predict(batch).tolist() == expected.argmax(1).tolist()
    assert not module._forward_hooks, "the module is still the caller's"


@pytest.mark.parametrize("squeezed", [False, True])
def test_one_column(squeezed: bool) -> None:
    module = network(1, *([nn.Flatten(0)] if squeezed else [])).eval()
    predictor = answers(module, IMAGES, Classes((False, True), from_logits=True))
    assert predictor.required_signature.task == "binary_classification"
    assert predictor.outputs[0].shape == ("batch", 1)
    with torch.no_grad():
        expected = module(IMAGES).sigmoid().flatten().numpy()
    np.testing.assert_allclose(predictor.predict_proba(IMAGES)[:, 1], expected, atol=1e-6)


def test_probabilities_as_they_are() -> None:
    for module in (network(3, nn.Softmax(1)), network(3, nn.LogSoftmax(1))):
        is_log = isinstance(module[-1], nn.LogSoftmax)  # type: ignore[index]
        predictor = answers(module, IMAGES, Classes(LABELS, from_logits=is_log))
        with torch.no_grad():
            expected = module(IMAGES).exp() if is_log else module(IMAGES)
        np.testing.assert_allclose(predictor.predict_proba(IMAGES), expected, atol=1e-6)


def test_words_with_a_mask() -> None:
    module = Words().eval()
    ids, mask = torch.randint(50, (2, 7)), torch.ones(2, 7, dtype=torch.int64)
    axes = ("batch", "length")
    predictor = answers(
        module,
        {"input_ids": ids, "attention_mask": mask},
        Classes(LABELS, from_logits=True),
        dynamic={"input_ids": axes, "attention_mask": axes},
    )
    assert [spec.name for spec in predictor.outputs] == ["hidden", "probabilities"]
    ids, mask = torch.randint(50, (3, 4)), torch.tensor([[1, 1, 0, 0], [1, 1, 1, 1], [1, 0, 0, 0]])
    with torch.no_grad():
        expected = module(ids, mask)["logits"].softmax(1).numpy()
    found = predictor.predict_proba({"input_ids": ids, "attention_mask": mask})
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("make", "outputs"),
    [
        (lambda y: (y, y * 2), ["probabilities", "output_1"]),
        (lambda y: Pair(y, y * 2), ["probabilities", "other"]),
        (lambda y: {"other": y * 2, "logits": y}, ["other", "probabilities"]),
        (lambda y: {"scores": y, "other": {"twice": y * 2}}, ["probabilities", "other_twice"]),
        (lambda y: (None, y), ["probabilities"]),
        (lambda y: [y], ["probabilities"]),
        (lambda y: Record(y), ["probabilities"]),
    ],
)
def test_one_of_several_outputs(make: Callable[[Tensor], Any], outputs: list[str]) -> None:
    module = Returning(make).eval()
    rows = torch.randn(2, 4)
    predictor = answers(module, rows, Classes(LABELS, from_logits=True))
    assert [spec.name for spec in predictor.outputs] == outputs
    with torch.no_grad():
        expected = module.layer(rows).softmax(1).numpy()
    np.testing.assert_allclose(predictor.predict_proba(rows), expected, atol=1e-6)


@pytest.mark.parametrize("by_name", [False, True])
def test_a_program_of_torch_export(by_name: bool) -> None:
    """With its dimensions, and their ranges."""
    module = Returning(lambda y: (y, y * 2)).eval()
    args, kwargs = ((), {"x": torch.randn(2, 4)}) if by_name else ((torch.randn(2, 4),), {})
    exported = torch.export.export(module, args, kwargs, dynamic_shapes={"x": {0: torch.export.Dim("rows", max=64)}})
    program = adopt(exported, classes=Classes(LABELS, from_logits=True))
    assert program.dimensions == {"batch": (1, 64)}
    assert len(exported.graph_signature.user_outputs) == 2
    rows = torch.randn(5, 4)
    with torch.no_grad():
        expected = module.layer(rows).softmax(1).numpy()
    found = Predictor(onnx_bytes(program), device="cpu").predict_proba(rows)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("module", "labels", "from_logits", "message"),
    [
        (network(10), LABELS, True, "there are 3 labels, and output has 10 columns (shape [2, 10]), which need 10"),
        (network(2), LABELS, True, "there are 3 labels, and output has 2 columns (shape [2, 2]), which need 2"),
        (network(1), LABELS, True, "there are 3 labels, and output has 1 column (shape [2, 1]), which needs 2"),
        (network(3), LABELS, False, "output does not hold probabilities: it has numbers beyond 0 and 1"),
        (network(3, nn.Sigmoid()), LABELS, False, "it has a row that adds up to"),
        (network(3, nn.Softmax(1)), LABELS, True, "output holds probabilities already; drop --from-logits"),
        (nn.Conv2d(3, 3, 1), LABELS, True, "shape (batch, labels), and output is float32 [2, 3, 8, 8]"),
        (network(3, nn.Flatten(0), nn.Unflatten(0, (2, 3)), nn.Softmax(0)), LABELS, False, "a row that adds up to"),
    ],
)
def test_what_does_not_fit(module: nn.Module, labels: tuple[str, ...], from_logits: bool, message: str) -> None:
    with pytest.raises(ExportError) as raised:
        capture(module, IMAGES, classes=Classes(labels, from_logits))
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda y: y.argmax(1), "labels are for an output of floats of shape (batch, labels), and output is int64 [2]"),
        (lambda y: None, "labels are for a tensor, and the module returns NoneType"),
        (
            lambda y: {"logits": y, "probabilities": y.softmax(1)},
            "returns probabilities besides logits; drop --from-logits",
        ),
    ],
)
def test_outputs_that_do_not_fit(make: Callable[[Tensor], Any], message: str) -> None:
    with pytest.raises(ExportError) as raised:
        capture(Returning(make), torch.randn(2, 4), classes=Classes(LABELS, from_logits=True))
    assert message in str(raised.value)


def test_probabilities_beside_logits() -> None:
    module = Returning(lambda y: {"logits": y, "probabilities": y.softmax(1)}).eval()
    predictor = answers(module, torch.randn(2, 4), Classes(LABELS, from_logits=False))
    assert [spec.name for spec in predictor.outputs] == ["logits", "probabilities"]
    assert predictor.predict_proba(torch.zeros(1, 4)).sum() == pytest.approx(1)


def test_a_module_with_a_signature() -> None:
    module = network(3)
    module.signature = Signature((Input("input"),), "y", LABELS, "multiclass_classification")  # type: ignore[assignment]
    with pytest.raises(ExportError, match=r"has a signature, which names its labels; drop --labels"):
        capture(module, IMAGES, classes=Classes(LABELS, from_logits=True))


@examples(3, 30)
@given(st.lists(st.integers(1, 4), max_size=3), st.integers(1, 4), st.booleans())
def test_inputs_of_any_shape(shape: list[int], columns: int, is_integer: bool) -> None:
    """Whatever the shape and type of the input, the file takes it and gives the probability of each label."""
    torch.manual_seed(0)
    layer = nn.LazyLinear(columns)
    size = int(np.prod(shape))
    layer(torch.zeros(1, size))

    class Flat(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, x: Tensor) -> Tensor:
            scores: Tensor = self.layer(x.float().reshape(x.shape[0], size))
            return scores

    labels = tuple(range(max(columns, 2)))
    rows = torch.randint(-3, 3, (3, *shape)) if is_integer else torch.randn(3, *shape)
    module = Flat().eval()
    predictor = answers(module, rows, Classes(labels, from_logits=True))
    with torch.no_grad():
        scores = module(rows)
    expected = scores.softmax(1) if columns > 1 else torch.cat([1 - scores.sigmoid(), scores.sigmoid()], 1)
    np.testing.assert_allclose(predictor.predict_proba(rows), expected, atol=1e-6)
    np.testing.assert_allclose(predictor.predict_proba(rows[0]), expected[:1], atol=1e-6)


def test_every_file_is_verified(tmp_path: Path) -> None:
    """In ONNX and TorchScript the probabilities are in the graph, compared with torch as everything else is."""
    module = network(3).eval()
    made = export(
        module,
        IMAGES,
        tmp_path / "cnn.onnx",
        labels=np.array(LABELS),  # type: ignore[arg-type]
        from_logits=True,
        formats=["onnx", "torchscript"],
        precisions=["float32", "int8-dynamic"],
        report=tmp_path / "report.html",
    )
    assert [one.path.name for one in made] == ["cnn.onnx", "cnn.torchscript", "cnn.int8-dynamic.onnx"]
    predictor = Predictor(tmp_path / "cnn.onnx", verify=True)
    assert predictor.predict(IMAGES).dtype == np.array(LABELS).dtype
    extra = {"edge_predict.signature": ""}
    scripted = from_torchscript(tmp_path / "cnn.torchscript", extra)
    with torch.no_grad():
        torch.testing.assert_close(scripted(IMAGES)["probabilities"], module(IMAGES).softmax(1))
    assert Signature.from_json(extra["edge_predict.signature"]) == predictor.signature
    certificate = predictor.certificate
    assert certificate is not None
    kinds = {comparison["kind"]: comparison["decided"] for comparison in certificate.comparisons}
    decided, of = kinds["rows like the example"]
    assert 0 < decided <= of
    page = (tmp_path / "report.html").read_text()
    assert "<b>cat, dog, fox</b>" in page
    assert "<th>feature</th>" not in page
