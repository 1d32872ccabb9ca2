"""Runs feeds: on the session where each is done soonest, and split into batches if that pays.

A feed holds an array for every input of the model, by the input's name.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.lazy import cached_property
from edge_runtime.contract.tensors import TensorSpec
from edge_runtime.contract.terminal import shortened, suggestion
from edge_runtime.contract.values import listed
from edge_runtime.engine.batch_splitting import run_in_batches
from edge_runtime.engine.bound_buffers import HeldBuffers, both_probabilities
from edge_runtime.engine.devices import CPU
from edge_runtime.engine.output_shapes import check_shape
from edge_runtime.engine.placement import Placement
from edge_runtime.engine.session import Session
from edge_runtime.engine.turns import Turns

# How many choices of outputs are kept: a server's clients may ask for others each time.
_MOST_CHOICES = 64


class FeedRunner:
    """Computes some outputs of a model for feeds of any number of rows.

    Attributes:
        placement: the sessions of the model.
        names: the names of the outputs.
    """

    def __init__(
        self,
        placement: Placement,
        outputs: Sequence[TensorSpec],
        is_binary: bool = False,
        counted: str | None = None,
    ) -> None:
        """Compute `outputs` on the sessions of `placement`.

        Args:
            placement: the sessions of the model.
            outputs: what to compute.
            is_binary: the one output is the probability of the second label, shape (rows, 1), and the results are the
                probabilities of both labels, shape (rows, 2).
            counted: the input that has a row for each row of the outputs; by default the first one, if the file says
                that the rows are independent.
        """
        self.placement = placement
        self._ranges, self._taken = placement.ranges, len(placement.main.inputs)
        self._outputs = tuple(outputs)
        self.names = [spec.name for spec in outputs]
        self._is_binary, self._counted = is_binary, counted
        self._chosen: dict[tuple[str, ...], FeedRunner] = {}
        self._turns: Turns[HeldBuffers] | None = None  # See `_prepared`.

    @cached_property
    def types(self) -> list[tuple[str, Any]] | None:
        """The names and types of the inputs, if arrays of these types need no other check than ONNX Runtime's."""
        types = [(spec.name, spec.dtype) for spec in self.placement.main.inputs]
        # Sequences and maps are not arrays, and strings are any objects.
        return types if self._ranges is None and not any(dtype in (None, np.object_) for _, dtype in types) else None

    @cached_property
    def _counts_rows(self) -> bool:
        return _count_rows(self.placement.main.inputs)

    @cached_property
    def _may_split(self) -> bool:
        return self._counts_rows and _fit_rows(self._outputs, self.placement.main.inputs[0].shape[:1])

    def choosing(self, names: Sequence[str]) -> "FeedRunner":
        """What computes only the outputs with these names; made once.

        Raises:
            InvalidInput: they are not a list of names of outputs.
        """
        specs = {spec.name: spec for spec in self.placement.main.outputs}
        _check_names(names, specs)
        chosen = tuple(dict.fromkeys(names))
        found = self._chosen.get(chosen)
        if found is None:
            found = FeedRunner(self.placement, [specs[name] for name in chosen])
            if len(self._chosen) < _MOST_CHOICES:
                self._chosen[chosen] = found
        return found

    @property
    def has_independent_rows(self) -> bool:
        """Whether the outputs of a row are known to depend on that row alone, in a call of any number of rows."""
        workload, inputs = self.placement.workload, self.placement.main.inputs
        if workload is None or not workload.independent or not self._counts_rows:
            return False
        return all(spec.shape[:1] == inputs[0].shape[:1] for spec in self._outputs)

    def run(self, feed: Mapping[str, Any]) -> list[Any]:
        """The outputs for `feed`.

        Args:
            feed: every input by name, and overridden initializers, with the declared types and shapes.

        Returns:
            The outputs in their order, as ONNX Runtime returns them: arrays for tensors. If the model is binary, one
            array, shape (rows, 2).

        Raises:
            InvalidInput: ONNX Runtime refuses the inputs, or an integer is outside the range that the model looks up.
            InferenceFailed: it fails while computing, or returns another number of rows than the feed has where the
                model says that it does not; see `check_shape`.
        """
        if self._turns is None:
            self._turns = self._prepared()
        if self._ranges is not None:
            self._ranges.check(feed)
        rows = _rows_of(feed) if self._needs_rows and len(feed) == self._taken else None
        is_small = None if rows is None else self.placement.is_small(rows)
        turn = self._turns.current
        try:
            held = turn.pop()
        except IndexError:
            # Of a binary model, numpy releases Python's lock twice more in the call, to fill both columns.
            waits = self.placement.is_small(rows // 2 if rows and self._is_binary else rows)
            turn, held = self._turns.other(waits)
        try:
            if not self._is_binary and (rows is None or is_small):
                return self._computed(self._uncounted if rows is None else self.placement.main, feed)
            return self._outputs_of(feed, rows, is_small)
        finally:
            turn.append(held)

    def _prepared(self) -> Turns[HeldBuffers]:
        """What the first call makes: opening a model need not wait for it."""
        # Where a call runs, and whether it is split, depends on its size only if the file says what a row costs.
        self._needs_rows = self._counts_rows and self.placement.says_workload
        self._uncounted = self.placement.main if self._needs_rows else self.placement.pooled()
        if self._counted is None and self.has_independent_rows:
            self._counted = self.placement.main.inputs[0].name
        return self.placement.turns

    def _outputs_of(self, feed: Mapping[str, Any], rows: int | None, is_small: bool | None) -> list[Any]:
        session = self._uncounted
        if rows is not None:
            session = self.placement.session_for(rows, feed)
            may_split = self._may_split and session.provider == CPU
            if may_split and self.placement.is_worth_splitting(rows):
                return _in_batches(self.placement, self._outputs, self._is_binary, feed, rows)
            if may_split and is_small is False and self.placement.turns.are_crowded:
                # The processors have enough to do.
                session = self.placement.single_threaded() or session
            elif session is self.placement.main and rows > self.placement.most_on_one:
                session = self.placement.pooled()
        outputs = self._computed(session, feed)
        if self._is_binary:
            (positive,) = outputs
            if self._counted is None:
                check_shape(positive, self._outputs[0], None)
            outputs = [both_probabilities(positive, np.empty((len(positive), 2), positive.dtype))]
        return outputs

    def _computed(self, session: Session, feed: Mapping[str, Any]) -> list[Any]:
        outputs = session.run(self.names, feed)
        if self._counted is not None:
            rows = len(feed[self._counted])
            for output, spec in zip(outputs, self._outputs, strict=True):
                # The usual case, in a tenth of the time.
                if getattr(output, "shape", None) != (rows, *spec.shape[1:]):
                    check_shape(output, spec, rows)
        return outputs


def _in_batches(
    placement: Placement,
    outputs: Sequence[TensorSpec],
    is_binary: bool,
    feed: Mapping[str, npt.NDArray[Any]],
    rows: int,
) -> list[npt.NDArray[Any]]:
    """What `FeedRunner.run` returns for `feed`, computed in batches on the CPU.

    Worker threads of ours are faster than ONNX Runtime's if a batch fits the cache. They take a session that
    computes on one thread. A large model is not loaded twice for that: all threads compute one batch at a time.
    """
    workload, names = placement.workload, [spec.name for spec in outputs]
    assert workload is not None
    columns: list[Any] = [(2,) if is_binary else spec.shape[1:] for spec in outputs]
    results = [np.empty((rows, *sizes), spec.dtype) for sizes, spec in zip(columns, outputs, strict=True)]
    single = placement.single_threaded()
    session, threads = single or placement.main, placement.threads
    if single is None or placement.turns.are_crowded:
        threads = 1
    deadline = session.deadline()

    def compute(start: int, stop: int) -> None:
        found = session.run(names, {name: values[start:stop] for name, values in feed.items()}, deadline)
        for result, output, spec in zip(results, found, outputs, strict=True):
            check_shape(output, spec, stop - start)
            if is_binary:
                both_probabilities(output, result[start:stop])
            else:
                result[start:stop] = output

    run_in_batches(rows, workload, threads, compute)
    return results


def _count_rows(inputs: Sequence[TensorSpec]) -> bool:
    """Whether all inputs have as many rows as the call. Otherwise its size is unknown."""
    batch = inputs[0].shape[:1] if inputs else ()
    return (
        bool(batch)
        and isinstance(batch[0], str)
        and all(spec.shape[:1] == batch and spec.dtype is not None for spec in inputs)
    )


def _fit_rows(outputs: Sequence[TensorSpec], batch: tuple[int | str | None, ...]) -> bool:
    """Whether all outputs have as many rows as the inputs, and their shapes are known before the call."""
    return all(
        spec.shape[:1] == batch
        and all(isinstance(size, int) for size in spec.shape[1:])
        and spec.dtype is not None
        and spec.dtype != np.object_
        for spec in outputs
    )


def _rows_of(feed: Mapping[str, Any]) -> int | None:
    """How many rows all of `feed` have; None if they differ, which ONNX Runtime refuses."""
    rows = None
    for value in feed.values():
        shape = value.shape
        if not shape or (rows is not None and rows != shape[0]):
            return None
        rows = shape[0]
    return rows


def _check_names(names: Any, specs: Mapping[str, TensorSpec]) -> None:
    if not isinstance(names, list | tuple) or not names:
        kind = "an empty one" if isinstance(names, list | tuple) else type(names).__name__
        # ONNX Runtime's own `run` takes them in the other order.
        order = "; run takes the inputs first" if isinstance(names, Mapping) else ""
        raise InvalidInput(f"outputs must be a list of the names of outputs, found {kind}{order}")
    for name in names:
        if not isinstance(name, str) or name not in specs:
            raise InvalidInput(
                f"the model returns {listed(specs)}; {shortened(repr(name))} is not one of them"
                f"{suggestion(str(name), specs)}"
            )
