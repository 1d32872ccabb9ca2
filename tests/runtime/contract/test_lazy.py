import pytest

from edge_runtime.contract.lazy import cached_property, lazy_names


def test_a_name_loads_its_module() -> None:
    get = lazy_names("package", {"Feature": "edge_runtime.contract.signature"})
    from edge_runtime.contract.signature import Feature

    assert get("Feature") is Feature


def test_other_names_do_not_exist() -> None:
    with pytest.raises(AttributeError, match="module 'package' has no attribute 'Signature'"):
        lazy_names("package", {"Feature": "edge_runtime.contract.signature"})("Signature")


def test_a_property_is_computed_once_and_without_a_lock() -> None:
    class Table:
        count = 0

        @cached_property
        def rows(self) -> int:
            """How many rows."""
            self.count += 1
            return self.count

    table = Table()
    assert (table.rows, table.rows, Table().rows) == (1, 1, 1)
    found = vars(Table)["rows"]
    assert isinstance(found, cached_property)
    assert found.__doc__ == "How many rows."
    assert not hasattr(found, "lock")
