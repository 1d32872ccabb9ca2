"""One row of values, read by the rules of `contract.values`."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.signature import Feature
from edge_runtime.contract.values import listed

# As the model's tensors hold them: a float, a string, or an int of seconds for each feature, in the order of the
# signature's features.
Row: TypeAlias = list[float | str]


def read_row(values: Sequence[Any], features: Sequence[Feature], read: Callable[[Any, Feature], float | str]) -> Row:
    """`values` as the model's tensors hold them; each is read once.

    Args:
        values: a value for each feature.
        features: the model's features.
        read: reads one value, such as `contract.values.read_value`.

    Raises:
        InvalidInput: there are too few or too many values, or one is not a value of its feature; the message names it.
    """
    if len(values) != len(features):
        names = listed(feature.name for feature in features)
        raise InvalidInput(f"{counted_values(len(features))} needed ({names}), found {len(values)}")
    row = []
    for value, feature in zip(values, features, strict=True):
        try:
            row.append(read(value, feature))
        except InvalidInput as error:
            raise InvalidInput(f"{feature.name}: {error}") from None
    return row


def counted_values(count: int) -> str:
    """`2 values are`, or `1 value is`."""
    return "1 value is" if count == 1 else f"{count} values are"
