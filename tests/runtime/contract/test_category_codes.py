import numpy as np

from edge_runtime import Feature
from edge_runtime.contract.category_codes import FIRST_CATEGORY, MISSING, UNKNOWN, codes_of, encode, last_code

ISLAND = Feature("island", "categorical", missing=0.0, categories=("Biscoe", "Dream"))
YEAR = Feature("year", "categorical", categories=(2007, 2008, 2009))


def test_codes() -> None:
    assert (UNKNOWN, MISSING, FIRST_CATEGORY) == (0, 1, 2)
    assert codes_of(ISLAND) == {"": 1, "Biscoe": 2, "Dream": 3}
    assert codes_of(YEAR) == {"": 1, "2007": 2, "2008": 3, "2009": 4}
    assert (last_code(ISLAND), last_code(YEAR)) == (3, 4)
    assert last_code(Feature("none", "categorical")) == MISSING


def test_strings_are_encoded_as_they_are() -> None:
    strings = np.array([["Dream", "2007"], ["", ""], ["dream", "2010"], [" Dream", "2009"], ["2007", "Dream"]], object)
    codes = encode(strings, [ISLAND, YEAR])
    assert codes.dtype == np.int64
    assert codes.tolist() == [[3, 2], [1, 1], [0, 0], [0, 4], [0, 0]]
    assert encode(strings[:0], [ISLAND, YEAR]).shape == (0, 2)
