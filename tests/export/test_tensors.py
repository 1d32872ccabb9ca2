"""Arrays by name: which of their rows hold only moderate numbers."""

import numpy as np
import pytest

from edge_export.tensors import within


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.filterwarnings("error")
def test_rows_within_a_largest_number_that_their_type_may_not_hold(dtype: type[np.floating]) -> None:
    rows = {"x": np.array([[1, np.nan], [6e4, -np.inf], [-6e4, 0]], dtype), "n": np.array([1, 2, 3])}
    assert within(rows, 1.8e19).all()
    assert within(rows, 1e300).all()
    assert within(rows, 1e4).tolist() == [True, False, False]
