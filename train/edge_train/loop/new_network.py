"""An untrained network for a dataset."""

import torch

from edge_train.dataset import DATES, NUMBERS, Dataset
from edge_train.loop.settings import Settings
from edge_train.networks.base import Network
from edge_train.networks.date_columns import varying
from edge_train.networks.neural_net import NeuralNet
from edge_train.networks.piecewise_linear import bin_columns
from edge_train.networks.table_net import TableNet


def new_network(dataset: Dataset, settings: Settings) -> Network:
    """An untrained network as `settings` describe it; torch's random state stays as it was.

    The example's is a `NeuralNet`: two classes, numbers without missing values, one hidden layer, no dropout, and one
    member, which holds out no rows. All others are a `TableNet`, whose preprocessing is set from the training rows.
    """
    network: Network
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        signature = dataset.signature
        is_plain = all(feature.kind == "numeric" and feature.missing is None for feature in signature.features)
        is_binary = signature.task == "binary_classification"
        is_alone = settings.members == 1 and not settings.validation
        if is_plain and is_binary and is_alone and len(settings.hidden) == 1 and not settings.dropout:
            network = NeuralNet(len(signature.features), settings.hidden[0])
            network.signature = signature
        else:
            dates = dataset.train.inputs.get(DATES)
            numbers = dataset.train.inputs.get(NUMBERS)
            network = TableNet(
                signature,
                settings.hidden,
                smoothing=settings.smoothing,
                varies=None if dates is None else varying(dates),
                members=settings.members,
                bins=None if numbers is None else bin_columns(numbers),
                # Without rows that are held out, there are no intervals to make of it.
                scaled=signature.task == "regression" and settings.validation > 0,
            )
            network.fit(dataset.train.inputs, dataset.train.target, settings.balanced)
    network.data_sha256 = dataset.training_sha256
    return network
