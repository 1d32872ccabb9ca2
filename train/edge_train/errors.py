"""What can go wrong in training; the root of all errors is in `edge_runtime.contract.errors`."""

from edge_runtime.contract.errors import EdgePredictError


class TableError(EdgePredictError, ValueError):
    """The table cannot be read, or a network cannot be trained on it as it is."""


class CheckpointError(EdgePredictError, ValueError):
    """The file is not a network's state_dict, or not the progress of this training run."""


class UnknownNetwork(CheckpointError):
    """The file has other keys than a `NeuralNet` or a `TableNet`: the weights of somebody's own module, perhaps."""


class TrainingDiverged(EdgePredictError, ArithmeticError):
    """The loss or the weights are no longer finite."""
