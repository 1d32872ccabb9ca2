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
    from edge_train.columns import Column, LeftOut, find_columns
    from edge_train.data import Dataset, Part, four_blobs, split
    from edge_train.errors import CannotWrite, CheckpointError, DeviceNotAvailable, TableError, TrainingDiverged
    from edge_train.group import Group
    from edge_train.metrics import measure
    from edge_train.network import Network, NeuralNet
    from edge_train.progress import Keeper
    from edge_train.settings import Settings, for_table
    from edge_train.table import read_table
    from edge_train.table_network import TableNet
    from edge_train.target import Target, find_target
    from edge_train.training import TrainingRun, new_network, train

__all__ = [
    "CannotWrite",
    "CheckpointError",
    "Column",
    "Dataset",
    "DeviceNotAvailable",
    "Group",
    "Keeper",
    "LeftOut",
    "Network",
    "NeuralNet",
    "Part",
    "Settings",
    "TableError",
    "TableNet",
    "Target",
    "TrainingDiverged",
    "TrainingRun",
    "find_columns",
    "find_target",
    "for_table",
    "four_blobs",
    "load_checkpoint",
    "measure",
    "new_network",
    "read_table",
    "save_checkpoint",
    "split",
    "train",
]

__getattr__ = lazy_names(
    __name__,
    {
        "CannotWrite": "errors",
        "CheckpointError": "errors",
        "Column": "columns",
        "Dataset": "data",
        "DeviceNotAvailable": "errors",
        "Group": "group",
        "Keeper": "progress",
        "LeftOut": "columns",
        "Network": "network",
        "NeuralNet": "network",
        "Part": "data",
        "Settings": "settings",
        "TableError": "errors",
        "TableNet": "table_network",
        "Target": "target",
        "TrainingDiverged": "errors",
        "TrainingRun": "training",
        "find_columns": "columns",
        "find_target": "target",
        "for_table": "settings",
        "four_blobs": "data",
        "load_checkpoint": "checkpoint",
        "measure": "metrics",
        "new_network": "training",
        "read_table": "table",
        "save_checkpoint": "checkpoint",
        "split": "data",
        "train": "training",
    },
)
