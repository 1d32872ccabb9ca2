import pytest

from edge_runtime.contract.lazy import lazy_names


def test_a_name_loads_its_module() -> None:
    get = lazy_names("package", {"Feature": "edge_runtime.contract.signature"})
    from edge_runtime.contract.signature import Feature

    assert get("Feature") is Feature


def test_other_names_do_not_exist() -> None:
    with pytest.raises(AttributeError, match="module 'package' has no attribute 'Signature'"):
        lazy_names("package", {"Feature": "edge_runtime.contract.signature"})("Signature")
