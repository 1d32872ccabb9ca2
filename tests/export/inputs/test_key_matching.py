"""Finding a module's keys among those of a file, at any place and behind any prefix."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from edge_export.inputs.key_matching import matches
from edge_export.inputs.weight_files import Saved

MODULE = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)).state_dict()
WRAPPERS = ["module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module"]


def saved(keys: list[str], path: tuple[str, ...] = ()) -> list[Saved]:
    return [Saved(path, key, tensor) for key, tensor in zip(keys, MODULE.values(), strict=True)]


@given(
    path=st.lists(st.sampled_from(["state_dict", "model", "module", "my.name"]), max_size=3),
    lead=st.lists(st.sampled_from([*WRAPPERS, "model", "net", "backbone"]), max_size=5),
    inside=st.lists(st.sampled_from(WRAPPERS), max_size=2),
)
def test_any_nesting_in_any_order(path: list[str], lead: list[str], inside: list[str]) -> None:
    keys = [".".join([*lead, number, *inside, name]) for number, name in (key.split(".") for key in MODULE)]
    others = [Saved(("optimizer", "0"), "exp_avg", torch.ones(3, 2)), Saved(("scheduler",), "step", torch.ones(()))]
    (match,) = matches([*saved(keys, tuple(path)), *others], MODULE)
    assert match.is_complete
    assert {key: one.key for key, one in match.found.items()} == dict(zip(MODULE, keys, strict=True))
    assert match.where == tuple(path)
    assert match.lead == "".join(f"{part}." for part in lead)
    assert match.wrappers == sorted({*inside})


@pytest.mark.parametrize("wrappers", [*itertools.permutations(WRAPPERS[:2])])
def test_the_module_may_be_wrapped_too(wrappers: tuple[str, str]) -> None:
    expected = {".".join([*wrappers, key]): tensor for key, tensor in MODULE.items()}
    for keys in ([*MODULE], [f"_orig_mod.{key}" for key in MODULE], [*expected]):
        (match,) = matches(saved(keys), expected)
        assert match.is_complete


def test_a_part_that_is_named_like_a_wrapper() -> None:
    expected = {"module.weight": torch.ones(1), "weight": torch.ones(1)}
    found = [Saved((), f"net.{key}", tensor) for key, tensor in expected.items()]
    (match,) = matches(found, expected)
    assert match.is_complete
    assert {key: one.key for key, one in match.found.items()} == {key: f"net.{key}" for key in expected}


def test_the_weights_of_a_part_of_the_module_that_is_all_of_it() -> None:
    expected = {f"net.inner.{key}": tensor for key, tensor in MODULE.items()}
    for keys, cut in (([*MODULE], ("net", "inner")), ([f"inner.{key}" for key in MODULE], ("net",))):
        (match,) = matches(saved(keys, ("model",)), expected)
        assert (match.is_complete, match.cut) == (True, cut)


def test_a_module_around_what_the_file_has_may_share_its_tensors() -> None:
    inner = nn.ModuleDict({"embedding": nn.Embedding(5, 4), "layer": nn.Linear(4, 4)})
    outer = nn.ModuleDict({"transformer": inner, "head": nn.Linear(4, 5, bias=False)})
    outer["head"].weight = inner["embedding"].weight
    found = [Saved((), key, tensor) for key, tensor in inner.state_dict().items()]
    (match,) = matches(found, outer.state_dict(keep_vars=True))
    assert (match.is_complete, match.cut) == (True, ("transformer",))
    assert match.found["head.weight"].key == "embedding.weight"


def test_all_places_where_they_are_complete() -> None:
    keys, shorter = [*MODULE], [*MODULE][:-1]
    found = [
        *saved(keys, ("state_dict",)),
        *saved([f"ema.{key}" for key in keys], ("state_dict",)),
        *saved(keys, ("best",)),
        *saved(keys, ("last",))[: len(shorter)],
    ]
    places = {(match.where, match.lead, match.is_usual) for match in matches(found, MODULE)}
    # The first has other keys beside it behind the same, empty prefix.
    assert places == {(("state_dict",), "ema.", False), (("best",), "", False)}


def test_the_best_of_incomplete_ones() -> None:
    keys = [*MODULE]
    found = [*saved(keys, ("a",))[:3], *saved(keys, ("b",))[:5], Saved(("b",), "more", torch.ones(1))]
    (match,) = matches(found, MODULE)
    assert match.where == ("b",)
    assert match.missing == keys[5:]
    assert [one.key for one in match.unexpected] == ["more"]


def test_shapes() -> None:
    expected = {"a": torch.ones(2, 3), "b": torch.ones(()), "c": torch.ones(2)}
    found = [Saved((), "a", torch.ones(3, 2)), Saved((), "b", torch.ones(1)), Saved((), "c", torch.ones(2))]
    (match,) = matches(found, expected)
    assert match.of_other_shape == ["a"]


def test_nothing_in_common() -> None:
    assert matches([Saved((), "a", torch.ones(1))], MODULE) == []
    assert matches([Saved((), "a", torch.ones(1))], {}) == []


def test_keys_of_one_tensor_stand_for_each_other() -> None:
    embedding, head = nn.Embedding(5, 4), nn.Linear(4, 5, bias=False)
    head.weight = embedding.weight
    expected = nn.ModuleDict({"embedding": embedding, "head": head}).state_dict(keep_vars=True)
    for key in expected:
        (match,) = matches([Saved((), f"model.{key}", torch.ones(5, 4))], expected)
        assert match.is_complete
        assert match.found.keys() == expected.keys()


def test_equal_tensors_do_not_stand_for_each_other() -> None:
    expected = {"a": torch.ones(2), "b": torch.ones(2), "c": torch.zeros(0), "d": torch.zeros(0)}
    (match,) = matches([Saved((), "a", torch.ones(2)), Saved((), "c", torch.zeros(0))], expected)
    assert match.missing == ["b", "d"]


def test_versions_of_parts_by_the_modules_names() -> None:
    keys = [f"module.model.{key}" for key in MODULE]
    (match,) = matches(saved(keys, ("state_dict",)), MODULE)
    versions = {"": 0, "module": 1, "module.model": 2, "module.model.0": 3, "module.model.1": 4, "loss": 5}
    found = match.versions({("state_dict",): versions, ("other",): {"": 6}}, ["", "0", "1"])
    assert found == {"": 2, "0": 3, "1": 4}
