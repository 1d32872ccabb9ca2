import pytest

import edge_runtime


def test_public_names_are_complete() -> None:
    for name in edge_runtime.__all__:
        assert getattr(edge_runtime, name) is not None
    errors = {name for name, value in vars(edge_runtime.contract.errors).items() if isinstance(value, type)}
    assert errors <= set(edge_runtime.__all__)
    with pytest.raises(AttributeError):
        _ = edge_runtime.nothing  # type: ignore[attr-defined]
