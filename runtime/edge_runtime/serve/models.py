"""The models of a server by name, and their calls from many requests at a time."""

import asyncio
import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.contract.errors import EdgePredictError, InferenceFailed, OutOfResources
from edge_runtime.contract.lazy import cached_property
from edge_runtime.contract.terminal import suggestion
from edge_runtime.contract.values import listed
from edge_runtime.engine.processor_limits import available_processors
from edge_runtime.predictor import Predictor
from edge_runtime.rows.arrays import as_tensor
from edge_runtime.rows.tensor_reader import check_axes, named
from edge_runtime.serve.joining import Calls
from edge_runtime.serve.limits import ServeLimits
from edge_runtime.serve.metrics import Metrics
from edge_runtime.serve.refusals import Refused
from edge_runtime.serve.row_answers import RowAnswers
from edge_runtime.serve.threads import Threads, in_thread
from edge_runtime.serve.wire_tensors import datatype_of

_LOG = logging.getLogger("edge_runtime.serve")


class Opened:
    """One version of a model. A request keeps to the one that it has begun with, whatever comes after it.

    Attributes:
        predictor: the opened file, which does not change.
        tensors: the names of the outputs that can be sent as tensors.
    """

    def __init__(self, predictor: Predictor, answers: Calls, tensors: Calls) -> None:
        self.predictor = predictor
        self.tensors = tuple(
            spec.name
            for spec in predictor.outputs
            if datatype_of(spec) is not None and (spec.dtype or spec.ml_dtype) is not None
        )
        self._answers, self._tensors = answers, tensors

    @cached_property
    def row_answers(self) -> RowAnswers:
        """What writes the answers to rows. Only for a model with a signature."""
        return RowAnswers(self.predictor.answering.signature)

    async def answers(self, feed: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.floating[Any]]:
        """The answers to rows.

        Args:
            feed: what `predictor.answering.reader` has made of them.

        Returns:
            The probability of each label, shape (rows, classes); in regression values, shape (rows, 1).

        Raises:
            Refused: too many requests wait already (503), or there was no answer within the limit (504).
            InvalidInput, InferenceFailed: see `Predictor.predict`.
        """
        (outputs,) = await self._answers.outputs(feed)
        return outputs  # type: ignore[no-any-return]

    async def run(self, feed: Mapping[str, npt.NDArray[Any]], names: tuple[str, ...]) -> Sequence[Any]:
        """The raw outputs `names` of the model, in their order.

        Args:
            feed: a value for every input by name, see `Predictor.run`.
            names: the outputs to compute.

        Raises:
            Refused: as `answers`.
            InvalidInput, InferenceFailed: see `Predictor.run`.
        """
        return await self._tensors.outputs(feed, names)


class ServedModel:
    """A model as the server has it.

    Attributes:
        name: what it is called in URLs.
        opened: the version that new requests are answered with.
    """

    def __init__(self, name: str, predictor: Predictor, server: "ServedModels") -> None:
        self.name = name
        self._predictor, self._server = predictor, server
        self._refused: tuple[tuple[int, ...], ...] = ()
        self._said = ""
        self.opened = self._now()

    def _now(self) -> Opened:
        predictor, server = self._predictor.current(), self._server
        task = "tensors" if predictor.signature is None else predictor.signature.task
        server.metrics.opened(self.name, task, predictor.provider)

        def calls(compute: Any, check: Any) -> Calls:
            return Calls(
                compute,
                check,
                server.threads,
                server.limits,
                predictor.has_independent_rows,
                server.metrics.of_calls(self.name),
                server.metrics.of_waiting(self.name),
            )

        everything = tuple(spec.name for spec in predictor.outputs)
        # Of other models, some broadcast an axis of one.
        must_agree = len(predictor.inputs) > 1 and (predictor.signature is not None or predictor.has_independent_rows)

        def answers(feed: Any, _: tuple[str, ...]) -> Sequence[Any]:
            return (predictor.answering.outputs_of(feed),)

        def tensors(feed: Any, names: tuple[str, ...]) -> Sequence[Any]:
            if must_agree:
                check_axes(feed, predictor.inputs)
            try:
                # To choose among the outputs takes time too.
                outputs = predictor.run(feed, None if names == everything else names)
            except InferenceFailed:
                # The sender may be at fault.
                check_axes(feed, predictor.inputs)
                raise
            return [outputs[name] for name in names]

        def declared(feed: Any) -> Any:
            given = named(feed, predictor.inputs)
            found = {spec.name: as_tensor(given[spec.name], spec) for spec in predictor.inputs}
            # Else rows of several requests would be mixed.
            check_axes(found, predictor.inputs)
            return found

        return Opened(predictor, calls(answers, lambda feed: feed), calls(tensors, declared))

    @property
    def others(self) -> Threads:
        """As of `ServedModels`."""
        return self._server.others

    def reload(self) -> bool:
        """Take the file that is there now, if it has changed; a thread that is not the event loop's does it.

        If the new file cannot be used, the log says why, and the old one goes on answering until the file, or its
        signature file, changes again.

        Returns:
            Whether new requests are answered by another file.
        """
        found = self._predictor.file_stamps()
        if found and found == self._refused:
            return False
        try:
            if not self._predictor.reload():
                return False
            self.opened = self._now()
        except OutOfResources as error:
            # The file may be right. It is tried again, and said once.
            if self._said != str(error):
                self._said = str(error)
                _LOG.warning("%s was changed, and cannot be opened now, but is tried again: %s", self.name, error)
            return False
        except Exception as error:
            self._refused = found
            self._server.metrics.reloaded(self.name, "refused")
            # Whatever it was, later files are looked at.
            _LOG.error(
                "%s was changed, and cannot be used; the old one goes on answering: %s",
                self.name,
                error,
                exc_info=None if isinstance(error, EdgePredictError) else error,
            )
            return False
        self._said = ""
        self._server.metrics.reloaded(self.name, "taken")
        _LOG.info("%s was changed, and is reloaded", self.name)
        return True


class ServedModels(Mapping[str, ServedModel]):
    """The models of a server, by name.

    Attributes:
        limits: what the server refuses.
        metrics: what it counts.
        threads: where calls are made that would hold the event loop up.
        others: where large bodies are read and written, and changed files opened: calls may take long.
        is_ready: whether it takes requests; not before the models are opened, nor when it is about to end.
    """

    def __init__(self, predictors: Mapping[str, Predictor], limits: ServeLimits | None = None) -> None:
        """Serve `predictors`, each under its name."""
        self.limits = limits or ServeLimits()
        self.metrics = Metrics(len(predictors))
        count = max(2, available_processors())
        self.threads, self.others = Threads(count, "edge-serve-calls"), Threads(count, "edge-serve")
        self.is_ready = True
        self._models = {name: ServedModel(name, predictor, self) for name, predictor in predictors.items()}

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
            meant = suggestion(name, self._models) or f"; the server has {listed(self._models)}"
            raise Refused(404, f"there is no model {name!r}{meant}")
        return model

    async def follow_files(self, seconds: float = 1) -> None:
        """Reload the models whose files change. It looks at them every so many seconds, and never returns."""
        while True:
            await asyncio.sleep(seconds)
            for model in self._models.values():
                # Without a thread now, perhaps with one next time.
                with contextlib.suppress(Refused):
                    await in_thread(self.others, model.reload)
