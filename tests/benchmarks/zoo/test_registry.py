"""The list of networks, and those of them that need nothing but torch."""

import re

import pytest
import torch
from benchmarks.zoo.network import positional, seeded
from benchmarks.zoo.registry import FAMILIES, family_of, networks
from paths import ROOT

# Made of packages that are not installed here; the others are of this repository.
OWN = [
    name
    for family in ("recurrent", "graphs", "generative", "classical")
    for name in (one.name for one in FAMILIES[family])
]


def test_names_are_unique_and_all_families_are_there() -> None:
    assert len(networks()) == sum(map(len, FAMILIES.values())) >= 75
    assert all(FAMILIES.values())
    assert family_of("resnet18") == "classification"


def test_the_help_of_make_tells_how_many() -> None:
    said = re.search(r"^zoo:.*## export (\d+) real networks", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert said
    assert abs(len(networks()) - int(said[1])) <= 10


@pytest.mark.parametrize("name", OWN)
def test_batches_of_each_size_run_and_differ(name: str) -> None:
    network = networks()[name]
    module = seeded(0, network.make)
    for rows in network.sizes:
        first, second = network.inputs(rows), network.inputs(rows)
        with torch.no_grad():
            made = module(**first) if isinstance(first, dict) else module(*first)
        assert torch.utils._pytree.tree_leaves(made)
        assert any(
            not torch.equal(one, other) for one, other in zip(positional(first), positional(second), strict=True)
        )
