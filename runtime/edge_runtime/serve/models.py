"""The models of a server by name, and their calls from many requests at a time."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.predictor import Predictor
from edge_runtime.serve.limits import Limits
from edge_runtime.serve.refusals import Refused


class Opened:
    """One version of a model. A request keeps to the one that it has begun with, whatever comes after it.

    Attributes:
        predictor: the opened file.
    """

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor

    async def answers(self, feed: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.floating[Any]]:
        """The answers to rows.

        Args:
            feed: what `predictor.answering.reader` has made of them.

        Returns:
            The probability of each label, shape (rows, classes); in regression values, shape (rows, 1).
        """
        return self.predictor.answering.outputs_of(feed)

    async def run(self, feed: Mapping[str, Any]) -> dict[str, Any]:
        """The raw outputs of the model by name, see `Predictor.run`."""
        return self.predictor.run(feed)


class ServedModel:
    """A model as the server has it.

    Attributes:
        name: what it is called in URLs.
        opened: the version that new requests are answered with.
    """

    def __init__(self, name: str, predictor: Predictor) -> None:
        self.name = name
        self.opened = Opened(predictor)


class ServedModels(Mapping[str, ServedModel]):
    """The models of a server, by name.

    Attributes:
        limits: what the server refuses.
        is_ready: whether it takes requests; not before the models are opened, nor when it is about to end.
    """

    def __init__(self, models: Sequence[ServedModel], limits: Limits | None = None) -> None:
        self._models = {model.name: model for model in models}
        self.limits = limits or Limits()
        self.is_ready = True

    def __getitem__(self, name: str) -> ServedModel:
        return self._models[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._models)

    def __len__(self) -> int:
        return len(self._models)

    def named(self, name: str) -> ServedModel:
        """The model with this name.

        Raises:
            Refused: there is none (404).
        """
        model = self._models.get(name)
        if model is None:
            raise Refused(404, f"there is no model {name!r}; the server has {', '.join(self._models)}")
        return model
