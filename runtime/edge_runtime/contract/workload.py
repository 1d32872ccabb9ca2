"""How much work a row takes, so that the runtime can split large calls into batches.

The exporter writes it into the file's metadata as JSON, schema version 1:

    {"schema_version": 1, "independent": true, "cost": 12.5, "bytes": 40}

The calls of a file without it are never split.
"""

import json
import re
from dataclasses import asdict, dataclass

from edge_runtime.contract import schema
from edge_runtime.contract.metadata_keys import WORKLOAD_KEY

SCHEMA_VERSION = 1

# As the exporter writes it: the key, the tag and length of the value, and the value with its names sorted.
_SMALL_ROWS = re.compile(
    re.escape(WORKLOAD_KEY).encode() + rb'\x12[\x00-\xff]{1,2}?\{"bytes": [0-9]{1,4}, [^{}]*"independent": true'
)


@dataclass(frozen=True)
class Workload:
    """The work for one row of a call.

    Attributes:
        independent: whether the outputs of a row depend on that row alone, so that a call may be split into batches.
        cost: the elements computed for a row, plus a 32nd of the products in them: roughly nanoseconds of one core.
        bytes: the most that one operator reads and writes for a row, without its weights.
    """

    independent: bool
    cost: float
    bytes: int

    def to_json(self) -> str:
        """The JSON that an artifact carries under `WORKLOAD_KEY`."""
        return json.dumps({"schema_version": SCHEMA_VERSION, **asdict(self)}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Workload":
        """The workload in `text`, as `to_json` wrote it.

        Raises:
            InvalidModel: it is not a workload, or its schema is newer than this version reads.
        """
        with schema.reading("the workload"):
            plain = schema.checked(schema.parsed(text), SCHEMA_VERSION, "the workload")
            cost, size = plain["cost"], plain["bytes"]
            if type(cost) not in (int, float) or type(size) is not int:
                raise TypeError(f"cost is {cost!r} and bytes {size!r}")
            if not (0 < cost < 1e18 and 0 < size < 2**60):
                raise ValueError(f"cost is {cost} and bytes {size}")
            if not isinstance(plain["independent"], bool):
                raise TypeError(f"independent is {plain['independent']!r}")
            return cls(plain["independent"], float(cost), size)


def has_small_rows(end: bytes) -> bool:
    """Whether an ONNX file says that its rows are independent, and that each takes less than 10,000 `Workload.bytes`.

    Args:
        end: the file's last bytes, which are enough: an artifact's workload is among the last entries of its metadata.
    """
    return _SMALL_ROWS.search(end) is not None
