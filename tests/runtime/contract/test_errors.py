"""What every error says: one line that controls no terminal, of bounded length."""

import numpy as np
import pytest
from written_models import graph, message, model, node, tensor, value

from edge_runtime import Predictor
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


@pytest.mark.parametrize("names", [None, ["z"]])
def test_a_model_whose_names_would_control_a_terminal(names: list[str] | None) -> None:
    name = "\x1b[2J\npassed: 1\u202e"
    failing = node("Reshape", ["x", "shape"], [name]) + message((3, name))
    main = graph([failing], [value("x", ["n"])], [value(name, None)], [tensor("shape", np.array([7], np.int64))])
    with pytest.raises(EdgePredictError) as found:
        Predictor(model(main), device="cpu").run({"x": np.zeros(3, np.float32)}, names)
    assert str(found.value).isprintable()
    assert "x1b[2J" in str(found.value)
