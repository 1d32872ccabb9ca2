"""The example, and what torch computes on all of its probe inputs: the tests of this room are about them."""

from pathlib import Path

import pytest
import torch

from edge_export.capture.capture import capture
from edge_export.capture.program import Program
from edge_export.verify.probe_inputs import all_probe_inputs
from edge_export.verify.reference import ProbeReference, References
from edge_export.verify.sampler import Sampler
from edge_train import Network, load_checkpoint


@pytest.fixture(autouse=True)
def probes() -> None:
    """All probe inputs, in fast tests too."""


@pytest.fixture(scope="session")
def model(trained: Path) -> Network:
    return load_checkpoint(trained)


@pytest.fixture(scope="session")
def program(model: Network) -> Program:
    return capture(model, torch.zeros(2, 2))


@pytest.fixture(scope="session")
def torch_side(program: Program) -> References:
    """Computes what torch computes on the example; `references` tell it the output's usual magnitude."""
    return References(program)


@pytest.fixture(scope="session")
def references(program: Program, torch_side: References) -> list[ProbeReference]:
    """What torch computes on the probe inputs of every kind."""
    return torch_side.of_probes(all_probe_inputs(Sampler(program), torch_side.exact))
