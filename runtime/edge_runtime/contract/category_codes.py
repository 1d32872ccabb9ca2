"""The codes that an embedding takes for strings. Training, export and artifacts must agree on them."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge_runtime.contract.signature import Feature

# The codes of a categorical feature: these two, then one for each of its categories, in their order.
UNKNOWN, MISSING, FIRST_CATEGORY = 0, 1, 2


def codes_of(feature: Feature) -> dict[str, int]:
    """The code of every string that a categorical feature knows; the code of all others is `UNKNOWN`."""
    return {"": MISSING, **{str(one): code for code, one in enumerate(feature.categories, start=FIRST_CATEGORY)}}


def last_code(feature: Feature) -> int:
    """The largest code of a categorical feature."""
    return MISSING + len(feature.categories)


def encode(strings: npt.NDArray[np.object_], features: Sequence[Feature]) -> npt.NDArray[np.int64]:
    """The codes of `strings`, as they are: white space is not stripped, and case counts.

    Args:
        strings: the values, shape (rows, features).
        features: the categorical feature of each column.

    Returns:
        The codes, shape (rows, features), int64.
    """
    codes = np.empty(strings.shape, np.int64)
    for column, feature in enumerate(features):
        known = codes_of(feature)
        codes[:, column] = [known.get(string, UNKNOWN) for string in strings[:, column]]
    return codes
