"""What a call leaves in a module does not meet the next call, and the module that was given stays as it is."""

import copy
import weakref
from typing import Any

import numpy as np
import pytest
import torch
from layers import Layer, assert_same, in_file, layer, refusal, rows
from torch import Tensor, nn

from edge_export.capture.capture import capture
from edge_export.capture.copies import fresh, is_same, on_cpu
from edge_train import NeuralNet

X = rows()


class ShapeCache(Layer):
    """As the heads of detectors do: what fits the last shape is kept."""

    shape: Any = None

    def forward(self, x: Tensor) -> Any:
        if self.shape != x.shape:
            self.places, self.shape = torch.arange(x.shape[0])[:, None].float(), x.shape
        return self.layer(x) + self.places


class FirstCache(Layer):
    """What fits the first shape is kept for good."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[str, Tensor] = {}

    def forward(self, x: Tensor) -> Any:
        if "places" not in self.kept:
            self.kept["places"] = torch.arange(x.shape[0])[:, None].float()
        return self.layer(x) + self.kept["places"]


class GrowingTable(Layer):
    """A table of angles that grows with the longest sequence so far, as rotary embeddings have it."""

    table: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("table", torch.zeros(0), persistent=False)

    def forward(self, x: Tensor) -> Any:
        if self.table.shape[0] < x.shape[0]:
            self.table = torch.arange(x.shape[0]).float().sin()
        return self.layer(x) * self.table[: x.shape[0], None]


@pytest.mark.parametrize("kind", [ShapeCache, FirstCache, GrowingTable])
def test_modules_that_keep_what_fits_a_shape(kind: type[nn.Module]) -> None:
    module = kind()
    before = copy.deepcopy(module)
    program = capture(module, X)
    assert program.is_stateful
    assert program.inputs[0].shape == ("batch", 3)
    run = in_file(program)
    for count in (4, 1, 7, 2):
        x = {"x": rows(count, 3).numpy()}
        assert_same(run(x), program.run(x))
        assert_same(program.run(x), {"output": before_call(before, x["x"])})
    assert vars(module).keys() == vars(before).keys()
    assert not getattr(module, "kept", None)
    assert not sum(map(len, module.buffers()))


def before_call(module: nn.Module, x: Any) -> Any:
    """What a module that was never called gives."""
    with torch.no_grad():
        return copy.deepcopy(module)(torch.from_numpy(x)).numpy()


class Calls(Layer):
    """What it counts goes nowhere."""

    seen: Tensor
    usage: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))
        self.register_buffer("usage", torch.zeros(3))

    def forward(self, x: Tensor) -> Any:
        self.seen += 1
        self.usage.mul_(0.9).add_(0.1 * x.mean(0))
        return self.layer(x)


def test_counters_that_no_output_depends_on_are_dropped() -> None:
    module = Calls()
    program = capture(module, X)
    assert program.notes == tuple(
        f"the module changes its own {name} as it runs, which no output depends on: the artifact does not"
        for name in ("seen", "usage")
    )
    x = {"x": rows(7, 3).numpy()}
    assert_same(in_file(program)(x), program.run(x))
    for kept in (module, program.module):
        assert not any(buffer.any() for buffer in kept.buffers())


def test_a_counter_that_an_output_depends_on_is_named() -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        self.seen += 1
        self.usage.add_(x.mean(0))
        found: Tensor = self.layer(x) * self.usage
        return found

    module = type("Reading", (Calls,), {"forward": forward})()
    message = refusal(module, X)
    assert message.startswith("the module changes its own usage as it runs, and an artifact keeps nothing from call to")


def test_copies_share_parameters() -> None:
    module: Any = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    for with_buffers in (False, True):
        copied: Any = fresh(module, with_buffers=with_buffers)
        assert copied is not module
        assert copied[0] is not module[0]
        assert copied[0].weight is module[0].weight
        assert (copied[1].running_mean is module[1].running_mean) == (not with_buffers)
        assert is_same(copied, module)


class Holder:
    def __init__(self) -> None:
        self.values: Any = {"a": [1, (2, np.zeros(2))]}
        self.own = self


@pytest.mark.parametrize(
    "change",
    [
        lambda m: setattr(m, "number", 2),
        lambda m: setattr(m, "new", None),
        lambda m: m.tensor.add_(1),
        lambda m: setattr(m, "tensor", m.tensor.double()),
        lambda m: setattr(m, "tensor", m.tensor[:1]),
        lambda m: m.holder.values["a"].append(1),
        lambda m: m.holder.values["a"][1][1].fill(1),
        lambda m: m.holder.values.update(b=1),
        lambda m: m.inner[0].register_buffer("more", torch.zeros(1)),
        lambda m: m.inner.append(nn.ReLU()),
        lambda m: m.inner[1].running_mean.add_(1),
    ],
)
def test_changes_are_seen_wherever_they_are(change: Any) -> None:
    module = layer(lambda self, x: x)
    module.number, module.holder = 1, Holder()  # type: ignore[assignment]
    module.tensor = torch.tensor([1.0, torch.nan])
    module.inner = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    copied = fresh(module, with_buffers=True)
    assert is_same(copied, module)
    change(copied)
    assert not is_same(copied, module)


def test_weak_references_are_compared_by_what_they_refer_to() -> None:
    module: Any = on_cpu(NeuralNet(3, 4))  # torch keeps a weak reference to it in the hook that it registers
    copied: Any = fresh(module, with_buffers=True)
    copied(X[:, :3])
    assert is_same(copied, module)
    assert not capture(module, X[:, :3]).is_stateful
    module.other, copied.other = weakref.ref(Holder), weakref.ref(Incomparable)
    assert not is_same(copied, module)


class Incomparable:
    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        raise NotImplementedError

    __hash__ = object.__hash__


def test_what_cannot_be_compared_counts_as_changed() -> None:
    module = layer(lambda self, x: self.layer(x))
    module.odd = Incomparable()  # type: ignore[assignment]
    assert not is_same(fresh(module, with_buffers=True), module)
    assert_same(in_file(capture(module, X))({"x": X.numpy()}), {"output": before_call(module, X.numpy())})


# ---------------------------------------------------------------------------------------------------------- TorchScript


@torch.jit.script
def twice(x: Tensor) -> Tensor:
    return torch.relu(x * 2)


def test_scripted_functions_and_traced_parts_are_captured() -> None:
    module: Any = layer(lambda self, x: self.traced(twice(x)))
    module.traced = torch.jit.trace(nn.Linear(3, 3), X)  # type: ignore[no-untyped-call]
    program = capture(module, X)
    x = {"x": rows(7, 3).numpy()}
    assert_same(in_file(program)(x), program.run(x))
    assert module.traced.weight.requires_grad


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: torch.jit.script(nn.Linear(3, 3)), "a TorchScript module is what torch made of a module written in "),
        (
            lambda: torch.jit.trace(nn.Linear(3, 3), X),  # type: ignore[no-untyped-call]
            "a TorchScript module is what torch made of a module written in ",
        ),
        (
            lambda: nn.Sequential(nn.ReLU(), nn.Sequential(torch.jit.script(nn.Linear(3, 3)))),
            "1.0 is made by torch.jit.script, which torch.export cannot look into: use the Python module that it was ",
        ),
    ],
)
def test_scripted_modules_are_refused(make: Any, message: str) -> None:
    assert refusal(make(), X).startswith(message)


def test_the_copy_is_in_evaluation_mode_and_needs_no_gradients() -> None:
    copied = on_cpu(nn.Sequential(nn.Linear(3, 3), nn.Dropout()).train())
    assert not any(part.training for part in copied.modules())
    assert not any(parameter.requires_grad for parameter in copied.parameters())
