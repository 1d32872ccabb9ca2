"""Records: dataclasses and other classes of tensors, as what modules take and return."""

import sys
import types
from collections import UserDict
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from layers import assert_same, in_file, layer, refusal, rows
from tiers import mostly_slow
from torch import Tensor
from torch.utils import _pytree as pytree

from edge_export.capture.capture import capture
from edge_export.capture.structures import looked_into, plain, records_in

X = rows()


@dataclass
class Answer:
    logits: Tensor
    loss: Tensor | None = None
    hidden: Any = None


@dataclass(frozen=True, slots=True)
class Batch:
    image: Tensor
    mask: Tensor

    def __post_init__(self) -> None:
        if self.image.shape[0] != self.mask.shape[0]:
            raise ValueError("not of one size")


class Results(dict[str, Any]):
    pass


class Items(list[Any]):
    pass


class Encoding(UserDict[str, Any]):
    pass


class Attributes:
    """A class as attrs makes them."""

    __attrs_attrs__ = (types.SimpleNamespace(name="score"), types.SimpleNamespace(name="box"))

    def __init__(self, score: Tensor, box: Tensor) -> None:
        self.score, self.box = score, box


RECORDS: dict[str, tuple[Any, Any, list[str], list[str]]] = {
    "a dataclass": (
        lambda self, x: Answer(self.layer(x), hidden=(x, x + 1)),
        X,
        ["x"],
        ["logits", "hidden_0", "hidden_1"],
    ),
    "a dataclass taken": (
        lambda self, batch: self.layer(batch.image) * batch.mask,
        (Batch(X, X > 0),),
        ["batch_image", "batch_mask"],
        ["output"],
    ),
    "records in records": (
        lambda self, x: Results(a=Answer(self.layer(x)), b=Items([x, {"c": Answer(x * 2)}])),
        X,
        ["x"],
        ["a_logits", "b_0", "b_1_c_logits"],
    ),
    "a dict of its own class": (lambda self, e: {"y": self.layer(e["a"])}, (Encoding(a=X),), ["e_a"], ["y"]),
    "attrs": (lambda self, x: Attributes(self.layer(x), x), X, ["x"], ["score", "box"]),
}


@pytest.mark.parametrize("name", mostly_slow(RECORDS, ["a dataclass", "a dataclass taken"]))
def test_records_are_taken_by_field(name: str) -> None:
    forward, example, inputs, outputs = RECORDS[name]
    program = capture(layer(forward), example)
    assert [spec.name for spec in program.inputs] == inputs
    assert list(program.outputs) == outputs
    more = {name: values.repeat(2, axis=0)[:7] for name, values in program.example.items()}
    assert_same(in_file(program)(more), program.run(more))
    assert_same(program.run_captured(more), program.run(more))
    # What others make of these classes stays as it was.
    assert not [kind for kind in pytree.SUPPORTED_NODES if kind.__module__ == __name__]


def test_a_saved_program_has_dicts_for_records(tmp_path: Any) -> None:
    forward, example, _, _ = RECORDS["a dataclass taken"]
    program = capture(layer(forward), example)
    torch.export.save(program.exported, tmp_path / "program.pt2")
    args, kwargs = program.captured_arguments(program.example)
    assert [type(value) for value in (*args, *kwargs.values())] == [dict]
    loaded = torch.export.load(tmp_path / "program.pt2")
    (found,) = loaded.module(check_guards=False)(*args, **kwargs)
    assert np.array_equal(found, program.run(program.example)["output"])


def test_records_are_looked_into_only_inside() -> None:
    answer = Answer(X, hidden=Items([X]))
    found = records_in({"a": answer})
    assert found == {Answer: "['a']", Items: "['a'].hidden"}
    assert len(pytree.tree_leaves(answer)) == 1
    with looked_into(found):
        leaves, structure = pytree.tree_flatten(answer)
        assert [leaf is X for leaf in leaves] == [True, False, True]
        with looked_into(found):
            pass
        again = pytree.tree_unflatten(["a", "b", "c"], structure)
        assert again == Answer("a", "b", Items(["c"]))  # type: ignore[arg-type]
    assert plain(structure) == pytree.tree_structure({"logits": 0, "loss": 0, "hidden": {"0": 0}})


def test_what_is_not_a_record_stays_a_leaf() -> None:
    assert records_in([X, None, 1, "a", (2.5, {"b": True}), object()]) == {}


def test_a_distribution_is_not_a_tensor() -> None:
    message = refusal(layer(lambda self, x: {"d": torch.distributions.Normal(self.layer(x), 1.0)}), X)
    assert message == (
        "the module returns a distribution (Normal), and an artifact holds tensors: return its parameters, such as "
        "mean and stddev, or logits"
    )


# --------------------------------------------------------------------------------------- caches of Hugging Face's kind


class DynamicCache:
    def __init__(self) -> None:
        self.keys: list[Tensor] = []


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch) -> type:
    monkeypatch.setattr(DynamicCache, "__module__", "transformers.cache_utils")
    monkeypatch.setitem(sys.modules, "transformers.cache_utils", sys.modules[__name__])
    return DynamicCache


def test_a_cache_among_the_outputs_is_dropped_with_a_note(cache: type) -> None:
    def forward(self: Any, x: Tensor) -> Any:
        made = cache()
        made.keys.append(x)
        return Answer(self.layer(x), hidden=made)

    program = capture(layer(forward), X)
    assert program.outputs == ("logits",)
    assert program.notes == (
        "output.hidden is a cache of earlier keys and values (DynamicCache), which an artifact cannot hold: it is "
        "dropped",
    )
    assert_same(in_file(program)(program.example), program.run(program.example))


def test_a_cache_among_the_inputs_is_refused(cache: type) -> None:
    message = refusal(layer(lambda self, x, past=None: self.layer(x)), (X, cache()))
    assert message.startswith("the argument ['past'] is a cache of earlier keys and values, which torch.export cannot")
    assert "use_cache=False" in message
