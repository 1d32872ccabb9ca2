"""edge_train: from data to model.pt, a plain state_dict that says what its features and labels are.

from pathlib import Path

from edge_train import four_blobs, save_checkpoint, train

run = train(four_blobs(seed=0))
save_checkpoint(run.model, Path("model.pt"))
"""

from typing import TYPE_CHECKING

from edge_runtime.lazy import lazy_names

if TYPE_CHECKING:
    from edge_train.checkpoint import load_checkpoint, save_checkpoint
    from edge_train.data import Dataset, four_blobs, from_table
    from edge_train.errors import CannotWrite, CheckpointError, TableError, TrainingDiverged
    from edge_train.network import NeuralNet, Standardize
    from edge_train.table import Table, read_table
    from edge_train.training import Score, TrainingRun, evaluate, train

__all__ = [
    "CannotWrite",
    "CheckpointError",
    "Dataset",
    "NeuralNet",
    "Score",
    "Standardize",
    "Table",
    "TableError",
    "TrainingDiverged",
    "TrainingRun",
    "evaluate",
    "four_blobs",
    "from_table",
    "load_checkpoint",
    "read_table",
    "save_checkpoint",
    "train",
]

__getattr__ = lazy_names(
    __name__,
    {
        "CannotWrite": "errors",
        "CheckpointError": "errors",
        "Dataset": "data",
        "NeuralNet": "network",
        "Score": "training",
        "Standardize": "network",
        "Table": "table",
        "TableError": "errors",
        "TrainingDiverged": "errors",
        "TrainingRun": "training",
        "evaluate": "training",
        "four_blobs": "data",
        "from_table": "data",
        "load_checkpoint": "checkpoint",
        "read_table": "table",
        "save_checkpoint": "checkpoint",
        "train": "training",
    },
)
