"""edge_train: from data to model.pt, a plain state_dict that says what its features and labels are.

```python
from pathlib import Path

from edge_train import four_blobs, save_checkpoint, train

run = train(four_blobs(seed=0))
save_checkpoint(run.model, Path("model.pt"))
```
"""

# Type checkers take this name for true. Neither typing nor anything else is imported before the first use of a name,
# so that the command can be interrupted quietly from the start.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from edge_runtime.contract.errors import CannotWrite, DeviceUnavailable
    from edge_train.dataset import Dataset, Part
    from edge_train.errors import CheckpointError, TableError, TrainingDiverged, UnknownNetwork
    from edge_train.example import four_blobs
    from edge_train.loop.distributed import ProcessGroup
    from edge_train.loop.new_network import new_network
    from edge_train.loop.progress import Checkpointer
    from edge_train.loop.settings import Settings, table_defaults
    from edge_train.loop.train import train
    from edge_train.loop.training_run import TrainingRun
    from edge_train.metrics import measure
    from edge_train.networks.base import Network
    from edge_train.networks.checkpoint import load_checkpoint, save_checkpoint
    from edge_train.networks.neural_net import NeuralNet
    from edge_train.networks.table_net import TableNet
    from edge_train.table.columns import Column, DroppedColumn, find_columns
    from edge_train.table.files import read_table
    from edge_train.table.split import split
    from edge_train.table.target import Target, find_target
else:

    def __getattr__(name):
        from edge_runtime.contract.lazy import lazy_names

        return lazy_names(__name__, _HOMES)(name)


__all__ = [
    "CannotWrite",
    "CheckpointError",
    "Checkpointer",
    "Column",
    "Dataset",
    "DeviceUnavailable",
    "DroppedColumn",
    "Network",
    "NeuralNet",
    "Part",
    "ProcessGroup",
    "Settings",
    "TableError",
    "TableNet",
    "Target",
    "TrainingDiverged",
    "TrainingRun",
    "UnknownNetwork",
    "find_columns",
    "find_target",
    "four_blobs",
    "load_checkpoint",
    "measure",
    "new_network",
    "read_table",
    "save_checkpoint",
    "split",
    "table_defaults",
    "train",
]

_HOMES = {
    "CannotWrite": "edge_runtime.contract.errors",
    "CheckpointError": "edge_train.errors",
    "Checkpointer": "edge_train.loop.progress",
    "Column": "edge_train.table.columns",
    "Dataset": "edge_train.dataset",
    "DeviceUnavailable": "edge_runtime.contract.errors",
    "DroppedColumn": "edge_train.table.columns",
    "Network": "edge_train.networks.base",
    "NeuralNet": "edge_train.networks.neural_net",
    "Part": "edge_train.dataset",
    "ProcessGroup": "edge_train.loop.distributed",
    "Settings": "edge_train.loop.settings",
    "TableError": "edge_train.errors",
    "TableNet": "edge_train.networks.table_net",
    "Target": "edge_train.table.target",
    "TrainingDiverged": "edge_train.errors",
    "TrainingRun": "edge_train.loop.train",
    "UnknownNetwork": "edge_train.errors",
    "find_columns": "edge_train.table.columns",
    "find_target": "edge_train.table.target",
    "four_blobs": "edge_train.example",
    "load_checkpoint": "edge_train.networks.checkpoint",
    "measure": "edge_train.metrics",
    "new_network": "edge_train.loop.train",
    "read_table": "edge_train.table.files",
    "save_checkpoint": "edge_train.networks.checkpoint",
    "split": "edge_train.table.split",
    "table_defaults": "edge_train.loop.settings",
    "train": "edge_train.loop.train",
}
