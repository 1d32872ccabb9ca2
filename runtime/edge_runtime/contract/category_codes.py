"""How texts become the integers that an embedding takes: the encoder that artifacts must agree with."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge_runtime.contract.signature import Feature

# The codes of a categorical feature: these two, then one for each of its categories, in their order.
UNKNOWN, MISSING, FIRST_CATEGORY = 0, 1, 2


def codes_of(feature: Feature) -> dict[str, int]:
    """The code of every text that a categorical feature knows; every other one is `UNKNOWN`."""
    return {"": MISSING, **{str(one): code for code, one in enumerate(feature.categories, start=FIRST_CATEGORY)}}


def last_code(feature: Feature) -> int:
    """The largest code of a categorical feature."""
    return MISSING + len(feature.categories)


def encode(texts: npt.NDArray[np.object_], features: Sequence[Feature]) -> npt.NDArray[np.int64]:
    """The codes of `texts`, shape (rows, features), taken as they are: nothing is stripped or folded."""
    codes = np.empty(texts.shape, np.int64)
    for column, feature in enumerate(features):
        known = codes_of(feature)
        codes[:, column] = [known.get(text, UNKNOWN) for text in texts[:, column]]
    return codes
