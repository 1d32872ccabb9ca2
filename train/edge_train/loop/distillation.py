"""Distillation: one member that answers nearly as all members of a network do together, and is as small as one.

It learns from what the whole network answers, and not from the targets (Buciluă, Caruana and Niculescu-Mizil, Model
Compression, 2006; Hinton, Vinyals and Dean, Distilling the Knowledge in a Neural Network, 2015). The network answers
any number of rows, and so half of those to learn from are made up, lest the member copies the answers to the others
alone: as in Model Compression, values of other rows take the place of some of a row's own. There they come from the
nearest row; from any row, they need no search, and show what the network answers between the rows.
"""

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from edge_train.dataset import Part
from edge_train.loop.batches import part_tensors
from edge_train.loop.division import Division
from edge_train.loop.held_out import Trained
from edge_train.loop.optimizers import AdamW
from edge_train.loop.steps import Batch, Objective, RecordedStep
from edge_train.networks.answers import named_outputs
from edge_train.networks.base import Network
from edge_train.networks.table_net import TableNet

# What was enough on tables of 400 to 20,000 rows.
_STEPS, _ROWS, _RATE = 4000, 256, 2e-3
# So many batches are made and answered at once.
_BATCHES = 16
# In made-up rows, each value is another row's with a probability that is drawn for the row, up to this one.
_MADE_UP, _MOST_SWAPPED = 0.5, 0.5


def can_be_distilled(network: Network) -> bool:
    """Whether a network has several members."""
    return isinstance(network, TableNet) and network.members > 1


def distilled(
    measured: Trained,
    final: Trained,
    division: Division,
    *,
    seed: int,
    device: torch.device,
    on_step: Callable[[int, int], None],
) -> tuple[Trained, Trained]:
    """The same two networks with one member each; one network, if they are one.

    Each learns from the rows that its own network learned from. What that network's members say of the rows that they
    held out stays: the one that is distilled holds out none.

    Args:
        measured: the network that the test rows are to measure, of several members.
        final: the one that is to be used, likewise.
        division: of the rows that they learned from.
        seed: of the rows that are drawn and made up.
        device: where to compute.
        on_step: called now and then with how many steps are done, and how many there are.
    """
    found = []
    pairs = list(zip((measured, final), division.groups, strict=False))
    for place, (trained, (_, count)) in enumerate(pairs):
        rows = division.rows.taken(np.arange(count))

        def report(done: int, before: int = place * _STEPS) -> None:
            on_step(before + done, len(pairs) * _STEPS)

        assert isinstance(trained.network, TableNet)
        network = _distilled(trained.network, rows, seed, device, report)
        found.append(replace(trained, network=network, ensemble=trained.network))
    first, last = found[0], found[-1]
    if last is not first and isinstance(first.network, TableNet):
        first.network.forget_unseen()
    return first, last


def _distilled(
    ensemble: TableNet, rows: Part, seed: int, device: torch.device, report: Callable[[int], None]
) -> TableNet:
    """A network of one member that has learned what `ensemble` answers to `rows` and to rows like them."""
    # Its preprocessing is that of the ensemble, and its first weights are those of a member.
    network = copy.deepcopy(ensemble.subset(slice(1))).to(device).train()
    network.smoothing = 0.0
    teacher = copy.deepcopy(ensemble).to(device)
    *inputs, _ = part_tensors(rows, network, balanced=False, device=device)
    step = RecordedStep(Objective(network, len(inputs), weighted=False))
    optimizer = AdamW([one for one in network.parameters() if one.requires_grad], weight_decay=0.0)
    random = torch.Generator(device).manual_seed(seed)
    for start in range(0, _STEPS, _BATCHES):
        for place, batch in enumerate(_batches(network, teacher, inputs, random), start=start):
            step(batch)
            optimizer.step(_RATE * (1 + math.cos(math.pi * place / _STEPS)) / 2)
        report(start + _BATCHES)
    return network.cpu().eval()


def _batches(network: TableNet, teacher: TableNet, inputs: Batch, random: torch.Generator) -> Iterator[Batch]:
    """Some batches of prepared rows, half of them made up, with what `teacher` answers."""
    rows = list(_drawn(inputs, _BATCHES * _ROWS, random))
    names = [tensor.name for tensor in network.signature.inputs]
    with torch.no_grad():
        found = named_outputs(teacher, dict(zip(names, rows, strict=True)))
        prepared = network.prepare(tuple(rows))
    answers = torch.cat(list(found.values()), 1)
    if answers.shape[1] == 1:
        answers = answers[:, 0]
    yield from zip(*(torch.split(values, _ROWS) for values in (*prepared, answers)), strict=True)


def _drawn(inputs: Sequence[Tensor], count: int, random: torch.Generator) -> Iterator[Tensor]:
    """Each of the inputs of `count` rows at random, half of which have values of other rows."""
    all_rows, device = len(inputs[0]), random.device
    places = torch.randint(all_rows, (count,), generator=random, device=device)
    fractions = torch.rand(count, 1, generator=random, device=device) * _MOST_SWAPPED
    fractions *= torch.rand(count, 1, generator=random, device=device) < _MADE_UP
    for values in inputs:
        own = values.index_select(0, places)
        others = values.gather(0, torch.randint(all_rows, own.shape, generator=random, device=device))
        yield torch.where(torch.rand(own.shape, generator=random, device=device) < fractions, others, own)
