"""What every error says: one line that controls no terminal, of bounded length."""

import pytest

from edge_runtime.contract import errors
from edge_runtime.contract.errors import EdgePredictError, InvalidModel

CLASSES = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, EdgePredictError)]


@pytest.mark.parametrize("kind", CLASSES)
def test_messages_with_the_names_of_a_hostile_model(kind: type[EdgePredictError]) -> None:
    said = str(kind("\x1b[2Jname\npassed: 999 reference rows\u202e\ud800"))
    assert said == "\\x1b[2Jname\\npassed: 999 reference rows\\u202e\\ud800"


def test_messages_have_bounds() -> None:
    for name in ("n" * 10**6, "\n" * 9000):
        said = str(InvalidModel(f"there is no {name} here"))
        assert said.startswith("there is no ")
        assert said.endswith(" here")
        assert len(said) < 1000


def test_other_messages_are_as_they_are() -> None:
    for said in ("", "Île  Sud: 2 spaces", "x" * 5000):
        assert str(InvalidModel(said)) == said
