"""Whether two answers are the same in every bit and every type."""

from typing import Any

import numpy as np


def assert_identical(found: Any, expected: Any) -> None:
    """`found` is `expected`: of the same types, all the way down, with the same bytes."""
    assert type(found) is type(expected), (found, expected)
    if isinstance(expected, np.ndarray):
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        if expected.dtype == np.object_:
            assert_identical(found.tolist(), expected.tolist())
        else:
            assert found.tobytes() == expected.tobytes()
        assert found.flags.writeable == expected.flags.writeable
    elif isinstance(expected, dict):
        assert_identical(list(found.keys()), list(expected.keys()))
        assert_identical(list(found.values()), list(expected.values()))
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_identical(one, other)
    else:
        assert repr(found) == repr(expected)
