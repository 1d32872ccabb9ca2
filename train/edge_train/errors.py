"""What can go wrong in training, below the project's one root of errors."""

from edge_runtime.contract.errors import EdgePredictError


class TableError(EdgePredictError, ValueError):
    """The table cannot be read, or cannot be trained on as it is."""


class CheckpointError(EdgePredictError, ValueError):
    """The file is not a checkpoint that `NeuralNet` can be made from."""


class TrainingDiverged(EdgePredictError, ArithmeticError):
    """The loss is no longer finite."""
