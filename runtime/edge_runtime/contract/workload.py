"""What an artifact says of the work that its rows take, so that the runtime can divide it.

The exporter writes it into the file's metadata as JSON, schema version 1:

    {"schema_version": 1, "independent": true, "cost": 12.5, "bytes": 40}

A file that says nothing is never divided.
"""

import json
from dataclasses import asdict, dataclass

from edge_runtime.contract import schema

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Workload:
    """What a row of a call takes.

    Attributes:
        independent: whether a row leads to the same whatever rows stand beside it, so that a call may be divided.
        cost: the elements computed for a row and, 32 to one, the products in them: roughly nanoseconds of one core.
        bytes: the most that one operator reads and writes of a row, its weights apart.
    """

    independent: bool
    cost: float
    bytes: int

    def to_json(self) -> str:
        """The JSON that an artifact carries under `WORKLOAD_KEY`."""
        return json.dumps({"schema_version": SCHEMA_VERSION, **asdict(self)}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Workload":
        """The workload in `text`. Raises InvalidModel: it is none, or of a newer schema."""
        with schema.reading("the workload"):
            plain = schema.checked(json.loads(text), SCHEMA_VERSION, "the workload")
            cost, size = plain["cost"], plain["bytes"]
            if type(cost) not in (int, float) or type(size) is not int:
                raise TypeError(f"cost is {cost!r} and bytes {size!r}")
            if not (0 < cost < 1e18 and 0 < size < 2**60):
                raise ValueError(f"cost is {cost} and bytes {size}")
            if not isinstance(plain["independent"], bool):
                raise TypeError(f"independent is {plain['independent']!r}")
            return cls(plain["independent"], float(cost), size)
