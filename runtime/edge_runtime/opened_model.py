"""`OpenedModel`: an ONNX model that runs here, tensors in and tensors out, and that can be verified."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_runtime.contract.errors import InvalidInput, NoCertificate, VerificationFailed
from edge_runtime.contract.input_ranges import InputRange
from edge_runtime.contract.tensors import TensorSpec
from edge_runtime.engine import cuda
from edge_runtime.engine.devices import CUDA
from edge_runtime.engine.feed_runner import FeedRunner
from edge_runtime.engine.ml_values import given_by_default
from edge_runtime.engine.model_metadata import ModelMetadata
from edge_runtime.engine.model_scan import check_source
from edge_runtime.engine.model_source import ModelSource
from edge_runtime.engine.placement import Placement
from edge_runtime.engine.session import Session
from edge_runtime.reloadable import Reloadable
from edge_runtime.rows.arrays import reading
from edge_runtime.rows.model_inputs import as_input
from edge_runtime.rows.tensor_reader import declared, named

if TYPE_CHECKING:
    from edge_runtime.contract.certificate import Certificate
    from edge_runtime.verification import Verification


class OpenedModel(Reloadable):
    """An opened ONNX model, whatever its tensors mean.

    Several threads may use it at the same time. Pickling keeps the path or the content, and opens the model again.
    A `with` statement closes it.

    Attributes:
        inputs: the inputs that the file declares.
        outputs: the outputs that the file declares.
        overridable_initializers: weights of the model that `run` takes besides the inputs, in place of those in the
            file.
        input_ranges: which integers the inputs take where the model looks something up with them, such as rows of an
            embedding; others are refused.
        provider: the ONNX Runtime provider that the model runs on, such as "CPUExecutionProvider". With device="auto"
            large calls may run on CUDA besides.
    """

    def _open(self, source: ModelSource) -> None:
        super()._open(source)
        placement = self._placed(source)
        session = placement.main
        self.inputs: tuple[TensorSpec, ...] = session.inputs
        self.outputs: tuple[TensorSpec, ...] = session.outputs
        self.input_ranges: tuple[InputRange, ...] = () if placement.ranges is None else placement.ranges.inputs
        self.provider: str = session.provider
        self.overridable_initializers: tuple[TensorSpec, ...] = session.overridable_initializers
        self._runner = FeedRunner(placement, given_by_default(self.outputs))
        if self._verify and not (verification := self.verify()).passed:
            raise VerificationFailed(verification.failure)

    def _placed(self, source: ModelSource) -> Placement:
        """The sessions of the model, once it has been looked at."""
        check_source(source, self._settings.limits)
        return Placement(source, self._settings)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._source!r}, {self.provider}{', closed' if self.closed else ''})"

    def run(self, inputs: Mapping[str, Any], outputs: Sequence[str] | None = None) -> dict[str, Any]:
        """Outputs of any ONNX model, by name.

        Args:
            inputs: a value for every input, by name; those of `overridable_initializers` if wanted. Optional inputs may
                be absent or None. For a tensor an array of the declared shape: any number is cast to a float, and
                integers to other integer types if they fit. A list for a sequence, whose elements are cast likewise; a
                dict for a map. If the model runs on CUDA, values may be tensors on the GPU of any library that supports
                DLPack, such as torch and CuPy, with exactly the declared types; they are not copied.
            outputs: the names of the outputs to compute; by default all. Those of types that numpy does not have, such
                as bfloat16 and int4, need the package ml_dtypes: where it is not installed, the default is all others.

        Returns:
            The outputs by name, as ONNX Runtime returns them: arrays for tensors, lists for sequences, dicts for maps,
            None for an optional output without a value. If an input is on the GPU, they stay there, as objects that
            torch.from_dlpack and cupy.from_dlpack take without a copy.

        Raises:
            InvalidInput: `inputs` is not a mapping, or an input is missing, unknown, does not have the declared kind
                and shape, or holds an integer outside the range that the model looks up; or an output is unknown, or
                needs ml_dtypes.
            InferenceFailed: ONNX Runtime failed while computing.
        """
        # Read once: `reload` may replace it.
        runner = self._runner if outputs is None else _choosing(self._runner, outputs)
        if type(inputs) is dict and (types := runner.types) is not None and _are_arrays(inputs, types):
            # If ONNX Runtime refuses it, what follows says it better.
            with contextlib.suppress(InvalidInput):
                return dict(zip(runner.names, runner.run(inputs), strict=True))
        feed, on_cuda = _feed(inputs, runner.placement.main)
        if on_cuda:
            placement = runner.placement
            on_gpu = placement.main if placement.main.provider == CUDA else placement.cuda
            if on_gpu is None:
                provider = placement.main.provider
                raise InvalidInput(f"{on_cuda} is on a GPU, but the model runs on {provider}; pass an array")
            counted = placement.main.inputs[0].name if runner.has_independent_rows else None
            return cuda.run_there(on_gpu, feed, runner.names, placement.ranges, counted)
        return dict(zip(runner.names, runner.run(feed), strict=True))

    @property
    def has_independent_rows(self) -> bool:
        """Whether the first axis of all inputs and outputs is that of the rows, and each row is answered by itself.

        Then the rows of several calls may be joined into one. False if the file does not say it.
        """
        return self._runner.has_independent_rows

    @property
    def metadata(self) -> ModelMetadata:
        """What the file says about itself: the map of its maker, who made it, its graph's name, its operator sets.

        Raises:
            InvalidModel: it is not UTF-8 text.
        """
        return self._runner.placement.metadata

    @property
    def certificate(self) -> "Certificate | None":
        """The certificate that the model carries; None if it does not carry one.

        Raises:
            InvalidModel: it is damaged, or its schema is newer than this version reads.
        """
        return self._runner.placement.certificate

    def verify(self, on_batch: Callable[[], object] | None = None) -> "Verification":
        """Replay the certificate: compare torch's outputs at export with what the model returns here and now.

        Args:
            on_batch: called after each reference batch, to show progress.

        Returns:
            What was found, also if the model does not pass. If large calls may run on CUDA besides the CPU, both are
            verified, and the result is CUDA's, unless the CPU does not pass.

        Raises:
            NoCertificate: the model does not carry a certificate.
            InvalidModel: its certificate is damaged, or its schema is newer than this version reads; or a large file
                cannot be read any more.
        """
        placement = self._runner.placement
        if on_batch is not None and not callable(on_batch):
            raise InvalidInput(f"on_batch is called after each batch, found {type(on_batch).__name__}")
        if placement.certificate is None:
            raise NoCertificate("the model has no certificate to verify it against; edge-export writes one")
        from edge_runtime.verification import replay

        found = replay(placement.main, placement.certificate, on_batch)
        beside = placement.cuda if found.passed else None
        return found if beside is None else replay(beside, placement.certificate, on_batch)


_choosing = reading(FeedRunner.choosing)


def _are_arrays(inputs: dict[str, Any], types: Sequence[tuple[str, np.dtype[Any]]]) -> bool:
    """Whether `inputs` are just arrays of these types."""
    if len(inputs) != len(types):
        return False
    for name, dtype in types:
        value = inputs.get(name)
        # Types of numpy's own are one object each.
        if type(value) is not np.ndarray or value.dtype is not dtype:
            return False
    return True


@reading
def _feed(inputs: Mapping[str, Any], session: Session) -> tuple[dict[str, Any], str]:
    """What ONNX Runtime takes for `inputs`, and the name of one that is on a GPU, or "". Raises: see `run`."""
    if not isinstance(inputs, Mapping):
        raise InvalidInput(
            f"run takes a dict of tensors by input name, found {type(inputs).__name__}; {declared(session.inputs)}"
        )
    feed, on_cuda = {}, ""
    for name, value in named(inputs, session.inputs, session.overridable_initializers).items():
        if type(value) is np.ndarray or not cuda.is_on_cuda(value):
            spec = session.taken[name]
            if value is not None or not (spec.present or spec in session.overridable_initializers):
                feed[name] = as_input(value, spec)
        else:
            feed[name], on_cuda = value, name
    return feed, on_cuda
